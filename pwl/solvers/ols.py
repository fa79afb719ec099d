"""Orthogonal least squares: solves R z = c for autocorrelations R and drops dependent functions, Eqs. (13), (14).

The work has the parameters' size. It runs on the host in float64, wherever the data are.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from pwl.errors import InputError
from pwl.runtime.backend import Array, as_array, finfo, host, like
from pwl.runtime.threads import single_threaded_blas
from pwl.solvers import lapack
from pwl.validate import is_number, truth

RESTARTS = 4  # of LAPACK's factorisation, before functions are dropped column by column
PANEL = 64  # columns that are factored before one matrix product updates the rest of R


class Solution(NamedTuple):
    """The solution of `OLS.solve`.

    Attributes
    ----------
    weights : array (..., n)
        Rows w with R w' = c. Dependent functions have the weight 0.
    dependent : tuple of int
        Indices of the dependent functions.
    energy : array (rows,)
        For each row the sum of the squared orthonormal weights: the part of the targets' energy that the functions explain.
    """

    weights: Array
    dependent: tuple[int, ...]
    energy: np.ndarray


@dataclass(frozen=True)
class OLS:
    """Solves systems R w' = c by orthogonal least squares and drops dependent functions, Eqs. (13), (14).

    Parameters
    ----------
    tolerance : float
        Function m is dependent if g <= tolerance R[m, m], Eq. (13); in [0, 1).
    relative : bool
        False is the published, absolute test g <= tolerance. It depends on the scale of the data. H_molf grows with the sixth
        power of the targets, so with small targets the absolute test would drop every row of it.

    Raises
    ------
    InputError
        If the tolerance is outside [0, 1).
    """

    tolerance: float = 1e-12
    relative: bool = True

    def __post_init__(self) -> None:
        truth("relative", self.relative)
        if not is_number(self.tolerance) or not 0 <= self.tolerance < 1:
            raise InputError(f"the dependence tolerance must be in [0, 1), not {self.tolerance!r}")

    def thresholds(self, R: np.ndarray) -> np.ndarray:
        """The bounds (n,) that g must exceed for a function to be independent, never below the rounding of R's dtype."""
        if not self.relative:
            return np.full(len(R), self.tolerance)
        return np.multiply(R.diagonal(), max(self.tolerance, _rounding(R)), dtype=np.float64)

    def of_functions_like(self, a: Array) -> OLS:
        """The test for an R in float64 of functions in the dtype of `a`. A relative test is never finer than their rounding."""
        if not self.relative or self.tolerance >= _rounding(a):
            return self
        return dataclasses.replace(self, tolerance=_rounding(a))

    def solve(self, R: Array, C: Array) -> Solution:
        """Solves R w' = c for every row c of C.

        Functions are orthonormalised in their order (constant, inputs, hidden), as in Schmidt's procedure, `schmidt`.

        Parameters
        ----------
        R : array (n, n)
            The symmetric autocorrelation matrix.
        C : array (M, n) or (n,)
            The right-hand sides.

        Returns
        -------
        Solution
            Weights shaped like C, the dependent functions, and the energy per row. If R or C is not finite, weights are NaN.
        """
        return self.solver(R)(C)

    def solve_each(self, R: Array, C: Array) -> Solution:
        """Solves R_i w_i' = c_i for R (M, n, n) and rows c_i of C (M, n), Eq. (96).

        Functions that are dependent in any R count as such."""
        found = [self.solve(R[i, :, :], C[i, :]) for i in range(C.shape[0])]
        weights = like(np.stack([host(each.weights) for each in found]), C)
        dependent = tuple(sorted({function for each in found for function in each.dependent}))
        return Solution(weights, dependent, np.concatenate([each.energy for each in found]))

    def solver(self, R: Array) -> Callable[[Array], Solution]:
        """A function from C to its solution. R is factored once, here."""
        there = R if isinstance(R, np.ndarray) else host(as_array(R, "R"))
        if there.ndim != 2 or there.shape[0] != there.shape[1] or there.dtype.kind not in "fiub":
            raise InputError(f"R must be a square matrix of real numbers, not an array of {there.dtype} of shape {there.shape}")
        A = there.astype(np.float64, copy=False)
        if not _finite(A):
            return _no_numbers
        L, kept = cholesky_of_independent(A, self.thresholds(there))
        n, every = len(A), len(kept) == len(A)
        dependent = () if every else tuple(np.delete(np.arange(n), kept).tolist())

        def solution(C: Array) -> Solution:
            c = host(C).astype(np.float64, copy=False)
            if c.shape[-1:] != (n,):
                raise InputError(f"C must have {n} columns, as R has, but it came with shape {c.shape}")
            B = c.reshape(-1, n)
            if not _finite(B):
                return _no_numbers(C)
            if not len(kept):  # LAPACK takes no empty system
                return Solution(like(np.zeros_like(c), C), dependent, np.zeros(len(B)))
            V = np.array((B if every else B[:, kept]).T, order="F")
            lapack.solve_triangular(L, V)
            energy = np.add.reduce(V * V, axis=0)
            lapack.solve_triangular(L, V, transposed=True)
            if every:
                weights = V.T
            else:
                weights = np.zeros_like(B)
                weights[:, kept] = V.T
            return Solution(like(weights.reshape(c.shape), C), dependent, energy)

        return solution


