"""Multiplies of one step of each algorithm on Nv patterns: by the literature's formula, and by the count of this code.

If the literature has no formula for an algorithm, both numbers are the count of this code.
"""

from __future__ import annotations

from collections.abc import Mapping

from pwl.algorithms.multiplies import own, published
from pwl.network.network import Network

Pair = tuple[float, float]


def molf(net: Network, Nv: int, hwo: bool) -> Pair:
    return published.owo_molf(net, Nv, hwo), own.molf(net, Nv, hwo) + own.owo(net, Nv)


def adact(net: Network, Nv: int, hwo: bool, per_unit: bool) -> Pair:
    spent = own.molf(net, Nv, hwo) + own.adact(net, Nv, per_unit) + own.owo(net, Nv)
    return published.owo_molf(net, Nv, hwo) + published.adact(net, Nv), spent


def damped_adact(net: Network, Nv: int, hwo: bool, per_unit: bool) -> Pair:
    """Multiplies of an iteration of AdAct with one trial of damped factors, and OWO once more after the curves' step."""
    literature, spent = adact(net, Nv, hwo, per_unit)
    return literature + published.owo(net, Nv), spent + own.owo(net, Nv)


def further_trials(net: Network, Nv: int, trials: int) -> Pair:
    """Multiplies of the trials of damped factors after the first: each is a solve for the factors, and OWO."""
    solve = published.ols(sum(net.parts[key].shape[0] for key in net.keys("map")), 1)
    count = max(trials - 1, 0)
    return count * (published.owo(net, Nv) + solve), count * (own.owo(net, Nv) + solve)


def owo_bp(net: Network, Nv: int) -> Pair:
    return published.owo_bp(net, Nv), own.gradient_step(net, Nv) + own.owo(net, Nv)


def cg(net: Network, Nv: int) -> Pair:
    """Multiplies of an iteration whose first trial is taken."""
    return own.cg(net, Nv), own.cg(net, Nv)


def scg(net: Network, Nv: int) -> Pair:
    """Multiplies of an iteration that takes its step. By our own count it is two gradients."""
    return published.scg(net, Nv), own.scg(net, Nv)


def first_order(net: Network, Nv: int) -> Pair:
    """Multiplies of SGD, Adam, and an iteration of L-BFGS whose first trial is taken."""
    return own.whole_gradient(net, Nv), own.whole_gradient(net, Nv)


def minibatch_adact(net: Network, Nv: int, sides: Mapping[str, int]) -> Pair:
    return own.minibatch_adact(net, Nv, sides), own.minibatch_adact(net, Nv, sides)


def lm(net: Network, Nv: int, keys: tuple[str, ...], solver: str) -> Pair:
    """Multiplies of a step with one trial."""
    return published.lm(net, Nv), own.lm(net, Nv, keys, solver)


def varpro(net: Network, Nv: int, keys: tuple[str, ...], solver: str) -> Pair:
    """Multiplies of a step with one trial."""
    return own.varpro(net, Nv, keys, solver), own.varpro(net, Nv, keys, solver)


def bayesian_lm(net: Network, Nv: int, keys: tuple[str, ...], solver: str) -> Pair:
    """Multiplies of a step with one trial, and of the eigenvalues for the evidence, about 4 n^3 / 3 for n weights or rows."""
    literature, spent = lm(net, Nv, keys, "cholesky")
    P = net.layout.size_of(keys)
    if solver == "rows":
        return literature + 4 * P**3 / 3, own.bayesian_rows(net, Nv, P)
    return literature + 4 * P**3 / 3, spent + 4 * P**3 / 3
