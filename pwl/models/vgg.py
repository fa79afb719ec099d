"""Small VGG nets for images: blocks of two convolutions and a pooling, as in Simonyan & Zisserman 2015."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pwl.errors import InputError
from pwl.layers import Conv2d, Dense, Flatten, MaxPool2d
from pwl.network.network import Network

FILTERS = (32, 64, 128)  # of each block
UNITS = 128


def vgg(
    blocks: int = 2,
    activation: Any = "relu",
    *,
    input_shape: Sequence[int] = (32, 32, 3),
    n_classes: int = 10,
    start: str = "glorot",
    seed: int = 0,
    dtype: Any = np.float32,
) -> Network:
    """Network of 1 to 3 blocks of two 3x3 convolutions with padding and a 2x2 max pooling, a dense layer of 128, the classes.

    The blocks have 32, 64 and 128 filters. activation: a name or an object such as pwl.PiecewiseLinear(), after every
    convolution and the dense layer. input_shape: (height, width, channels). start, seed, dtype: as in
    `Network.from_layers`; the loss is cross-entropy.

    Raises InputError for another number of blocks, and images too small for them.
    """
    if isinstance(blocks, bool) or blocks not in range(1, len(FILTERS) + 1):
        raise InputError(f"blocks must be 1 to {len(FILTERS)}, not {blocks!r}")
    layers: list[Any] = []
    for filters in FILTERS[:blocks]:
        layers += [Conv2d(filters, 3, padding="same"), activation, Conv2d(filters, 3, padding="same"), activation]
        layers += [MaxPool2d(2)]
    layers += [Flatten(), Dense(UNITS), activation, Dense(n_classes)]
    return Network.from_layers(layers, input_shape, start=start, seed=seed, dtype=dtype)
