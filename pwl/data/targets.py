"""Targets as others write them: NaN for targets that are not known, and classes as rows of zeros with a one."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from pwl.data.scratch import rows_a_block
from pwl.errors import InputError
from pwl.runtime.backend import Array, array_namespace, host
from pwl.runtime.ranks import Communicator, summed

MOST_ROWS = 1 << 14  # that are read at once


class Known(NamedTuple):
    """rows: numbers of the patterns with a target, if others have none, else None. in_part: whether some of them have NaN, too."""

    rows: np.ndarray | None = None
    in_part: bool = False


def known(t: Any) -> Known:
    """Which patterns have targets. Raises InputError if there are none."""
    if "float" not in str(t.dtype):
        return Known()
    rows = min(rows_a_block(math.prod(t.shape[1:])), MOST_ROWS)
    stored = getattr(t, "array", t)
    if hasattr(stored, "__array_namespace__") and not isinstance(stored, np.ndarray):
        rows = max(t.shape[0], 1)  # a device's memory holds them all, and one number is read back
    there: np.ndarray | None = None  # until a NaN is met
    in_part = False
    for first in range(0, t.shape[0], rows):
        last = min(first + rows, t.shape[0])
        block = t[first:last, ...]
        with np.errstate(over="ignore", invalid="ignore"):  # a sum of finite numbers may overflow
            if math.isnan(float(array_namespace(block).sum(block))):
                unknown = np.isnan(host(block).reshape(last - first, -1))
                there = np.ones(t.shape[0], dtype=bool) if there is None else there
                there[first:last] = ~unknown.all(axis=1)
                in_part |= bool(unknown[there[first:last]].any())
    if there is None:
        return Known()
    if not there.any():
        raise InputError("the targets of all patterns are NaN: at least two patterns need targets")
    return Known(None if there.all() else np.flatnonzero(there), in_part)


def mask(t: Array) -> Array:
    """m (Nv, M): 0 where a target is NaN, else 1."""
    xp = array_namespace(t)
    return xp.astype(~xp.isnan(t), t.dtype)


def known_or_zero(t: Array) -> Array:
    """Targets with 0 in place of NaN."""
    xp = array_namespace(t)
    return xp.where(xp.isnan(t), xp.zeros_like(t), t)


def known_counts(t: Any, comm: Communicator) -> np.ndarray:
    """Number of known targets of each output (M,), on all ranks."""
    rows, counts = min(rows_a_block(math.prod(t.shape[1:])), MOST_ROWS), np.zeros(t.shape[1])
    for first in range(0, t.shape[0], rows):
        counts += (~np.isnan(host(t[first : min(first + rows, t.shape[0]), ...]))).sum(axis=0)
    return summed(comm, counts)[0]


def check_each(counts: np.ndarray) -> None:
    """Raises InputError if an output has no known target. counts: as `known_counts` gives them."""
    if not np.all(counts):
        raise InputError(
            f"all targets in column {int(np.argmin(counts)) + 1} (counted from 1) are NaN, so that nothing can be learned of it: "
            "leave the column out"
        )


def labels(t: Any, n_classes: int) -> Array | None:
    """Class numbers (Nv,) of one-hot targets (Nv, n_classes), or None if t are none.

    Raises InputError with the row for targets of this shape that are not one-hot.
    """
    if t.ndim != 2 or t.shape[1] != n_classes:
        return None
    rows, found = min(rows_a_block(n_classes), MOST_ROWS), np.empty(t.shape[0], dtype=np.int64)
    for first in range(0, t.shape[0], rows):
        last = min(first + rows, t.shape[0])
        block = host(t[first:last, ...])
        bad = np.flatnonzero(((block != 0) & (block != 1)).any(axis=1) | ((block == 1).sum(axis=1) != 1))
        if bad.size:
            raise InputError(
                f"row {first + bad[0]} of the targets is {block[bad[0]].tolist()}, wanted a class number per "
                "pattern, (patterns,), or rows of zeros with a single one"
            )
        found[first:last] = block.argmax(axis=1)
    return found
