"""Variable projection: Levenberg-Marquardt on the body, with the output weights always at their optimum, Eq. (51).

The problem is linear in the output weights, so they need no damping. They are eliminated from the system (Kaufman's form of
the Jacobian), which becomes smaller. Each trial point then has its best output weights, as if OWO ran inside LM.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np

from pwl.algorithms import multiplies
from pwl.algorithms.algorithm import Algorithm, Step
from pwl.algorithms.all_weights import shape_of_scores, trained
from pwl.algorithms.learning_factors import there
from pwl.algorithms.lm import MAX_BYTES, LMState, Trial, along, lm_step, measured_error, penalised
from pwl.algorithms.options import flat
from pwl.algorithms.penalties import Penalties
from pwl.data.targets import mask
from pwl.errors import InputError
from pwl.network import passes
from pwl.network.layout import HEAD
from pwl.network.network import Network
from pwl.reductions.correlations import own_grams
from pwl.reductions.gradients import weighted
from pwl.reductions.jacobian import body_size, check_bytes, separate_triangles, system
from pwl.reductions.patterns import Patterns
from pwl.reductions.reduce import reduce
from pwl.reductions.statistic import Statistic
from pwl.runtime.backend import Array, array_namespace, gram, host, like
from pwl.runtime.threads import single_threaded_blas
from pwl.solvers.levenberg_marquardt import SOLVERS, Damping, Normal, Triangular, triangular
from pwl.solvers.ols import OLS, cholesky_of_independent
from pwl.validate import one_of, positive

# Damping of the output weights, relative to the energy of the basis, as the rounding of each solver demands.
SLACK = {"cholesky": 1e-14, "qr": 1e-26}


@flat("damping", "penalties")
@dataclass(frozen=True)
class VarPro(Algorithm):
    """Trains by Levenberg-Marquardt with eliminated output weights, often the fastest way to small squared errors, Eq. (51).

    Parameters
    ----------
    solver : {"cholesky", "qr"}
        "cholesky" sums J'J, which is faster. "qr" folds rows into a triangle and keeps the last digits.
    train_curves : bool
        Whether the curves' ordinates are trained, too.
    max_bytes : float
        Limit on the memory of J'J and its factors, in bytes.
    damping : pwl.Damping
        Can also be given as single options, as in `LM`. The default schedule is "gain".
    penalties : pwl.Penalties
        Can also be given as single options, as in `LM`. The ridge is eliminated together with the output weights.

    Raises
    ------
    InputError
        For an unknown solver, or if a number is out of range. In training, for cross-entropy, or if the system would take more
        than max_bytes.
    """

    solver: str = "cholesky"
    train_curves: bool = False
    max_bytes: float = MAX_BYTES
    damping: Damping = Damping(schedule="gain")
    penalties: Penalties = Penalties()
    State: ClassVar[type] = LMState
    full_batch: ClassVar[bool] = True
    shares_pass: ClassVar[bool] = True

    def __post_init__(self) -> None:
        one_of("solver", self.solver, SOLVERS)
        positive("max_bytes", self.max_bytes)

    def init(self, net: Network, patterns: Patterns, key: int) -> LMState:
        if not net.loss.constant:
            raise InputError(
                "VarPro solves for the output weights, but under cross-entropy there is no such solution: use pwl.LM"
            )
        self.check(net)
        keys = trained(net, self.train_curves)
        return LMState(*self.damping.start(body_size(net, keys)))

    def check(self, net: Network) -> None:
        keys = trained(net, self.train_curves)
        there(tuple(key for key in keys if key != HEAD))
        check_bytes(net.layout.size_of(keys), self.max_bytes, "VarPro")

    def shapes(self, net: Network) -> dict[str, Any]:
        return {"Q": (body_size(net, trained(net, self.train_curves)),), "scores": shape_of_scores(net)}

    def measure(self, net: Network, patterns: Patterns, state: LMState) -> tuple[Array, LMState]:
        return measured_error(net, patterns, state)

    def step(self, net: Network, patterns: Patterns, state: LMState) -> Step:
        keys, weight = trained(net, self.train_curves), self.penalties.on_head(net)
        body = tuple(key for key in keys if key != HEAD)
        equations = penalised(ELIMINATE[self.solver](net, patterns, keys, weight), net, body, self.penalties)

        def moved(e: np.ndarray) -> Network:
            return output_correction(along(net, body, e), patterns, self.solver, weight)

        return lm_step(net, Trial(patterns, moved, self.penalties.value), equations, self.damping, state)

    def multiplies(self, net: Network, Nv: int) -> tuple[float, float]:
        return multiplies.varpro(net, Nv, trained(net, self.train_curves), self.solver)


def eliminate_normal(net: Network, patterns: Patterns, keys: tuple[str, ...], weight: np.ndarray) -> Normal:
    """The Schur complement of the output weights in J'J, the part of the body's columns beyond the basis, Eq. (51)."""
    import scipy.linalg  # would double the time of `import pwl`

    A, g = system(net, patterns, keys, "cholesky")
    n, Nu = body_size(net, keys), net.n_basis
    left, right = A[:n, :n].copy(), g[:n].copy()
    with single_threaded_blas():
        for i in range(net.n_outputs):
            if i == 0 or net.loss.own_patterns:  # otherwise R is the same for every output
                R = A[n + i * Nu : n + (i + 1) * Nu, n + i * Nu : n + (i + 1) * Nu]
                L, kept = cholesky_of_independent(R + np.diag(weight + SLACK["cholesky"] * np.trace(R)), np.zeros(Nu))
            pull = g[n + i * Nu : n + (i + 1) * Nu] - weight * host(net.W_o)[i]
            C = np.column_stack([A[n + i * Nu + kept, :n], pull[kept]])
            V = scipy.linalg.solve_triangular(L, C, lower=True, check_finite=False)
            left -= V[:, :n].T @ V[:, :n]
            right -= V[:, :n].T @ V[:, n]
    return Normal(left, right)


def eliminate_triangular(net: Network, patterns: Patterns, keys: tuple[str, ...], weight: np.ndarray) -> Triangular:
    """The same by triangles, Eq. (51). Below the rows of the basis, [B J_i r_i] holds the part that is orthogonal to it."""
    Nu, below = net.n_basis, []
    for i, F in enumerate(reduce(separate_triangles(net, keys), net, patterns)):
        F = host(F).astype(np.float64)
        rows = np.zeros((2 * Nu, F.shape[1]))
        rows[:Nu, :Nu], rows[:Nu, -1] = np.diag(np.sqrt(weight)), -np.sqrt(weight) * host(net.W_o)[i]
        rows[Nu:, :Nu] = np.sqrt(SLACK["qr"]) * np.linalg.norm(F[:, :Nu]) * np.eye(Nu)
        below.append(triangular(np.concatenate([F, rows]))[Nu:, Nu:])
    return Triangular.of(triangular(np.concatenate(below)))


def output_correction(net: Network, patterns: Patterns, solver: str, weight: np.ndarray) -> Network:
    """The network with its output weights at their least squares solution, Eqs. (51), (96).

    The solution is for the residuals, not for the targets, so that ill-determined weights do not change and E cannot rise.
    """
    W_o = host(net.W_o).astype(np.float64)
    if net.loss.own_patterns:
        change = OWN_CHANGE[solver](net, patterns, W_o, weight)
    elif solver == "cholesky":
        R, C = (host(a).astype(np.float64) for a in reduce(residual_correlations(), net, patterns))
        change = OLS(0.0).solve(R + np.diag(weight + SLACK[solver] * np.trace(R)), C.T - weight * W_o).weights
    else:
        F = host(reduce(residual_triangle(), net, patterns)).astype(np.float64)
        Nu = net.n_basis
        change = np.stack([_correction(F[:, :Nu], F[:, Nu + i], W_o[i], weight) for i in range(len(W_o))])
    return net.moved({HEAD: like(change, net.theta)})


def _own_change_normal(net: Network, patterns: Patterns, W_o: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """The change (M, Nu) of the output weights, if each output counts patterns of its own, Eq. (96)."""
    R, C = (host(a).astype(np.float64) for a in reduce(own_residual_correlations(), net, patterns))
    slack = SLACK["cholesky"] * np.trace(R, axis1=1, axis2=2)
    R = R + np.diag(weight) + slack[:, None, None] * np.eye(len(weight))
    return OLS(0.0).solve_each(R, C.T - weight * W_o).weights


def _own_change_triangular(net: Network, patterns: Patterns, W_o: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """The same by triangles."""
    found = [host(F).astype(np.float64) for F in reduce(own_residual_triangles(), net, patterns)]
    return np.stack([_correction(F[:, :-1], F[:, -1], w, weight) for F, w in zip(found, W_o, strict=True)])


def _correction(R: np.ndarray, c: np.ndarray, w: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """The change of one output's weights from the triangle of [B r]."""
    triangle = Triangular.of(np.column_stack([R, c])).with_rows(np.diag(np.sqrt(weight)), -np.sqrt(weight) * w)
    with single_threaded_blas():
        found = triangle.damped(np.full(len(w), SLACK["qr"] * np.sum(R**2)))
    return np.zeros_like(w) if found is None else found


