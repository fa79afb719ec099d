"""Damped least squares: the system of one step, its solution for a damping mu, and the schedule of mu, Eqs. (41), (42)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from pwl.errors import InputError
from pwl.runtime.threads import single_threaded_blas
from pwl.solvers import lapack
from pwl.validate import one_of, positive

SCALINGS = ("identity", "diagonal")
SOLVERS = ("qr", "cholesky")
SCHEDULES = ("fixed", "gain")
SMALLEST_MU = 1e-20  # a damping of 0 could never grow again


def triangular(rows: np.ndarray) -> np.ndarray:
    """The triangular factor R (min(m, n), n) of rows (m, n), with R'R = rows' rows."""
    with single_threaded_blas():
        return np.asarray(np.linalg.qr(rows, mode="r"))


class Normal(NamedTuple):
    """The system of a step by normal equations: A = J'J (n, n) and g = J'r (n,)."""

    A: np.ndarray
    g: np.ndarray

    def norms(self) -> np.ndarray:
        """Squared norms of J's columns (n,)."""
        return np.diagonal(self.A)

    def gradient(self) -> np.ndarray:
        return self.g

    def damped(self, d: np.ndarray) -> np.ndarray | None:
        """The solution e of (A + diag(d)) e = g by Cholesky. None if the matrix is not positive definite in floating point."""
        e = np.array(self.g, dtype=np.float64)
        return e if lapack.solve(self._damped(d), e) else None

    def with_rows(self, J: np.ndarray, r: np.ndarray) -> Normal:
        """The system with further residuals r (m,) and their rows J (m, n), such as penalties."""
        return Normal(self.A + J.T @ J, self.g + J.T @ r)

    def penalised(self, d: np.ndarray, w: np.ndarray) -> Normal:
        """The system with the penalty sum d w^2 at the weights w (n,)."""
        return Normal(self.A + np.diag(d), self.g - d * w)

    def inverse_diagonal(self, d: np.ndarray) -> tuple[np.ndarray, float]:
        """The diagonal (n,) of (A + diag(d))^-1, and log det (A + diag(d))."""
        L = self._factor(d)
        logarithm = 2 * float(np.sum(np.log(np.diagonal(L))))
        lapack.invert_triangular(L)
        inverse = np.tril(L)
        return np.einsum("ij,ij->j", inverse, inverse), logarithm

    def log_determinant(self, d: np.ndarray) -> float:
        """log det (A + diag(d))."""
        return 2 * float(np.sum(np.log(np.diagonal(self._factor(d)))))

    def _factor(self, d: np.ndarray) -> np.ndarray:
        """L with L L' = A + diag(d) in the lower triangle. Raises LinAlgError if that is not positive definite."""
        L = self._damped(d)
        if not lapack.cholesky(L):
            raise np.linalg.LinAlgError("J'J is not positive definite in floating point")
        return L

    def _damped(self, d: np.ndarray) -> np.ndarray:
        damped = np.array(self.A.T, dtype=np.float64, order="F")  # A is symmetric, so rows become columns in place
        damped.flat[:: len(d) + 1] += d
        return damped


