"""Predictions: inputs are checked and prepared block by block, and outputs have the units of the targets."""

from __future__ import annotations

from typing import Any

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


def predict(net: Network, x: Any) -> Array:
    """`Network.predict`."""
    y = _outputs(net, x)
    if net.loss.classes:
        y = array_namespace(y).argmax(y, axis=1)
    return y if net.preparation is None else net.preparation.inverse_targets(y)


def predict_proba(net: Network, x: Any) -> Array:
    """`Network.predict_proba`."""
    if not net.loss.classes:
        raise InputError(
            "predict_proba is for nets with loss='cross_entropy', but this one has squared error: use predict"
        )
    return softmax(_outputs(net, x))


def _outputs(net: Network, x: Any) -> Array:
    net.check_initialised()
    x = as_array(x, "inputs x")
    check_shape(tuple(x.shape), net.input_shape)
    xp, Nv = array_namespace(net.theta), x.shape[0]
    numbers = CPU_NUMBERS if on_cores(net.theta) else DEVICE_NUMBERS
    rows = max(1, numbers // floats_per_pattern(net))
    blocks = [_of_block(net, x[first : min(first + rows, Nv), ...], first) for first in range(0, Nv, rows)]
    return xp.concat(blocks, axis=0) if blocks else xp.zeros((0, net.n_outputs), dtype=net.theta.dtype)


def _of_block(net: Network, x: Any, first: int) -> Array:
    x = x if type(x) is type(net.theta) else host(x)
    if net.preparation is not None:
        x = net.preparation.transform_inputs(x)
    else:
        check_scaled(x, net.input_shape)
    check_finite(x, first)
    return outputs(net, like(x, net.theta))
