"""Pooling over windows of images (Nv, height, width, channels): one value per place and channel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

from pwl.errors import InputError
from pwl.kernels import engine
from pwl.kernels.reference.convolution import shifts
from pwl.kernels.reference.pooling import spread
from pwl.kernels.window import Window, pair
from pwl.layers.layer import Layer, image_shape
from pwl.runtime.backend import Array, array_namespace


class Pooled(NamedTuple):
    """The shape of the inputs, and the place of each maximum in its window (None for averages)."""

    shape: tuple[int, ...]
    place: Array | None


def window(layer: MaxPool2d | AvgPool2d) -> Window:
    return Window(layer.size, layer.stride, ((0, 0), (0, 0)), (1, 1))


def check(layer: MaxPool2d | AvgPool2d) -> None:
    """Turns size and stride into pairs, while the layer is being made."""
    name = type(layer).__name__
    object.__setattr__(layer, "size", pair(f"{name}'s size", layer.size, 1))
    object.__setattr__(
        layer, "stride", layer.size if layer.stride is None else pair(f"{name}'s stride", layer.stride, 1)
    )


def pooled_shape(layer: MaxPool2d | AvgPool2d, input_shape: tuple[int, ...]) -> tuple[int, ...]:
    height, width, channels = image_shape(type(layer).__name__, input_shape)
    found = window(layer).output(height, width)
    if min(found) < 1:
        raise InputError(
            f"{type(layer).__name__}'s window of {layer.size} pixels does not fit images of {(height, width)}: "
            "take larger images or fewer layers"
        )
    return (*found, channels)


@dataclass(frozen=True)
class MaxPool2d(Layer):
    """Takes the largest value in each window, Eq. (55). Of equal values the first counts, row by row.

    Images (Nv, height, width, channels) become smaller images. Rows and columns at the lower and right border that do not
    fill a window are left out.

    Parameters
    ----------
    size : int or (vertical, horizontal)
        Size of the window in pixels.
    stride : int, (vertical, horizontal) or None
        Steps of the window in pixels. None means the size, so that windows do not overlap.

    Raises
    ------
    InputError
        If a number is below 1, or later if the window does not fit the images.
    """

    size: Any = 2
    stride: Any = None
    kind: ClassVar[str] = "shape"

    def __post_init__(self) -> None:
        check(self)

    def output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        return pooled_shape(self, input_shape)

    def apply(self, p: dict, b: dict, x: Array) -> Array:
        return engine(x).max_pool(x, window(self))[0]

    def forward(self, p: dict, b: dict, x: Array) -> tuple[Array, Pooled]:
        best, place = engine(x).max_pool(x, window(self))
        return best, Pooled(tuple(x.shape), place)

    def keep(self, p: dict, b: dict, x: Array) -> Pooled:
        return self.forward(p, b, x)[1]

    def backward(self, p: dict, b: dict, saved: Pooled, g: Array) -> Array:
        return engine(g).max_unpool(g, saved.place, window(self), saved.shape)

    def tangent(self, p: dict, b: dict, saved: Pooled, d: dict, dx: Array | None) -> Array | None:
        """The change at the place of each maximum."""
        if dx is None:
            return None
        xp = array_namespace(dx)
        change, *rest = shifts(dx, window(self))
        for number, value in enumerate(rest, 1):
            change = xp.where(saved.place == number, value, change)
        return change

    def pieces(self, p: dict, b: dict, saved: Pooled) -> tuple[Array, ...]:
        """The place of each maximum in its window."""
        return (saved.place,)


@dataclass(frozen=True)
class AvgPool2d(Layer):
    """Takes the mean of each window, Eq. (56). The options are those of `MaxPool2d`."""

    size: Any = 2
    stride: Any = None
    kind: ClassVar[str] = "shape"

    def __post_init__(self) -> None:
        check(self)

    def output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        return pooled_shape(self, input_shape)

    def apply(self, p: dict, b: dict, x: Array) -> Array:
        places = shifts(x, window(self))
        return sum(places[1:], places[0]) * (1 / len(places))

    def forward(self, p: dict, b: dict, x: Array) -> tuple[Array, Pooled]:
        return self.apply(p, b, x), Pooled(tuple(x.shape), None)

    def keep(self, p: dict, b: dict, x: Array) -> Pooled:
        return Pooled(tuple(x.shape), None)

    def backward(self, p: dict, b: dict, saved: Pooled, g: Array) -> Array:
        share = g * (1 / (self.size[0] * self.size[1]))
        return spread(window(self), saved.shape, lambda place: share, g)

    def tangent(self, p: dict, b: dict, saved: Pooled, d: dict, dx: Array | None) -> Array | None:
        return None if dx is None else self.apply(p, b, dx)


@dataclass(frozen=True)
class GlobalAvgPool2d(Layer):
    """Takes the mean of each channel over the whole image: (Nv, height, width, channels) -> (Nv, channels)."""

    kind: ClassVar[str] = "shape"

    def output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        return (image_shape("GlobalAvgPool2d", input_shape)[2],)

    def apply(self, p: dict, b: dict, x: Array) -> Array:
        return array_namespace(x).mean(x, axis=(1, 2))

    def forward(self, p: dict, b: dict, x: Array) -> tuple[Array, Pooled]:
        return self.apply(p, b, x), Pooled(tuple(x.shape), None)

    def keep(self, p: dict, b: dict, x: Array) -> Pooled:
        return Pooled(tuple(x.shape), None)

    def backward(self, p: dict, b: dict, saved: Pooled, g: Array) -> Array:
        xp = array_namespace(g)
        return +xp.broadcast_to((g * (1 / (saved.shape[1] * saved.shape[2])))[:, None, None, :], saved.shape)

    def tangent(self, p: dict, b: dict, saved: Pooled, d: dict, dx: Array | None) -> Array | None:
        return None if dx is None else self.apply(p, b, dx)
