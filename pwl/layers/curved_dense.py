"""A fully connected layer whose inputs pass through curves: n = W [1, x, rises of x], Eq. (67)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np

from pwl.errors import InputError
from pwl.kernels import Hinges, engine
from pwl.kernels.hinges import InputGeometry, Rises, input_geometry
from pwl.kernels.reference.input_curves import Places
from pwl.layers import forms
from pwl.layers.dense import Dense
from pwl.layers.layer import Deviation, Layer
from pwl.runtime.backend import Array, array_namespace, at_least, at_most, augmented, gram, transposed, weighted
from pwl.validate import is_whole, shown, whole

WANTED = (
    'input hinges must be "auto", a number of hinges, or sorted positions for all inputs or one list for each input'
)


class Curved(NamedTuple):
    """The inputs that have hinges: their places, and their curves."""

    places: Places
    curves: Rises


class CurvedInputs(NamedTuple):
    """The saved arrays: x (Nv, N), the inputs that have hinges if any has, and the rest of [1, x] (Nv, rest), if it is not empty.

    The constant is part of the curves, because the hats of an input sum to 1.
    """

    x: Array
    curved: Curved | None
    straight: Array | None


@dataclass(frozen=True)
class CurvedDense(Layer):
    """Sums a piecewise-linear curve of each input: n[k] = W[k, 0] + sum_j g_kj(x_j), Eq. (67). It reads the network's inputs.

    W is (units, 1 + N + rises): thresholds, slopes of the straight parts, and weights of the rises between two hinges of an
    input, which have mean 0 and standard deviation 1 over the training patterns. Outside the hinges a curve continues
    with the slope of its straight part. Until `pwl.initialise` has placed the hinges, all curves are straight and the layer is
    `Dense`. It places them without changing the function.

    Parameters
    ----------
    units : int
        Number of units, 1 or more.
    hinges : "auto", int or positions
        A number, 2 or more, puts that many hinges for each input at equal shares of the training patterns, Eq. (71). "auto" is
        sqrt(Nv) / 4 + 1, from 3 to 9. An input of fewer than three distinct values, such as the column of a
        category, stays straight. Positions (K,) are for all inputs. A list of positions for each input may have empty entries.
    counts : tuple of int, optional
        The number of hinges of each input, once they are placed.

    Raises
    ------
    InputError
        If positions are not finite and increasing, or a number is too small; later if the inputs are not vectors.
    """

    units: int
    hinges: Any = "auto"
    counts: tuple[int, ...] | None = None
    kind: ClassVar[str] = "map"
    reads_inputs: ClassVar[bool] = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "units", whole("a curved dense layer's number of units", self.units))
        object.__setattr__(self, "hinges", checked_hinges(self.hinges))
        if self.counts is not None:
            if not isinstance(self.counts, (list, tuple)):
                raise InputError(f"counts must be the numbers of hinges of each input, not {shown(self.counts)}")
            object.__setattr__(self, "counts", tuple(whole("an input's number of hinges", count, 0) for count in self.counts))

    # ---- structure

    @property
    def geometry(self) -> InputGeometry:
        return input_geometry(self.counts or ())

    @property
    def rises(self) -> int:
        return sum(max(count - 1, 0) for count in self.counts or ())  # without the geometry, which a damaged file may make huge

    def output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        if len(input_shape) != 1:
            raise InputError(
                f"a curved dense layer takes vectors, but its input has shape {input_shape}: flatten it first"
            )
        if self.per_input and len(self.hinges) != input_shape[0]:
            raise InputError(
                f"positions for {len(self.hinges)} inputs came, but there are {input_shape[0]}: give a list for each"
            )
        if self.counts is not None and len(self.counts) != input_shape[0]:
            raise InputError(f"numbers of hinges for {len(self.counts)} inputs came, but there are {input_shape[0]}")
        return (self.units,)

    @property
    def per_input(self) -> bool:
        """Whether each input has positions of its own."""
        return isinstance(self.hinges, tuple) and isinstance(self.hinges[0], tuple)

    def shapes(self, input_shape: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
        return {"W": (self.units, 1 + input_shape[0] + self.rises)}

    def buffers(self, input_shape: tuple[int, ...]) -> dict[str, np.ndarray]:
        """None before the hinges are placed. Rows of hinges are filled up with infinity."""
        if self.counts is None:
            return {}
        g, N = self.geometry, input_shape[0]
        ns = np.full((len(g.inputs), g.most + 1), np.inf)
        for row, j in enumerate(g.inputs):
            ns[row, : self.counts[j]] = 0.0
        covariance = np.zeros((N, 1 + g.most, 1 + g.most))
        return {"ns": ns, "covariance": covariance, "mean": np.zeros(self.rises), "scale": np.ones(self.rises)}

    def start_parameters(self, input_shape: tuple[int, ...], rng: np.random.Generator) -> dict[str, np.ndarray]:
        """W ~ N(0, 1) as in `Dense`. Hinges that are placed later start with rises of weight 0."""
        return Dense(self.units).start_parameters(input_shape, rng)

    def scaled_start(self, p: dict, input_shape: tuple[int, ...], deviation: Deviation) -> dict[str, Array]:
        return Dense(self.units).scaled_start(p, input_shape, deviation)

    # ---- passes

    def apply(self, p: dict, b: dict, x: Array) -> Array:
        return self.forward(p, b, x)[0]

    def forward(self, p: dict, b: dict, x: Array) -> tuple[Array, CurvedInputs]:
        saved = self.keep(p, b, x)
        return self._nets(saved, p["W"]), saved

    def again(self, p: dict, b: dict, x: Array, saved: CurvedInputs) -> tuple[Array, CurvedInputs]:
        return self._nets(saved, p["W"]), saved

    def keep(self, p: dict, b: dict, x: Array) -> CurvedInputs:
        own = self.geometry.inputs
        if not own:
            return CurvedInputs(x, None, augmented(x))
        xp, curves, bent, straight = array_namespace(x), self.curves(b), x, None
        if len(own) < x.shape[1]:
            bent, straight = (xp.take(x, xp.asarray(columns), axis=1) for columns in (own, self._rest(x)))
        return CurvedInputs(x, Curved(engine(x).input_places(bent, Hinges(curves.ns, False, True)), curves), straight)

    def backward(self, p: dict, b: dict, saved: Any, g: Array) -> Array:
        raise TypeError("a curved dense layer reads the network's inputs, so there is nothing behind it")

    def gradient(self, p: dict, b: dict, saved: CurvedInputs, g: Array) -> dict[str, Array]:
        """G = sum_p g_p [1, x_p, rises_p]', Eq. (69)."""
        return {"W": transposed(self._summed(saved, g))}

    def columns(self, p: dict, b: dict, saved: CurvedInputs, g: Array) -> dict[str, Array]:
        """Each pattern's own share of the gradient: W (units, 1 + N + rises, Nv)."""
        D = self.inputs(b, saved.x)
        return {"W": transposed(g)[:, None, :] * transposed(D)[None, :, :]}

    def tangent(self, p: dict, b: dict, saved: CurvedInputs, d: dict, dx: Array | None) -> Array | None:
        return self._nets(saved, d["W"]) if "W" in d else None

    def curves(self, b: dict) -> Rises:
        """The rises of the layer."""
        return Rises(self.geometry, engine(b["ns"]).input_tails(b["ns"]), b["mean"], b["scale"])

    def _rest(self, x: Array) -> list[int]:
        """The inputs that have no hinges."""
        own = set(self.geometry.inputs)
        return [j for j in range(x.shape[1]) if j not in own]

    def _nets(self, saved: CurvedInputs, W: Array) -> Array:
        """[1, x, rises] W' (Nv, rows of W), Eq. (68)."""
        if saved.curved is None:
            assert saved.straight is not None
            return saved.straight @ W.T
        kernels, (places, curves) = engine(saved.x), saved.curved
        if saved.straight is None:
            return kernels.add_input_curves(None, places, kernels.input_ordinates(W, curves))
        xp, (bent, rest) = array_namespace(W), self._columns(saved.x)
        A = kernels.input_ordinates(xp.take(W, xp.asarray(bent), axis=1), curves)
        return kernels.add_input_curves(saved.straight @ xp.take(W, xp.asarray(rest), axis=1).T, places, A)

    def _summed(self, saved: CurvedInputs, c: Array) -> Array:
        """Sum over patterns of [1, x, rises]' c (1 + N + rises, columns), for c (Nv, columns), Eq. (69)."""
        if saved.curved is None:
            assert saved.straight is not None
            return saved.straight.T @ c
        own = self._bent(saved.curved, c)
        if saved.straight is None:
            return own
        xp = array_namespace(c)
        return xp.take(xp.concat([own, saved.straight.T @ c], axis=0), self._order(saved.x), axis=0)

    def _bent(self, curved: Curved, c: Array) -> Array:
        """`_summed` for the constant, the inputs that have hinges, and the rises."""
        kernels = engine(c)
        return kernels.input_rises(kernels.input_scatter(curved.places, self.geometry.hinges, c), curved.curves)

    def _columns(self, x: Array) -> tuple[list[int], list[int]]:
        """The columns of [1, x, rises] that belong to the curves, and the others."""
        N, own = x.shape[1], self.geometry
        return [0, *(1 + j for j in own.inputs), *range(1 + N, 1 + N + own.rises)], [1 + j for j in self._rest(x)]

    def _order(self, x: Array) -> Array:
        """Where each column of [1, x, rises] is if those of the curves come first."""
        bent, rest = self._columns(x)
        return array_namespace(x).asarray(np.argsort([*bent, *rest]))

    # ---- functions of the inputs

    def inputs(self, b: dict, x: Array) -> Array:
        """The inputs of a unit as rows [1, x, rises], for autocorrelations, Eq. (23)."""
        xp, xa = array_namespace(x), augmented(x)
        if not self.rises:
            return xa
        g, ns = self.geometry, xp.reshape(b["ns"], (-1,))
        left = xp.take(ns, xp.asarray(g.left))
        own = xp.take(x, xp.asarray([g.inputs[j] for j in g.owner]), axis=1)
        r = at_least(at_most((own - left) / (xp.take(ns, xp.asarray([m + 1 for m in g.left])) - left), 1), 0)
        return xp.concat([xa, (r - b["mean"]) / b["scale"]], axis=1)

    # ---- the inputs as the outputs see them

    def direct_width(self, input_shape: tuple[int, ...]) -> int:
        return input_shape[0] + self.rises

    def direct(self, b: dict, x: Array) -> Array:
        return self.inputs(b, x)

    def direct_sums(self, b: dict, x: Array, W: Array, saved: CurvedInputs | None = None) -> Array:
        if not self.geometry.inputs:
            return super().direct_sums(b, x, W)
        xp = array_namespace(x)
        W = xp.asarray(W)
        return self._nets(saved or self.keep({}, b, x), xp.concat([xp.zeros((W.shape[0], 1), dtype=W.dtype), W], axis=1))

    def direct_saved(self, b: dict, x: Array) -> CurvedInputs:
        return self.keep({}, b, x)

    def direct_gradient(self, b: dict, saved: CurvedInputs, v: Array) -> Array:
        return self._summed(saved, v).T

    def direct_across(self, b: dict, saved: CurvedInputs, c: Array) -> Array:
        return self._summed(saved, c)

    def direct_gram(self, b: dict, saved: CurvedInputs, w: Array | None) -> Array:
        """The products of [1, x, rises] with pattern weights w, Eqs. (69), (70)."""
        if saved.curved is None:
            return gram(saved.straight, w)
        xp, kernels, (places, curves) = array_namespace(saved.x), engine(saved.x), saved.curved
        hats = kernels.input_pairs(places, self.geometry.hinges, w)
        within = kernels.input_rises(kernels.input_rises(hats, curves).T, curves)
        if saved.straight is None:
            return within
        across = self._bent(saved.curved, weighted(saved.straight, w))
        rows = [xp.concat([within, across], axis=1), xp.concat([across.T, gram(saved.straight, w)], axis=1)]
        order = self._order(saved.x)
        return xp.take(xp.take(xp.concat(rows, axis=0), order, axis=0), order, axis=1)

    # ---- for algorithms

    def penalty(self, name: str, l2: float, curves: float) -> forms.Form:
        return forms.without_threshold(l2)

    def multiplies(self, W: tuple[int, ...], output_shape: tuple[int, ...]) -> int:
        return W[0] * (self.row_multiplies(W) - 1)

    def row_multiplies(self, W: tuple[int, ...]) -> int:
        """Multiplies of a unit's net: one for the threshold and each straight input, two for each input with hinges."""
        return W[1] - self.rises + len(self.geometry.inputs)


