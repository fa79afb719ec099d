"""A fully connected layer: n = W [1, x]."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from pwl.errors import InputError
from pwl.kernels import engine
from pwl.layers import forms
from pwl.layers.layer import Deviation, Layer
from pwl.runtime.backend import Array, augmented, product_of_rows, transposed
from pwl.validate import whole


@dataclass(frozen=True)
class Dense(Layer):
    """Sums the inputs of each unit: n = x W[:, 1:]' + W[:, 0].

    Inputs x are (Nv, inputs), and nets n are (Nv, units). W is (units, inputs + 1), with the threshold first.

    Parameters
    ----------
    units : int
        Number of units, 1 or more.

    Raises
    ------
    InputError
        If `units` is not a whole number above 0, or later if the inputs are not vectors.
    """

    units: int
    kind: ClassVar[str] = "map"

    def __post_init__(self) -> None:
        object.__setattr__(self, "units", whole("a dense layer's number of units", self.units))

    def output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        if len(input_shape) != 1:
            raise InputError(f"a dense layer takes vectors, but its input has shape {input_shape}: flatten it first")
        return (self.units,)

    def shapes(self, input_shape: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
        return {"W": (self.units, input_shape[0] + 1)}

    def start_parameters(self, input_shape: tuple[int, ...], rng: np.random.Generator) -> dict[str, np.ndarray]:
        """W ~ N(0, 1); net control scales it to the data, Eq. (8)."""
        return {"W": rng.standard_normal((self.units, input_shape[0] + 1))}

    def scaled_start(self, p: dict, input_shape: tuple[int, ...], deviation: Deviation) -> dict[str, Array]:
        W = p["W"] * deviation(input_shape[0], self.units)
        W[:, 0] = 0
        return {"W": W}

    def apply(self, p: dict, b: dict, x: Array) -> Array:
        return product_of_rows(augmented(x), p["W"])

    def for_sums(self, p: dict, b: dict, x: Array) -> Any:
        return engine(x).nets(x, p["W"])

    def forward(self, p: dict, b: dict, x: Array) -> tuple[Array, Array]:
        xa = augmented(x)
        return product_of_rows(xa, p["W"]), xa

    def again(self, p: dict, b: dict, x: Array, xa: Array) -> tuple[Array, Array]:
        return product_of_rows(xa, p["W"]), xa

    def keep(self, p: dict, b: dict, x: Array) -> Array:
        return augmented(x)

    def backward(self, p: dict, b: dict, xa: Array, g: Array) -> Array:
        return product_of_rows(g, p["W"][:, 1:].T)

    def gradient(self, p: dict, b: dict, xa: Array, g: Array) -> dict[str, Array]:
        """G = sum_p g_p [1, x_p]', Eq. (16)."""
        return {"W": g.T @ xa}

    def columns(self, p: dict, b: dict, xa: Array, g: Array) -> dict[str, Array]:
        """Each pattern's own share of the gradient: W (units, inputs + 1, Nv)."""
        return {"W": transposed(g)[:, None, :] * transposed(xa)[None, :, :]}

    def tangent(self, p: dict, b: dict, xa: Array, d: dict, dx: Array | None) -> Array | None:
        dn = product_of_rows(xa, d["W"]) if "W" in d else None
        if dx is None:
            return dn
        through = product_of_rows(dx, p["W"][:, 1:])
        return through if dn is None else dn + through

    def inputs(self, b: dict, x: Array) -> Array:
        """The inputs of a unit as rows [1, x], for autocorrelations, Eq. (23)."""
        return augmented(x)

    def penalty(self, name: str, l2: float, curves: float) -> forms.Form:
        return forms.without_threshold(l2)

    def multiplies(self, W: tuple[int, ...], output_shape: tuple[int, ...]) -> int:
        return W[0] * (W[1] - 1)
