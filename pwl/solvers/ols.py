"""Orthogonal least squares: R z = c for autocorrelations R, dependent functions dropped, Eqs. (13), (14).

Parameter-size work: it runs on the host in float64, wherever the data are.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from pwl.errors import InputError
from pwl.runtime.backend import Array, array_namespace, host, like
from pwl.runtime.threads import single_threaded_blas

PANEL = 64  # columns factored before the rest of R is updated by one matrix product


class Solution(NamedTuple):
    """weights: (..., n), rows w with R w' = c, 0 for dependent functions; dependent: their indices; energy: per row,
    the sum of the squared orthonormal weights, which is what the functions explain of the targets' energy."""

    weights: Array
    dependent: tuple[int, ...]
    energy: np.ndarray


@dataclass(frozen=True)
class OLS:
    """How a system is solved: function m is dependent if g <= tolerance (times R[m, m] where `relative`), Eq. (13).

    relative=False is the published, absolute test. It depends on the scale of the data: on H_molf, which grows with the
    sixth power of the targets, it would drop every row at small targets.
    """

    tolerance: float = 1e-12
    relative: bool = True

    def __post_init__(self) -> None:
        if not 0 <= self.tolerance < 1:
            raise InputError(f"the dependence tolerance must be in [0, 1), not {self.tolerance!r}")

    def thresholds(self, R: np.ndarray) -> np.ndarray:
        """What g must exceed for a function to be independent: never less than the rounding of R's own dtype."""
        if not self.relative:
            return np.full(len(R), self.tolerance)
        return max(self.tolerance, _rounding(R)) * np.diagonal(R).astype(np.float64)

    def of_functions_like(self, a: Array) -> OLS:
        """The same for an R in float64 of functions in the dtype of `a`: a relative test is not finer than their rounding."""
        return dataclasses.replace(self, tolerance=max(self.tolerance, _rounding(a))) if self.relative else self

    def solve(self, R: Array, C: Array) -> Solution:
        """Weights with R w' = c for every row c of C (M, n) or the vector C (n,); R is (n, n), symmetric.

        Functions are orthonormalised in their order (constant, inputs, hidden); equal to Schmidt's procedure, `schmidt`.
        """
        return self.solver(R)(C)

    def solver(self, R: Array) -> Callable[[Array], Solution]:
        """`solve` for one R, factored here, and any C."""
        there = host(R)
        A = there.astype(np.float64)
        if not np.all(np.isfinite(A)):
            return _no_numbers
        lapack = _lapack()  # imported before the limit is set, so that the limit is on SciPy's BLAS, too
        with single_threaded_blas():  # the same bits, whatever the number of threads
            L, kept = cholesky_of_independent(A, self.thresholds(there))
        is_kept = np.zeros(len(A), dtype=bool)
        is_kept[kept] = True
        dependent = tuple(np.flatnonzero(~is_kept).tolist())

        def solution(C: Array) -> Solution:
            B = np.atleast_2d(host(C).astype(np.float64))
            if not np.all(np.isfinite(B)):
                return _no_numbers(C)
            weights = np.zeros_like(B)
            if not len(kept):  # LAPACK takes no empty system
                return Solution(like(weights.reshape(np.shape(C)), C), dependent, np.zeros(len(B)))
            with single_threaded_blas():
                V, _ = lapack.dtrtrs(L, B[:, kept].T, lower=1)
                weights[:, kept] = lapack.dtrtrs(L, V, lower=1, trans=1)[0].T
            return Solution(like(weights.reshape(np.shape(C)), C), dependent, np.sum(V * V, axis=0))

        return solution


def _rounding(a: Array) -> float:
    return 8 * float(array_namespace(a).finfo(a.dtype).eps)


def _no_numbers(C: Array) -> Solution:
    """What a system gives that holds NaN or Inf."""
    return Solution(like(np.full(np.shape(C), np.nan), C), (), np.full(np.atleast_2d(host(C)).shape[0], np.nan))


def schmidt(R: np.ndarray, thresholds: np.ndarray) -> tuple[np.ndarray, list[int]]:
    """Schmidt's procedure as published, row by row: lower-triangular Q (n, n) with Q R Q' = I on the independent
    functions and zero rows for the dependent ones, and the list of the dependent, Eq. (13). W_o = (C'Q')Q, Eq. (14).

    The readable form for study; `cholesky_of_independent` gives the same answer with matrix products.
    """
    n = len(R)
    Q, dependent = np.zeros((n, n)), []
    for m in range(n):
        c = Q[:m, :m] @ R[:m, m]
        b = np.append(-Q[:m, :m].T @ c, 1.0)
        g = R[m, m] - c @ c
        if g <= thresholds[m]:
            dependent.append(m)
        else:
            Q[m, : m + 1] = b / np.sqrt(g)
    return Q, dependent


def cholesky_of_independent(R: np.ndarray, thresholds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Cholesky factor L of R over the functions kept, and their indices: the inverse of Schmidt's Q, Eq. (14).

    LAPACK's factorisation serves while every g = L[m, m]^2 stays above its threshold, that is nearly always.
    """
    L, failed = _lapack().dpotrf(R, lower=1)
    if not failed and np.all(np.diagonal(L) ** 2 > thresholds):
        return L, np.arange(len(R))
    return _cholesky_dropping(R, thresholds)


def _cholesky_dropping(R: np.ndarray, thresholds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Blocked Cholesky in the given order that leaves out dependent functions as it meets them."""
    n = len(R)
    S = R.copy()  # S[i, j] holds what is left of R after the functions before the current panel
    L = np.zeros((n, n))
    kept = np.zeros(n, dtype=bool)
    for first in range(0, n, PANEL):
        last = min(first + PANEL, n)
        for m in range(first, last):
            column = S[m:, m] - L[m:, first:m] @ L[m, first:m]
            kept[m] = column[0] > thresholds[m]
            if kept[m]:
                L[m:, m] = column / np.sqrt(column[0])
        S[last:, last:] -= L[last:, first:last] @ L[last:, first:last].T
    return L[np.ix_(kept, kept)], np.flatnonzero(kept)


def _lapack() -> Any:
    """SciPy's LAPACK, imported at the first solve: it is half of the time that `import pwl` would take."""
    from scipy.linalg import lapack

    return lapack
