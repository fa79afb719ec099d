"""The start of a network on its training patterns: net control, spans of curves, and the first output weights."""

from __future__ import annotations

import dataclasses
import warnings
from typing import Any

import numpy as np

from pwl import validate
from pwl.algorithms.owo import owo_step
from pwl.algorithms.penalties import Penalties
from pwl.errors import InputError
from pwl.layers.layer import Arrays, Layer
from pwl.network.layout import address
from pwl.network.network import Network
from pwl.reductions.batch_moments import normalising, with_moments
from pwl.reductions.correlations import nets_mean, nets_moments, nets_range
from pwl.reductions.patterns import Patterns
from pwl.reductions.reduce import reduce
from pwl.runtime.backend import host, like
from pwl.solvers.ols import OLS
from pwl.training.input_hinges import with_input_hinges

NET_MEAN, NET_STD = 0.5, 1.0
START = (0, 0)  # key that draws the patterns for the first moments of batch normalisation


def initialise(net: Network, data: Any, *, ridge: float = 0.0, ols: OLS | None = None) -> Network:
    """Starts a network on its training data: net control, Eq. (8), spans from the nets, and an output step, Eqs. (10), (12).

    Curves on inputs get their hinges, Eq. (71). They begin as straight lines.
    For networks with batch normalisation it measures the moments, Eq. (60), and keeps the output weights as they were drawn.
    `train` calls this function for a network that is not initialised.

    Parameters
    ----------
    net : Network
    data : (x, t), (x, t, weights) or pwl.Patterns
    ridge : float
        Weight of the penalty in the output step, Eq. (11).
    ols : pwl.OLS, optional
        The dependence test of the output step.

    Returns
    -------
    Network
        Ready to train.

    Raises
    ------
    InputError
        If data and network do not fit.
    """
    validate.kind("net", net, Network, "a pwl.Network")
    if ols is not None:
        validate.kind("ols", ols, OLS, "a pwl.OLS")
    patterns = Patterns.of(data).in_units_of(net)
    patterns.check(net)
    patterns.check_each_output()
    return start(patterns.suited(net), patterns, Penalties(ridge=ridge), ols or OLS())


def start(net: Network, patterns: Patterns, penalties: Penalties, ols: OLS) -> Network:
    """`initialise` on patterns that have been checked."""
    count = patterns.count()
    if count < 2:
        raise InputError("only one pattern came, but net control needs the spread of the nets over at least two")
    net = with_input_hinges(net, patterns)
    note_few(net, count)
    net = with_moments(net, patterns, START)
    for index, layer in enumerate(net.layers):
        if layer.kind == "map" and net.net_control:
            net = net_control(net, patterns, index)
        if layer.span == "nets":  # nets of the layers above change with the span
            net = with_moments(span_nets(net, patterns, index), patterns, START)
    if not normalising(net):  # deep networks with normalisation keep the output weights as they were drawn
        net, _ = owo_step(net, patterns, penalties, ols)
    return dataclasses.replace(net, initialised=True)


def note_few(net: Network, count: int) -> None:
    """Warns of an output step on so few patterns that it can fit any targets."""
    if count < net.n_basis:
        warnings.warn(
            f"{count} patterns are fewer than the {net.n_basis} basis functions: the output weights can fit any targets",
            stacklevel=4,
        )


def net_control(net: Network, patterns: Patterns, index: int) -> Network:
    """The network with one layer's weights scaled, so that every net has mean 0.5 and standard deviation 1, Eq. (8).

    A net that is constant over the patterns keeps its weights and only gets the mean.
    """
    mean = reduce(nets_mean(index), net, patterns)
    offset, second = map(host, reduce(nets_moments(index, mean), net, patterns))  # offset: the rounding of the mean
    m, std = host(mean) + offset, np.sqrt(np.maximum(second - offset**2, 0))
    varies = std > 64 * np.finfo(std.dtype).eps * np.abs(m)  # a constant net has less than that, from rounding
    scale = np.where(varies, NET_STD / np.where(varies, std, 1), 1)
    (slot,) = net.layout.of_layer(index)
    W = scale[:, None] * host(net.parts[slot.key])
    W[:, 0] += NET_MEAN - scale * m
    return net.with_parts({slot.key: like(W, net.theta)})


def span_nets(net: Network, patterns: Patterns, index: int) -> Network:
    """The network with one layer's hinges spread over each unit's nets, and the curves sampled at the new hinges."""
    own, p = over_nets(net.layers[index], net, patterns, index)
    buffers = {**net.buffers, **{address(index, name): like(b, net.theta) for name, b in own.items()}}
    parts = {key: like(part, net.theta) for key, part in net.layout.keyed(index, p).items()}
    return dataclasses.replace(net, buffers=buffers).with_parts(parts)


def over_nets(layer: Layer, net: Network, patterns: Patterns, index: int) -> tuple[Arrays, Arrays]:
    """Buffers and parameters of an activation whose hinges span each unit's own range of nets, the inputs of layer `index`."""
    low, high = (host(reduce(each, net, patterns)).astype(np.float64) for each in nets_range(index - 1))
    return layer.follow(low, high)
