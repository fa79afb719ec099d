"""Cross-entropy with its gradient on the GPU, cuda/softmax.cu. The outputs are read from memory once."""

from __future__ import annotations

import cupy
import numpy as np

from pwl.kernels.cuda.launch import BLOCKS, THREADS, in_order, kernel, launch, named
from pwl.runtime.backend import Array

INSTANCES = ("cross_entropy<float>", "cross_entropy<double>")


def cross_entropy(y: Array, t: Array) -> tuple[Array, Array]:
    """Each pattern's -log pi[t] (Nv,), Eq. (2), and d = onehot(t) - pi (Nv, M), Eq. (15)."""
    errors, d = cupy.empty(y.shape[0], y.dtype), cupy.empty(y.shape, y.dtype)
    launch(
        kernel("softmax", INSTANCES, f"cross_entropy<{named(y.dtype)}>"),
        (max(1, min(-(-y.shape[0] // THREADS), BLOCKS)), 1),
        (THREADS, 1),
        in_order(y, y.dtype),
        in_order(t, np.int32),
        *y.shape,
        errors,
        d,
    )
    return errors, d
