"""Networks with other activations in place of theirs: trained curves that start from the functions that were there."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from pwl import activations
from pwl.activations import PiecewiseLinear, Spline
from pwl.errors import InputError
from pwl.layers.layer import Arrays, Layer
from pwl.network.layout import HEAD, address, lay_out
from pwl.network.network import Network
from pwl.reductions.patterns import Patterns
from pwl.runtime.backend import host, like
from pwl.training.initialise import over_nets
from pwl.validate import is_whole, shown

SAMPLED = {PiecewiseLinear: "A", Spline: "Q"}  # activations with ordinates at hinges, and the names of these


def replace_activations(net: Network, where: Any, activation: Any, data: Any = None) -> Network:
    """`Network.replace_activations`."""
    new = activations.resolve(activation)
    patterns = None if data is None else Patterns.of(data).in_units_of(net)
    if new.span == "nets":
        if patterns is None:
            raise InputError(
                'curves with span="nets" are laid over the nets of your patterns: give data=(x, t) as well'
            )
        net.check_initialised()
        patterns.check(net)
    for index in _chosen(net, where):
        net = _with(net, index, new, patterns)
    return net


def _chosen(net: Network, where: Any) -> list[int]:
    """The places of activations among the layers."""
    there = [index for index, layer in enumerate(net.layers) if layer.kind == "activation"]
    if isinstance(where, str) and where in ("all", "last"):
        return there if where == "all" else there[-1:]
    wanted: list[Any] = (
        [where] if is_whole(where) else list(where) if isinstance(where, (list, tuple, range)) else [None]
    )
    if not wanted or any(not is_whole(index) or index not in there for index in wanted):
        raise InputError(
            f'where must be "all", "last", or numbers of layers that are activations, {", ".join(map(str, there))}, not '
            f"{shown(where)}"
        )
    return sorted({int(index) for index in wanted})


def _with(net: Network, index: int, new: Layer, patterns: Patterns | None) -> Network:
    """The network with a new activation as layer `index`."""
    shape, old = net.layout.shapes[index], net.layer(index)
    p, b = new.start_parameters(shape, np.random.default_rng(index)), new.buffers(shape)
    if new.span == "nets":
        assert patterns is not None
        b, p = over_nets(new, net, patterns, index)
    name = SAMPLED.get(type(new))
    if name is not None:
        p[name] = _values(old, host(b["ns"]))
    layers = tuple(new if at == index else layer for at, layer in enumerate(net.layers))
    layout = lay_out(layers, net.input_shape, net.n_outputs, net.bypass)
    kept = {key: part for key, part in net.parts.items() if key == HEAD or net.layout.by_key[key].layer != index}
    own = {key: like(part, net.theta) for key, part in layout.keyed(index, p).items()}
    others = {key: buffer for key, buffer in net.buffers.items() if not key.startswith(address(index, ""))}
    buffers = others | {address(index, each): like(buffer, net.theta) for each, buffer in b.items()}
    theta = layout.join(kept | own, net.theta)
    return dataclasses.replace(net, layers=layers, theta=theta, buffers=buffers, posterior=None)


def _values(old: tuple[Layer, Arrays, Arrays], ns: np.ndarray) -> np.ndarray:
    """Values (units, K) of an activation at hinges ns (units, K)."""
    layer, p, b = old
    p, b = ({name: np.asarray(host(a), dtype=np.float64) for name, a in arrays.items()} for arrays in (p, b))
    return layer.apply(p, b, np.ascontiguousarray(ns.T, dtype=np.float64)).T
