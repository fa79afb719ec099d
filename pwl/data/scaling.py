"""Shifts and scales of columns. A scaling is fitted in two passes over the data, and applied where the data are."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from pwl.data.scratch import rows_a_block, scratch_array
from pwl.data.targets import check_each, known_counts, known_or_zero
from pwl.errors import InputError
from pwl.runtime.backend import Array, array_namespace, as_array, beside, host
from pwl.runtime.finite import check_finite
from pwl.runtime.ranks import Communicator, Serial, folded, summed
from pwl.validate import one_of

METHODS = ("standardise", "common", "centre", "minmax", "none")
SQUARED = 1e70  # spreads from 1 / SQUARED to SQUARED can be squared twice, as deviations of squared errors need


@dataclass(frozen=True, eq=False)
class Scaling:
    """prepared = (raw - offset) / scale, column by column. A scale of 0 marks a constant column, which prepares to 0.

    Parameters
    ----------
    method : str
        One of METHODS.
    offset, scale : float64 arrays (N,)
        In raw units.
    """

    method: str
    offset: np.ndarray
    scale: np.ndarray

    @classmethod
    def fit(
        cls, a: Array, method: str, name: str, squares: bool = False, weights: np.ndarray | None = None,
        comm: Communicator = Serial(),
    ) -> Scaling:
        """Fits to (Nv, ..., N) data, read block by block in two passes. The last axis holds the columns.

        Spread is the standard deviation over all Nv patterns (divided by Nv). "minmax" maps to [-1, 1]. "common" gives
        all columns one scale, the root of their mean variance, so that a sum of squares over columns keeps its meaning.

        Parameters
        ----------
        name : str
            The data's name in error messages.
        squares : bool
            Whether squares in raw units will be computed later.
        weights : array (Nv,), optional
            Weights of the patterns, 0 or more: those of weight 0 are not looked at, and a weight of 2 counts one twice.
        comm : Communicator
            The ranks that share the data. Extremes and sums are those of all of them.

        Raises
        ------
        InputError
            For an unknown method, no data, NaN or Inf, and a column whose range is larger than the largest number. With
            `squares` also for spreads whose squares overflow or underflow.
        """
        one_of(f"the preparation of {name}", method, METHODS)
        if a.ndim < 2 or 0 in a.shape[1:] or not summed(comm, a.shape[0])[0]:
            raise InputError(f"{name} came with shape {tuple(a.shape)}, wanted (patterns, columns), neither of them 0")
        n_columns = a.shape[-1]
        check_real(a, name)
        if method == "none":
            for start, block, _ in _blocks(a, weights):
                check_finite(block, start, name)
            return cls(method, np.zeros(n_columns), np.ones(n_columns))
        low, high, mean = _extremes_and_mean(a, name, weights, comm)
        half = high / 2 - low / 2
        _check_spread(half, name, np.finfo(np.float64).max / 2)
        if squares:
            _check_spread(half, name, SQUARED, 1 / SQUARED, together=method == "common")
        if method == "minmax":
            return cls(method, low + half, half)
        mean, spread = _mean_and_spread(a, mean, half, weights, comm)
        if method == "common":
            return cls(method, mean, np.full(n_columns, _root_mean_square(spread) or 1.0))
        return cls(method, mean, spread if method == "standardise" else np.ones(n_columns))

    @classmethod
    def fit_known(cls, t: Array, method: str, weights: np.ndarray | None = None, comm: Communicator = Serial()) -> Scaling:
        """Fits to targets (Nv, M) of which some are NaN: each column to its known ones. Raises InputError as `fit` does."""
        check_each(known_counts(t, comm))
        there, own, columns = host(t[:]), "standardise" if method == "common" else method, []
        for i in range(t.shape[1]):
            column = there[:, i : i + 1]
            known = ~np.isnan(column[:, 0])
            w = known.astype(np.float64) if weights is None else weights * known
            columns.append(cls.fit(column, own, f"target {i + 1}", method != "common", w, comm))
        offset, scale = (np.concatenate([getattr(column, name) for column in columns]) for name in ("offset", "scale"))
        if method == "common":
            _check_spread(scale, "t", SQUARED, 1 / SQUARED, together=True)
            scale = np.full(len(scale), _root_mean_square(scale) or 1.0)
        return cls(method, offset, scale)

    def apply(self, a: Array, name: str) -> Array:
        """Prepares (Nv, ..., N) data: a new array of the same library on the same device.

        The arithmetic is float64 everywhere. Floats keep their own precision, and integers become float64. A
        memory-mapped array is read block by block and gives a temporary memory-mapped array. Raises InputError for
        another number of columns, NaN or Inf. Targets, named "t", may be NaN, and stay so.
        """
        self._check_columns(a, name)
        check_real(a, name)
        if not isinstance(a, np.ndarray):
            return _apply_on_device(self, a, name)
        dtype = a.dtype if a.dtype.kind == "f" else np.dtype(np.float64)
        new = scratch_array(a.shape, dtype) if isinstance(a, np.memmap) and a.size else np.empty(a.shape, dtype)
        gain = inverse_scale(self.scale)
        for start, block, _ in _blocks(a):
            check_finite(_looked_at(block, name), start, name)
            with np.errstate(over="ignore"):  # far from the data of the fit; networks refuse infinite inputs
                new[start : start + len(block)] = (block - self.offset) * gain
        return new

    def invert(self, a: Array) -> Array:
        """Prepared values (..., N) in raw units, a * scale + offset, of the same library on the same device."""
        a = as_array(a, "prepared values")
        check_real(a, "prepared values")
        if a.ndim and a.shape[-1] != len(self.offset):
            self._check_columns(a, "prepared values")
        if not isinstance(a, np.ndarray):
            xp = array_namespace(a)
            return _narrowed(xp.astype(a, xp.float64, copy=False) * beside(self.scale, a) + beside(self.offset, a), a)
        return (a * self.scale + self.offset).astype(a.dtype if a.dtype.kind == "f" else np.float64, copy=False)

    def to_dict(self) -> dict[str, Any]:
        """Plain lists and words. JSON gives every float back exactly."""
        return {"method": self.method, "offset": self.offset.tolist(), "scale": self.scale.tolist()}

    @classmethod
    def from_dict(cls, d: Mapping[str, Any]) -> Scaling:
        """The Scaling that `to_dict` wrote."""
        return cls(d["method"], np.array(d["offset"], dtype=np.float64), np.array(d["scale"], dtype=np.float64))

    def _check_columns(self, a: Array, name: str) -> None:
        wanted = len(self.offset)
        if a.ndim < 2 or a.shape[-1] != wanted:
            raise InputError(
                f"{name} came with shape {tuple(a.shape)}, wanted (patterns, {wanted}): "
                f"give the {wanted} columns that the preparation was fitted to"
            )


def check_real(a: Array, name: str) -> None:
    """Raises InputError for NumPy arrays of anything but real numbers, such as texts, dates and complex numbers."""
    if isinstance(a.dtype, np.dtype) and a.dtype.kind not in "fiub":
        data = {"x": "inputs", "t": "targets"}.get(name, name)
        raise InputError(f"{data} must be real numbers, but an array of {a.dtype} came")


def _apply_on_device(scaling: Scaling, a: Array, name: str) -> Array:
    """The same formula for an array of another library (CuPy, array_api_strict), without a copy of it on the host."""
    xp = array_namespace(a)
    if not xp.isdtype(a.dtype, ("bool", "integral", "real floating")):
        raise InputError(f"{name} came as {a.dtype}, wanted real numbers")
    wide = xp.astype(a, xp.float64, copy=False)
    with np.errstate(over="ignore", invalid="ignore"):  # for libraries that compute with NumPy
        check_finite(_looked_at(wide, name), 0, name)
        return _narrowed((wide - beside(scaling.offset, a)) * beside(inverse_scale(scaling.scale), a), a)


def _looked_at(a: Array, name: str) -> Array:
    """What must be finite of `a`: of targets, those that are not NaN."""
    return known_or_zero(a) if name == "t" else a


def _narrowed(wide: Array, a: Array) -> Array:
    """Float64 results in the precision of `a` if it holds floats."""
    xp = array_namespace(a)
    return xp.astype(wide, a.dtype, copy=False) if xp.isdtype(a.dtype, "real floating") else wide


def _blocks(a: Array, weights: np.ndarray | None = None) -> Iterator[tuple[int, np.ndarray, np.ndarray | None]]:
    """(first row, float64 block on the host, its weights), block after block: no memory-mapped array is in memory whole.

    Patterns of weight 0 are left out.
    """
    rows = rows_a_block(math.prod(a.shape[1:]))
    for start in range(0, a.shape[0], rows):
        block = np.asarray(host(a[start : min(start + rows, a.shape[0]), ...]))
        w = None if weights is None else weights[start : start + len(block)]
        if w is not None and not w.all():
            block, w = block[w > 0], w[w > 0]
        if len(block):
            yield start, block.astype(np.float64), w


def _sum(columns: np.ndarray, w: np.ndarray | None) -> np.ndarray:
    """Sums (N,) over rows, of which each pattern may have several (pixels)."""
    alike = w is None or np.all(w == 1)  # then to the same bits as without weights
    return columns.sum(axis=0) if alike or w is None else np.repeat(w, len(columns) // len(w)) @ columns


def _number(a: Array, weights: np.ndarray | None) -> float:
    """Number of values in a column, by weight."""
    each = math.prod(a.shape[1:-1])
    return math.prod(a.shape[:-1]) if weights is None else float(weights.sum()) * each


def _extremes_and_mean(
    a: Array, name: str, weights: np.ndarray | None, comm: Communicator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Lowest, highest and mean value of each column, (N,) each. This first pass looks for NaN and Inf as well."""
    n_columns = a.shape[-1]
    low, high, total = np.full(n_columns, np.inf), np.full(n_columns, -np.inf), np.zeros(n_columns)
    first = _first_row(a, weights, comm)
    for start, block, w in _blocks(a, weights):
        check_finite(block, start, name)
        columns = block.reshape(-1, n_columns)
        np.minimum(low, columns.min(axis=0), out=low)
        np.maximum(high, columns.max(axis=0), out=high)
        with np.errstate(over="ignore", invalid="ignore"):
            total += _sum(columns - first, w)  # around the first row, so that large offsets cost no digits
    if comm.size > 1:
        low, high = folded(comm, low, np.minimum), folded(comm, high, np.maximum)
    total, n = summed(comm, total, _number(a, weights))
    mean = first + total / n
    return low, high, np.where(np.isfinite(mean), mean, low + (high / 2 - low / 2))  # the second pass corrects it


