"""ResNet18 (He et al. 2016): eight residual blocks of two convolutions, as torchvision names them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pwl.layers import Add, BatchNorm2d, Conv2d, Dense, From, GlobalAvgPool2d, MaxPool2d, Pad2d
from pwl.network.network import Network
from pwl.validate import truth, whole

FILTERS = (64, 128, 256, 512)  # of the two blocks of each stage
STAGES = len(FILTERS)


def resnet18(
    activation: Any = "relu",
    *,
    input_shape: Sequence[int] = (224, 224, 3),
    n_classes: int = 1000,
    batch_norm: bool = True,
    stages: int = STAGES,
    seed: int = 0,
    dtype: Any = np.float32,
) -> Network:
    """Builds ResNet18 for classes of images, with cross-entropy as its loss. `load_pretrained` knows its weights.

    Parameters
    ----------
    activation : str or object
        A name or an object such as `pwl.PiecewiseLinear()`.
    input_shape : tuple of int
        (height, width, channels).
    n_classes : int
        Number of outputs.
    batch_norm : bool
        Whether each convolution is followed by batch normalisation. False is for weights into which it was folded: the
        convolutions have thresholds in its place.
    stages : int
        Fewer than 4 leave out the last stages, and outputs follow the last one that is there.
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
    whole("stages", stages, most=STAGES)
    layers = [*_convolution(64, 7, 2, batch_norm), activation, Pad2d(1), MaxPool2d(3, 2)]
    for stage, filters in enumerate(FILTERS[:stages]):
        for block in range(2):
            layers += _block(filters, 2 if stage and not block else 1, activation, batch_norm)
    return Network.from_layers(
        [*layers, GlobalAvgPool2d(), Dense(n_classes)], input_shape, start="he", seed=seed, dtype=dtype
    )


def _convolution(filters: int, size: int, stride: int, batch_norm: bool) -> list[Any]:
    """A convolution and its normalisation, or its threshold."""
    layers: list[Any] = [Conv2d(filters, size, stride=stride, padding=size // 2, bias=not batch_norm)]
    return [*layers, BatchNorm2d()] if batch_norm else layers


def _block(filters: int, stride: int, activation: Any, batch_norm: bool) -> list[Any]:
    """A residual block. With a stride, its input is brought to the block's shape by a convolution of 1 x 1 pixels."""
    body = [*_convolution(filters, 3, stride, batch_norm), activation, *_convolution(filters, 3, 1, batch_norm)]
    if stride == 1:
        return [*body, Add(len(body)), activation]  # type: ignore[abstract] # networks join signals for it
    shortcut = _convolution(filters, 1, stride, batch_norm)
    return [*body, From(len(body)), *shortcut, Add(len(shortcut) + 1), activation]  # type: ignore[abstract]


def names(batch_norm: bool, stages: int = STAGES) -> tuple[str, ...]:
    """torchvision's names of the layers with weights, in their order here."""
    found = _pair("conv1", "bn1", batch_norm)
    for stage in range(1, stages + 1):
        for block in range(2):
            at = f"layer{stage}.{block}"
            found += _pair(f"{at}.conv1", f"{at}.bn1", batch_norm) + _pair(f"{at}.conv2", f"{at}.bn2", batch_norm)
            if stage > 1 and not block:
                found += _pair(f"{at}.downsample.0", f"{at}.downsample.1", batch_norm)
    return (*found, "fc")


def _pair(convolution: str, norm: str, batch_norm: bool) -> tuple[str, ...]:
    return (convolution, norm) if batch_norm else (convolution,)
