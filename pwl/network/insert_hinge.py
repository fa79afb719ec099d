"""One more hinge on every curve of a layer, without any change of the network's function, Eq. (7)."""

from __future__ import annotations

import dataclasses

import numpy as np

from pwl.activations import PiecewiseLinear
from pwl.errors import InputError
from pwl.kernels import engine
from pwl.network.layout import address
from pwl.network.network import Network
from pwl.runtime.backend import host, like
from pwl.validate import finite, is_whole, kind, shown


def insert_hinge(net: Network, position: float, layer: int | None = None) -> Network:
    """Adds a hinge to every curve of a layer. The outputs of the network do not change, Eq. (7).

    Parameters
    ----------
    net : Network
    position : float
        Position of the new hinge, in the units of the net.
    layer : int, optional
        Index in net.layers of the curves. None means the first layer of curves.

    Returns
    -------
    Network
        The network with (units, K + 1) hinges and ordinates in that layer.

    Raises
    ------
    InputError
        If the layer has no curves, or if there is a hinge at the position already.
    """
    kind("net", net, Network, "a pwl.Network")
    curves = [i for i, each in enumerate(net.layers) if isinstance(each, PiecewiseLinear)]
    index = layer if layer is not None else (curves[0] if curves else -1)
    if not is_whole(index) or index not in curves:
        raise InputError(
            f"layer {shown(index)} of this network has no curves: use one of the layers with curves, {curves or 'none'}"
        )
    finite("a hinge's position", position)
    activation, ns_key, A_key = net.layers[index], address(index, "ns"), address(index, "A")
    assert isinstance(activation, PiecewiseLinear)
    ns, A = net.buffers[ns_key], net.parts[A_key]
    if np.any(host(ns) == position):
        raise InputError(f"there is a hinge at {position} already")
    at = like(np.full((1, ns.shape[0]), position), ns)
    ordinate = host(engine(at).value(at, activation.grid({"ns": ns}), A))[0]
    ns_new = np.concatenate([host(ns), host(at).T], axis=1)
    order = np.argsort(ns_new, axis=1)
    ns_new = np.take_along_axis(ns_new, order, axis=1)
    A_new = np.take_along_axis(np.concatenate([host(A), ordinate[:, None]], axis=1), order, axis=1)
    refined = dataclasses.replace(activation, hinges=ns_new, span=None)
    parts = {**net.parts, A_key: like(A_new, net.theta)}
    grown = dataclasses.replace(
        net,
        layers=(*net.layers[:index], refined, *net.layers[index + 1 :]),
        buffers={**net.buffers, ns_key: like(ns_new, net.theta)},
    )
    return grown.with_theta(grown.join(parts))
