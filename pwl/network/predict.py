"""Predictions: inputs are checked and prepared block by block, and outputs have the units of the targets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from pwl.errors import InputError
from pwl.kernels.reference.softmax import softmax
from pwl.network.inputs import check_scaled, check_shape
from pwl.network.memory import floats_per_pattern
from pwl.network.network import Network
from pwl.network.passes import outputs
from pwl.network.variance import variances
from pwl.runtime.backend import Array, array_namespace, as_array, host, like, on_cores
from pwl.runtime.finite import check_finite

CPU_NUMBERS = 1 << 22  # numbers in a block's work arrays
DEVICE_NUMBERS = 1 << 28  # the same on a device, which a small block would not fill


def predict(net: Network, x: Any) -> Array:
    """`Network.predict`."""
    y = class_numbers(net, x) if net.loss.classes else _outputs(net, x)
    return y if net.preparation is None else net.preparation.inverse_targets(y)


def class_numbers(net: Network, x: Any) -> Array:
    """Numbers (Nv,) of the classes of the largest outputs."""
    y = _outputs(net, x)
    return array_namespace(y).argmax(y, axis=1)


def predict_with_std(net: Network, x: Any) -> tuple[Array, Array]:
    """Outputs and standard deviations (Nv, M) in raw units, Eqs. (82), (83)."""
    posterior = net.posterior
    if posterior is None:
        raise InputError(
            "this network keeps no posterior, so it knows no standard deviations: make it by pwl.with_posterior(net, (x, t), "
            "algorithm, record) after training"
        )
    y, scale = predict(net, x), 1.0 if net.preparation is None else net.preparation.target_scale
    std = _by_blocks(net, x, lambda net, x: like(np.sqrt(variances(net, posterior, x)), net.theta), net.layout.size)
    return y, std * like(np.broadcast_to(scale, (net.n_outputs,)), std)


def predict_proba(net: Network, x: Any) -> Array:
    """`Network.predict_proba`."""
    if not net.loss.probabilities:
        kind = "gives classes without probabilities" if net.loss.classes else "has squared error"
        raise InputError(f"predict_proba is for nets with loss='cross_entropy', but this one {kind}: use predict")
    return softmax(_outputs(net, x))


def _outputs(net: Network, x: Any) -> Array:
    return _by_blocks(net, x, outputs)


def _by_blocks(net: Network, x: Any, f: Callable[[Network, Array], Array], floats: int = 0) -> Array:
    """f(net, block) (b, M) of all blocks of inputs, one after another. floats: its own numbers of work space per pattern."""
    net.check_initialised()
    x = as_array(x, "inputs x")
    check_shape(tuple(x.shape), net.input_shape)
    xp, Nv = array_namespace(net.theta), x.shape[0]
    numbers = CPU_NUMBERS if on_cores(net.theta) else DEVICE_NUMBERS
    rows = max(1, numbers // (floats_per_pattern(net) + floats))
    blocks = [f(net, _prepared(net, x[first : min(first + rows, Nv), ...], first)) for first in range(0, Nv, rows)]
    return xp.concat(blocks, axis=0) if blocks else xp.zeros((0, net.n_outputs), dtype=net.theta.dtype)


def _prepared(net: Network, x: Any, first: int) -> Array:
    """A block of inputs as the network takes it. first: the number of its first row."""
    x = x if type(x) is type(net.theta) else host(x)
    if net.preparation is not None:
        x = net.preparation.transform_inputs(x)
    else:
        check_scaled(x, net.input_shape)
    check_finite(x, first)
    return like(x, net.theta)
