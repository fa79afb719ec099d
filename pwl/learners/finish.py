"""A finishing step for any training: the output weights anew from what the layers give, with the ridge of the highest evidence."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from pwl import validate
from pwl.algorithms.all_weights import scores_and_gradient
from pwl.algorithms.penalties import Penalties
from pwl.algorithms.ridge import first_ridge, fitted, output_curvature, preferred, refitted
from pwl.errors import InputError
from pwl.learners.features import features
from pwl.network.layout import HEAD
from pwl.network.network import Network
from pwl.reductions.correlations import basis_autocorrelation
from pwl.reductions.gradients import error
from pwl.reductions.patterns import Patterns
from pwl.reductions.reduce import reduce
from pwl.runtime.backend import host, like
from pwl.solvers.evidence import class_ridge
from pwl.solvers.ols import OLS

ROUNDS = 4  # ridges that are tried under cross-entropy, each from the one before
FLAT = 1e-6  # gains of the objective below this part of it end the steps under a ridge


class Finished(NamedTuple):
    """What `finish` found.

    Attributes
    ----------
    ridge : float
        The ridge of the output weights, Eqs. (76), (78).
    gamma : float
        Number of weights per output that the data determine.
    before, after : float
        E of the training patterns with the old and the new output weights, in prepared units.
    kept : bool
        Whether the new output weights were kept. They are given up if they raise E of the validation patterns.
    """

    ridge: float
    gamma: float
    before: float
    after: float
    kept: bool


def finish(net: Network, data: Any, *, validation: Any = None, steps: int = 50) -> tuple[Network, Finished]:
    """Solves for the output weights of a trained network, with a ridge by evidence, Eqs. (10), (12), (76), (78).

    The patterns go through the layers once. Under squared error the weights follow from one system. Under the other losses they
    follow from bound steps with momentum, whose matrix is factored once per ridge, so that thousands of functions are no
    hindrance.

    Parameters
    ----------
    net : Network
        A trained network. Its layers stay as they are.
    data : (x, t), (x, t, weights) or pwl.Patterns
        The patterns of its training, in raw units if it carries a preparation.
    validation : (x, t), (x, t, weights) or pwl.Patterns, optional
        Patterns that decide whether the new output weights are better than the old ones.
    steps : int
        Bound steps at most for each of a few ridges, where the loss is not the squared error.

    Returns
    -------
    (Network, Finished)

    Raises
    ------
    InputError
        If data and network do not fit, or the outputs see the inputs past the layers.
    """
    validate.kind("net", net, Network, "a pwl.Network")
    validate.whole("steps", steps)
    net.check_initialised()
    if net.bypass:
        raise InputError(
            "the outputs of this network see its inputs past all layers: owo_step solves for its output weights"
        )
    head = Network(
        (), net.layout.shapes[-1], net.n_outputs, False, net.loss, net.W_o.reshape(-1), {}, initialised=True, net_control=False
    )  # fmt: skip
    seen = _seen(net, data)
    seen.check_each_output()
    head = seen.suited(head)
    before = _error(head, seen)
    solved, ridge, gamma = (_least_squares if net.loss.quadratic else _bound_steps)(head, seen, steps)
    after, kept = _error(solved, seen), True
    if validation is not None:
        held_out = _seen(net, validation)
        kept = _error(solved, held_out) <= _error(head, held_out)
    return net.with_head(solved.W_o) if kept else net, Finished(ridge, gamma, before, after, kept)


def _seen(net: Network, data: Any) -> Patterns:
    """What the outputs see of the patterns."""
    patterns = Patterns.of(data).in_units_of(net)
    patterns.check(net)
    return features(net, patterns, len(net.layers))


def _error(net: Network, patterns: Patterns) -> float:
    return float(reduce(error(), patterns.suited(net), patterns)[0])


def _least_squares(head: Network, patterns: Patterns, steps: int) -> tuple[Network, float, float]:
    fit = fitted(head, patterns, Penalties(ridge=first_ridge(head, patterns)), OLS())
    best = preferred(fit, patterns)
    fit = refitted(fit, patterns, Penalties(ridge=best.ridge), OLS())
    return fit.net, best.ridge, best.gamma


def _bound_steps(head: Network, patterns: Patterns, steps: int) -> tuple[Network, float, float]:
    """Eq. (12) for a few ridges in turn, each by the evidence at the weights of the one before, Eq. (78)."""
    R = host(reduce(basis_autocorrelation(), head, patterns)).astype(np.float64)
    ridge, gamma = first_ridge(head, patterns), float(head.n_basis)
    for _ in range(ROUNDS):
        head = _descended(head, patterns, R, Penalties(ridge=ridge), steps)
        W = host(head.W_o).astype(np.float64)[:, 1:]
        S = host(reduce(output_curvature(), head, patterns)).astype(np.float64)
        evidence = class_ridge(R, S, float(np.sum(W * W)), ridge, patterns.total_weight())
        ridge, gamma, used = evidence.ridge, evidence.gamma, ridge
    return head, float(used), float(gamma)


def _descended(head: Network, patterns: Patterns, R: np.ndarray, penalties: Penalties, steps: int) -> Network:
    """Bound steps from a point ahead along the last moves. Where the objective rises, the moves are forgotten."""
    bound = head.loss.bound
    weight = 2 / bound * penalties.on_head(head)
    solve = OLS().of_functions_like(head.theta).solver(R + np.diag(host(weight)))
    best, lowest = head, np.inf
    ahead, last, since = head, head, 0
    for _ in range(steps):
        scores, G = scores_and_gradient(ahead, patterns, (HEAD,), penalties)
        J = float(scores[0]) + penalties.value(ahead)
        if lowest < J and since == 0:
            break
        if lowest < J:
            ahead, last, since = best, best, 0
            continue
        gain, best, lowest = lowest - J, ahead, J
        D, *_ = solve(host(G).reshape(head.W_o.shape).astype(np.float64) / bound)
        now = ahead.moved({HEAD: like(D, head.theta)})
        since += 1
        momentum = (since - 1) / (since + 2)
        ahead, last = now.moved({HEAD: momentum * (now.W_o - last.W_o)}), now
        if gain < FLAT * abs(J):
            break
    return best
