"""Adaptive splines: a uniform Catmull-Rom curve per unit, trained ordinates Q, Eq. (45).

In each segment the curve is a cubic in u, the position in it. Its four coefficients are linear in four ordinates, so they
are worked out once a segment, not once a net; on the way back the nets' shares are summed a segment, then spread.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np

from pwl.activations.piecewise_linear import PiecewiseLinear
from pwl.activations.rows import by_pattern, rows, shaped
from pwl.errors import InputError
from pwl.layers import forms
from pwl.layers.layer import Activated, Layer
from pwl.runtime.backend import Array, array_namespace, is_numpy_array
from pwl.validate import is_whole

# Rows: coefficients of u^3, u^2, u, 1; columns: the ordinates Q_i .. Q_{i+3}. This is Z / 2 of Eq. (45).
COEFFICIENTS = ((-0.5, 1.5, -1.5, 0.5), (1.0, -2.5, 2.0, -0.5), (-0.5, 0.0, 0.5, 0.0), (0.0, 1.0, 0.0, 0.0))


class Place(NamedTuple):
    """Where nets (rows, units) lie: segment from 0, position u in it from 0 to 1, and the distance of hinges (units,)."""

    segment: Array
    u: Array
    inside: Array
    step: Array


@dataclass(frozen=True)
class Spline(Layer):
    """One smooth curve per unit or filter: a cubic through each pair of neighbouring hinges, Eq. (45).

    start: what the ordinates are sampled from, a name or a function, as in `PiecewiseLinear`.
    hinges: how many, uniform over the span, 4 or more. span: (low, high) of the first and the last; None: (-2.5, 3.5).

    The curve goes through its ordinates between the second hinge and the last but one, and is constant outside. It is
    linear in the ordinates: an AdAct step is exact where a `PiecewiseLinear`'s is.
    """

    start: str | Callable[[np.ndarray], np.ndarray] = "relu"
    hinges: int = 13
    span: tuple[float, float] | None = None
    kind: ClassVar[str] = "activation"
    linear: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not is_whole(self.hinges) or self.hinges < 4:
            raise InputError(f"a spline needs a whole number of uniform hinges, 4 or more, not {self.hinges!r}")
        if isinstance(self.span, str):
            raise InputError(f"a spline's span is (low, high) or None, not {self.span!r}")
        object.__setattr__(self, "hinges", int(self.hinges))
        object.__setattr__(self, "span", self.sampled.span)

    @property
    def sampled(self) -> PiecewiseLinear:
        """The piecewise-linear curves with the same hinges and ordinates at the start."""
        return PiecewiseLinear(self.start, self.hinges, span=self.span)

    # ---- layer

    def output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        return input_shape

    def shapes(self, input_shape: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
        return {"Q": (input_shape[-1], self.hinges)}

    def buffers(self, input_shape: tuple[int, ...]) -> dict[str, np.ndarray]:
        return self.sampled.buffers(input_shape)

    def start_parameters(self, input_shape: tuple[int, ...], rng: Any) -> dict[str, np.ndarray]:
        return {"Q": self.sampled.start_parameters(input_shape, rng)["A"]}

    def apply(self, p: dict, b: dict, n: Array) -> Array:
        return self._value(n, b, p["Q"])

    def forward(self, p: dict, b: dict, n: Array) -> tuple[Array, Activated]:
        xp, flat = array_namespace(n), rows(n)
        at = locate(flat, b["ns"])
        c3, c2, c1, c0 = coefficients(p["Q"], at.segment)
        o = ((c3 * at.u + c2) * at.u + c1) * at.u + c0
        slope = xp.where(at.inside, ((3 * c3 * at.u + 2 * c2) * at.u + c1) / at.step, xp.zeros_like(flat))
        return shaped(o, n), Activated(n, shaped(xp.where(xp.isnan(flat), flat, slope), n))

    def keep(self, p: dict, b: dict, n: Array) -> Activated:
        return Activated(n, None)

    def backward(self, p: dict, b: dict, saved: Activated, g: Array) -> Array:
        g *= saved.slope
        return g

    def gradient(self, p: dict, b: dict, saved: Activated, g: Array) -> dict[str, Array]:
        xp, g = array_namespace(g), rows(g)
        at = locate(rows(saved.n), b["ns"])
        gu = g * at.u
        guu = gu * at.u
        sums = [segment_sums(a, at.segment, self.hinges - 3) for a in (guu * at.u, guu, gu, g)]
        G = xp.zeros((g.shape[1], self.hinges), dtype=g.dtype)
        for j in range(4):
            G[:, j : j + self.hinges - 3] += sum(COEFFICIENTS[r][j] * sums[r] for r in range(4) if COEFFICIENTS[r][j])
        return {"Q": G}

    def columns(self, p: dict, b: dict, saved: Activated, g: Array) -> dict[str, Array]:
        """Each pattern's own share of the gradient: Q (units, hinges, Nv), four entries a pattern and unit, or pixel."""
        xp, Nv = array_namespace(g), g.shape[0]
        at, zero = locate(rows(saved.n), b["ns"]), xp.zeros_like(rows(g))
        shares = [
            rows(g) * (((z[0] * at.u + z[1]) * at.u + z[2]) * at.u + z[3]) for z in zip(*COEFFICIENTS, strict=True)
        ]
        each = [
            sum(xp.where(at.segment == hinge - j, share, zero) for j, share in enumerate(shares)).T
            for hinge in range(self.hinges)
        ]
        return {"Q": by_pattern(xp.stack(each, axis=1), Nv)}

    def tangent(self, p: dict, b: dict, saved: Activated, d: dict, dn: Array | None) -> Array | None:
        if dn is not None:
            dn *= saved.slope
        if "Q" not in d:
            return dn
        change = self._value(saved.n, b, d["Q"])  # o is linear in Q: the direction is evaluated like a curve
        return change if dn is None else dn + change

    def _value(self, n: Array, b: dict, Q: Array) -> Array:
        at = locate(rows(n), b["ns"])
        c3, c2, c1, c0 = coefficients(Q, at.segment)
        return shaped(((c3 * at.u + c2) * at.u + c1) * at.u + c0, n)

    def penalty(self, name: str, l2: float, curves: float) -> forms.Form:
        return forms.roughness(curves)

    def pieces(self, p: dict, b: dict, saved: Activated) -> tuple[Array, ...]:
        """The second derivative jumps at every hinge, the slope at the ends."""
        at = locate(rows(saved.n), b["ns"])
        return shaped(at.segment, saved.n), shaped(at.inside, saved.n)

    def to_dict(self) -> dict[str, Any]:
        self.sampled.to_dict()  # it may start from a function
        return super().to_dict()


