"""Least squares of any kind by Levenberg-Marquardt. Networks are trained by the same code."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pwl.errors import InputError
from pwl.solvers.fit import Fit
from pwl.solvers.levenberg_marquardt import SOLVERS, Damping, Normal, Triangular, search, triangular
from pwl.solvers.problem import Problem, stated
from pwl.validate import not_negative, one_of, shown, whole

LARGEST_MOVE = 1e-6  # of a weight, relative to it, in search of the residuals' rounding
ROUNDINGS = 16  # residuals of this many roundings are rounding alone


def least_squares(
    residual: Callable[[np.ndarray], Any],
    jacobian: Callable[[np.ndarray], Any] | str | None,
    w: Any,
    *,
    bounds: Any = None,
    loss: Any = "linear",
    f_scale: float = 1.0,
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
    jacobian : function of w (P,), "2-point", "3-point" or None
        Returns the derivatives of the residuals (n, P). Without a function they are difference quotients, Eq. (89). None is
        "3-point".
    w : array (P,)
        The starting point.
    bounds : pair of numbers or arrays (P,), or an object with lb and ub, optional
        The lowest and the highest values of the weights, with -inf and inf for none.
    loss : {"linear", "soft_l1", "huber", "cauchy", "arctan"} or function of z (n,)
        What is summed over the residuals, Eq. (90). A function returns rho(z), rho'(z) and rho''(z), of shape (3, n).
    f_scale : float
        The size from which a residual counts as an outlier. It has no effect on the linear loss.
    iterations : int
        The largest number of steps.
    tolerance : float
        The fit has converged if the cosine between the residuals and every column of J is no larger than this. It has also
        converged if a step changes no weight by more than a few roundings, or if the residuals are nothing but rounding.
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
        If shapes do not fit, if a residual or a derivative is not finite at the start, or if w is outside of the bounds.
    """
    one_of("solver", solver, SOLVERS)
    whole("iterations", iterations, 0)
    not_negative("tolerance", tolerance)
    if not isinstance(damping, Damping):
        raise InputError(f"damping must be a pwl.Damping, not {shown(damping)}")
    problem, w = stated(residual, jacobian, w, bounds, loss, f_scale)
    return _Search(problem, solver, damping, tolerance, w).run(iterations)


@dataclass
class _Search:
    """The state of a fit: the point w with its residuals r and Jacobian J, and the damping."""

    problem: Problem
    solver: str
    damping: Damping
    tolerance: float
    w: np.ndarray
    r: np.ndarray = field(init=False)
    J: np.ndarray = field(init=False)
    evaluations: int = 1

    def __post_init__(self) -> None:
        self.r = self.problem.first_residuals(self.w)
        self.problem = self.problem._replace(n=len(self.r))
        self.J = self.problem.first_jacobian(self.w, self.r)
        self.objective = self.problem.loss.sum(self.r)
        self.damped = self.damping.start(len(self.w))

    def run(self, iterations: int) -> Fit:
        """The fit after this many steps at most."""
        done, code = 0, "iterations"
        while done < iterations:
            if self._converged(self.tolerance):
                code = "converged"
                break
            before = self.w
            if stopped := self._step():
                code = stopped
                break
            done += 1
            if np.all(np.abs(self.w - before) <= 4 * np.finfo(float).eps * np.abs(self.w)):
                code = "small_step"
                break
        if code == "mu_max" and self._at_minimum():
            code = "converged"
        J, _ = self.problem.loss.square(self.J, self.r)
        return Fit(
            self.w,
            self.objective,
            J,
            done,
            self.evaluations,
            code,
            self.problem.loss.rho is None,
            self.problem.rounding,
        )

    def _step(self) -> str:
        """Moves to a better point. Returns the reason if there is none."""
        J, r = self.problem.loss.square(self.J, self.r)
        free = self.problem.box.free(self.w, -(J.T @ r))
        system = _system(J * free, r, self.solver)  # a weight that is held at its bound has no effect

        def trial(e: np.ndarray) -> tuple[float, Any]:
            w = self.problem.box.clipped(self.w + e * free)
            there = self.problem.residuals(w)
            return self.problem.loss.sum(there), (w, there)

        found = search(system, self.damping, self.damped, trial, self.objective)
        self.evaluations, self.damped = self.evaluations + found.trials, found.damped
        if found.value is None:
            return self._rescaled() or self._step()
        w, r = found.value
        J = self.problem.jacobian(w, r)
        if not np.all(np.isfinite(J)):
            return "not_finite"
        self.w, self.r, self.J, self.objective = w, r, J, found.objective
        return ""

    def _rescaled(self) -> str:
        """Turns to a damping in units of J'J, once: the given one may be far above it, and hide the way down."""
        if self.damping.scaling == "diagonal" or self._at_minimum():
            return "mu_max"
        self.damping = dataclasses.replace(self.damping, scaling="diagonal", mu=min(self.damping.mu, 1e-6))
        self.damped = self.damping.start(len(self.w))
        return ""

    def _at_minimum(self) -> bool:
        """Whether no step can be expected to lower the objective, because rounding hides what is left."""
        return self._converged(np.sqrt(self.tolerance)) or self._only_rounding()

    def _converged(self, tolerance: float) -> bool:
        """Whether |J_j'r| <= tolerance |J_j| |r| for every weight j that may move."""
        J, r = self.problem.loss.square(self.J, self.r)
        free = self.problem.box.free(self.w, -(J.T @ r))
        r = _near_one(r)
        system = _system(_near_one(J * free), r, self.solver)
        return bool(np.all(np.abs(system.gradient()) <= tolerance * np.sqrt(system.norms() * float(r @ r))))

    def _only_rounding(self) -> bool:
        """Whether the residuals are no larger than their own rounding, so that the fit is exact.

        Small moves of w show their rounding: it is what J does not explain. What J leaves out of a smooth function shrinks with
        the square of the move, but rounding does not, so the smaller of two moves tells them apart.
        """
        eps, size = float(np.finfo(float).eps), float(np.linalg.norm(self.r))
        if size <= ROUNDINGS * eps * float(np.linalg.norm(np.abs(self.J) @ np.abs(self.w))):
            return True
        norms = np.linalg.norm(self.J, axis=0)
        # Moves by which J changes the residuals by twice their size.
        most = np.divide(2 * size, norms, out=np.zeros_like(norms), where=norms > 0)
        most = np.minimum(most, LARGEST_MOVE * np.maximum(np.abs(self.w), eps))
        return size <= ROUNDINGS * min(self._unexplained(most), self._unexplained(most / 8))

    def _unexplained(self, most: np.ndarray) -> float:
        """The largest part of the residuals' change that J does not explain, over random moves of w up to `most` (P,)."""
        draw, found = np.random.default_rng(0), 0.0
        for _ in range(4):
            w = self.problem.box.clipped(self.w + most * draw.uniform(-1, 1, len(self.w)))
            there = self.problem.residuals(w)
            found = max(found, float(np.linalg.norm(there - self.r - self.J @ (w - self.w))))
        self.evaluations += 4
        return found


def _near_one(a: np.ndarray) -> np.ndarray:
    """Columns times powers of two, by which their largest numbers come near 1, so that squares neither overflow nor vanish."""
    return np.ldexp(a, -np.frexp(np.max(np.abs(a), axis=0))[1])


def _system(J: np.ndarray, r: np.ndarray, solver: str) -> Normal | Triangular:
    """The system of a step e of the weights: J e = -r in least squares."""
    if solver == "cholesky":
        return Normal(J.T @ J, -(J.T @ r))
    return Triangular.of(triangular(np.column_stack([J, -r])))
