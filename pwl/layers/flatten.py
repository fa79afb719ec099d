"""Flatten: the step from images to vectors."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from pwl.layers.layer import Layer
from pwl.runtime.backend import Array, array_namespace


@dataclass(frozen=True)
class Flatten(Layer):
    """Turns images (Nv, height, width, channels) into vectors (Nv, height x width x channels)."""

    kind: ClassVar[str] = "shape"

    def output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        return (math.prod(input_shape),)

    def apply(self, p: dict, b: dict, x: Array) -> Array:
        return array_namespace(x).reshape(x, (x.shape[0], -1))

    def forward(self, p: dict, b: dict, x: Array) -> tuple[Array, tuple[int, ...]]:
        return self.apply(p, b, x), tuple(x.shape)

    def keep(self, p: dict, b: dict, x: Array) -> tuple[int, ...]:
        return tuple(x.shape)

    def backward(self, p: dict, b: dict, saved: tuple[int, ...], g: Array) -> Array:
        return array_namespace(g).reshape(g, saved)

    def tangent(self, p: dict, b: dict, saved: tuple[int, ...], d: dict, dx: Array | None) -> Array | None:
        return None if dx is None else self.apply(p, b, dx)