class Wide(NamedTuple):
    """The system of a step with fewer rows than weights: J (m, n) itself, g = J'r (n,), and the penalty d (n,) of Eq. (81).

    Solutions cost m^2 n in place of n^3.
    """

    J: np.ndarray
    g: np.ndarray
    d: np.ndarray

    def norms(self) -> np.ndarray:
        return np.sum(self.J**2, axis=0) + self.d

    def gradient(self) -> np.ndarray:
        return self.g

    def damped(self, d: np.ndarray) -> np.ndarray | None:
        """The solution e of (J'J + diag(d + the penalty)) e = g, Eq. (81). None if rounding makes the rows' product indefinite."""
        from scipy.linalg import LinAlgError, cho_factor, cho_solve

        D = self.d + d
        scaled = self.J / D
        try:
            inner = cho_factor(np.eye(len(self.J)) + scaled @ self.J.T, lower=True, check_finite=False)
        except LinAlgError:
            return None
        return (self.g - self.J.T @ cho_solve(inner, scaled @ self.g, check_finite=False)) / D

    def penalised(self, d: np.ndarray, w: np.ndarray) -> Wide:
        """The system with the penalty sum d w^2 at the weights w (n,)."""
        return Wide(self.J, self.g - d * w, self.d + d)

    def inverse_diagonal(self, d: np.ndarray) -> tuple[np.ndarray, float]:
        """The diagonal (n,) of (J'J + diag(d))^-1, and log det (J'J + diag(d)), Eq. (81)."""
        from scipy.linalg import solve_triangular

        with single_threaded_blas():
            L = np.linalg.cholesky(np.eye(len(self.J)) + (self.J / d) @ self.J.T)
            inner = solve_triangular(L, self.J / d, lower=True, check_finite=False)
        return 1 / d - np.sum(inner**2, axis=0), 2 * float(np.sum(np.log(np.diagonal(L)))) + float(np.sum(np.log(d)))

    def log_determinant(self, d: np.ndarray) -> float:
        """log det (J'J + diag(d)), Eq. (81)."""
        with single_threaded_blas():
            L = np.linalg.cholesky(np.eye(len(self.J)) + (self.J / d) @ self.J.T)
        return 2 * float(np.sum(np.log(np.diagonal(L)))) + float(np.sum(np.log(d)))


class Triangular(NamedTuple):
    """The system of a step by QR: R (n, n) of J, and c = Q'r (n,). J'J is not formed, which would lose digits, Eq. (42)."""

    R: np.ndarray
    c: np.ndarray

    def norms(self) -> np.ndarray:
        return np.sum(self.R**2, axis=0)

    def gradient(self) -> np.ndarray:
        return self.R.T @ self.c

    def damped(self, d: np.ndarray) -> np.ndarray | None:
        """The solution e of [R; sqrt(diag(d))] e = [c; 0] by least squares. None if a pivot vanishes."""
        import scipy.linalg

        n = len(self.c)
        rows = np.block([[self.R, self.c[:, None]], [np.diag(np.sqrt(d)), np.zeros((n, 1))]])
        F = triangular(rows)[:n]
        if not np.all(np.diagonal(F)[:n]):
            return None
        return scipy.linalg.solve_triangular(F[:, :n], F[:, n], check_finite=False)

    def with_rows(self, J: np.ndarray, r: np.ndarray) -> Triangular:
        return Triangular.of(triangular(np.block([[self.R, self.c[:, None]], [J, r[:, None]]])))

    @staticmethod
    def of(F: np.ndarray) -> Triangular:
        """The system from the factor F of [J r]. With few residuals, F has fewer rows than columns."""
        n = F.shape[1] - 1
        F = np.concatenate([F, np.zeros((max(0, n - len(F)), n + 1))])
        return Triangular(F[:n, :n], F[:n, n])


System = Normal | Triangular | Wide


class Damped(NamedTuple):
    """The present damping: mu, its growth nu after the next failure, and Q (n,) of Eq. (41)."""

    mu: float
    nu: float
    Q: np.ndarray


