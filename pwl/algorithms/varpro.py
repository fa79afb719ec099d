"""Variable projection: Levenberg-Marquardt on the body, the output weights always at their least squares solution, Eq. (51).

The output weights are linear in the problem, so they need no damping: eliminated from the system (Kaufman's form of the
Jacobian), what is left of it is smaller, and each trial point gets the best output weights it can have: OWO inside LM.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from pwl.algorithms import multiplies_lm as costs
from pwl.algorithms.all_weights import trained
from pwl.algorithms.lm import MAX_BYTES, along, lm_step, measured_error, penalised
from pwl.algorithms.penalties import Penalties
from pwl.errors import InputError
from pwl.network.network import HEAD, Network
from pwl.reductions.jacobian import body_size, check_bytes, separate_triangles, system
from pwl.reductions.patterns import Patterns, Statistic
from pwl.reductions.statistics import weighted
from pwl.runtime.backend import Array, array_namespace, gram, host, like
from pwl.runtime.threads import single_threaded_blas
from pwl.solvers.levenberg_marquardt import Damping, Normal, Triangular, check_choice, triangular
from pwl.solvers.ols import OLS, factor

# Damping of the output weights, relative to the energy of the basis: what the rounding of each solver asks for.
SLACK = {"cholesky": 1e-14, "qr": 1e-26}


@dataclass(frozen=True)
class VarPro:
    """Levenberg-Marquardt with the output weights eliminated, squared error only: the fastest way here to small errors.

    solver: "qr" folds rows, for the last digits; "cholesky" sums them, faster.
    The other options are those of `LM`; ridge is a penalty on the output weights, eliminated with them.
    """

    mu: float = 1e-3
    mu_increase: float = 10.0
    mu_decrease: float = 0.1
    mu_max: float = 1e10
    scaling: str = "identity"
    solver: str = "cholesky"
    schedule: str = "gain"
    train_curves: bool = False
    ridge: float = 0.0
    l2: float = 0.0
    curve_penalty: float = 0.0
    max_bytes: float = MAX_BYTES
    full_batch: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_choice("solver", self.solver)
        self.damping.start(0)

    @property
    def damping(self) -> Damping:
        return Damping(self.mu, self.mu_increase, self.mu_decrease, self.mu_max, self.scaling, self.schedule)

    @property
    def penalties(self) -> Penalties:
        return Penalties(ridge=self.ridge, l2=self.l2, curves=self.curve_penalty)

    def init(self, net: Network, patterns: Patterns, key: int) -> dict[str, Any]:
        if not net.loss.quadratic:
            raise InputError(
                "VarPro solves for the output weights, which cross-entropy has no solution for: use pwl.LM"
            )
        keys = trained(net, self.train_curves)
        check_bytes(body_size(net, keys) + net.n_outputs * net.n_basis, self.max_bytes, "VarPro")
        return self.damping.start(body_size(net, keys))

    def measure(self, net: Network, patterns: Patterns, state: dict[str, Any]) -> tuple[Array, dict[str, Any]]:
        return measured_error(net, patterns, state)

    def step(
        self, net: Network, patterns: Patterns, state: dict[str, Any]
    ) -> tuple[Network, dict[str, Any], dict[str, Any]]:
        keys = trained(net, self.train_curves)
        body, penalties = keys[:-1], self.penalties
        equations = penalised(ELIMINATE[self.solver](net, patterns, keys, self.ridge), net, body, penalties)

        def moved(e: np.ndarray) -> Network:
            return output_correction(along(net, body, e), patterns, self.solver, self.ridge)

        return lm_step(net, patterns, equations, self.damping, state, moved, penalties.value)

    def multiplies(self, net: Network, Nv: int) -> tuple[float, float]:
        """Multiplies of one step with one trial; the literature has no formula, so both are what this code spends."""
        own = costs.own_varpro(net, Nv, trained(net, self.train_curves), self.solver)
        return own, own


def eliminate_normal(net: Network, patterns: Patterns, keys: tuple[str, ...], ridge: float) -> Normal:
    """Schur complement of the output weights in J'J: what the body's columns hold beyond the basis, Eq. (51)."""
    import scipy.linalg

    A, g = system(net, patterns, keys, "cholesky")
    n, Nu = body_size(net, keys), net.n_basis
    left, right = A[:n, :n].copy(), g[:n].copy()
    R = A[n : n + Nu, n : n + Nu]  # the same for every output
    weight = ridge_weights(Nu, ridge)
    with single_threaded_blas():
        L, kept = factor(R + np.diag(weight + SLACK["cholesky"] * np.trace(R)), np.zeros(Nu))
        for i in range(net.n_outputs):
            pull = g[n + i * Nu : n + (i + 1) * Nu] - weight * host(net.W_o)[i]
            C = np.column_stack([A[n + i * Nu + kept, :n], pull[kept]])
            V = scipy.linalg.solve_triangular(L, C, lower=True, check_finite=False)
            left -= V[:, :n].T @ V[:, :n]
            right -= V[:, :n].T @ V[:, n]
    return Normal(left, right)


def eliminate_triangular(net: Network, patterns: Patterns, keys: tuple[str, ...], ridge: float) -> Triangular:
    """The same by triangles: below the rows that the basis takes up, [B J_i r_i] holds what is orthogonal to it."""
    Nu, below = net.n_basis, []
    for i, F in enumerate(patterns.reduce(separate_triangles(net, keys), net)):
        F = host(F).astype(np.float64)
        weight = ridge_weights(Nu, ridge)
        rows = np.zeros((2 * Nu, F.shape[1]))
        rows[:Nu, :Nu], rows[:Nu, -1] = np.diag(np.sqrt(weight)), -np.sqrt(weight) * host(net.W_o)[i]
        rows[Nu:, :Nu] = np.sqrt(SLACK["qr"]) * np.linalg.norm(F[:, :Nu]) * np.eye(Nu)
        below.append(triangular(np.concatenate([F, rows]))[Nu:, Nu:])
    return Triangular.of(triangular(np.concatenate(below)))


def output_correction(net: Network, patterns: Patterns, solver: str, ridge: float) -> Network:
    """Output weights moved to their least squares solution: a solution for what is left of the targets, not for the
    targets themselves, so that ill-determined weights keep what they have and E cannot rise."""
    weight, W_o = ridge_weights(net.n_basis, ridge), host(net.W_o).astype(np.float64)
    if solver == "cholesky":
        R, C = (host(a).astype(np.float64) for a in patterns.reduce(residual_correlations(), net))
        change = OLS(0.0).solve(R + np.diag(weight + SLACK[solver] * np.trace(R)), C.T - weight * W_o).weights
    else:
        F = host(patterns.reduce(residual_triangle(), net)[0]).astype(np.float64)
        Nu = net.n_basis
        change = np.stack([_correction(F[:, :Nu], F[:, Nu + i], W_o[i], weight) for i in range(len(W_o))])
    return net.moved({HEAD: like(change, net.theta)})


def _correction(R: np.ndarray, c: np.ndarray, w: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """One output's change of weights from the triangle of [B r]."""
    triangle = Triangular.of(np.column_stack([R, c])).with_rows(np.diag(np.sqrt(weight)), -np.sqrt(weight) * w)
    with single_threaded_blas():
        found = triangle.damped(np.full(len(w), SLACK["qr"] * np.sum(R**2)))
    return np.zeros_like(w) if found is None else found


def residual_correlations() -> Statistic:
    """(B'B, B'r), of Eq. (10) for what is left of the targets."""

    def compute(net: Network, x: Array, t: Array, w: Array | None) -> tuple[Array, ...]:
        B = net.basis(x, net.features(x))
        return gram(B, w), B.T @ weighted(t - B @ net.W_o.T, w)

    return Statistic(compute)


def residual_triangle() -> Statistic:
    """(F,): the triangular factor of [B r]."""

    def compute(net: Network, x: Array, t: Array, w: Array | None) -> tuple[Array, ...]:
        xp = array_namespace(net.theta)
        B = net.basis(x, net.features(x))
        rows = xp.concat([B, t - B @ net.W_o.T], axis=1)
        return (rows if w is None else rows * xp.sqrt(w)[:, None],)

    return Statistic(compute, "qr")


def ridge_weights(Nu: int, ridge: float) -> np.ndarray:
    """ridge for all functions but the constant (Nu,)."""
    d = np.full(Nu, float(ridge))
    d[0] = 0.0
    return d


ELIMINATE: dict[str, Callable[..., Normal | Triangular]] = {"cholesky": eliminate_normal, "qr": eliminate_triangular}
