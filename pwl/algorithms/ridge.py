"""OWO that hands on its sums, so that other ridges need no further pass, and the ridge that the evidence prefers, Eq. (67)."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import numpy as np

from pwl.algorithms.algorithm import Info
from pwl.algorithms.learning_factors import objective
from pwl.algorithms.owo import owo_step
from pwl.algorithms.penalties import Penalties
from pwl.network import passes
from pwl.network.network import Network
from pwl.reductions.correlations import basis_correlations, in_double
from pwl.reductions.gradients import weighted
from pwl.reductions.patterns import Patterns
from pwl.reductions.reduce import reduce
from pwl.reductions.statistic import Statistic
from pwl.runtime.backend import Array, array_namespace, host, like
from pwl.solvers.evidence import Evidence, best_ridge, spectrum
from pwl.solvers.ols import OLS

DIGITS = 1e-6  # an objective below this part of the targets' energy is measured from residuals, since differences lose its digits


class Sums(NamedTuple):
    """R (Nu, Nu), C (Nu, M) of Eq. (10), and the energy of each target (M,), on the host."""

    R: np.ndarray
    C: np.ndarray
    energies: np.ndarray


class Fit(NamedTuple):
    """A network after OWO. J: its objective. sums: those of OWO, None under cross-entropy. info: as of `owo_step`."""

    net: Network
    J: float
    sums: Sums | None
    info: Info


def fitted(net: Network, patterns: Patterns, penalties: Penalties, ols: OLS) -> Fit:
    """OWO with the ridge of the penalties. Under squared error it takes one pass, and J no other."""
    if not net.loss.quadratic:
        net, info = owo_step(net, patterns, penalties, ols)
        return Fit(net, objective(net, patterns, penalties), None, info)
    sums = Sums(*(host(a).astype(np.float64) for a in reduce(_sums(), net, patterns)))
    return solved(net, sums, patterns, penalties, ols)


def solved(net: Network, sums: Sums, patterns: Patterns, penalties: Penalties, ols: OLS) -> Fit:
    """OWO from sums that are known. It takes no pass, unless J is so small that only residuals have its digits."""
    ridge = np.full(len(sums.R), float(penalties.ridge))
    ridge[0] = 0.0
    R = sums.R + np.diag(ridge)
    W_o, dependent, energy = ols.of_functions_like(net.theta).solve(R, sums.C.T)
    net, J = net.with_head(like(W_o, net.theta)), float(np.sum(sums.energies) - np.sum(energy))
    info = Info(R=R, C=sums.C, dependent=dependent, output_step="least squares", owo_objective=J)
    if _few_digits(J, sums):
        J = objective(net, patterns, penalties)
    else:
        J += dataclasses.replace(penalties, ridge=0.0).value(net)
    return Fit(net, J, sums, info)


def preferred(fit: Fit, patterns: Patterns) -> Evidence:
    """The ridge of the highest evidence for the basis of a fit. All outputs share it, each with a noise of its own, Eq. (67)."""
    assert fit.sums is not None
    R, C, energies = fit.sums
    Nv, rest = patterns.total_weight(), None
    if _few_digits(fit.J, fit.sums):
        free = solved(fit.net, fit.sums, patterns, Penalties(), OLS()).net
        rest = host(reduce(output_errors(), free, patterns)).astype(np.float64)
    return best_ridge(spectrum(R, C, energies, Nv, rest))


def output_errors() -> Statistic:
    """The squared error of each output (M,), from residuals."""

    def errors_of_block(net: Network, x: Array, t: Array, w: Array | None) -> Array:
        r = in_double(t - passes.outputs(net, x))
        return array_namespace(r).sum(weighted(r * r, w), axis=0)

    return Statistic(errors_of_block)


def _sums() -> Statistic:
    """`Sums`, in one pass."""
    correlations = basis_correlations().of_block

    def sums_of_block(net: Network, x: Array, t: Array, w: Array | None) -> Sums:
        R, C, _ = correlations(net, x, t, w)
        t = in_double(t)
        return Sums(R, C, array_namespace(t).sum(weighted(t, w) * t, axis=0))

    return Statistic(sums_of_block)


def _few_digits(J: float, sums: Sums) -> bool:
    """Whether an objective is so far below the targets' energy that a difference has lost its digits."""
    return DIGITS * float(np.sum(sums.energies)) >= J
