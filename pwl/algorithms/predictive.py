"""What a trained network needs for the variance of its predictions: the posterior of its weights, Eqs. (82), (83)."""

from __future__ import annotations

import contextlib
import dataclasses
from typing import Any

import numpy as np

from pwl.algorithms.algorithm import Algorithm, check_algorithm
from pwl.algorithms.all_weights import trained
from pwl.algorithms.bayesian_lm import BayesianLM
from pwl.algorithms.posterior import spread
from pwl.algorithms.ridge import output_errors
from pwl.data.targets import mask
from pwl.errors import InputError
from pwl.network.layout import HEAD
from pwl.network.network import Network
from pwl.network.posterior import Posterior
from pwl.network.variance import variances
from pwl.reductions.correlations import basis_autocorrelation, known_shares, own_correlations
from pwl.reductions.jacobian import system
from pwl.reductions.patterns import Patterns
from pwl.reductions.reduce import reduce
from pwl.reductions.statistic import Statistic
from pwl.runtime.backend import Array, array_namespace, host, like, weighted
from pwl.runtime.threads import single_threaded_blas
from pwl.validate import kind, shown

MATRICES = 3  # J'J, its sum with Lambda, and the factor
MOST_WEIGHTS = 600  # more would make files and predictions large; then the output weights alone are kept
MOST_OUTPUTS = 700  # basis functions: 4 MB in a file
LEAST_FREE = 0.1  # of the patterns: at least this many count as free in the variance of the noise
# Of the mean diagonal: a function that depends on others must not have an infinite variance. The first that exceeds rounding.
SLACKS = (1e-14, 1e-12, 1e-10)


def with_posterior(net: Network, data: Any, algorithm: Algorithm, record: Any, validation: Any = None) -> Network:
    """Gives a trained network the posterior of its weights, so that `predict(x, return_std=True)` works, Eqs. (82), (83).

    After BayesianLM it is that of all weights if there are 600 at most, with the lambda of the best iteration. Otherwise it is
    that of the output weights, up to 700 basis functions, with the ridge of the algorithm or its record. A network of more keeps
    the variance of the noise alone, and needs validation data for it.

    Parameters
    ----------
    net : Network
        The network that `train` returned.
    data : (x, t), (x, t, weights) or pwl.Patterns
        The data of its training.
    algorithm : Algorithm
        The algorithm of its training.
    record : pwl.Record
        The record of its training.
    validation : optional
        Patterns that were not trained on. They give the variance of the noise. Without them it follows from the training
        errors and the number of weights, which is right after BayesianLM, and else too small if the network overfits.

    Returns
    -------
    Network
        The same network with `posterior`.

    Raises
    ------
    InputError
        If the loss is not squared error, if data and network do not fit, or for more than 700 basis functions without validation.
    """
    kind("net", net, Network, "a pwl.Network")
    check_algorithm(algorithm)
    if not hasattr(record, "best_iteration"):
        raise InputError(f"record must be the pwl.Record of the training, not {shown(record)}")
    if not net.loss.quadratic:
        raise InputError(f"variances of predictions are for loss='squared_error', not {net.loss.name!r}")
    net.check_initialised()
    net, patterns = Patterns.fitting(net, data)
    if net.n_basis > MOST_OUTPUTS:
        return _settled(net, _of_noise(net, patterns, validation), validation)
    if isinstance(algorithm, BayesianLM) and record.best_iteration:
        if "lambda" not in record:
            raise InputError(f"the record is not of a training by {type(algorithm).__name__}: give the algorithm that trained")
        if net.layout.size_of(trained(net, algorithm.train_curves)) <= MOST_WEIGHTS:
            return _settled(net, _with_noise(net, patterns, algorithm, record), validation)
        ridge = float(np.mean(record["lambda"][record.best_iteration]))
        determined = record["effective_parameters"][record.best_iteration] / net.n_outputs
        return _settled(net, _of_outputs(net, patterns, ridge, determined), validation)
    ridge = algorithm.penalties.ridge
    if "ridge" in record and record.best_iteration:
        ridge = record["ridge"][record.best_iteration]
    body = net.layout.size_of(net.keys("map", "activation")) if record.best_iteration else 0
    return _settled(net, _of_outputs(net, patterns, ridge, body=body), validation)


def of_all_weights(net: Network, patterns: Patterns, algorithm: BayesianLM, record: Any) -> Posterior:
    """Eq. (82), from J'J + Lambda of the best iteration, with a noise of variance 1."""
    keys = trained(net, algorithm.train_curves)
    needed = MATRICES * 8 * net.layout.size_of(keys) ** 2
    if needed > algorithm.max_bytes:
        raise InputError(
            f"the posterior of all weights needs {needed / 1e9:.2f} GB, more than max_bytes = {algorithm.max_bytes / 1e9:.2f} GB: "
            "use fewer hidden units, or raise max_bytes"
        )
    A = system(net, patterns, keys, "cholesky")[0]
    factor = _factor(A + np.diag(_lambdas(net, algorithm, record, keys)))
    return Posterior(keys, factor, np.ones(net.n_outputs), patterns.total_weight())


