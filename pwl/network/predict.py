"""Predictions: inputs are checked and prepared block by block, and outputs have the units of the targets."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from pwl.errors import InputError
from pwl.kernels.reference.softmax import softmax
from pwl.network.inputs import check_scaled, check_shape
from pwl.network.memory import floats_per_pattern
from pwl.network.network import Network
from pwl.network.passes import outputs
from pwl.runtime.backend import Array, array_namespace, as_array, host, like, on_cores
from pwl.runtime.finite import check_finite

CPU_NUMBERS = 1 << 22  # numbers in a block's work arrays
DEVICE_NUMBERS = 1 << 28  # the same on a device, which a small block would not fill


class Answers(NamedTuple):
    """Predictions in raw units. finite: (Nv,) whether all numbers of a row are finite; other rows are no answers."""

    values: Array
    finite: Array


def predict(net: Network, x: Any) -> Array:
    """`Network.predict`."""
    return _answered(net, x, probabilities=False)


def predict_proba(net: Network, x: Any) -> Array:
    """`Network.predict_proba`."""
    if not net.loss.classes:
        raise InputError(
            "predict_proba is for nets with loss='cross_entropy', but this one has squared error: use predict"
        )
    return _answered(net, x, probabilities=True)


def unchecked_outputs(net: Network, x: Any) -> Array:
    """Outputs (Nv, M) in the network's units. They are NaN for rows that the preparation takes out of the range of numbers."""
    return _outputs(net, x, strict=False)


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
    values, finite = in_raw_units(net, _outputs(net, x, strict=True), probabilities)
    if not bool(array_namespace(finite).all(finite)):
        if not np.isfinite(host(net.theta)).all():
            raise InputError("the network holds weights that are not finite numbers, so it predicts nothing: train it again")
        row = int(np.flatnonzero(~host(finite))[0])
        raise InputError(
            f"the prediction for row {row} is not finite, as its inputs lie too far outside the data of the training: leave the "
            "row out"
        )
    return values


def _outputs(net: Network, x: Any, strict: bool) -> Array:
    net.check_initialised()
    x = as_array(x, "inputs x")
    check_shape(tuple(x.shape), net.input_shape)
    xp, Nv = array_namespace(net.theta), x.shape[0]
    numbers = CPU_NUMBERS if on_cores(net.theta) else DEVICE_NUMBERS
    rows = max(1, numbers // floats_per_pattern(net))
    blocks = [_of_block(net, x[first : min(first + rows, Nv), ...], first, strict) for first in range(0, Nv, rows)]
    return xp.concat(blocks, axis=0) if blocks else xp.zeros((0, net.n_outputs), dtype=net.theta.dtype)


def _of_block(net: Network, x: Any, first: int, strict: bool) -> Array:
    x = x if type(x) is type(net.theta) else host(x)
    if net.preparation is not None:
        x = net.preparation.transform_inputs(x)
    else:
        check_scaled(x, net.input_shape)
    with np.errstate(over="ignore", invalid="ignore"):  # for inputs that are far from the data of the training
        if strict:
            check_finite(x, first)
            return outputs(net, like(x, net.theta))
        x = like(x, net.theta)
        xp = array_namespace(x)
        there = xp.all(xp.reshape(xp.isfinite(x), (x.shape[0], -1)), axis=1)
        if bool(xp.all(there)):
            return outputs(net, x)
        x = xp.where(xp.reshape(there, (-1,) + (1,) * (x.ndim - 1)), x, xp.zeros_like(x))
        y = outputs(net, x)
        return xp.where(there[:, None], y, xp.full_like(y, float("nan")))
