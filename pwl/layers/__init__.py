"""Layers of a network's body, one idea per file. `layer.py` has the contract that all of them keep."""

from pwl.layers.adaptive_pooling import AdaptiveAvgPool2d
from pwl.layers.batch_norm import BatchNorm2d
from pwl.layers.conv2d import Conv2d
from pwl.layers.curved_dense import CurvedDense
from pwl.layers.dense import Dense
from pwl.layers.dropout import Dropout
from pwl.layers.flatten import Flatten
from pwl.layers.layer import Layer
from pwl.layers.pad import Pad2d
from pwl.layers.pooling import AvgPool2d, GlobalAvgPool2d, MaxPool2d
from pwl.layers.skip import Add, From

__all__ = [
    "AdaptiveAvgPool2d", "Add", "AvgPool2d", "BatchNorm2d", "Conv2d", "CurvedDense", "Dense", "Dropout", "Flatten", "From",
    "GlobalAvgPool2d", "Layer", "MaxPool2d", "Pad2d",
]  # fmt: skip
