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


class CurvedInputs(NamedTuple):
    """The saved arrays: xa = [1, x] (Nv, N+1), and the places of the inputs that have hinges, or None if none has."""

    xa: Array
    places: Places | None


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
        return self._nets(saved, b, p["W"]), saved

    def again(self, p: dict, b: dict, x: Array, saved: CurvedInputs) -> tuple[Array, CurvedInputs]:
        return self._nets(saved, b, p["W"]), saved

    def keep(self, p: dict, b: dict, x: Array) -> CurvedInputs:
        return CurvedInputs(augmented(x), self.places(b, x))

    def backward(self, p: dict, b: dict, saved: Any, g: Array) -> Array:
        raise TypeError("a curved dense layer reads the network's inputs, so there is nothing behind it")

    def gradient(self, p: dict, b: dict, saved: CurvedInputs, g: Array) -> dict[str, Array]:
        """G = sum_p g_p [1, x_p, rises_p]', Eq. (69)."""
        return {"W": array_namespace(g).concat([g.T @ saved.xa, self._scattered(saved.places, b, g).T], axis=1)}

    def columns(self, p: dict, b: dict, saved: CurvedInputs, g: Array) -> dict[str, Array]:
        """Each pattern's own share of the gradient: W (units, 1 + N + rises, Nv)."""
        D = self.inputs(b, saved.xa[:, 1:])
        return {"W": transposed(g)[:, None, :] * transposed(D)[None, :, :]}

    def tangent(self, p: dict, b: dict, saved: CurvedInputs, d: dict, dx: Array | None) -> Array | None:
        return self._nets(saved, b, d["W"]) if "W" in d else None

    def _nets(self, saved: CurvedInputs, b: dict, W: Array) -> Array:
        """[1, x, rises] W' (Nv, rows of W), Eq. (68)."""
        straight = saved.xa.shape[1]
        n = saved.xa @ W[:, :straight].T
        if saved.places is None:
            return n
        return engine(n).add_input_curves(n, saved.places, engine(n).input_ordinates(W[:, straight:], self.curves(b)))

    # ---- functions of the inputs

    def places(self, b: dict, x: Array) -> Places | None:
        """The places of the inputs that have hinges."""
        if not self.rises:
            return None
        xp, grid = array_namespace(x), Hinges(b["ns"], False, False)
        own = x if len(self.geometry.inputs) == x.shape[1] else xp.take(x, xp.asarray(self.geometry.inputs), axis=1)
        return engine(x).input_places(own, grid)

    def curves(self, b: dict) -> Rises:
        """The rises of the layer."""
        return Rises(self.geometry, b["mean"], b["scale"])

    def _scattered(self, places: Places | None, b: dict, c: Array) -> Array:
        """Sum over patterns of rises c (rises, columns)."""
        if places is None:
            return array_namespace(c).zeros((0, c.shape[1]), dtype=c.dtype)
        return engine(c).input_rises(engine(c).input_scatter(places, self.geometry.hinges, c), self.curves(b))

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

    def direct_sums(self, b: dict, x: Array, W: Array) -> Array:
        xp = array_namespace(W)
        saved = CurvedInputs(x, self.places(b, x))
        return self._nets(saved, b, xp.asarray(W))

    def direct_saved(self, b: dict, x: Array) -> CurvedInputs:
        return self.keep({}, b, x)

    def direct_gradient(self, b: dict, saved: CurvedInputs, v: Array) -> Array:
        return self.gradient({}, b, saved, v)["W"]

    def direct_across(self, b: dict, saved: CurvedInputs, c: Array) -> Array:
        return array_namespace(c).concat([saved.xa.T @ c, self._scattered(saved.places, b, c)], axis=0)

    def direct_gram(self, b: dict, saved: CurvedInputs, w: Array | None) -> Array:
        xa, places = saved
        if places is None:
            return gram(xa, w)
        xp, kernels = array_namespace(xa), engine(xa)
        straight = xp.concat([gram(xa, w), self._scattered(places, b, weighted(xa, w))], axis=0)
        hats, curves = kernels.input_pairs(places, self.geometry.hinges, w), self.curves(b)
        within = kernels.input_rises(kernels.input_rises(hats, curves).T, curves)
        right = xp.concat([straight[xa.shape[1] :, :].T, within], axis=0)
        return xp.concat([straight, right], axis=1)

    # ---- for algorithms

    def penalty(self, name: str, l2: float, curves: float) -> forms.Form:
        return forms.without_threshold(l2)

    def multiplies(self, W: tuple[int, ...], output_shape: tuple[int, ...]) -> int:
        return W[0] * (self.row_multiplies(W) - 1)

    def row_multiplies(self, W: tuple[int, ...]) -> int:
        """Multiplies of a unit's net: one for the threshold and each straight part, two for each input with hinges."""
        return W[1] - self.rises + 2 * len(self.geometry.inputs)


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
