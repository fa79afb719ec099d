"""Activations without parameters: one formula for the value and one for the slope."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pwl.activations.parameterless import Parameterless
from pwl.activations.plu import PLU
from pwl.kernels import Formula
from pwl.runtime.backend import Array, array_namespace, at_least

LEAK = 0.01  # slope of leaky ReLU below 0


@dataclass(frozen=True)
class Fixed(Parameterless):
    """A named activation o = f(n) with the slope do/dn = df(n, o)."""

    name: str
    f: Callable[[Array], Array] = field(repr=False)
    df: Callable[[Array, Array], Array] = field(repr=False)
    kinks: tuple[float, ...] = field(default=(), repr=False)

    @property
    def formula(self) -> Formula:
        return Formula(self.name, self.f, self.df)

    def to_dict(self) -> dict[str, Any]:
        return {"name": self.name}


def relu(n: Array) -> Array:
    return at_least(n, 0)


def relu_slope(n: Array, o: Array) -> Array:
    return array_namespace(n).astype(n >= 0, n.dtype)


def leaky_relu(n: Array) -> Array:
    return array_namespace(n).maximum(n, LEAK * n)


def leaky_relu_slope(n: Array, o: Array) -> Array:
    return at_least(array_namespace(n).astype(n >= 0, n.dtype), LEAK)  # a choice for each number would take ten times as long


def sigmoid(n: Array) -> Array:
    """1 / (1 + exp(-n)). A form with tanh would take twice as long and lose the digits of small values."""
    e = -n
    with np.errstate(over="ignore"):  # far below 0, exp(-n) is infinite and its inverse is 0
        if not (isinstance(e, np.ndarray) and e.dtype.kind == "f"):
            return 1 / (array_namespace(n).exp(e) + 1)
        np.exp(e, out=e)  # in one array, because a new one for each step takes longer
    e += 1
    return np.divide(1, e, out=e)


def sigmoid_slope(n: Array, o: Array) -> Array:
    slope = 1 - o
    slope *= o
    return slope


def tanh(n: Array) -> Array:
    return array_namespace(n).tanh(n)


def tanh_slope(n: Array, o: Array) -> Array:
    return 1 - o * o


def identity(n: Array) -> Array:
    return +n


def identity_slope(n: Array, o: Array) -> Array:
    return array_namespace(n).ones_like(n)


MATLAB = {"tansig": "tanh", "logsig": "sigmoid", "purelin": "identity", "poslin": "relu"}  # names in its shallow networks

FIXED: dict[str, Fixed | PLU] = {
    fixed.name: fixed
    for fixed in (
        Fixed("relu", relu, relu_slope, (0.0,)),
        Fixed("leaky_relu", leaky_relu, leaky_relu_slope, (0.0,)),
        Fixed("sigmoid", sigmoid, sigmoid_slope),
        Fixed("tanh", tanh, tanh_slope),
        Fixed("identity", identity, identity_slope),
        PLU(),
    )
}