def locate(n: Array, ns: Array) -> Place:
    """Places of nets (rows, units) among uniform hinges (units, K). NaN lies in segment 0 with u = NaN, and so shows."""
    xp, K = array_namespace(n), ns.shape[1]
    step = (ns[:, -1] - ns[:, 0]) / (K - 1)
    t = (n - ns[:, 0]) / step - 1  # from the second hinge on
    first = xp.floor(xp.clip(xp.where(xp.isnan(t), xp.zeros_like(t), t), 0, K - 4))
    return Place(xp.astype(first, xp.int64), xp.clip(t, 0, K - 3) - first, (t >= 0) & (t < K - 3), step)


def coefficients(Q: Array, segment: Array) -> list[Array]:
    """Coefficients of u^3, u^2, u and 1, each (rows, units), in the segments of nets, from ordinates Q (units, K)."""
    xp, segments = array_namespace(Q), Q.shape[1] - 3
    windows = [Q[:, j : j + segments] for j in range(4)]
    of_all = [sum(z * w for z, w in zip(row, windows, strict=True) if z) for row in COEFFICIENTS]
    at = xp.reshape(numbered(segment, segments), (-1,))
    return [xp.reshape(xp.take(xp.reshape(c, (-1,)), at), segment.shape) for c in of_all]


def numbered(segment: Array, segments: int) -> Array:
    """Numbers of the segments of all units, counted through."""
    xp = array_namespace(segment)
    return segment + segments * xp.arange(segment.shape[1], dtype=segment.dtype)


def segment_sums(a: Array, segment: Array, segments: int) -> Array:
    """Sum over rows of a (rows, units) by segment: (units, segments)."""
    xp = array_namespace(a)
    if is_numpy_array(a):
        flat = np.bincount(np.ravel(numbered(segment, segments)), np.ravel(a), a.shape[1] * segments)
        return flat.reshape(a.shape[1], segments).astype(a.dtype)
    zero = xp.zeros_like(a)
    return xp.stack([xp.sum(xp.where(segment == i, a, zero), axis=0) for i in range(segments)], axis=1)
