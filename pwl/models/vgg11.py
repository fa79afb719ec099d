"""VGG11 (Simonyan and Zisserman 2015): eight convolutions and three dense layers, as torchvision numbers them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pwl.layers import Conv2d, Dense, Dropout, Flatten, MaxPool2d
from pwl.network.network import Network

FILTERS = ((64,), (128,), (256, 256), (512, 512), (512, 512))  # of the convolutions before each pooling
NAMES = (*(f"features.{i}" for i in (0, 3, 6, 8, 11, 13, 16, 18)), "classifier.0", "classifier.3", "classifier.6")


def vgg11(
    activation: Any = "relu",
    *,
    input_shape: Sequence[int] = (224, 224, 3),
    n_classes: int = 1000,
    units: int = 4096,
    dropout: float = 0.5,
    seed: int = 0,
    dtype: Any = np.float32,
) -> Network:
    """Build VGG11 for classes of images, with cross-entropy as its loss. `load_pretrained` knows its weights.

    Parameters
    ----------
    activation : str or object
        A name or an object such as `pwl.PiecewiseLinear()`. It follows every convolution and both dense layers.
    input_shape : tuple of int
        (height, width, channels), 32 pixels or more in both directions.
    n_classes : int
        Number of outputs.
    units : int
        Units of each dense layer.
    dropout : float
        Rate of dropout after each dense layer.
    seed, dtype
        As in `Network.from_layers`.

    Returns
    -------
    Network

    Raises
    ------
    InputError
        For images that are too small.
    """
    layers: list[Any] = []
    for filters in FILTERS:
        for count in filters:
            layers += [Conv2d(count, 3, padding=1), activation]
        layers.append(MaxPool2d(2))
    layers.append(Flatten())
    for _ in range(2):
        layers += [Dense(units), activation, Dropout(dropout)]
    return Network.from_layers([*layers, Dense(n_classes)], input_shape, start="he", seed=seed, dtype=dtype)
