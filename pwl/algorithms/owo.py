"""Output weight optimisation: the output weights from linear equations, Eqs. (10)-(12)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from pwl.algorithms.algorithm import Info
from pwl.algorithms.options import check_shared
from pwl.algorithms.penalties import Penalties
from pwl.losses import Loss
from pwl.network.layout import HEAD
from pwl.network.network import Network
from pwl.reductions.correlations import basis_autocorrelation, basis_correlations, own_correlations, with_inputs
from pwl.reductions.gradients import gradients
from pwl.reductions.patterns import Patterns
from pwl.reductions.reduce import reduce
from pwl.runtime.backend import Array, host, like, plus_diagonal
from pwl.runtime.room import check_square
from pwl.solvers.ols import OLS

RECORDED = ("dependent", "output_step", "owo_objective")


def owo_step(
    net: Network, patterns: Any, penalties: Penalties = Penalties(), ols: OLS = OLS(), inputs: Array | None = None
) -> tuple[Network, Info]:
    """Solves for new output weights, Eqs. (10)-(12).

    Under squared error they are the least squares solution of R W_o' = C. Under the other losses they follow from a few bound
    steps. Neither can raise the objective.

    Parameters
    ----------
    net : Network
    patterns : (x, t), (x, t, weights) or pwl.Patterns
    penalties : pwl.Penalties
        The ridge of Eq. (11) and the penalty on input curves of Eq. (73) are used.
    ols : pwl.OLS
        The dependence test, Eq. (13).
    inputs : array, optional
        The part of R that belongs to the constant and to curves on the inputs, if it is known. It does not change in a run.

    Returns
    -------
    net : Network
        The network after the step.
    info : Info
        "R" (Nu, Nu) and "C" (Nu, M) of the solved system, with an R for each output, (M, Nu, Nu), if some targets are not known;
        "dependent", the indices of dropped basis functions; and "output_step", the kind of the step. Under squared error also
        "owo_objective", J from the orthonormal weights without another pass.

    Raises
    ------
    InputError
        If data and network do not fit.
    """
    net, patterns = Patterns.fitting(net, patterns)
    check_shared(penalties, ols)
    return step_of(net.loss)(net, patterns, penalties, ols.of_functions_like(net.theta), inputs)


def check_room(net: Network) -> None:
    """Raises InputError if R (Nu, Nu), of each output if each has its own, and its solution do not fit the memory that is left."""
    outputs = net.n_outputs if net.loss.own_patterns else 1
    check_square(net.n_basis, "basis functions", "use fewer inputs or hidden units", outputs)


def step_of(loss: Loss) -> Callable[..., tuple[Network, Info]]:
    """The kind of output step that suits a loss."""
    if loss.own_patterns:
        return _least_squares_each
    return _least_squares if loss.quadratic else _bound_steps


def _least_squares(
    net: Network, patterns: Patterns, penalties: Penalties, ols: OLS, inputs: Array | None
) -> tuple[Network, Info]:
    check_room(net)
    R, C, E_t = reduce(basis_correlations(inputs is not None), net, patterns)
    R = with_inputs(R, inputs)
    if penalties.any:
        R = plus_diagonal(R, like(penalties.on_head(net), R))
    W_o, dependent, energy = ols.solve(R, C.T)
    J = float(E_t) - float(energy.sum())
    info = Info(R=R, C=C, dependent=dependent, output_step="least squares", owo_objective=J)
    return net.with_head(like(W_o, net.theta)), info


def _least_squares_each(
    net: Network, patterns: Patterns, penalties: Penalties, ols: OLS, inputs: Array | None
) -> tuple[Network, Info]:
    """The same with an R for each output, over the patterns whose target is known, Eq. (96)."""
    check_room(net)
    R, C, energies = reduce(own_correlations(), net, patterns)
    R = R + like(np.diag(penalties.on_head(net)), R)
    W_o, dependent, energy = ols.solve_each(R, C.T)
    J = float(np.sum(host(energies))) - float(energy.sum())
    info = Info(R=R, C=C, dependent=dependent, output_step="least squares of known targets", owo_objective=J)
    return net.with_head(like(W_o, net.theta)), info


def _bound_steps(
    net: Network, patterns: Patterns, penalties: Penalties, ols: OLS, inputs: Array | None
) -> tuple[Network, Info]:
    check_room(net)
    R = reduce(basis_autocorrelation(), net, patterns)
    bound = net.loss.bound
    R = plus_diagonal(R, like(2 / bound * penalties.on_head(net), R))
    solve, steps = ols.solver(R), net.loss.output_steps
    info = Info(R=R, output_step=f"{steps} bound steps")
    for _ in range(steps):
        G_o = penalties.add_gradient(net, reduce(gradients((HEAD,)), net, patterns).G)[HEAD]
        D, dependent, _ = solve(G_o / bound)
        net = net.moved({HEAD: D})
        info |= Info(C=G_o.T / bound, dependent=dependent)
    return net, info