def _rounding(a: Array) -> float:
    return 8 * float(finfo(a).eps)


def _finite(a: np.ndarray) -> bool:
    return _first_false(np.isfinite(a)) < 0


def _first_false(flags: np.ndarray) -> int:
    """The place of the first False, or -1. For systems of a few functions NumPy's `all` would take as long as the solve."""
    return flags.tobytes().find(0)


def _no_numbers(C: Array) -> Solution:
    """The solution of a system that holds NaN or infinities."""
    return Solution(like(np.full(np.shape(C), np.nan), C), (), np.full(np.atleast_2d(host(C)).shape[0], np.nan))


def schmidt(R: np.ndarray, thresholds: np.ndarray) -> tuple[np.ndarray, list[int]]:
    """Runs Schmidt's procedure as published, row by row, Eq. (13). The output weights are then W_o = (C'Q')Q, Eq. (14).

    This is the readable form for study. `cholesky_of_independent` gives the same answer with matrix products.

    Returns
    -------
    Q : array (n, n)
        Lower triangular, with Q R Q' = I on the independent functions and rows of zeros for the dependent ones.
    dependent : list of int
        Indices of the dependent functions.
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
    """The Cholesky factor L of R over the kept functions, the inverse of Schmidt's Q, and their indices, Eq. (14).

    It is in the lower triangle, and what stands above means nothing. LAPACK does the work. The first function whose g = L[m, m]^2
    is not above its threshold is dropped, and the work begins anew without it; if many are dependent, the loop below is faster.
    """
    kept = np.arange(len(R))
    for restart in range(RESTARTS):
        L = np.array(R[np.ix_(kept, kept)] if restart else R, order="F")
        good = lapack.factored(L)
        passed = L.diagonal()[:good] ** 2 > (thresholds[kept[:good]] if restart else thresholds[:good])
        if (dependent := _first_false(passed)) >= 0:
            good = dependent
        if good == len(kept):
            return L, kept
        kept = np.delete(kept, good)
    return _cholesky_dropping(R, thresholds)


def _cholesky_dropping(R: np.ndarray, thresholds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Blocked Cholesky in the given order, which leaves out each dependent function when it meets it."""
    n = len(R)
    S = R.copy()  # S[i, j] holds the rest of R after the functions before the current panel
    L = np.zeros((n, n))
    kept = np.zeros(n, dtype=bool)
    for first in range(0, n, PANEL):
        last = min(first + PANEL, n)
        for m in range(first, last):
            column = S[m:, m] - L[m:, first:m] @ L[m, first:m]
            kept[m] = column[0] > thresholds[m]
            if kept[m]:
                L[m:, m] = column / np.sqrt(column[0])
        with single_threaded_blas():
            S[last:, last:] -= L[last:, first:last] @ L[last:, first:last].T
    return np.asfortranarray(L[np.ix_(kept, kept)]), np.flatnonzero(kept)
