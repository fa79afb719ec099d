"""Pooling to a given size: windows of images (Nv, height, width, channels) that follow from the sizes, and may overlap."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from pwl.kernels.window import pair
from pwl.layers.layer import Layer, image_shape
from pwl.runtime.backend import Array, array_namespace, like


@dataclass(frozen=True)
class AdaptiveAvgPool2d(Layer):
    """Takes means over windows, so that images of any size become images of one size, Eq. (99).

    Output i of n covers rows floor(i h / n) to ceil((i + 1) h / n) of h, and columns in the same way. Small images become larger
    by rows and columns that are repeated.

    Parameters
    ----------
    size : int or (height, width)
        Size of the outputs in pixels.

    Raises
    ------
    InputError
        If a number is below 1, or later if the inputs are not images.
    """

    size: Any = 7
    kind: ClassVar[str] = "shape"

    def __post_init__(self) -> None:
        object.__setattr__(self, "size", pair("AdaptiveAvgPool2d's size", self.size, 1))

    def output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        return (*self.size, image_shape("AdaptiveAvgPool2d", input_shape)[2])

    def apply(self, p: dict, b: dict, x: Array) -> Array:
        if x.shape[1:3] == self.size:
            return x
        rows, columns = (means(n, own) for n, own in zip(x.shape[1:3], self.size, strict=True))
        return _times(rows, columns, x)

    def forward(self, p: dict, b: dict, x: Array) -> tuple[Array, tuple[int, ...]]:
        return self.apply(p, b, x), tuple(x.shape)

    def keep(self, p: dict, b: dict, x: Array) -> tuple[int, ...]:
        return tuple(x.shape)

    def backward(self, p: dict, b: dict, saved: tuple[int, ...], g: Array) -> Array:
        rows, columns = (means(n, own) for n, own in zip(saved[1:3], self.size, strict=True))
        return _times(rows.T, columns.T, g)

    def tangent(self, p: dict, b: dict, saved: tuple[int, ...], d: dict, dx: Array | None) -> Array | None:
        return None if dx is None else self.apply(p, b, dx)


def means(n: int, outputs: int) -> np.ndarray:
    """The matrix (outputs, n) that takes the mean of each window of n pixels in a row, Eq. (99)."""
    found = np.zeros((outputs, n))
    for i in range(outputs):
        first, last = i * n // outputs, -(-(i + 1) * n // outputs)
        found[i, first:last] = 1 / (last - first)
    return found


def _times(rows: np.ndarray, columns: np.ndarray, x: Array) -> Array:
    """rows x columns', for each image and channel of x (b, height, width, channels)."""
    xp, (b, height, width, channels) = array_namespace(x), x.shape
    found = xp.matmul(like(np.ascontiguousarray(rows), x), xp.reshape(x, (b, height, width * channels)))
    found = xp.reshape(found, (b * rows.shape[0], width, channels))
    found = xp.matmul(like(np.ascontiguousarray(columns), x), found)
    return xp.reshape(found, (b, rows.shape[0], columns.shape[0], channels))
