"""Compilation by Numba: loops are serial, release the interpreter's lock, and are kept on disk for the next process."""

from __future__ import annotations

import warnings
from collections.abc import Callable

from numba import njit


def compiled(f: Callable) -> Callable:
    """Compiles `f`, and keeps it on disk for the next process if a folder for it can be written."""
    try:
        return njit(cache=True, nogil=True, error_model="numpy")(f)
    except RuntimeError:  # neither the package's folder nor the user's cache folder can be written
        warnings.warn(
            "compiled curves can't be kept on disk, so each process takes seconds longer; set NUMBA_CACHE_DIR"
        )
        return njit(nogil=True, error_model="numpy")(f)
