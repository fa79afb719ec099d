"""Shift and scale columns: fitted in two passes over the data, block by block."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from array_api_compat import array_namespace, is_array_api_obj

from pwl.data.scratch import rows_a_block, scratch_array
from pwl.errors import InputError

METHODS = ("standardise", "common", "centre", "minmax", "none")
SQUARED = 1e70  # spreads from 1 / SQUARED to SQUARED can be squared, and their squares, as in deviations of errors


@dataclass(frozen=True, eq=False)
class Scaling:
    """prepared = (raw - offset) / scale, column by column; a scale of 0 marks a constant column, which prepares to 0.

    method: one of METHODS. offset, scale: float64 (N,), in raw units.
    """

    method: str
    offset: np.ndarray
    scale: np.ndarray

    @classmethod
    def fit(cls, a: Any, method: str, what: str, squares: bool = False) -> Scaling:
        """Read (Nv, ..., N) data in two passes, block by block. The last axis counts as the columns.

        Spread is the standard deviation over all Nv patterns (divided by Nv). "minmax" maps to [-1, 1]. "common" gives
        all columns the root of their mean variance as scale, so that a sum of squares over columns keeps its meaning.
        squares: whether squares in raw units will be wanted.
        Raises InputError for an unknown method, no data, NaN or Inf, a column wider than the largest number, and, with
        squares, for spreads whose squares over- or underflow.
        """
        if method not in METHODS:
            raise InputError(f"{what} came with the preparation {method!r}, wanted one of {', '.join(METHODS)}")
        if a.ndim < 2 or 0 in a.shape:
            raise InputError(f"{what} came with shape {tuple(a.shape)}, wanted (patterns, columns), neither of them 0")
        n_columns = a.shape[-1]
        if method == "none":
            for start, block in _blocks(a):
                check_finite(block, what, start)
            return cls(method, np.zeros(n_columns), np.ones(n_columns))
        low, high, mean = _extremes_and_mean(a, what)
        half = high / 2 - low / 2
        _check_spread(half, what, np.finfo(np.float64).max / 2)
        if squares:
            _check_spread(half, what, SQUARED, 1 / SQUARED, together=method == "common")
        if method == "minmax":
            return cls(method, low + half, half)
        mean, spread = _mean_and_spread(a, mean, half)
        if method == "common":
            return cls(method, mean, np.full(n_columns, _root_mean_square(spread) or 1.0))
        return cls(method, mean, spread if method == "standardise" else np.ones(n_columns))

    def apply(self, a: Any, what: str) -> Any:
        """Prepare (Nv, ..., N) data: a new array of its kind, floats in their own precision, integers to float64.

        A memory-mapped array gives a memory-mapped temporary one. Raises InputError for another number of columns,
        NaN or Inf.
        """
        self._check_columns(a, what)
        if not isinstance(a, np.ndarray):
            return _apply_elsewhere(self, a)
        dtype = a.dtype if a.dtype.kind == "f" else np.dtype(np.float64)
        new = scratch_array(a.shape, dtype) if isinstance(a, np.memmap) and a.size else np.empty(a.shape, dtype)
        gain = _gain(self.scale)
        for start, block in _blocks(a):
            check_finite(block, what, start)
            with np.errstate(over="ignore"):  # far from what was fitted; networks refuse infinite inputs
                new[start : start + len(block)] = (block - self.offset) * gain
        return new

    def invert(self, a: Any) -> Any:
        """Raw units again: (..., N) prepared values to a * scale + offset."""
        if not isinstance(a, np.ndarray) and is_array_api_obj(a):  # CuPy's have no __array_namespace__ of their own
            xp = array_namespace(a)
            return a * xp.asarray(self.scale, dtype=a.dtype) + xp.asarray(self.offset, dtype=a.dtype)
        a = np.asarray(a)
        return (a * self.scale + self.offset).astype(a.dtype if a.dtype.kind == "f" else np.float64, copy=False)

    def to_dict(self) -> dict[str, Any]:
        """Plain lists and words; JSON gives every float back exactly."""
        return {"method": self.method, "offset": self.offset.tolist(), "scale": self.scale.tolist()}

    @classmethod
    def from_dict(cls, d: dict[str, Any]) -> Scaling:
        """The Scaling that `to_dict` wrote."""
        return cls(d["method"], np.array(d["offset"], dtype=np.float64), np.array(d["scale"], dtype=np.float64))

    def _check_columns(self, a: Any, what: str) -> None:
        wanted = len(self.offset)
        if a.ndim < 2 or a.shape[-1] != wanted:
            raise InputError(
                f"{what} came with shape {tuple(a.shape)}, wanted (patterns, {wanted}): "
                f"give the {wanted} columns that the preparation was fitted to"
            )


def check_finite(block: np.ndarray, what: str, first_row: int = 0) -> None:
    """Raise InputError at the first NaN or Inf of (rows, ..., columns), naming row and column, counted from 0."""
    if np.isfinite(block).all():
        return
    where = np.argwhere(~np.isfinite(block))[0]
    row, columns = first_row + where[0], ", ".join(map(str, where[1:]))
    raise InputError(
        f"{what} holds {block[tuple(where)]} in row {row}, column {columns} (counted from 0): "
        "fill or drop that row, every value must be a finite number"
    )


def _blocks(a: Any) -> Iterator[tuple[int, np.ndarray]]:
    """(first row, float block on the host), block after block: a memory-mapped array is never in memory whole."""
    rows = rows_a_block(int(np.prod(a.shape[1:])))
    for start in range(0, a.shape[0], rows):
        block = np.asarray(to_host(a[start : min(start + rows, a.shape[0]), ...]))
        yield start, block.astype(np.float64)


def _extremes_and_mean(a: Any, what: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Lowest, highest and mean value of each column, (N,) each: the first pass, which looks for NaN and Inf too."""
    n_columns = a.shape[-1]
    low, high, total, first = (
        np.full(n_columns, np.inf),
        np.full(n_columns, -np.inf),
        np.zeros(n_columns),
        np.zeros(n_columns),
    )
    for start, block in _blocks(a):
        check_finite(block, what, start)
        columns = block.reshape(-1, n_columns)
        if start == 0:
            first = columns[0].copy()
        np.minimum(low, columns.min(axis=0), out=low)
        np.maximum(high, columns.max(axis=0), out=high)
        with np.errstate(over="ignore", invalid="ignore"):
            total += (columns - first).sum(axis=0)  # around the first row, so that large offsets cost no digits
    mean = first + total / (_size(a) / n_columns)
    return low, high, np.where(np.isfinite(mean), mean, low + (high / 2 - low / 2))  # the second pass corrects it


