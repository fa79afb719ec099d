"""A fully connected layer: net = W [1, x]."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from pwl.backend import Array, array_namespace
from pwl.errors import InputError


@dataclass(frozen=True)
class Dense:
    """Nets n = x W[:, 1:]' + W[:, 0] of `units` units: W is (units, inputs + 1), the threshold first."""

    units: int
    kind: ClassVar[str] = "map"

    def __post_init__(self) -> None:
        if not isinstance(self.units, (int, np.integer)) or self.units < 1:
            raise InputError(f"a dense layer needs a whole number of units, 1 or more, not {self.units!r}")

    def output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        if len(input_shape) != 1:
            raise InputError(f"a dense layer takes vectors, but its input has shape {input_shape}: flatten it first")
        return (int(self.units),)

    def shapes(self, input_shape: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
        return {"W": (int(self.units), input_shape[0] + 1)}

    def buffers(self, input_shape: tuple[int, ...]) -> dict[str, np.ndarray]:
        return {}

    def start_parameters(self, input_shape: tuple[int, ...], rng: np.random.Generator) -> dict[str, np.ndarray]:
        """W ~ N(0, 1); net control scales it to the data, Eq. (8)."""
        return {"W": rng.standard_normal((self.units, input_shape[0] + 1))}

    def apply(self, p: dict, b: dict, x: Array) -> Array:
        return _product(x, p["W"])

    def forward(self, p: dict, b: dict, x: Array) -> tuple[Array, Array]:
        return _product(x, p["W"]), x

    def backward(self, p: dict, b: dict, x: Array, g: Array) -> Array:
        return g @ p["W"][:, 1:]

    def gradient(self, p: dict, b: dict, x: Array, g: Array) -> dict[str, Array]:
        xp = array_namespace(g)
        return {"W": xp.concat([xp.sum(g, axis=0)[:, None], g.T @ x], axis=1)}

    def tangent(self, p: dict, b: dict, x: Array, d: dict, dx: Array | None) -> Array | None:
        dn = _product(x, d["W"]) if "W" in d else None
        if dx is None:
            return dn
        through = dx @ p["W"][:, 1:].T
        return through if dn is None else dn + through

    def to_dict(self) -> dict[str, Any]:
        return {"name": "Dense", "units": int(self.units)}


def _product(x: Array, W: Array) -> Array:
    n = x @ W[:, 1:].T
    n += W[:, 0]
    return n
