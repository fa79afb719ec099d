"""Small VGG nets for images: blocks of two convolutions and a pooling, as in Simonyan and Zisserman 2015."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pwl.layers import Conv2d, Dense, Flatten, MaxPool2d
from pwl.network.network import Network
from pwl.validate import whole

FILTERS = (32, 64, 128)  # of the convolutions, block by block
UNITS = 128  # of the dense layer


def vgg(
    blocks: int = 2,
    activation: Any = "relu",
    *,
    input_shape: Sequence[int] = (32, 32, 3),
    n_classes: int = 10,
    filters: Sequence[int] = FILTERS,
    start: str = "glorot",
    seed: int = 0,
    dtype: Any = np.float32,
) -> Network:
    """Builds a small VGG net for classes of images, with cross-entropy as its loss.

    A block is two 3x3 convolutions with padding and a 2x2 max pooling, of 32, 64 and 128 filters in the first, second and
    third block unless others are given. A dense layer of 128 units and the output layer follow.

    Parameters
    ----------
    blocks : int
        1 to 3, or as many as there are numbers of filters.
    activation : str or object
        A name or an object such as `pwl.PiecewiseLinear()`. It follows every convolution and the dense layer.
    input_shape : tuple of int
        (height, width, channels).
    n_classes : int
        Number of outputs.
    filters : sequence of int
        Filters of the convolutions, block by block. Numbers after the last block are not used.
    start, seed, dtype
        As in `Network.from_layers`.

    Returns
    -------
    Network

    Raises
    ------
    InputError
        For another number of blocks, and for images that are too small for them.
    """
    whole("blocks", blocks, most=len(filters))
    layers: list[Any] = []
    for count in filters[:blocks]:
        layers += [Conv2d(count, 3, padding="same"), activation, Conv2d(count, 3, padding="same"), activation]
        layers += [MaxPool2d(2)]
    layers += [Flatten(), Dense(UNITS), activation, Dense(n_classes)]
    return Network.from_layers(layers, input_shape, start=start, seed=seed, dtype=dtype)
