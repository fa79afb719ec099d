"""A map and the activation of its nets in one kernel, where the engine has one: the nets are then not read again."""

from __future__ import annotations

from typing import Any

from pwl.kernels import engine
from pwl.layers.layer import Activated
from pwl.network.network import Network
from pwl.runtime.backend import Array


def is_pair(net: Network, index: int, x: Array, lowest: int) -> bool:
    """Whether layers `index` and `index + 1` of a pass that saves arrays from layer `lowest` on are one kernel.

    The nets between them are for nobody else, and the activation is not the lowest layer, which saves no slopes.
    """
    after = index + 1
    if not net.layers[index].puts_activations:
        return False
    if after == lowest or after in (*net.joins, *net.joins.values()) or not engine(x).FUSED:
        return False
    activation, p, b = net.layer(after)
    return activation.rule(p, b) is not None


def pair_forward(net: Network, index: int, x: Array, lowest: int) -> tuple[Array, tuple[Any, Any]]:
    """The output of both layers for the input x of the first, and the saved arrays of each, None below `lowest`."""
    layer, p, b = net.layer(index)
    activation, q, c = net.layer(index + 1)
    rule = activation.rule(q, c)
    assert rule is not None
    if index < lowest:
        return layer.activated(p, b, x, rule), (None, None)
    n, o, slope = layer.activated_forward(p, b, x, rule)
    return o, (layer.keep(p, b, x), Activated(n, slope))
