"""Least squares problems of any kind by Levenberg-Marquardt: the core that trains networks, with a door of its own."""

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
    "iterations": "all iterations asked for were run, and the fit has not converged",
}


@dataclass(frozen=True)
class Fit:
    """w: the best weights. error: sum of squared residuals there. jacobian: (n, P) there.

    converged: whether it ended at a minimum as far as floating point can tell; stop_reason says why it ended.
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
        """Of the weights (P,), from the residuals' variance error / (n - P) and the inverse of J'J."""
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
    """Weights that minimise the sum of the squared residuals, by Levenberg-Marquardt, Eq. (41).

    Parameters
    ----------
    residual : function of w (P,)
        The residuals (n,). A trial point where they overflow counts as a failure.
    jacobian : function of w (P,)
        Their derivatives (n, P).
    w : array (P,)
        Where to start.
    iterations : int
        At most so many steps.
    tolerance : float
        The fit has converged if the cosine between the residuals and every column of J is no larger, or if a step changes no
        weight by more than some roundings.
    solver : {"qr", "cholesky"}
        "qr" is accurate; "cholesky" of J'J is faster.
    damping : pwl.Damping
        How steps are held back.

    Returns
    -------
    Fit

    Raises
    ------
    InputError
        If shapes do not fit, or residuals or Jacobian are not finite at the start.
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
    """The step's system, e moving w: J e = -r in least squares."""
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
