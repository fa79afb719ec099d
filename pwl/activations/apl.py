"""APL, adaptive piecewise linear units: ReLU plus hinges with trained slopes and positions, Eq. (44)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from pwl.activations.rows import by_pattern, rows
from pwl.layers import forms
from pwl.layers.layer import Activated, Layer
from pwl.runtime.backend import Array, array_namespace, at_least
from pwl.validate import not_negative, whole


@dataclass(frozen=True)
class APL(Layer):
    """Adds S trained hinges to ReLU: o = max(0, n) + sum_s a_s max(0, b_s - n), Eq. (44).

    Slopes a and positions b are (units, S), trained per unit or filter. At the start a ~ U(-0.5 / S, 0.5 / S), and b is normal
    with standard deviation 0.5. The output is not linear in b, so an AdAct step is halved if it would raise the objective.

    Parameters
    ----------
    S : int
        Number of terms in the sum, 1 or more.
    l2 : float
        Weight of the penalty |a|^2 + |b|^2 in the objective. The authors of APL use 0.001.

    Raises
    ------
    InputError
        If S is below 1 or l2 is negative.
    """

    S: int = 5
    l2: float = 0.0
    kind: ClassVar[str] = "activation"
    linear: ClassVar[bool] = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "S", whole("APL's S", self.S, unit=" of terms"))
        object.__setattr__(self, "l2", not_negative("APL's penalty l2", self.l2))

    def output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        return input_shape

    def shapes(self, input_shape: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
        return {"a": (input_shape[-1], self.S), "b": (input_shape[-1], self.S)}

    def start_parameters(self, input_shape: tuple[int, ...], rng: np.random.Generator) -> dict[str, np.ndarray]:
        shape = (input_shape[-1], self.S)
        return {"a": rng.uniform(-0.5 / self.S, 0.5 / self.S, shape), "b": 0.5 * rng.standard_normal(shape)}

    def apply(self, p: dict, b: dict, n: Array) -> Array:
        o = at_least(n, 0)
        for s in range(self.S):
            o += p["a"][:, s] * reach(p, s, n)
        return o

    def forward(self, p: dict, b: dict, n: Array) -> tuple[Array, Activated]:
        xp = array_namespace(n)
        o, slope, zero = at_least(n, 0), xp.astype(n > 0, n.dtype), xp.zeros_like(n)
        for s in range(self.S):
            a, r = p["a"][:, s], reach(p, s, n)
            o += a * r
            slope -= xp.where(r > 0, a, zero)
        return o, Activated(n, xp.where(xp.isnan(n), n, slope))

    def keep(self, p: dict, b: dict, n: Array) -> Activated:
        return Activated(n, None)

    def backward(self, p: dict, b: dict, saved: Activated, g: Array) -> Array:
        g *= saved.slope
        return g

    def gradient(self, p: dict, b: dict, saved: Activated, g: Array) -> dict[str, Array]:
        xp = array_namespace(g)
        return {name: xp.stack([xp.sum(t, axis=0) for t in terms], axis=1) for name, terms in shares(p, saved.n, g)}

    def columns(self, p: dict, b: dict, saved: Activated, g: Array) -> dict[str, Array]:
        """Each pattern's own share of the gradient: a and b (units, S, Nv)."""
        stack, Nv = array_namespace(g).stack, g.shape[0]
        return {name: by_pattern(stack([t.T for t in terms], axis=1), Nv) for name, terms in shares(p, saved.n, g)}

    def tangent(self, p: dict, b: dict, saved: Activated, d: dict, dn: Array | None) -> Array | None:
        if dn is not None:
            dn *= saved.slope
        if not d:
            return dn
        xp = array_namespace(saved.n)
        change, zero = xp.zeros_like(saved.n) if dn is None else dn, xp.zeros_like(saved.n)
        for s in range(self.S):
            r = reach(p, s, saved.n)
            if "a" in d:
                change += d["a"][:, s] * r
            if "b" in d:
                change += xp.where(r > 0, p["a"][:, s] * d["b"][:, s], zero)
        return change

    def penalty(self, name: str, l2: float, curves: float) -> forms.Form:
        return forms.whole(self.l2)

    def pieces(self, p: dict, b: dict, saved: Activated) -> tuple[Array, ...]:
        return (saved.n > 0, *(p["b"][:, s] > saved.n for s in range(self.S)))


def reach(p: dict, s: int, n: Array) -> Array:
    """max(0, b_s - n), the distance by which each net lies left of hinge s."""
    return at_least(p["b"][:, s] - n, 0)


def shares(p: dict, n: Array, g: Array) -> tuple[tuple[str, list[Array]], ...]:
    """Each net's share (rows, units) of the gradients for a and b, as a list over s for each of them."""
    xp, n, g = array_namespace(g), rows(n), rows(g)
    zero, S = xp.zeros_like(g), p["a"].shape[1]
    reaches = [reach(p, s, n) for s in range(S)]
    return (
        ("a", [g * r for r in reaches]),
        ("b", [xp.where(r > 0, p["a"][:, s] * g, zero) for s, r in enumerate(reaches)]),
    )