def _mean_and_spread(a: Any, mean: np.ndarray, half: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The mean, corrected by the rounding seen, and the standard deviation: the second pass.

    Deviations are measured in half ranges, which are of order 1 whatever the unit: no square over- or underflows, and
    a constant column (half range 0) comes out with spread 0 exactly.
    """
    total, squares, gain = np.zeros_like(mean), np.zeros_like(mean), _gain(half)
    for _, block in _blocks(a):
        d = (block.reshape(-1, len(mean)) - mean) * gain
        total += d.sum(axis=0)
        squares += (d * d).sum(axis=0)
    n = _size(a) / len(mean)
    variance = np.maximum(squares / n - (total / n) ** 2, 0.0)
    return mean + half * (total / n), half * np.sqrt(variance)


def _root_mean_square(spread: np.ndarray) -> float:
    """Measured in the largest, so that no square over- or underflows; 0 where all are."""
    largest = float(spread.max())
    return largest and largest * float(np.sqrt(np.mean((spread / largest) ** 2)))


def _check_spread(half: np.ndarray, what: str, most: float, least: float = 0.0, together: bool = False) -> None:
    """Raise InputError for a half range outside [least, most]; 0 is a constant column.

    together: all columns get one scale, so that small ones beside a larger one do no harm.
    """
    small = half.max() < least if together else half < least
    bad = ((half > most) | small) & (half > 0)
    if bad.any():
        column = int(np.argmax(np.where(bad, half, -1.0)))
        name = {"x": "the inputs", "t": "the targets"}.get(what, what)
        raise InputError(
            f"column {column + 1} of {name} (counted from 1) reaches {half[column]:.1e} to either side of its middle, "
            f"wanted {least:.0e} to {most:.0e}, so that errors in its unit are numbers: change the unit of the column"
        )


def _gain(scale: np.ndarray) -> np.ndarray:
    """1 / scale, and 0 where the scale is 0 or too small for its inverse to be a number."""
    return np.divide(1.0, scale, out=np.zeros_like(scale), where=scale >= np.finfo(np.float64).tiny)


def _apply_elsewhere(scaling: Scaling, a: Any) -> Any:
    """The same formula for an array of another library (CuPy, array_api_strict), on its own device."""
    xp = array_namespace(a)
    dtype = a.dtype if xp.isdtype(a.dtype, "real floating") else xp.float64
    if not bool(xp.all(xp.isfinite(xp.astype(a, dtype)))):
        check_finite(np.asarray(to_host(a)), "x")
    return (xp.astype(a, dtype) - xp.asarray(scaling.offset, dtype=dtype)) * xp.asarray(
        _gain(scaling.scale), dtype=dtype
    )


def to_host(a: Any) -> Any:
    """A NumPy-readable form of an array that may live on a device."""
    return a.get() if hasattr(a, "get") else a


def _size(a: Any) -> int:
    return int(np.prod(a.shape))