@dataclass(frozen=True)
class Damping:
    """Sets the start and the schedule of the damping mu, Eq. (41).

    Parameters
    ----------
    mu : float
        The damping at the start.
    mu_increase, mu_decrease : float
        Factors of mu after a failure and after a success.
    mu_max : float
        The search for a step ends if mu is larger than this.
    scaling : {"identity", "diagonal"}
        The diagonal matrix Q. "identity" is 1 for every weight. "diagonal" holds the largest squared norms of the columns of
        J so far, so that steps do not depend on the units of the weights.
    schedule : {"fixed", "gain"}
        "fixed" uses the two factors as given. "gain" uses the ratio of the real to the predicted decrease. After a success mu
        becomes mu max(1/3, 1 - (2 ratio - 1)^3), and after failures it grows twofold, fourfold, ... (Nielsen 1999).

    Raises
    ------
    InputError
        Unless 0 < mu <= mu_max, mu_increase > 1 and 0 < mu_decrease <= 1, and for an unknown scaling or schedule.
    """

    mu: float = 1e-3
    mu_increase: float = 10.0
    mu_decrease: float = 0.1
    mu_max: float = 1e10
    scaling: str = "identity"
    schedule: str = "fixed"

    def __post_init__(self) -> None:
        for name in ("mu", "mu_max", "mu_increase", "mu_decrease"):
            positive(name, getattr(self, name))
        if self.mu > self.mu_max:
            raise InputError(f"mu <= mu_max was wanted, not mu={self.mu!r} and mu_max={self.mu_max!r}")
        if self.mu_increase <= 1 or self.mu_decrease > 1:
            raise InputError(
                f"mu_increase > 1 and mu_decrease <= 1 were wanted, not {self.mu_increase!r} and {self.mu_decrease!r}"
            )
        one_of("scaling", self.scaling, SCALINGS)
        one_of("schedule", self.schedule, SCHEDULES)

    def start(self, n: int) -> Damped:
        """The damping before the first step, for n weights."""
        return Damped(self.mu, 2.0, np.ones(n) if self.scaling == "identity" else np.zeros(n))

    def scaled(self, damped: Damped, system: System) -> np.ndarray:
        """Q (n,) for a system."""
        if self.scaling == "identity":
            return damped.Q
        largest = np.maximum(damped.Q, system.norms())
        return np.where(largest > 0, largest, 1.0)  # a weight without effect stays in place for any positive number

    def after(self, damped: Damped, ratio: float) -> Damped:
        """The damping after a trial. ratio: real over predicted decrease, negative or NaN if the trial failed."""
        mu, nu = damped.mu, damped.nu
        if not ratio > 0:
            if self.schedule == "fixed":
                return damped._replace(mu=mu * self.mu_increase)
            return damped._replace(mu=mu * nu, nu=nu * 2)
        factor = self.mu_decrease if self.schedule == "fixed" else max(1 / 3, 1 - (2 * min(ratio, 1.0) - 1) ** 3)
        return damped._replace(mu=max(mu * factor, SMALLEST_MU), nu=2.0)


class Found(NamedTuple):
    """The result of a search for a step. value: the value from `trial` for the step taken, or None if every mu failed."""

    value: Any
    objective: float
    damped: Damped
    trials: int


def search(
    system: System,
    damping: Damping,
    damped: Damped,
    trial: Callable[[np.ndarray], tuple[float, Any]],
    J: float,
    most: float = math.inf,
) -> Found:
    """Raises mu until a step lowers the objective below J, or until mu is above mu_max, or after `most` trials.

    trial(e) returns the objective after the step e, and any value that the caller wants to keep. The objective must have the
    scale of the system, because the predicted decrease is g'e + mu e'Qe.
    """
    if not damped.mu > 0:  # from a file that others wrote; it would never grow
        raise InputError(f"the damping mu is {damped.mu!r}, but a positive number was wanted: start anew")
    Q = damping.scaled(damped, system)
    damped = damped._replace(Q=Q)
    trials, g = 0, system.gradient()
    while damped.mu <= damping.mu_max and trials < most:
        d = damped.mu * Q
        with single_threaded_blas():
            e = system.damped(d)
        ratio = -1.0
        if e is not None and np.all(np.isfinite(e)):
            trials += 1
            with np.errstate(over="ignore", invalid="ignore"):
                objective, value = trial(e)
            predicted = float(g @ e + e @ (d * e))
            if objective < J:
                ratio = (J - objective) / predicted if predicted > 0 else 1.0
        damped = damping.after(damped, ratio)
        if ratio > 0:
            return Found(value, objective, damped, trials)
    return Found(None, J, damped, trials)
