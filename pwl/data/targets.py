"""Targets as others write them: NaN for a pattern without targets, and classes as rows of zeros with a one."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from pwl.data.scratch import rows_a_block
from pwl.errors import InputError
from pwl.runtime.backend import Array, host

MOST_ROWS = 1 << 14  # that are read at once


def known(t: Any) -> np.ndarray | None:
    """Numbers of the patterns with a target, if others have none, because all their targets are NaN. None if all have one.

    Targets on a device are not looked through, because that would take a transfer for each step.
    """
    if not isinstance(getattr(t, "array", t), np.ndarray) or t.dtype.kind != "f":
        return None
    rows = min(rows_a_block(math.prod(t.shape[1:])), MOST_ROWS)
    there, some = np.ones(t.shape[0], dtype=bool), False
    for first in range(0, t.shape[0], rows):
        last = min(first + rows, t.shape[0])
        block = np.asarray(t[first:last, ...])
        with np.errstate(over="ignore", invalid="ignore"):  # a sum of finite numbers may overflow
            if math.isnan(float(np.sum(block))):
                there[first:last] = ~np.isnan(block.reshape(last - first, -1)).all(axis=1)
                some = True
    if not some or there.all():
        return None
    if not there.any():
        raise InputError("the targets of all patterns are NaN: at least two patterns need targets")
    return np.flatnonzero(there)


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
