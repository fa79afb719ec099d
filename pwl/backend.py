"""The arrays decide where the work is done: namespaces, copies to and from the host."""

from __future__ import annotations

from typing import Any

import numpy as np
from array_api_compat import array_namespace, is_numpy_array

Array = Any  # an array of any Array API namespace; NumPy, CuPy and array_api_strict are tested

__all__ = ["Array", "array_namespace", "gram", "host", "is_numpy_array", "like"]


def host(a: Array) -> np.ndarray:
    """Copy of `a` in host memory as a NumPy array (NumPy arrays are returned as they are)."""
    if isinstance(a, np.ndarray):
        return a
    if hasattr(a, "get"):  # CuPy
        return a.get()
    return np.asarray(a)


def like(a: Array, reference: Array) -> Array:
    """Array `a` with the namespace, device and dtype of `reference`."""
    if is_numpy_array(reference):
        return np.asarray(host(a), dtype=reference.dtype)
    xp = array_namespace(reference)
    return xp.asarray(host(a), dtype=reference.dtype, device=reference.device)


def gram(a: Array, w: Array | None = None) -> Array:
    """Gram matrix A' diag(w) A of rows `a` (Nv x B): NumPy's BLAS sees A'A and spends half the multiplies."""
    return a.T @ a if w is None else a.T @ (a * w[:, None])
