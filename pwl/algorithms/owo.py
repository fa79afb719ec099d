"""Output weight optimisation: the output weights from linear equations, Eqs. (10)-(12)."""

from __future__ import annotations

from typing import Any

from pwl.algorithms.penalties import Penalties
from pwl.network.network import HEAD, Network
from pwl.reductions.patterns import Patterns
from pwl.reductions.statistics import basis_autocorrelation, basis_correlations, gradient
from pwl.runtime.backend import array_namespace, like
from pwl.solvers.ols import OLS


def owo_step(
    net: Network, patterns: Any, penalties: Penalties = Penalties(), ols: OLS = OLS()
) -> tuple[Network, dict[str, Any]]:
    """New output weights. Squared error: the least squares solution, Eqs. (10), (11), which cannot raise the objective.

    Cross-entropy: a few steps of Eq. (12), none of which can raise it. Returns the network and "dependent" (indices
    of basis functions dropped), "output_step" (which of the two ran), and under squared error "owo_objective" (J of
    Eq. (11) from the orthonormal weights, without another pass).
    """
    step = _least_squares if net.loss.quadratic else _bound_steps
    return step(net, Patterns.fitting(net, patterns), penalties, ols.of_functions_like(net.theta))


def _least_squares(net: Network, patterns: Patterns, penalties: Penalties, ols: OLS) -> tuple[Network, dict[str, Any]]:
    R, C, E_t = patterns.reduce(basis_correlations(), net)
    W_o, dependent, energy = ols.solve(R + _but_constant(R, penalties.ridge), C.T)
    J = float(E_t) - float(energy.sum())
    return net.with_parts({HEAD: like(W_o, net.theta)}), {
        "dependent": dependent,
        "output_step": "least squares",
        "owo_objective": J,
    }


def _bound_steps(net: Network, patterns: Patterns, penalties: Penalties, ols: OLS) -> tuple[Network, dict[str, Any]]:
    (R,) = patterns.reduce(basis_autocorrelation(), net)
    solve = ols.solver(R + _but_constant(R, 4 * penalties.ridge))
    dependent: tuple[int, ...] = ()
    for _ in range(net.loss.output_steps):
        _, G_o = patterns.reduce(gradient((HEAD,)), net)
        G_o = penalties.add_gradient(net, {HEAD: G_o})[HEAD]
        D, dependent, _ = solve(2 * G_o)
        net = net.moved({HEAD: D})
    return net, {"dependent": dependent, "output_step": f"{net.loss.output_steps} bound steps"}


def _but_constant(R: Any, ridge: float) -> Any:
    """ridge on the diagonal but for the constant's entry."""
    xp = array_namespace(R)
    diagonal = xp.full((R.shape[0],), float(ridge), dtype=R.dtype)
    diagonal[0] = 0.0
    return xp.eye(R.shape[0], dtype=R.dtype) * diagonal