def checked_hinges(hinges: Any) -> Any:
    """Hinges in their plain form, "auto", an int, a tuple of positions, or a tuple of such tuples. Raises InputError."""
    if isinstance(hinges, str) and hinges == "auto":
        return hinges
    if is_whole(hinges):
        return whole("the number of hinges of an input", hinges, 2)
    if isinstance(hinges, (str, bool, float)) or not hasattr(hinges, "__iter__") or getattr(hinges, "ndim", 1) == 0:
        raise InputError(f"{WANTED}, not {shown(hinges)}")
    rows = list(hinges)
    if rows and all(np.ndim(row) == 0 and row is not None for row in rows):
        return _positions(rows)
    if not rows or any(np.ndim(row) != 1 for row in rows if row is not None):
        raise InputError(f"{WANTED}, not {shown(hinges)}")
    return tuple(() if row is None or not len(row) else _positions(row) for row in rows)


def _positions(row: Any) -> tuple[float, ...]:
    try:
        q = np.asarray(row, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError(f"{WANTED}, not {shown(row)}") from None
    if len(q) < 2 or not np.all(np.isfinite(q)) or not np.all(np.diff(q) > 0):
        raise InputError(
            f"the positions of an input's hinges must be finite and strictly increasing, at least two, not {shown(row)}: "
            "sort them and drop repeats"
        )
    return tuple(q.tolist())
