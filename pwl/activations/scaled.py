"""Locally adaptive activation functions (LAAF): a fixed activation with a trained scale per unit, Eq. (46)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np

from pwl.activations.fixed import FIXED
from pwl.activations.parameterless import Parameterless
from pwl.activations.rows import by_pattern, rows
from pwl.errors import InputError
from pwl.layers.layer import Layer
from pwl.runtime.backend import Array, array_namespace
from pwl.validate import is_number


class Scaled(NamedTuple):
    """The nets n and the slopes f'(s a n), both (Nv, ..., units)."""

    n: Array
    inner: Array


@dataclass(frozen=True)
class ScaledActivation(Layer):
    """Scales the nets of a fixed activation by a trained number per unit or filter: o = f(s a_k n), Eq. (46).

    a is (units, 1), and s a = 1 at the start. The output is not linear in a, so an AdAct step is halved if it would raise the
    objective.

    Parameters
    ----------
    activation : str or object
        The fixed activation f: a name, or an object without parameters such as pwl.PLU().
    s : float
        1 or more. A larger s makes the scales learn faster by first-order methods.

    Raises
    ------
    InputError
        If the activation is not a fixed one, or s is below 1.
    """

    activation: Any = "tanh"
    s: float = 1.0
    kind: ClassVar[str] = "activation"
    linear: ClassVar[bool] = False

    def __post_init__(self) -> None:
        f = self.activation
        if not isinstance(f, Parameterless) and not (isinstance(f, str) and f in FIXED):
            raise InputError(f"a scaled activation must be one of {', '.join(FIXED)} or a fixed activation, not {f!r}")
        if not is_number(self.s) or not 1 <= float(self.s) < math.inf:
            raise InputError(f"a scaled activation's s must be a number, 1 or more, not {self.s!r}")
        object.__setattr__(self, "activation", FIXED[f] if isinstance(f, str) else f)
        object.__setattr__(self, "s", float(self.s))

    def output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        return input_shape

    def shapes(self, input_shape: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
        return {"a": (input_shape[-1], 1)}

    def start_parameters(self, input_shape: tuple[int, ...], rng: Any) -> dict[str, np.ndarray]:
        return {"a": np.full((input_shape[-1], 1), 1 / self.s)}

    def scale(self, p: dict) -> Array:
        """s a of each unit (units,)."""
        return self.s * p["a"][:, 0]

    def apply(self, p: dict, b: dict, n: Array) -> Array:
        return self.activation.apply({}, {}, self.scale(p) * n)

    def forward(self, p: dict, b: dict, n: Array) -> tuple[Array, Scaled]:
        o, saved = self.activation.forward({}, {}, self.scale(p) * n)
        return o, Scaled(n, saved.slope)

    def keep(self, p: dict, b: dict, n: Array) -> Scaled:
        return self.forward(p, b, n)[1]

    def backward(self, p: dict, b: dict, saved: Scaled, g: Array) -> Array:
        g *= saved.inner
        g *= self.scale(p)
        return g

    def gradient(self, p: dict, b: dict, saved: Scaled, g: Array) -> dict[str, Array]:
        return {"a": array_namespace(g).sum(self._share(saved, g), axis=0)[:, None]}

    def columns(self, p: dict, b: dict, saved: Scaled, g: Array) -> dict[str, Array]:
        """Each pattern's own share of the gradient: a (units, 1, Nv)."""
        return {"a": by_pattern(self._share(saved, g).T[:, None, :], g.shape[0])}

    def tangent(self, p: dict, b: dict, saved: Scaled, d: dict, dn: Array | None) -> Array | None:
        """f'(s a n) s (a dn + n da)."""
        if dn is not None:
            dn *= self.scale(p)
        if "a" in d:
            change = self.scale(d) * saved.n
            dn = change if dn is None else dn + change
        if dn is not None:
            dn *= saved.inner
        return dn

    def _share(self, saved: Scaled, g: Array) -> Array:
        """Each net's share (rows, units) of the gradient for a: g f'(s a n) s n."""
        return rows(g * saved.inner * saved.n * self.s)

    def pieces(self, p: dict, b: dict, saved: Scaled) -> tuple[Array, ...]:
        return self.activation.sides(self.scale(p) * saved.n)
