"""The specification of softmax, and of cross-entropy with its gradient, for outputs y (Nv, M) and labels t (Nv,)."""

from __future__ import annotations

from pwl.runtime.backend import Array, array_namespace


def cross_entropy(y: Array, t: Array) -> tuple[Array, Array]:
    """Each pattern's -log pi[t] (Nv,), Eq. (2), and d = onehot(t) - pi (Nv, M), Eq. (15), with one exp per output."""
    xp = array_namespace(y)
    top = xp.max(y, axis=1, keepdims=True)
    e, true = xp.exp(y - top), one_hot(t, y)
    total = xp.sum(e, axis=1, keepdims=True)
    errors = xp.log(total[:, 0]) + top[:, 0] - xp.sum(xp.where(true, y, xp.zeros_like(y)), axis=1)
    return errors, xp.astype(true, y.dtype) - e / total


def cross_entropy_errors(y: Array, t: Array) -> Array:
    """The errors of `cross_entropy` alone, with the same bits."""
    xp = array_namespace(y)
    top = xp.max(y, axis=1, keepdims=True)
    total = xp.sum(xp.exp(y - top), axis=1)
    return xp.log(total) + top[:, 0] - xp.sum(xp.where(one_hot(t, y), y, xp.zeros_like(y)), axis=1)


def softmax(y: Array) -> Array:
    """Class probabilities pi (Nv, M) of outputs y."""
    xp = array_namespace(y)
    e = xp.exp(y - xp.max(y, axis=1, keepdims=True))
    return e / xp.sum(e, axis=1, keepdims=True)


def one_hot(t: Array, y: Array) -> Array:
    """Boolean (Nv, M), True in the column of each pattern's label."""
    xp = array_namespace(y)
    labels = xp.astype(t, xp.int64, copy=False)  # an 8-bit label can't count to more than 256 columns
    return labels[:, None] == xp.arange(y.shape[1], dtype=xp.int64)[None, :]
