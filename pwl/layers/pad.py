"""A border of zeros around images (Nv, height, width, channels)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from pwl.kernels.reference.convolution import pad
from pwl.kernels.window import Window, pair
from pwl.layers.layer import Layer, image_shape
from pwl.runtime.backend import Array


@dataclass(frozen=True)
class Pad2d(Layer):
    """Puts zeros around images, for a pooling that reaches over their borders: (Nv, h, w, c) -> (Nv, h + 2v, w + 2h, c).

    Parameters
    ----------
    padding : int or (vertical, horizontal)
        Pixels on each side.

    Raises
    ------
    InputError
        If a number is below 0, or later if the inputs are not images.
    """

    padding: Any = 1
    kind: ClassVar[str] = "shape"

    def __post_init__(self) -> None:
        object.__setattr__(self, "padding", pair("Pad2d's padding", self.padding, 0))

    @property
    def window(self) -> Window:
        """A window of one pixel with this padding."""
        v, h = self.padding
        return Window((1, 1), (1, 1), ((v, v), (h, h)), (1, 1))

    def output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        height, width, channels = image_shape("Pad2d", input_shape)
        return (*self.window.output(height, width), channels)

    def apply(self, p: dict, b: dict, x: Array) -> Array:
        return pad(x, self.window)

    def forward(self, p: dict, b: dict, x: Array) -> tuple[Array, None]:
        return self.apply(p, b, x), None

    def keep(self, p: dict, b: dict, x: Array) -> None:
        return None

    def backward(self, p: dict, b: dict, saved: None, g: Array) -> Array:
        v, h = self.padding
        return +g[:, v : g.shape[1] - v, h : g.shape[2] - h, :]  # an array of its own, side by side in memory

    def tangent(self, p: dict, b: dict, saved: None, d: dict, dx: Array | None) -> Array | None:
        return None if dx is None else self.apply(p, b, dx)
