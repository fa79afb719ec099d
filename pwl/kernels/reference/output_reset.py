"""Output Reset in plain Array API code: the residuals that are left of squared errors to classes, Eq. (84)."""

from __future__ import annotations

from pwl.kernels.reference.softmax import one_hot
from pwl.runtime.backend import Array, array_namespace


def reset_residuals(y: Array, t: Array) -> Array:
    """t + a + d - y (b, M) at the best a and d, for outputs y (b, M) and labels t (b,), Eq. (84).

    It is 0 if the right class leads by its margin of 1. Otherwise the right class is below the level a, those wrong classes
    that are above it are pulled down to it, and the others cost nothing.
    """
    xp = array_namespace(y)
    right = one_hot(t, y)
    v = y - xp.astype(right, y.dtype)
    below = xp.full_like(v, -float("inf"))
    v_c = xp.sum(xp.where(right, v, xp.zeros_like(v)), axis=1, keepdims=True)
    u = -xp.sort(-xp.where(right, below, v), axis=1)  # descending: the wrong classes, then -inf
    m = xp.arange(1, y.shape[1], dtype=y.dtype)[None, :]
    levels = (v_c + xp.cumulative_sum(u[:, :-1], axis=1)) / (1 + m)
    first = xp.argmax(xp.astype(u[:, 1:] <= levels, xp.int8), axis=1)  # the last level always holds all wrong classes
    a = xp.sum(xp.where(one_hot(first, levels), levels, xp.zeros_like(levels)), axis=1, keepdims=True)
    zero = xp.zeros_like(v)
    short = xp.where(right, xp.maximum(a - v, zero), xp.minimum(a - v, zero))
    return xp.where(u[:, :1] <= v_c, zero, short)
