"""Damped least squares: the system of one step, how it is solved for a damping mu, and how mu changes, Eqs. (41), (42)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from pwl.errors import InputError
from pwl.runtime.threads import single_threaded_blas
from pwl.validate import one_of, positive

SCALINGS = ("identity", "diagonal")
SOLVERS = ("qr", "cholesky")
SCHEDULES = ("fixed", "gain")
SMALLEST_MU = 1e-20  # a damping of exactly 0 could never grow again


def triangular(rows: np.ndarray) -> np.ndarray:
    """The triangular factor R of rows (m, n): (min(m, n), n) with R'R = rows' rows."""
    with single_threaded_blas():
        return np.asarray(np.linalg.qr(rows, mode="r"))


class Normal(NamedTuple):
    """J'J as A (n, n) and J'r as g (n,)."""

    A: np.ndarray
    g: np.ndarray

    def norms(self) -> np.ndarray:
        """Squared norms of J's columns (n,)."""
        return np.diagonal(self.A)

    def gradient(self) -> np.ndarray:
        return self.g

    def damped(self, d: np.ndarray) -> np.ndarray | None:
        """(A + diag(d)) e = g by Cholesky; None where the matrix is not positive definite in floating point."""
        from scipy.linalg import lapack

        damped = np.array(self.A.T, order="F")  # A is symmetric: rows become columns without moving
        damped.flat[:: len(d) + 1] += d
        _, e, failed = lapack.dposv(damped, self.g, lower=True, overwrite_a=True)
        return None if failed else e

    def with_rows(self, J: np.ndarray, r: np.ndarray) -> Normal:
        """The system with further residuals r (m,) and their rows J (m, n): penalties."""
        return Normal(self.A + J.T @ J, self.g + J.T @ r)


class Triangular(NamedTuple):
    """The triangular factor R (n, n) of J, and c = Q'r (n,): J'J is never formed, so no digits are squared away, Eq. (42)."""

    R: np.ndarray
    c: np.ndarray

    def norms(self) -> np.ndarray:
        return np.sum(self.R**2, axis=0)

    def gradient(self) -> np.ndarray:
        return self.R.T @ self.c

    def damped(self, d: np.ndarray) -> np.ndarray | None:
        """[R; sqrt(diag(d))] e = [c; 0] by least squares; None where a pivot vanishes."""
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
        """From the factor F of [J r], which has fewer rows than columns where there are few residuals."""
        n = F.shape[1] - 1
        F = np.concatenate([F, np.zeros((max(0, n - len(F)), n + 1))])
        return Triangular(F[:n, :n], F[:n, n])


class Damped(NamedTuple):
    """How far the damping has come: mu, its growth nu after the next failure, and Q (n,) of Eq. (41)."""

    mu: float
    nu: float
    Q: np.ndarray


@dataclass(frozen=True)
class Damping:
    """How the damping mu starts and changes, Eq. (41).

    Parameters
    ----------
    mu : float
        At the start.
    mu_increase, mu_decrease : float
        Factors after a failure and after a success.
    mu_max : float
        The search for a step ends there.
    scaling : {"identity", "diagonal"}
        Q. "diagonal" is the largest squared column norms of J so far: steps then do not depend on the units of the weights.
    schedule : {"fixed", "gain"}
        "fixed" takes the factors as given. "gain" goes by the ratio of the real to the predicted decrease: mu becomes
        mu max(1/3, 1 - (2 ratio - 1)^3) after a success, and grows twofold, fourfold, ... after failures (Nielsen 1999).

    Raises
    ------
    InputError
        Unless 0 < mu <= mu_max, mu_increase > 1 and 0 < mu_decrease <= 1, and for other words.
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
        """Before the first step, for n weights."""
        return Damped(self.mu, 2.0, np.ones(n) if self.scaling == "identity" else np.zeros(n))

    def scaled(self, damped: Damped, system: Normal | Triangular) -> np.ndarray:
        """Q for a system."""
        if self.scaling == "identity":
            return damped.Q
        largest = np.maximum(damped.Q, system.norms())
        return np.where(largest > 0, largest, 1.0)  # a weight without effect: any positive number keeps it in place

    def after(self, damped: Damped, ratio: float) -> Damped:
        """After a trial. ratio: real over predicted decrease, negative or NaN if it failed."""
        mu, nu = damped.mu, damped.nu
        if not ratio > 0:
            if self.schedule == "fixed":
                return damped._replace(mu=mu * self.mu_increase)
            return damped._replace(mu=mu * nu, nu=nu * 2)
        factor = self.mu_decrease if self.schedule == "fixed" else max(1 / 3, 1 - (2 * ratio - 1) ** 3)
        return damped._replace(mu=max(mu * factor, SMALLEST_MU), nu=2.0)


class Found(NamedTuple):
    """What a search for a step found. value: what `trial` gave for the step taken; None if no mu served."""

    value: Any
    objective: float
    damped: Damped
    trials: int


def search(
    system: Normal | Triangular,
    damping: Damping,
    damped: Damped,
    trial: Callable[[np.ndarray], tuple[float, Any]],
    J: float,
) -> Found:
    """Raises mu until a step lowers the objective below J, or mu is above mu_max.

    trial(e) gives the objective there, and anything that the caller wants to keep of it. The objective's scale is that of the
    system: the prediction is a fall by g'e + mu e'Qe.
    """
    Q = damping.scaled(damped, system)
    damped = damped._replace(Q=Q)
    trials, g = 0, system.gradient()
    while damped.mu <= damping.mu_max:
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
