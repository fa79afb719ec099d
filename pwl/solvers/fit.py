"""The result of a least squares fit, and what its Jacobian says about the weights."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pwl.errors import InputError
from pwl.solvers.levenberg_marquardt import triangular

REASONS = {
    "converged": "the residuals are orthogonal to every column of the Jacobian, as far as rounding lets them",
    "small_step": "no weight changes any more in the digits that a float has",
    "mu_max": "no damping up to mu_max lowers the sum of squares",
    "not_finite": "a derivative became infinite or NaN at the next point, and the fit has not converged",
    "iterations": "all requested iterations were run, and the fit has not converged",
}


@dataclass(frozen=True)
class Fit:
    """The result of `least_squares` for n residuals and P weights.

    Attributes
    ----------
    w : array (P,)
        The best weights.
    error : float
        The sum of the squared residuals at w, or of their loss.
    jacobian : array (n, P)
        The derivatives of the residuals at w. With another loss than "linear" its rows are scaled, Eq. (90).
    iterations : int
        Steps taken.
    evaluations : int
        Calls of the residual function, without those for difference quotients.
    stop_code : {"converged", "small_step", "mu_max", "not_finite", "iterations"}
        The reason for the end in one word.
    stop_reason : str
        The same in a sentence.
    converged : bool
        True if w is at a minimum as far as floating point can tell.
    squares : bool
        Whether the loss was "linear", so that the error is a sum of squares.
    rounding : float
        The rounding of the Jacobian, relative to its columns.
    rank : int
        The number of directions of the weights that the residuals depend on.
    """

    w: np.ndarray
    error: float
    jacobian: np.ndarray
    iterations: int
    evaluations: int
    stop_code: str
    squares: bool = True
    rounding: float = float(np.finfo(np.float64).eps)

    @property
    def converged(self) -> bool:
        return self.stop_code in ("converged", "small_step")

    @property
    def stop_reason(self) -> str:
        return REASONS[self.stop_code]

    @property
    def rank(self) -> int:
        return int(np.sum(self._directions()[1]))

    def standard_deviations(self) -> np.ndarray:
        """Estimates the standard deviations of the weights.

        They follow from the variance of the residuals, error / (n - rank), and from the inverse of J'J. A weight that the
        residuals do not determine, because they do not depend on it or because other weights can make up for it, has an
        infinite deviation.

        Returns
        -------
        array (P,)
            In the units of the weights.

        Raises
        ------
        InputError
            If there are not more residuals than weights that they depend on, or if the loss was not "linear".
        """
        if not self.squares:
            raise InputError('standard deviations follow from squared residuals: fit with loss="linear" to get them')
        norms, kept, s, V = self._directions()
        n, rank = self.jacobian.shape[0], int(np.sum(kept))
        if n <= rank:
            raise InputError(
                f"{n} residuals leave no freedom to estimate the spread of {rank} weights: more are needed"
            )
        spread = np.sqrt(np.sum((V[kept] / s[kept, None]) ** 2, axis=0) * self.error / (n - rank))
        lost = np.sum(V[~kept] ** 2, axis=0) > np.sqrt(np.finfo(float).eps)  # shares in directions without effect
        with np.errstate(divide="ignore", over="ignore"):
            return np.where(lost | (norms == 0), np.inf, spread / np.where(norms > 0, norms, 1))

    def _directions(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Norms of J's columns (P,), and singular values s (P,) and directions V (P, P) of J with columns of norm 1.

        The second is whether a direction has an effect beyond rounding. Columns of norm 1 make the rank independent of units.
        """
        n, P = self.jacobian.shape
        norms = np.linalg.norm(self.jacobian, axis=0)
        columns = self.jacobian / np.where(norms > 0, norms, 1)
        _, s, V = np.linalg.svd(triangular(columns), full_matrices=True)
        s = np.concatenate([s, np.zeros(P - len(s))])
        return norms, s > max(n, P) * self.rounding * max(float(s[0]), 1e-300), s, V
