"""Quadratic penalties that layers put on a parameter: weight |map(W)|^2, Eqs. (11), (26), (27)."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from pwl.runtime.backend import Array, array_namespace


class Form(NamedTuple):
    """The penalty weight |map(W)|^2 on a parameter W (units, n), with the map's transpose."""

    weight: float
    map: Callable[[Array], Array]
    adjoint: Callable[[Array], Array]


def whole(weight: float) -> Form:
    """weight |W|^2."""
    return Form(weight, _same, _same)


def without_threshold(weight: float) -> Form:
    """weight |W[:, 1:]|^2. The first column holds thresholds, which are not penalised."""
    return Form(weight, _drop_first, _prepend_zero)


def of_columns(weight: float, first: int, last: int, width: int) -> Form:
    """weight |columns first..last-1 of W|^2, for W (units, width)."""

    def cut(W: Array) -> Array:
        return W[:, first:last]

    def put_back(V: Array) -> Array:
        xp = array_namespace(V)
        left, right = (xp.zeros((V.shape[0], n), dtype=V.dtype) for n in (first, width - last))
        return xp.concat([left, V, right], axis=1)

    return Form(weight, cut, put_back)


def roughness(weight: float) -> Form:
    """weight |second differences of each row|^2, Eq. (26)."""
    return Form(weight, second_differences, _second_differences_adjoint)


def _same(W: Array) -> Array:
    return W


def _drop_first(W: Array) -> Array:
    return W[:, 1:]


def _prepend_zero(W: Array) -> Array:
    xp = array_namespace(W)
    return xp.concat([xp.zeros((W.shape[0], 1), dtype=W.dtype), W], axis=1)


def second_differences(A: Array) -> Array:
    """A[k, m] - 2 A[k, m+1] + A[k, m+2], (units, K - 2). With two hinges there is nothing to penalise."""
    return A[:, :-2] - 2 * A[:, 1:-1] + A[:, 2:]


def _second_differences_adjoint(S: Array) -> Array:
    """The transpose of `second_differences`: (units, K - 2) -> (units, K)."""
    xp = array_namespace(S)
    zero = xp.zeros((S.shape[0], 2), dtype=S.dtype)
    padded = xp.concat([zero, S, zero], axis=1)
    return padded[:, 2:] - 2 * padded[:, 1:-1] + padded[:, :-2]