def _first_row(a: Array, weights: np.ndarray | None, comm: Communicator) -> np.ndarray:
    """The first row (N,) of weight above 0 on the first rank that has one."""
    own = next((block.reshape(-1, a.shape[-1])[0] for _, block, _ in _blocks(a, weights)), None)
    return next(row for row in comm.allgather(own) if row is not None)


def _mean_and_spread(
    a: Array, mean: np.ndarray, half: np.ndarray, weights: np.ndarray | None, comm: Communicator
) -> tuple[np.ndarray, np.ndarray]:
    """The mean, corrected by the rounding seen, and the standard deviation: the second pass.

    Deviations are measured in half ranges, so they are of order 1 in any unit: no square overflows or underflows, and
    a constant column (half range 0) has spread 0 exactly.
    """
    total, squares, gain = np.zeros_like(mean), np.zeros_like(mean), inverse_scale(half)
    for _, block, w in _blocks(a, weights):
        d = (block.reshape(-1, len(mean)) - mean) * gain
        total += _sum(d, w)
        squares += _sum(d * d, w)
    total, squares, n = summed(comm, total, squares, _number(a, weights))
    variance = np.maximum(squares / n - (total / n) ** 2, 0.0)
    return mean + half * (total / n), half * np.sqrt(variance)


def _root_mean_square(spread: np.ndarray) -> float:
    """Root of the mean square, measured in the largest, so that no square overflows or underflows; 0 if all are 0."""
    largest = float(spread.max())
    return largest and largest * float(np.sqrt(np.mean((spread / largest) ** 2)))


def _check_spread(half: np.ndarray, name: str, most: float, least: float = 0.0, together: bool = False) -> None:
    """Raises InputError for a half range outside [least, most]. A half range of 0, a constant column, is allowed.

    together: all columns get one scale, so that small ones beside a larger one do no harm.
    """
    small = half.max() < least if together else half < least
    bad = ((half > most) | small) & (half > 0)
    if bad.any():
        column = int(np.argmax(np.where(bad, half, -1.0)))
        data = {"x": "the inputs", "t": "the targets"}.get(name, name)
        raise InputError(
            f"column {column + 1} of {data} (counted from 1) reaches {half[column]:.1e} to either side of its middle, "
            f"but {least:.0e} to {most:.0e} is the range in which errors can be computed: change the unit of the column"
        )


def inverse_scale(scale: np.ndarray) -> np.ndarray:
    """1 / scale, and 0 for a scale that is 0, as of constant columns, or so small that its inverse overflows."""
    return np.divide(1.0, scale, out=np.zeros_like(scale), where=scale >= np.finfo(np.float64).tiny)
