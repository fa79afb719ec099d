"""OWO that hands on its sums, so that other ridges need no further pass, and the ridge that the evidence prefers, Eq. (76)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pwl.algorithms.algorithm import Info
from pwl.algorithms.learning_factors import objective
from pwl.algorithms.owo import check_room, owo_step
from pwl.algorithms.penalties import Penalties
from pwl.network import passes
from pwl.network.network import Network
from pwl.reductions.correlations import basis_autocorrelation, basis_correlations, own_correlations, with_inputs
from pwl.reductions.patterns import Patterns
from pwl.reductions.reduce import reduce
from pwl.reductions.statistic import Statistic
from pwl.runtime.backend import Array, array_namespace, host, in_double, like, weighted
from pwl.solvers.evidence import Evidence, Spectra, best_ridge, class_ridge, spectrum
from pwl.solvers.ols import OLS

START = 1e-2  # the first ridge, relative to the mean variance of the basis functions
PACE = 1.05  # a large ridge at first keeps units alive and factors small; the evidence alone would drop it while the fit is poor
DIGITS = 1e-6  # an objective below this part of the targets' energy is measured from residuals, since differences lose its digits


class Sums(NamedTuple):
    """R (Nu, Nu), C (Nu, M) of Eq. (10), and the energy of each target (M,), on the host. R may be each output's (M, Nu, Nu)."""

    R: np.ndarray
    C: np.ndarray
    energies: np.ndarray


class Fit(NamedTuple):
    """A network after OWO with a ridge. J: its objective. sums: those of OWO, None under cross-entropy. info: as in `owo_step`."""

    net: Network
    J: float
    ridge: float
    sums: Sums | None
    info: Info


def fitted(net: Network, patterns: Patterns, penalties: Penalties, ols: OLS, inputs: Array | None = None) -> Fit:
    """OWO with the ridge of the penalties. Under squared error it takes one pass, and J no other.

    inputs: as in `owo_step`.
    """
    if not net.loss.quadratic:
        net, info = owo_step(net, patterns, penalties, ols, inputs)
        return Fit(net, objective(net, patterns, penalties), penalties.ridge, None, info)
    check_room(net)
    summed = own_correlations() if net.loss.own_patterns else _sums(inputs is not None)
    sums = Sums(*(np.array(host(a), dtype=np.float64) for a in reduce(summed, net, patterns)))
    if inputs is not None and sums.R.ndim == 2:
        sums = sums._replace(R=with_inputs(sums.R, host(inputs)))
    return solved(net, sums, patterns, penalties, ols)


def refitted(fit: Fit, patterns: Patterns, penalties: Penalties, ols: OLS) -> Fit:
    """The fit with another ridge. Under cross-entropy the network stays, and the next output step feels the ridge."""
    if fit.sums is not None:
        return solved(fit.net, fit.sums, patterns, penalties, ols)
    return fit._replace(J=objective(fit.net, patterns, penalties), ridge=penalties.ridge)


def solved(net: Network, sums: Sums, patterns: Patterns, penalties: Penalties, ols: OLS) -> Fit:
    """OWO from sums that are known. It takes no pass, unless J is so small that only residuals have its digits."""
    weight = penalties.on_head(net)
    R = sums.R + np.diag(weight)
    ols = ols.of_functions_like(net.theta)
    W_o, dependent, energy = (ols.solve if R.ndim == 2 else ols.solve_each)(R, sums.C.T)
    net, J = net.with_head(like(W_o, net.theta)), float(np.sum(sums.energies) - np.sum(energy))
    info = Info(R=R, C=sums.C, dependent=dependent, output_step="least squares", owo_objective=J)
    if _few_digits(J, sums):
        J = objective(net, patterns, penalties)
    else:
        J += penalties.value(net) - float(weight @ np.sum(host(net.W_o).astype(np.float64) ** 2, axis=0))
    return Fit(net, J, penalties.ridge, sums, info)


def preferred(fit: Fit, patterns: Patterns) -> Evidence:
    """The ridge of the highest evidence for the basis of a fit, which all outputs share, Eqs. (76), (78)."""
    Nv = patterns.total_weight()
    if fit.sums is None:
        S = host(reduce(output_curvature(), fit.net, patterns)).astype(np.float64)
        W = host(fit.net.W_o).astype(np.float64)[:, 1:]
        R = host(reduce(basis_autocorrelation(), fit.net, patterns)).astype(np.float64)
        return class_ridge(R, S, float(np.sum(W * W)), fit.ridge, Nv)
    R, C, energies = fit.sums
    rest = None
    if _few_digits(fit.J, fit.sums):
        free = solved(fit.net, fit.sums, patterns, Penalties(), OLS()).net
        rest = host(reduce(output_errors(), free, patterns)).astype(np.float64)
    if R.ndim == 2:
        return best_ridge(spectrum(R, C, energies, Nv, rest))
    return best_ridge(Spectra.of(R, C, energies, Nv, rest))


def first_ridge(net: Network, patterns: Patterns) -> float:
    """The ridge from which the evidence is followed, relative to the mean variance of the basis functions."""
    check_room(net)
    R = host(reduce(basis_autocorrelation(), net, patterns)).astype(np.float64)
    return START * max(float(np.mean(np.diagonal(R)[1:] - R[0, 1:] ** 2)), 0.0)  # rounding, if all functions are constant


def followed(ridge: float, wanted: float) -> float:
    """The next ridge on the way to the one of the highest evidence. It falls by PACE at most, and rises at once."""
    return max(wanted, ridge / PACE)


def output_curvature() -> Statistic:
    """The mean S (M, M) of S_p, Eq. (19)."""

    def curvature_of_block(net: Network, x: Array, t: Array, w: Array | None) -> Array:
        xp, y = array_namespace(x), passes.outputs(net, x)
        return net.loss.curvature(xp.ones_like(y), xp.eye(y.shape[1], dtype=y.dtype), y, w, t)

    return Statistic(curvature_of_block)


def output_errors() -> Statistic:
    """The squared error of each output (M,), from residuals."""

    def errors_of_block(net: Network, x: Array, t: Array, w: Array | None) -> Array:
        r = in_double(net.loss.d(passes.outputs(net, x), t) / 2)
        return array_namespace(r).sum(weighted(r * r, w), axis=0)

    return Statistic(errors_of_block)


def _sums(known: bool) -> Statistic:
    """`Sums`, in one pass. known: as in `basis_correlations`."""
    correlations = basis_correlations(known).of_block

    def sums_of_block(net: Network, x: Array, t: Array, w: Array | None) -> Sums:
        R, C, _ = correlations(net, x, t, w)
        t = in_double(t)
        return Sums(R, C, array_namespace(t).sum(weighted(t, w) * t, axis=0))

    return Statistic(sums_of_block)


def _few_digits(J: float, sums: Sums) -> bool:
    """Whether an objective is so far below the targets' energy that a difference has lost its digits."""
    return DIGITS * float(np.sum(sums.energies)) >= J
