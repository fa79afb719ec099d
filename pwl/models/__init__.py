"""Networks known by name, weights for them that others have trained, and networks of other programs."""

from pwl.models.imagenet import imagenet_preparation
from pwl.models.matlab import load_matlab
from pwl.models.pretrained import load_pretrained
from pwl.models.resnet18 import resnet18
from pwl.models.vgg import vgg
from pwl.models.vgg11 import vgg11

__all__ = ["imagenet_preparation", "load_matlab", "load_pretrained", "resnet18", "vgg", "vgg11"]
