"""Compilation by Numba: loops are serial, release the interpreter's lock, and are kept on disk for the next process."""

from __future__ import annotations

import contextlib
import functools
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba.extending
from numba import njit

intrinsic: Any = numba.extending.intrinsic  # whose functions have one parameter less than they say


def compiled(f: Callable) -> Callable:
    """Compiles `f`, and keeps it on disk for the next process if a folder for it can be written."""
    try:
        return _forgiving(njit(cache=True, nogil=True, error_model="numpy")(f))
    except RuntimeError:  # neither the package's folder nor the user's cache folder can be written
        warnings.warn(
            "compiled curves can't be kept on disk, so each process takes seconds longer; set NUMBA_CACHE_DIR"
        )
        return njit(nogil=True, error_model="numpy")(f)


@functools.cache
def _sources() -> tuple[Any, ...]:
    """Names, times and sizes of all kernels' files: compiled code contains functions of other files, which Numba does not watch."""
    files = ((path.name, path.stat()) for path in sorted(Path(__file__).parent.glob("*.py")))
    return tuple((name, found.st_mtime, found.st_size) for name, found in files)


def _forgiving(f: Any) -> Any:
    """`f`, compiled anew if its kept code is damaged, as after a crash, or if any kernel's file has changed."""
    kept = getattr(f, "_cache", None)
    if kept is None or not hasattr(kept, "flush"):
        return f
    if hasattr(kept, "_cache_file"):
        kept._cache_file._source_stamp = _sources()
    load = kept.load_overload

    def loaded(*signature: Any) -> Any:
        try:
            return load(*signature)
        except Exception:  # a damaged file may raise any kind
            with contextlib.suppress(Exception):
                kept.flush()
            return None

    kept.load_overload = loaded
    return f
