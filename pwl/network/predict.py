"""Predictions: inputs are checked and prepared block by block, and outputs have the units of the targets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from pwl.errors import InputError
from pwl.kernels.reference.softmax import softmax
from pwl.network.inputs import check_scaled, check_shape
from pwl.network.memory import device_bytes, floats_per_pattern
from pwl.network.network import Network
from pwl.network.passes import outputs
from pwl.network.variance import variances
from pwl.runtime.backend import Array, array_namespace, as_array, finfo, host, like, on_cores
from pwl.runtime.finite import check_finite

CPU_NUMBERS = 1 << 22  # numbers in a block's work arrays


class Answers(NamedTuple):
    """Predictions in raw units. finite: (Nv,) whether all numbers of a row are finite; other rows are not answers."""

    values: Array
    finite: Array


def predict(net: Network, x: Any) -> Array:
    """`Network.predict`."""
    return _answered(net, x, probabilities=False)


def outputs_of(net: Network, x: Any) -> Array:
    """Outputs (Nv, M) in the network's own units, for inputs as in `predict`."""
    return _by_blocks(net, x, outputs)


def class_numbers(net: Network, x: Any) -> Array:
    """Numbers (Nv,) of the classes of the largest outputs."""
    y = outputs_of(net, x)
    return array_namespace(y).argmax(y, axis=1)


def predict_with_std(net: Network, x: Any) -> tuple[Array, Array]:
    """Outputs and standard deviations (Nv, M) in raw units, Eqs. (82), (83)."""
    posterior = net.posterior
    if net.loss.classes:
        instead = ": use predict_proba" if net.loss.probabilities else ""
        raise InputError(f"standard deviations are for numbers, but this network predicts classes{instead}")
    if posterior is None:
        raise InputError(
            "this network keeps no posterior, so it knows no standard deviations: make it by pwl.with_posterior(net, (x, t), "
            "algorithm, record) after training"
        )
    y, scale = predict(net, x), 1.0 if net.preparation is None else net.preparation.target_scale
    std = _by_blocks(net, x, lambda net, x: like(np.sqrt(variances(net, posterior, x)), net.theta), posterior.floats)
    std = std * like(np.broadcast_to(scale, (net.n_outputs,)), std)
    finite = np.isfinite(host(std)).all(axis=1)
    if not finite.all():
        raise InputError(_too_far("deviation of the prediction", int(np.argmin(finite))))
    return y, std


def predict_proba(net: Network, x: Any) -> Array:
    """`Network.predict_proba`."""
    if not net.loss.probabilities:
        kind = "gives classes without probabilities" if net.loss.classes else "has squared error"
        raise InputError(f"predict_proba is for nets with loss='cross_entropy', but this one {kind}: use predict")
    return _answered(net, x, probabilities=True)


def unchecked_outputs(net: Network, x: Any) -> Array:
    """Outputs (Nv, M) in the network's units. They are NaN for rows that the preparation takes out of the range of numbers."""
    return _by_blocks(net, x, _where_finite, strict=False)


def in_raw_units(net: Network, y: Array, probabilities: bool) -> Answers:
    """Outputs (Nv, M) as predictions: values in raw units, labels, or the probabilities of classes."""
    xp = array_namespace(y)
    with np.errstate(over="ignore", invalid="ignore"):
        finite = xp.all(xp.isfinite(y), axis=1)
        if probabilities:
            return Answers(softmax(y), finite)
        if net.loss.classes:
            y = xp.argmax(y, axis=1)
            return Answers(y if net.preparation is None else net.preparation.inverse_targets(y), finite)
        raw = y if net.preparation is None else net.preparation.inverse_targets(y)
        return Answers(raw, finite & xp.all(xp.isfinite(raw), axis=1))


def _answered(net: Network, x: Any, probabilities: bool) -> Array:
    """Predictions of all rows. Raises InputError, with the row, for a prediction that is not finite."""
    values, finite = in_raw_units(net, outputs_of(net, x), probabilities)
    if not bool(array_namespace(finite).all(finite)):
        if not np.isfinite(host(net.theta)).all():
            raise InputError("the network holds weights that are not finite numbers, so it predicts nothing: train it again")
        row = int(np.flatnonzero(~host(finite))[0])
        raise InputError(_too_far("prediction", row))
    return values


def _too_far(what: str, row: int) -> str:
    return f"the {what} for row {row} is not finite, as its inputs lie too far outside the data of the training: leave the row out"


def _by_blocks(net: Network, x: Any, f: Callable[[Network, Array], Array], floats: int = 0, *, strict: bool = True) -> Array:
    """f(net, block) (b, M) of all blocks of inputs, one after another.

    floats: its own numbers of work space per pattern. strict: whether inputs must be finite after their preparation.
    """
    net.check_initialised()
    x = as_array(x, "inputs x")
    check_shape(tuple(x.shape), net.input_shape)
    xp, Nv = array_namespace(net.theta), x.shape[0]
    numbers = CPU_NUMBERS if on_cores(net.theta) else device_bytes(net) // (finfo(net.theta).bits // 8)
    rows = max(1, numbers // (floats_per_pattern(net) + floats))
    with np.errstate(over="ignore", invalid="ignore"):  # for inputs that are far from the data of the training
        blocks = [f(net, _prepared(net, x[first : min(first + rows, Nv), ...], first, strict)) for first in range(0, Nv, rows)]
    return xp.concat(blocks, axis=0) if blocks else xp.zeros((0, net.n_outputs), dtype=net.theta.dtype)


def _prepared(net: Network, x: Any, first: int, strict: bool) -> Array:
    """A block of inputs as the network takes it. first: the number of its first row."""
    x = x if type(x) is type(net.theta) else host(x)
    if net.preparation is not None:
        x = net.preparation.transform_inputs(x)
    else:
        check_scaled(x, net.input_shape)
    if strict:
        check_finite(x, first)
    return like(x, net.theta)


def _where_finite(net: Network, x: Array) -> Array:
    """Outputs (b, M), NaN for rows whose inputs are not finite."""
    xp = array_namespace(x)
    there = xp.all(xp.reshape(xp.isfinite(x), (x.shape[0], -1)), axis=1)
    if bool(xp.all(there)):
        return outputs(net, x)
    y = outputs(net, xp.where(xp.reshape(there, (-1,) + (1,) * (x.ndim - 1)), x, xp.zeros_like(x)))
    return xp.where(there[:, None], y, xp.full_like(y, float("nan")))
