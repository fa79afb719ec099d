"""Adaptive splines: a uniform Catmull-Rom curve per unit with trained ordinates Q, Eq. (45).

In each segment the curve is a cubic in the position u. Its four coefficients are linear in four ordinates, so they are
computed once per segment, not once per net. On the way back the nets' shares are summed per segment, and then spread.
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
from pwl.runtime.backend import Array, array_namespace, at_least, at_most, is_numpy_array
from pwl.validate import is_whole

# Z / 2 of Eq. (45). Rows are the coefficients of u^3, u^2, u and 1; columns are the ordinates Q_i .. Q_{i+3}.
COEFFICIENTS = ((-0.5, 1.5, -1.5, 0.5), (1.0, -2.5, 2.0, -0.5), (-0.5, 0.0, 0.5, 0.0), (0.0, 1.0, 0.0, 0.0))


class Place(NamedTuple):
    """Places of nets (rows, units): segment from 0, position u in it from 0 to 1, and the distance of the hinges (units,)."""

    segment: Array
    u: Array
    inside: Array
    step: Array


@dataclass(frozen=True)
class Spline(Layer):
    """Trains a smooth curve per unit or filter: a cubic through each pair of neighbouring hinges, Eq. (45).

    The ordinates Q are (units, K). The curve goes through them from the second hinge to the last but one, and is constant
    outside. It is linear in the ordinates, so an AdAct step is exact under the same conditions as with `PiecewiseLinear`.

    Parameters
    ----------
    start : str or function
        The function that the ordinates are sampled from, as in `PiecewiseLinear`.
    hinges : int
        Number of hinges, uniform over the span, 4 or more.
    span : (low, high) or None
        Positions of the first and the last hinge, in the units of the net. None means (-2.5, 3.5).

    Raises
    ------
    InputError
        If there are fewer than 4 hinges or the span is not (low, high).
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
        """Each pattern's own share of the gradient: Q (units, hinges, Nv), with four entries per pattern and unit, or per pixel."""
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
        change = self._value(saved.n, b, d["Q"])  # o is linear in Q, so the direction is evaluated like a curve
        return change if dn is None else dn + change

    def _value(self, n: Array, b: dict, Q: Array) -> Array:
        at = locate(rows(n), b["ns"])
        c3, c2, c1, c0 = coefficients(Q, at.segment)
        return shaped(((c3 * at.u + c2) * at.u + c1) * at.u + c0, n)

    def penalty(self, name: str, l2: float, curves: float) -> forms.Form:
        return forms.roughness(curves)

    def pieces(self, p: dict, b: dict, saved: Activated) -> tuple[Array, ...]:
        """Segment and end. The second derivative jumps at every hinge, and the slope jumps at the ends."""
        at = locate(rows(saved.n), b["ns"])
        return shaped(at.segment, saved.n), shaped(at.inside, saved.n)

    def to_dict(self) -> dict[str, Any]:
        self.sampled.to_dict()  # raises InputError if it starts from a function
        return super().to_dict()


def locate(n: Array, ns: Array) -> Place:
    """Places of nets (rows, units) among uniform hinges (units, K). NaN lies in segment 0 with u = NaN, so that it shows."""
    xp, K = array_namespace(n), ns.shape[1]
    step = (ns[:, -1] - ns[:, 0]) / (K - 1)
    t = (n - ns[:, 0]) / step - 1  # counted from the second hinge
    first = xp.floor(at_least(at_most(xp.where(xp.isnan(t), xp.zeros_like(t), t), K - 4), 0))
    return Place(xp.astype(first, xp.int64), at_least(at_most(t, K - 3), 0) - first, (t >= 0) & (t < K - 3), step)


def coefficients(Q: Array, segment: Array) -> list[Array]:
    """Coefficients of u^3, u^2, u and 1, each (rows, units), in the segments of the nets, from the ordinates Q (units, K)."""
    xp, segments = array_namespace(Q), Q.shape[1] - 3
    windows = [Q[:, j : j + segments] for j in range(4)]
    of_all = [sum(z * w for z, w in zip(row, windows, strict=True) if z) for row in COEFFICIENTS]
    at = xp.reshape(numbered(segment, segments), (-1,))
    return [xp.reshape(xp.take(xp.reshape(c, (-1,)), at), segment.shape) for c in of_all]


def numbered(segment: Array, segments: int) -> Array:
    """Numbers of the segments, counted on from unit to unit."""
    xp = array_namespace(segment)
    return segment + segments * xp.arange(segment.shape[1], dtype=segment.dtype)


def segment_sums(a: Array, segment: Array, segments: int) -> Array:
    """Sums of a (rows, units) over the rows of each segment, (units, segments)."""
    xp = array_namespace(a)
    if is_numpy_array(a):
        flat = np.bincount(np.ravel(numbered(segment, segments)), np.ravel(a), a.shape[1] * segments)
        return flat.reshape(a.shape[1], segments).astype(a.dtype)
    zero = xp.zeros_like(a)
    return xp.stack([xp.sum(xp.where(segment == i, a, zero), axis=0) for i in range(segments)], axis=1)
