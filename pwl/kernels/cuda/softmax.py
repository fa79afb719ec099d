"""Cross-entropy with its gradient on the GPU, cuda/softmax.cu. The outputs are read from memory once."""

from __future__ import annotations

import cupy
import numpy as np

from pwl.kernels.cuda.launch import BLOCKS, FLAGS, THREADS, covering, flag, in_order, kernel, launch, named
from pwl.runtime.backend import Array

INSTANCES = tuple(f"cross_entropy<{t}, {with_d}>" for t in ("float", "double") for with_d in FLAGS)


def cross_entropy(y: Array, t: Array) -> tuple[Array, Array]:
    """Each pattern's -log pi[t] (Nv,), Eq. (2), and d = onehot(t) - pi (Nv, M), Eq. (15)."""
    d = cupy.empty(y.shape, y.dtype)
    return _errors(y, t, d), d


def cross_entropy_errors(y: Array, t: Array) -> Array:
    """The errors of `cross_entropy` alone, with the same bits."""
    return _errors(y, t, None)


def _errors(y: Array, t: Array, d: Array | None) -> Array:
    """The errors (Nv,). d, if it came, is written."""
    y = in_order(y, y.dtype)
    errors = cupy.empty(y.shape[0], y.dtype)
    launch(
        kernel("softmax", INSTANCES, f"cross_entropy<{named(y.dtype)}, {flag(d is not None)}>"),
        (max(1, min(covering(y.shape[0], THREADS), BLOCKS)), 1),
        (THREADS, 1),
        y,
        in_order(t, np.int32),
        *y.shape,
        errors,
        errors if d is None else d,
    )
    return errors