def _lambdas(net: Network, algorithm: BayesianLM, record: Any, keys: tuple[str, ...]) -> np.ndarray:
    """Each weight's lambda (P,) at the best iteration."""
    found = np.atleast_1d(record["lambda"][record.best_iteration])
    return spread(found, algorithm.indices(net, keys), net.layout.size_of(keys))


def _with_noise(net: Network, patterns: Patterns, algorithm: BayesianLM, record: Any) -> Posterior:
    """`of_all_weights` with the variance of each target, from the training errors and gamma."""
    found = of_all_weights(net, patterns, algorithm, record)
    d = _lambdas(net, algorithm, record, found.keys)
    gamma = len(d) - float(d @ _inverse_diagonal(found.factor))
    return dataclasses.replace(found, noise=_noise(net, patterns, gamma / net.n_outputs))


def _of_outputs(
    net: Network, patterns: Patterns, ridge: float, determined: float | None = None, body: int = 0
) -> Posterior:
    """Eq. (83), from R + lambda I_1.

    determined: gamma per output, if the evidence told it. body: otherwise, the number of weights of the body that were fitted.
    """
    d = np.full(net.n_basis, float(ridge))
    d[0] = 0.0
    if net.loss.own_patterns:
        R = host(reduce(own_correlations(), net, patterns).R).astype(np.float64)
        factor = np.stack([_factor(each + np.diag(d)) for each in R])
    else:
        R = host(reduce(basis_autocorrelation(), net, patterns)).astype(np.float64)
        factor = _factor(R + np.diag(d))
    if determined is None:
        each_R = R.reshape(-1, *R.shape[-2:])
        determined = float(np.mean([_determined(each, d) for each in each_R])) + body / net.n_outputs
    return Posterior((HEAD,), factor, _noise(net, patterns, determined), patterns.total_weight())


def _of_noise(net: Network, patterns: Patterns, validation: Any) -> Posterior:
    """That of no weights, for networks of many functions: their variances are those of the noise alone."""
    if validation is None:
        raise InputError(
            f"variances of predictions are for {MOST_OUTPUTS} basis functions at most, but this net has {net.n_basis}: give "
            "patterns that it was not trained on by validation=, and it keeps the variance of its errors there"
        )
    return Posterior((), np.zeros((0, 0)), _noise(net, patterns, 0.0), patterns.total_weight())


def _determined(R: np.ndarray, d: np.ndarray) -> float:
    """gamma = tr R (R + diag d)^-1, the number of output weights that the data determine. Dependent functions count once."""
    with single_threaded_blas():
        a, U = np.linalg.eigh(R + np.diag(d))
    kept = a > len(a) * np.finfo(float).eps * a[-1]
    return float(np.sum(1 - (d @ U[:, kept] ** 2) / a[kept]))


def _noise(net: Network, patterns: Patterns, gamma: float) -> np.ndarray:
    """The variance of each target (M,), if gamma weights per output were fitted to the patterns."""
    Nv, E = patterns.total_weight(), host(reduce(output_errors(), net, patterns)).astype(np.float64)
    known = Nv * known_shares(net, patterns)
    return E * Nv / np.maximum(known - gamma, LEAST_FREE * known)


def _settled(net: Network, found: Posterior, validation: Any) -> Network:
    """The network with its posterior, whose noise is measured on validation data if there are any."""
    net = dataclasses.replace(net, posterior=found)
    if validation is None:
        return net
    net, others = Patterns.fitting(net, validation)
    E = host(reduce(output_errors(), net, others)).astype(np.float64)
    of_one = dataclasses.replace(found, noise=np.ones(net.n_outputs))
    share = host(reduce(_variances(of_one), net, others)).astype(np.float64)  # 1 + the mean of q / Nv, where targets are known
    noise = np.divide(E, share, out=np.array(found.noise, dtype=np.float64), where=share > 0)  # unless none of a target is known
    return dataclasses.replace(net, posterior=dataclasses.replace(found, noise=noise))


def _variances(posterior: Posterior) -> Statistic:
    """The mean variance of each output (M,)."""

    def variances_of_block(net: Network, x: Array, t: Array, w: Array | None) -> Array:
        found = like(variances(net, posterior, x), t)
        return array_namespace(t).sum(weighted(found * mask(t) if net.loss.own_patterns else found, w), axis=0)

    return Statistic(variances_of_block, floats=posterior.floats)


def _factor(A: np.ndarray) -> np.ndarray:
    for slack in SLACKS:
        with single_threaded_blas(), contextlib.suppress(np.linalg.LinAlgError):
            return np.linalg.cholesky(A + slack * float(np.mean(np.diagonal(A))) * np.eye(len(A)))
    raise InputError(
        "the network's functions are too large or too alike for variances of its predictions: train it again, with a ridge"
    )


def _inverse_diagonal(factor: np.ndarray) -> np.ndarray:
    from scipy.linalg import solve_triangular

    with single_threaded_blas():
        inverse = solve_triangular(factor, np.eye(len(factor)), lower=True, check_finite=False)
    return np.sum(inverse**2, axis=0)
