"""Activations without parameters: one formula for the value, one for the slope."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

from pwl.backend import Array, array_namespace
from pwl.layers.signals import Activated


@dataclass(frozen=True)
class Fixed:
    """Activation o = f(n) with slope do/dn = df(n, o), by name."""

    name: str
    f: Callable[[Array], Array] = field(repr=False)
    df: Callable[[Array, Array], Array] = field(repr=False)
    kind: ClassVar[str] = "activation"

    def output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        return input_shape

    def shapes(self, input_shape: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
        return {}

    def start_parameters(self, input_shape: tuple[int, ...], rng: Any) -> dict[str, Any]:
        return {}

    def buffers(self, input_shape: tuple[int, ...]) -> dict[str, Any]:
        return {}

    def apply(self, p: dict, b: dict, n: Array) -> Array:
        return self.f(n)

    def forward(self, p: dict, b: dict, n: Array) -> tuple[Array, Activated]:
        o = self.f(n)
        return o, Activated(n, self.df(n, o))

    def keep(self, p: dict, b: dict, n: Array) -> Activated:
        return Activated(n, None)

    def backward(self, p: dict, b: dict, saved: Activated, g: Array) -> Array:
        g *= saved.slope
        return g

    def gradient(self, p: dict, b: dict, saved: Activated, g: Array) -> dict[str, Array]:
        return {}

    def columns(self, p: dict, b: dict, saved: Activated, g: Array) -> dict[str, Array]:
        return {}

    def tangent(self, p: dict, b: dict, saved: Activated, d: dict, dn: Array | None) -> Array | None:
        if dn is not None:
            dn *= saved.slope
        return dn

    def to_dict(self) -> dict[str, Any]:
        return {"name": self.name}


def relu(n: Array) -> Array:
    return array_namespace(n).clip(n, 0, None)


def relu_slope(n: Array, o: Array) -> Array:
    xp = array_namespace(n)
    return xp.where(n >= 0, xp.ones_like(n), xp.zeros_like(n))


def leaky_relu(n: Array) -> Array:
    return array_namespace(n).where(n >= 0, n, 0.01 * n)


def leaky_relu_slope(n: Array, o: Array) -> Array:
    xp = array_namespace(n)
    return xp.where(n >= 0, xp.ones_like(n), xp.full_like(n, 0.01))


def sigmoid(n: Array) -> Array:
    """1 / (1 + exp(-n)) as tanh: no overflow for any n."""
    return 0.5 + 0.5 * array_namespace(n).tanh(0.5 * n)


def sigmoid_slope(n: Array, o: Array) -> Array:
    return o * (1 - o)


def tanh(n: Array) -> Array:
    return array_namespace(n).tanh(n)


def tanh_slope(n: Array, o: Array) -> Array:
    return 1 - o * o


def identity(n: Array) -> Array:
    return +n


def identity_slope(n: Array, o: Array) -> Array:
    return array_namespace(n).ones_like(n)


FIXED = {
    fixed.name: fixed
    for fixed in (
        Fixed("relu", relu, relu_slope),
        Fixed("leaky_relu", leaky_relu, leaky_relu_slope),
        Fixed("sigmoid", sigmoid, sigmoid_slope),
        Fixed("tanh", tanh, tanh_slope),
        Fixed("identity", identity, identity_slope),
    )
}