class ResidualCorrelations(NamedTuple):
    """R = B'B (Nu, Nu) and C = B'r (Nu, M), Eq. (10) with the residuals r in place of the targets."""

    R: Array
    C: Array


def residual_correlations() -> Statistic:
    """`ResidualCorrelations`."""

    def correlations_of_block(net: Network, x: Array, t: Array, w: Array | None) -> ResidualCorrelations:
        B = passes.basis(net, x, passes.features(net, x))
        return ResidualCorrelations(gram(B, w), B.T @ weighted(net.loss.d(B @ net.W_o.T, t) / 2, w))

    return Statistic(correlations_of_block)


def own_residual_correlations() -> Statistic:
    """`ResidualCorrelations` with R (M, Nu, Nu), of the patterns of each output."""

    def correlations_of_block(net: Network, x: Array, t: Array, w: Array | None) -> ResidualCorrelations:
        B = passes.basis(net, x, passes.features(net, x))
        return ResidualCorrelations(own_grams(B, t, w), B.T @ weighted(net.loss.d(B @ net.W_o.T, t) / 2, w))

    return Statistic(correlations_of_block)


def own_residual_triangles() -> Statistic:
    """One triangular factor of [m_i B r_i] per output."""

    def rows_of_block(net: Network, x: Array, t: Array, w: Array | None) -> tuple[Array, ...]:
        xp, m = array_namespace(net.theta), mask(t)
        B = passes.basis(net, x, passes.features(net, x))
        r, root = net.loss.d(B @ net.W_o.T, t) / 2, None if w is None else xp.sqrt(w)
        columns = range(t.shape[1])
        return tuple(weighted(xp.concat([B * m[:, i][:, None], r[:, i][:, None]], axis=1), root) for i in columns)

    return Statistic(rows_of_block, "qr")


def residual_triangle() -> Statistic:
    """The triangular factor of [B r]."""

    def rows_of_block(net: Network, x: Array, t: Array, w: Array | None) -> Array:
        xp = array_namespace(net.theta)
        B = passes.basis(net, x, passes.features(net, x))
        rows = xp.concat([B, net.loss.d(B @ net.W_o.T, t) / 2], axis=1)
        return rows if w is None else rows * xp.sqrt(w)[:, None]

    return Statistic(rows_of_block, "qr")


OWN_CHANGE = {"cholesky": _own_change_normal, "qr": _own_change_triangular}
ELIMINATE: dict[str, Callable[..., Normal | Triangular]] = {"cholesky": eliminate_normal, "qr": eliminate_triangular}
