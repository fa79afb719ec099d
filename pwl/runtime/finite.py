"""The search for NaN and infinities, with their place in the message."""

from __future__ import annotations

import math

import numpy as np

from pwl.errors import InputError
from pwl.runtime.backend import Array, array_namespace, host


def check_finite(x: Array, first_row: int, what: str = "input") -> None:
    """Raises InputError with the row and the column of the first number that is NaN or infinite.

    first_row: the number of x's first row. A cheap sum is taken on x's device. Only if it is not finite does the host search.
    """
    xp = array_namespace(x)
    if not xp.isdtype(x.dtype, ("bool", "integral", "real floating")):
        raise InputError(f"{what}s must be real numbers, but an array of {x.dtype} came")
    if not xp.isdtype(x.dtype, "real floating"):
        return
    with np.errstate(over="ignore", invalid="ignore"):  # a sum of finite numbers may overflow
        if math.isfinite(float(xp.sum(x, dtype=xp.float64))):
            return
    there = host(x)
    bad = np.argwhere(~np.isfinite(there))
    if len(bad):
        row, *column = bad[0]
        where = ", ".join(map(str, column))
        raise InputError(
            f"{what} in row {first_row + row}, column {where} is {there[tuple(bad[0])]}: remove or fill such rows first"
        )
