"""Weights of patterns."""

from __future__ import annotations

from typing import Any

import numpy as np

from pwl.errors import InputError
from pwl.runtime.backend import as_array, host

LARGEST = 1e70  # weights up to it can be multiplied by squares of prepared numbers, and by one another


def checked_weights(weights: Any, n: int, *, least: bool = True) -> np.ndarray:
    """Weights (n,) of n patterns as float64 on the host. Raises InputError if they can't be weights.

    least: whether one of them must be above 0.
    """
    w = host(as_array(weights, "weights"))
    if w.shape != (n,):
        raise InputError(f"weights of shape ({n},), one per pattern, were wanted, but {w.shape} came")
    if w.dtype.kind not in "fiub" or not np.all(np.isfinite(w)) or np.any(w < 0) or (least and not np.any(w > 0)):
        raise InputError("pattern weights must be finite, not negative, and not all zero")
    if (largest := float(np.max(w, initial=0))) > LARGEST or (least and largest < 1 / LARGEST):
        raise InputError(
            f"the largest pattern weight is {largest:.1e}, but {1 / LARGEST:.0e} to {LARGEST:.0e} is the range in which errors can "
            "be computed: divide all weights by the same number. A weight of 2 counts a pattern twice"
        )
    return w.astype(np.float64)
