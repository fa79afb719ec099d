"""The ridge of a least squares fit by its evidence, the probability of the targets with the weights integrated out, Eq. (76)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pwl.runtime.threads import single_threaded_blas

LOWEST, HIGHEST = 1e-12, 1e2  # bounds of lambda, relative to the largest eigenvalue: pure noise would send it to infinity
GRID, ZOOMS = 57, 3  # points per grid over log lambda. The last are 1e-3 apart: nearer ones differ by rounding alone


class Evidence(NamedTuple):
    """The evidence at one ridge. ridge: lambda. gamma: weights per output that the data determine. negative_log: -log p."""

    ridge: float
    gamma: float
    negative_log: float


class Spectrum(NamedTuple):
    """The sums of a fit with its constants eliminated, Eq. (76). a (n,): eigenvalues. s (n, M): squared projections of the targets.

    rest (M,): the energy of each target that no weights explain. Nv: sum of the patterns' weights.
    """

    a: np.ndarray
    s: np.ndarray
    rest: np.ndarray
    Nv: float

    def negative_log(self, ridge: np.ndarray) -> np.ndarray:
        """-log p at ridges (k,), summed over the outputs, each with its own best precision of the noise, Eq. (76)."""
        ridge = ridge[:, None]
        J = self.rest + (ridge / (self.a * (self.a + ridge))) @ self.s
        n, M = self.Nv - 1, self.s.shape[1]
        fit = n / 2 * np.sum(1 + np.log(2 * np.pi * self.Nv * J / n), axis=1)
        return fit + M / 2 * np.sum(np.log1p(self.a / ridge), axis=1) + M / 2 * np.log(self.Nv)

    @property
    def largest(self) -> float:
        """The largest eigenvalue, 0 if there is none."""
        return float(self.a[-1]) if len(self.a) else 0.0

    def at(self, ridge: float) -> Evidence:
        gamma = float(np.sum(self.a / (self.a + ridge)))
        return Evidence(ridge, gamma, float(self.negative_log(np.array([ridge]))[0]))


class Spectra(NamedTuple):
    """Spectra of outputs that count patterns of their own, Eq. (96). shares (M,): the part of all patterns that each counts."""

    each: tuple[Spectrum, ...]
    shares: np.ndarray

    @staticmethod
    def of(R: np.ndarray, C: np.ndarray, energies: np.ndarray, Nv: float, rest: np.ndarray | None) -> Spectra:
        """As `spectrum`, with R (M, Nu, Nu). The sums of an output, over all patterns' weight, become means over its own."""
        shares = R[:, 0, 0]
        means = [
            spectrum(R[i] / f, C[:, [i]] / f, energies[[i]] / f, Nv * f, None if rest is None else rest[[i]] / f)
            for i, f in enumerate(shares)
        ]
        return Spectra(tuple(means), shares)

    @property
    def largest(self) -> float:
        """The largest eigenvalue, 0 if there is none."""
        return max(f * found.largest for f, found in zip(self.shares, self.each, strict=True))

    def negative_log(self, ridge: np.ndarray) -> np.ndarray:
        """-log p at ridges (k,), summed over the outputs."""
        return sum((found.negative_log(ridge / f) for f, found in zip(self.shares, self.each, strict=True)), np.zeros(len(ridge)))

    def at(self, ridge: float) -> Evidence:
        gammas = [found.at(ridge / f).gamma for f, found in zip(self.shares, self.each, strict=True)]
        return Evidence(ridge, float(np.mean(gammas)), float(self.negative_log(np.array([ridge]))[0]))


def spectrum(R: np.ndarray, C: np.ndarray, energies: np.ndarray, Nv: float, rest: np.ndarray | None = None) -> Spectrum:
    """The sums of a fit, with the unpenalised constant eliminated.

    Parameters
    ----------
    R : array (Nu, Nu)
        Autocorrelation of the basis functions, the constant first, Eq. (10).
    C : array (Nu, M)
        Their correlations with the targets.
    energies : array (M,)
        Energy of each target, (1/Nv) sum t^2.
    Nv : float
        Sum of the patterns' weights.
    rest : array (M,), optional
        The energy of each target that no weights explain, where it was measured from residuals. Without it, it is a
        difference, which keeps no digits below the rounding of the energies.
    """
    r = R[1:, 0]
    with single_threaded_blas():
        a, U = np.linalg.eigh(R[1:, 1:] - np.outer(r, r))
        s = (U.T @ (C[1:] - np.outer(r, C[0]))) ** 2
    kept = a > len(R) * np.finfo(float).eps * np.max(a, initial=0.0)
    a, s = a[kept], s[kept]
    energies = energies - C[0] ** 2
    if rest is None:
        rest = energies - np.sum(s / a[:, None], axis=0)
    least = np.maximum(len(R) * np.finfo(float).eps * energies, np.finfo(float).tiny)
    return Spectrum(a, s, np.maximum(rest, least), Nv)


def best_ridge(found: Spectrum | Spectra) -> Evidence:
    """The ridge of the highest evidence: a grid over log lambda, and finer ones about its best point, Eq. (76)."""
    if not found.largest:
        return found.at(1.0)  # nothing but constants: any ridge will do
    low, high = np.log(LOWEST * found.largest), np.log(HIGHEST * found.largest)
    best = low
    for _ in range(ZOOMS):
        grid = np.linspace(low, high, GRID)
        k = int(np.argmin(found.negative_log(np.exp(grid))))
        best, low, high = grid[k], grid[max(k - 1, 0)], grid[min(k + 1, GRID - 1)]
    return found.at(float(np.exp(best)))


def class_ridge(R: np.ndarray, S: np.ndarray, square: float, ridge: float, Nv: float) -> Evidence:
    """The next ridge under cross-entropy, by one step of the fixed point of its evidence, Eq. (78).

    Parameters
    ----------
    R : array (Nu, Nu)
        Autocorrelation of the basis functions, the constant first.
    S : array (M, M)
        Mean of S_p. The Hessian of E is taken as the product of both, as if S_p and the basis were independent.
    square : float
        Sum of the squares of the output weights, without the constants.
    ridge : float
        The ridge with which they were found.
    Nv : float
        Sum of the patterns' weights.
    """
    with single_threaded_blas():
        a = np.clip(np.linalg.eigvalsh(R[1:, 1:] - np.outer(R[1:, 0], R[1:, 0])), 0, None)
        h = np.outer(np.clip(np.linalg.eigvalsh(S), 0, None), a).reshape(-1)
    h = h[h > len(h) * np.finfo(float).eps * np.max(h, initial=0.0)]
    gamma = float(np.sum(h / (h + 2 * ridge)))
    highest = HIGHEST * np.max(a, initial=0.0)
    return Evidence(min(gamma / (2 * Nv * max(square, np.finfo(float).tiny)), highest), gamma / len(S), float("nan"))
