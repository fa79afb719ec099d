"""Networks known by name, and those of other programs."""

from pwl.models.matlab import load_matlab
from pwl.models.vgg import vgg

__all__ = ["load_matlab", "vgg"]
