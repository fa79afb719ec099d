"""Trainable piecewise-linear activations: one curve per unit, fixed hinges, trained ordinates A, Eqs. (3)-(7)."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from pwl.activations.fixed import FIXED, MATLAB
from pwl.activations.knots import smoother
from pwl.activations.rows import rows, shaped
from pwl.errors import InputError
from pwl.kernels import Hinges, engine
from pwl.kernels.hinges import Curves, Rule
from pwl.kernels.nets import made
from pwl.kernels.reference import curves as reference
from pwl.layers import forms
from pwl.layers.layer import Activated, Layer
from pwl.runtime.backend import Array, array_namespace, like
from pwl.validate import is_whole, one_of, shown

AUTO_HINGES = 25  # a quarter of a standard deviation apart, so that kinks are too small to disturb the steps on W
NET_CONTROL_SPAN = (-2.5, 3.5)  # mean +- 3 standard deviations of nets under net control, Eq. (8)


@dataclass(frozen=True)
class PiecewiseLinear(Layer):
    """Trains a piecewise-linear curve per unit or filter: o = sum_m A[k, m] phi_m(n), Eqs. (3), (4).

    The ordinates A are (units, K). The hinges ns (units, K) are a buffer and do not change.

    Parameters
    ----------
    start : str or function
        The function that the curves equal at their hinges before training: "relu", "leaky_relu", "sigmoid", "tanh",
        "identity", "plu", MATLAB's names of these, or a function of a NumPy array. A network with a function of your own
        can't be saved.
    hinges : "auto", int or array
        "auto" is 25 hinges, uniform over the span. AdAct then moves them together by a few knots, 3 at first and up to 17, so
        that curves stay smooth, with straight tails, and generalise, Eq. (57). A number, 2 or more, is the published form:
        that many hinges, uniform over the span, whose ordinates move one by one. An array gives sorted positions, (K,) for
        all units or (units, K).
    span : (low, high), "nets" or None
        Range of the hinges, in the units of the net. "nets" is each unit's own range over the training patterns, measured when
        the network is initialised. None is (-2.5, 3.5), the mean +- 3 standard deviations under net control. A sampled ReLU
        equals ReLU inside the span only if 0 is a hinge, as with 13 or 25 hinges over the default span.
    outside : {"constant", "linear"}
        The rule beyond the outer hinges, Eq. (5). "constant" keeps the end ordinates, with slope 0, as in the paper. "linear"
        continues the end segments.

    Raises
    ------
    InputError
        If there are fewer than two hinges, positions are unsorted or not finite, or the span is empty.
    """

    start: str | Callable[[np.ndarray], np.ndarray] = "relu"
    hinges: Any = "auto"
    _: dataclasses.KW_ONLY
    span: tuple[float, float] | str | None = None
    outside: str = "constant"
    kind: ClassVar[str] = "activation"
    linear: ClassVar[bool] = True
    fused: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if isinstance(self.start, str):
            object.__setattr__(self, "start", MATLAB.get(self.start, self.start))
        if not callable(self.start) and not (isinstance(self.start, str) and self.start in FIXED):
            raise InputError(f"curves can start from {', '.join(FIXED)} or a function, not {shown(self.start)}")
        one_of("outside", self.outside, ("constant", "linear"))
        if is_whole(self.hinges):
            object.__setattr__(self, "hinges", int(self.hinges))
            _check_count(int(self.hinges))
            object.__setattr__(self, "span", _checked_span(self.span))
        elif self.smooth:
            object.__setattr__(self, "span", _checked_span(self.span))
        else:
            if self.span is not None:
                raise InputError("span is for a number of hinges, but hinge positions came, which need no span")
            object.__setattr__(self, "hinges", _checked_positions(self.hinges))

    # ---- geometry

    @property
    def smooth(self) -> bool:
        """True if the curve step goes along a smooth direction."""
        return isinstance(self.hinges, str) and self.hinges == "auto"

    @property
    def uniform(self) -> bool:
        return self.smooth or isinstance(self.hinges, int)

    @property
    def n_hinges(self) -> int:
        if self.smooth:
            return AUTO_HINGES
        return self.hinges if isinstance(self.hinges, int) else np.shape(self.hinges)[-1]

    def curve_direction(self, G: Array, knots: int) -> Array:
        """G_a S'S (units, K) if the hinges follow knots, Eq. (57); G_a otherwise."""
        return G @ like(smoother(self.n_hinges, knots), G) if self.smooth else G

    def grid(self, b: dict) -> Hinges:
        return Hinges(b["ns"], self.uniform, self.outside == "linear")

    def sample(self, ns: np.ndarray) -> np.ndarray:
        """Values of the starting function at the hinges ns, in their shape."""
        f = FIXED[self.start].f if isinstance(self.start, str) else self.start
        try:
            A = np.asarray(f(np.asarray(ns, dtype=np.float64)), dtype=np.float64)
        except (TypeError, ValueError) as wrong:
            raise InputError(f"the curves' start must give one number per hinge, but it failed: {wrong}") from None
        if A.shape != ns.shape or not np.all(np.isfinite(A)):
            raise InputError(
                f"the curves' start must give one finite value per hinge, shape {ns.shape}, but it gave shape {A.shape}"
            )
        return A

    def spread(self, low: np.ndarray, high: np.ndarray) -> np.ndarray:
        """Uniform hinges (units, K) over each unit's range of nets [low, high]. 0 is a hinge if it lies inside."""
        K = self.n_hinges
        high = np.where(high > low, high, low + 1)  # any span will do for a constant net
        around_zero = (low < 0) & (high > 0) & (K > 2)
        step = (high - low) / np.where(around_zero, K - 2, K - 1)
        first = np.where(around_zero, np.floor(low / step) * step, low)
        return first[:, None] + step[:, None] * np.arange(K)

    # ---- layer

    def output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        return input_shape

    def shapes(self, input_shape: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
        return {"A": (input_shape[-1], self.n_hinges)}

    def buffers(self, input_shape: tuple[int, ...]) -> dict[str, np.ndarray]:
        units = input_shape[-1]
        if self.uniform:
            low, high = NET_CONTROL_SPAN if self.span is None or isinstance(self.span, str) else self.span
            ns = np.linspace(low, high, self.n_hinges)
        else:
            ns = np.asarray(self.hinges)
        if ns.ndim == 2 and ns.shape[0] != units:
            raise InputError(
                f"hinge positions for {ns.shape[0]} units came, but the layer has {units}: give one row per unit"
            )
        return {"ns": np.array(np.broadcast_to(ns, (units, self.n_hinges)))}

    def start_parameters(self, input_shape: tuple[int, ...], rng: Any) -> dict[str, np.ndarray]:
        return {"A": self.sample(self.buffers(input_shape)["ns"])}

    def apply(self, p: dict, b: dict, n: Array) -> Array:
        return self._value(n, b, p["A"])

    def forward(self, p: dict, b: dict, n: Array) -> tuple[Array, Activated]:
        flat = rows(n)
        o, slope = engine(n).value_slope(flat, self.grid(b), p["A"])
        return shaped(o, n), Activated(n, shaped(slope, n))

    def keep(self, p: dict, b: dict, n: Array) -> Activated:
        return Activated(n, None)

    def rule(self, p: dict, b: dict) -> Rule:
        return Curves(self.grid(b), p["A"])

    def backward(self, p: dict, b: dict, saved: Activated, g: Array) -> Array:
        return self._times_slope(p, b, saved, g)

    def gradient(self, p: dict, b: dict, saved: Activated, g: Array) -> dict[str, Array]:
        """G_a[k, m] = sum_p g[p, k] phi_m(n[p, k]), Eq. (17)."""
        return {"A": engine(g).scatter(rows(saved.n), self.grid(b), rows(g))}

    def columns(self, p: dict, b: dict, saved: Activated, g: Array) -> dict[str, Array]:
        """Each pattern's own share of the gradient: A (units, K, Nv), with two entries per pattern and unit, or per pixel."""
        if g.ndim == 2:
            return {"A": reference.hats(made(saved.n), self.grid(b)) * g.T[:, None, :]}
        each = [
            engine(g).scatter(rows(saved.n[q : q + 1, ...]), self.grid(b), rows(g[q : q + 1, ...]))
            for q in range(g.shape[0])
        ]
        return {"A": array_namespace(g).stack(each, axis=2)}

    def tangent(self, p: dict, b: dict, saved: Activated, d: dict, dn: Array | None) -> Array | None:
        if dn is not None:
            dn = self._times_slope(p, b, saved, dn)
        if "A" not in d:
            return dn
        change = self._value(saved.n, b, d["A"])  # o is linear in A, so the direction is evaluated like a curve
        return change if dn is None else dn + change

    def _times_slope(self, p: dict, b: dict, saved: Activated, g: Array) -> Array:
        """g, or a change of the nets, times the slopes, in place. Slopes that were not saved are computed."""
        if saved.slope is None:
            return shaped(engine(g).times_slope(rows(saved.n), self.grid(b), p["A"], rows(g)), g)
        g *= saved.slope
        return g

    # ---- the last layer, whose curves are summed as they are evaluated, so that neither they nor their signals are stored

    def sums(self, p: dict, b: dict, n: Array, W: Array) -> Array:
        """Sums (Nv, M) of the curves at nets n with weights W (M, units), Eqs. (3), (9)."""
        return engine(n).mix(n, self.grid(b), p["A"], W) if n.ndim == 2 else super().sums(p, b, n, W)

    def sums_forward(self, p: dict, b: dict, n: Array, W: Array) -> tuple[Array, Activated]:
        return (self.sums(p, b, n, W), Activated(n, None)) if n.ndim == 2 else super().sums_forward(p, b, n, W)

    def through(self, p: dict, b: dict, n: Array) -> Activated:
        return Activated(n, None) if n.ndim == 2 else super().through(p, b, n)

    def sums_backward(
        self, p: dict, b: dict, saved: Activated, v: Array, W: Array, shape: tuple[int, ...]
    ) -> Array:
        """v (Nv, M) carried back from the sums to the nets, (v W) do/dn, Eq. (18)."""
        if len(shape) > 1 or saved.slope is not None:
            return super().sums_backward(p, b, saved, v, W, shape)
        return engine(v).back(saved.n, self.grid(b), p["A"], v, W)

    def sums_gradient(
        self, p: dict, b: dict, saved: Activated, v: Array, W: Array, shape: tuple[int, ...]
    ) -> dict[str, Array]:
        """G_a for v (Nv, M) at the sums, Eq. (17)."""
        if len(shape) > 1:
            return super().sums_gradient(p, b, saved, v, W, shape)
        return {"A": engine(v).back_scatter(saved.n, self.grid(b), v, W)}

    def sums_tangent(self, p: dict, b: dict, saved: Activated, d: dict, dn: Array | None, W: Array) -> Array:
        """Change of the outputs (Nv, M). They are linear in A, so a direction of A alone is summed like the curves."""
        if dn is None and saved.n.ndim == 2:
            return self.sums(d, b, saved.n, W)
        return super().sums_tangent(p, b, saved, d, dn, W)

    # ---- for algorithms

    def follow(self, low: np.ndarray, high: np.ndarray) -> tuple[dict, dict]:
        ns = self.spread(low, high)
        return {"ns": ns}, {"A": self.sample(ns)}

    def penalty(self, name: str, l2: float, curves: float) -> forms.Form:
        return forms.roughness(curves)

    def _value(self, n: Array, b: dict, A: Array) -> Array:
        return shaped(engine(n).value(rows(n), self.grid(b), A), n)

    def pieces(self, p: dict, b: dict, saved: Activated) -> tuple[Array, ...]:
        m, _, _, inside = reference.locate(rows(made(saved.n)), self.grid(b))
        return shaped(m, saved.n), shaped(inside, saved.n)

    def to_dict(self) -> dict[str, Any]:
        if not isinstance(self.start, str):
            raise InputError(
                "a net whose curves start from a function can't be saved, because only the name of a starting function can be"
            )
        return super().to_dict()


def _check_count(hinges: int) -> None:
    if hinges < 2:
        raise InputError(f"a piecewise-linear curve needs at least 2 hinges, not {hinges}")


def _checked_span(span: Any) -> tuple[float, float] | str | None:
    if span is None or (isinstance(span, str) and span == "nets"):
        return span
    try:
        low, high = (float(end) for end in span)
    except (TypeError, LookupError, ValueError):
        raise InputError(f'span must be (low, high), "nets" or None, not {shown(span)}') from None
    if not (np.isfinite(low) and np.isfinite(high) and low < high):
        raise InputError(f"span must be two finite numbers, the lower first, not {shown(span)}")
    return low, high


def _checked_positions(hinges: Any) -> tuple:
    try:
        ns = np.asarray(hinges, dtype=np.float64)
    except (TypeError, LookupError, ValueError):
        raise InputError(f'hinges must be "auto", a number of hinges or their sorted positions, not {hinges!r}') from None
    if ns.ndim not in (1, 2) or isinstance(hinges, (bool, float)):
        raise InputError(
            f'hinges must be "auto", a number of hinges or their sorted positions (K,) or (units, K), not {hinges!r}'
        )
    _check_count(ns.shape[-1])
    if not np.all(np.isfinite(ns)) or not np.all(np.diff(ns) > 0):
        raise InputError("hinge positions must be finite and strictly increasing: sort them and drop repeats")
    return tuple(ns.tolist()) if ns.ndim == 1 else tuple(map(tuple, ns.tolist()))
