"""How loops are compiled by Numba: serial, without the interpreter's lock, kept on disk for the next process."""

from __future__ import annotations

import warnings
from collections.abc import Callable

from numba import njit


def compiled(f: Callable) -> Callable:
    """`f` compiled, and kept on disk for the next process if there is a place for it."""
    try:
        return njit(cache=True, nogil=True, error_model="numpy")(f)
    except RuntimeError:  # neither the package's folder nor the user's cache folder can be written
        warnings.warn(
            "compiled curves can't be kept on disk, so that each process takes seconds more; set NUMBA_CACHE_DIR"
        )
        return njit(nogil=True, error_model="numpy")(f)
