"""Networks known by name."""

from pwl.models.vgg import vgg

__all__ = ["vgg"]
