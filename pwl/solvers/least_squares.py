"""Least squares of any kind by Levenberg-Marquardt. Networks are trained by the same code."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from pwl.errors import InputError
from pwl.solvers.levenberg_marquardt import SOLVERS, Damping, Normal, Triangular, search, triangular
from pwl.validate import one_of

REASONS = {
    "converged": "the residuals are orthogonal to every column of the Jacobian, as far as rounding lets them",
    "small_step": "no weight changes any more in the digits that a float has",
    "mu_max": "no damping up to mu_max lowers the sum of squares",
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
        The sum of the squared residuals at w.
    jacobian : array (n, P)
        The derivatives of the residuals at w.
    iterations : int
        Steps taken.
    evaluations : int
        Calls of the residual function.
    stop_code : {"converged", "small_step", "mu_max", "iterations"}
        The reason for the end in one word.
    stop_reason : str
        The same in a sentence.
    converged : bool
        True if w is at a minimum as far as floating point can tell.
    """

    w: np.ndarray
    error: float
    jacobian: np.ndarray
    iterations: int
    evaluations: int
    stop_code: str

    @property
    def converged(self) -> bool:
        return self.stop_code in ("converged", "small_step")

    @property
    def stop_reason(self) -> str:
        return REASONS[self.stop_code]

    def standard_deviations(self) -> np.ndarray:
        """Estimates the standard deviations of the weights.

        They follow from the variance of the residuals, error / (n - P), and from the inverse of J'J.

        Returns
        -------
        array (P,)
            In the units of the weights.

        Raises
        ------
        InputError
            If there are not more residuals than weights.
        """
        n, P = self.jacobian.shape
        if n <= P:
            raise InputError(f"{n} residuals leave no freedom to estimate the spread of {P} weights: more are needed")
        inverse = np.linalg.pinv(triangular(self.jacobian))
        return np.sqrt(np.sum(inverse**2, axis=1) * self.error / (n - P))


def least_squares(
    residual: Callable[[np.ndarray], Any],
    jacobian: Callable[[np.ndarray], Any],
    w: Any,
    *,
    iterations: int = 20_000,
    tolerance: float = 1e-10,
    solver: str = "qr",
    damping: Damping = Damping(schedule="gain"),
) -> Fit:
    """Finds the weights that minimise the sum of the squared residuals, by Levenberg-Marquardt, Eq. (41).

    Parameters
    ----------
    residual : function of w (P,)
        Returns the residuals (n,). A trial point at which they overflow counts as a failure.
    jacobian : function of w (P,)
        Returns the derivatives of the residuals (n, P).
    w : array (P,)
        The starting point.
    iterations : int
        The largest number of steps.
    tolerance : float
        The fit has converged if the cosine between the residuals and every column of J is no larger than this. It has also
        converged if a step changes no weight by more than a few roundings.
    solver : {"qr", "cholesky"}
        "qr" is accurate; "cholesky" of J'J is faster.
    damping : pwl.Damping
        Start and schedule of the damping mu.

    Returns
    -------
    Fit
        The best weights, the error and the Jacobian there, and the reason for the end.

    Raises
    ------
    InputError
        If shapes do not fit, or if residuals or Jacobian are not finite at the start.
    """
    one_of("solver", solver, SOLVERS)
    w = np.array(w, dtype=np.float64)
    if w.ndim != 1 or not np.all(np.isfinite(w)):
        raise InputError(f"w must be a vector of finite numbers to start from, not {w!r}")
    r, J = _residual(residual, w), _jacobian(jacobian, w)
    if not (np.all(np.isfinite(r)) and np.all(np.isfinite(J))):
        raise InputError("residuals or Jacobian are not finite at the starting weights: start elsewhere or rescale")
    damped, E, evaluations, code = damping.start(len(w)), float(r @ r), 1, "iterations"

    def trial(e: np.ndarray) -> tuple[float, Any]:
        there = _residual(residual, w + e)
        return float(there @ there), (w + e, there)

    done = 0
    while done < iterations:
        system = _system(J, r, solver)
        if _orthogonal(system, E, tolerance):
            code = "converged"
            break
        found = search(system, damping, damped, trial, E)
        evaluations, damped = evaluations + found.trials, found.damped
        if found.value is None:
            code = "mu_max"
            break
        done += 1
        before, (w, r), E = w, found.value, found.objective
        new = _jacobian(jacobian, w)
        if not np.all(np.isfinite(new)):
            w, code = before, "mu_max"
            break
        J = new
        if np.all(np.abs(w - before) <= 4 * np.finfo(float).eps * np.abs(w)):
            code = "small_step"
            break
    if code == "mu_max" and _orthogonal(_system(J, r, solver), E, np.sqrt(tolerance)):
        code = "converged"
    return Fit(w, E, J, done, evaluations, code)


def _system(J: np.ndarray, r: np.ndarray, solver: str) -> Normal | Triangular:
    """The system of a step e of the weights: J e = -r in least squares."""
    if solver == "cholesky":
        return Normal(J.T @ J, -(J.T @ r))
    return Triangular.of(triangular(np.column_stack([J, -r])))


def _orthogonal(system: Normal | Triangular, E: float, tolerance: float) -> bool:
    """Whether |J_j'r| <= tolerance |J_j| |r| for every column j."""
    return bool(np.all(np.abs(system.gradient()) <= tolerance * np.sqrt(system.norms() * E)))


def _residual(residual: Callable[[np.ndarray], Any], w: np.ndarray) -> np.ndarray:
    r = np.asarray(residual(w), dtype=np.float64)
    if r.ndim != 1 or not len(r):
        raise InputError(f"residual(w) must be a vector of one number per residual, not an array of shape {r.shape}")
    return r


def _jacobian(jacobian: Callable[[np.ndarray], Any], w: np.ndarray) -> np.ndarray:
    J = np.asarray(jacobian(w), dtype=np.float64)
    if J.ndim != 2 or J.shape[1] != len(w):
        raise InputError(f"jacobian(w) must be of shape (residuals, {len(w)}), not {J.shape}")
    return J
