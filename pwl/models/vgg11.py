"""VGG11 (Simonyan and Zisserman 2015): eight convolutions and three dense layers, as torchvision numbers them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pwl.layers import AdaptiveAvgPool2d, BatchNorm2d, Conv2d, Dense, Dropout, Flatten, MaxPool2d
from pwl.network.network import Network
from pwl.validate import truth

FILTERS = ((64,), (128,), (256, 256), (512, 512), (512, 512))  # of the convolutions before each pooling
CONVOLUTIONS = sum(map(len, FILTERS))
POOLED = 7  # pixels of the images that the dense layers see, in both directions


def vgg11(
    activation: Any = "relu",
    *,
    input_shape: Sequence[int] = (224, 224, 3),
    n_classes: int = 1000,
    batch_norm: bool = False,
    pooled: int | None = POOLED,
    units: int = 4096,
    dropout: float = 0.5,
    seed: int = 0,
    dtype: Any = np.float32,
) -> Network:
    """Builds VGG11 for classes of images, with cross-entropy as its loss. `load_pretrained` knows its weights.

    Parameters
    ----------
    activation : str or object
        A name or an object such as `pwl.PiecewiseLinear()`. It follows every convolution and both dense layers.
    input_shape : tuple of int
        (height, width, channels), 32 pixels or more in both directions.
    n_classes : int
        Number of outputs.
    batch_norm : bool
        Whether each convolution is followed by batch normalisation, as in torchvision's vgg11_bn.
    pooled : int or None
        The convolutions' images are brought to this many pixels in both directions, by means or by repeated pixels, so that
        images of any size fit the dense layers, Eq. (99). torchvision's weights want 7. None leaves them as they are, which
        makes the dense layers of a network for small images smaller.
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
    truth("batch_norm", batch_norm)
    layers: list[Any] = []
    for filters in FILTERS:
        for count in filters:
            layers += [Conv2d(count, 3, padding=1), *([BatchNorm2d()] if batch_norm else []), activation]
        layers.append(MaxPool2d(2))
    if pooled is not None:
        layers.append(AdaptiveAvgPool2d(pooled))
    layers.append(Flatten())
    for _ in range(2):
        layers += [Dense(units), activation, Dropout(dropout)]
    return Network.from_layers([*layers, Dense(n_classes)], input_shape, start="he", seed=seed, dtype=dtype)


def names(batch_norm: bool) -> tuple[str, ...]:
    """torchvision's names of the layers with weights, in their order here. It numbers activations and poolings as well."""
    found, at = [], 0
    for filters in FILTERS:
        for _ in filters:
            found += [f"features.{at + i}" for i in range(1 + batch_norm)]
            at += 2 + batch_norm
        at += 1
    return (*found, "classifier.0", "classifier.3", "classifier.6")
