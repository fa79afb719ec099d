"""Many symmetric tridiagonal systems side by side, with OLS's rule for dependent functions, Eqs. (13), (86)."""

from __future__ import annotations

import numpy as np


def solve_tridiagonal(diagonal: np.ndarray, beside: np.ndarray, g: np.ndarray, tolerance: float) -> np.ndarray:
    """x (units, K) with T_k x_k = g_k for every unit k, Eq. (86). It takes K steps for all units together.

    Parameters
    ----------
    diagonal, beside : array (units, K), (units, K - 1)
        The bands of T_k.
    g : array (units, K)
        Right-hand sides.
    tolerance : float
        Function m is dependent, and its x is 0, if what is left of T[m, m] after those before it is at most this part of it.
    """
    units, K = diagonal.shape
    pivot, ratio, x = np.zeros((units, K)), np.zeros((units, K)), np.array(g, dtype=np.float64)
    for m in range(K):
        left, before = diagonal[:, m].astype(np.float64), np.zeros(units)
        if m:
            ratio[:, m] = np.divide(beside[:, m - 1], pivot[:, m - 1], out=np.zeros(units), where=pivot[:, m - 1] > 0)
            left, before = left - ratio[:, m] * beside[:, m - 1], ratio[:, m] * x[:, m - 1]
        kept = left > tolerance * diagonal[:, m]
        pivot[:, m] = np.where(kept, left, 0.0)
        x[:, m] = np.where(kept, x[:, m] - before, 0.0)
    x = np.divide(x, pivot, out=np.zeros((units, K)), where=pivot > 0)
    for m in range(K - 2, -1, -1):
        x[:, m] -= np.where(pivot[:, m] > 0, ratio[:, m + 1] * x[:, m + 1], 0.0)
    return x
