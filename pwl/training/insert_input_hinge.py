"""One more hinge on the curves of an input, without any change of the network's function, Eq. (75)."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from pwl.errors import InputError
from pwl.network.input_curves import curved
from pwl.network.layout import HEAD, address
from pwl.network.network import Network
from pwl.reductions.patterns import Patterns
from pwl.runtime.backend import host, like
from pwl.training.input_hinges import measured, sample
from pwl.validate import finite, whole


def insert_input_hinge(net: Network, data: Any, index: int, position: float) -> Network:
    """Adds a hinge to all curves of an input. The outputs of the network do not change, Eq. (75).

    Parameters
    ----------
    net : Network
        With curves on its inputs.
    data : (x, t), (x, t, weights) or pwl.Patterns
        The training patterns, over which the new rises get mean 0 and standard deviation 1.
    index : int
        The input, counted from 0. It has hinges already.
    position : float
        Position of the new hinge, in the units of the network's input.

    Returns
    -------
    Network

    Raises
    ------
    InputError
        If the input has no hinges, or has one at the position already.
    """
    net, patterns = Patterns.fitting(net, data)
    layer = curved(net)
    whole("the input", index, 0, most=net.input_shape[0] - 1)
    finite("a hinge's position", position)
    ns, inputs = host(net.layer_buffers[0]["ns"]), layer.geometry.inputs
    q = [ns[inputs.index(j), :count] if count > 1 else np.zeros(0) for j, count in enumerate(layer.counts or ())]
    if not len(q[index]) or np.any(q[index] == position):
        raise InputError(
            f"input {index} has the hinges {q[index].tolist()}: a new one can go where there is none, beside others"
        )
    at = int(np.searchsorted(q[index], position))
    q[index] = np.insert(q[index], at, position)
    finer = dataclasses.replace(layer, counts=tuple(map(len, q)))
    b = measured(finer, q, sample(net, patterns))
    share = _share(q[index], at)
    # The rise that is cut, or that the new one comes before.
    first = layer.geometry.begin[inputs.index(index)] + max(at - 1, 0)

    def refined(V: np.ndarray) -> np.ndarray:
        """Weights [1, x, rises] of the old rises as those of the new ones."""
        straight = V.shape[1] - layer.rises
        heights = V[:, straight:] / host(net.layer_buffers[0]["scale"])
        new = _cut(heights, first, share, at, len(q[index]))
        level = new @ b["mean"] - heights @ host(net.layer_buffers[0]["mean"])
        return np.concatenate([V[:, :1] + level[:, None], V[:, 1:straight], new * b["scale"]], axis=1)

    width = net.n_basis - net.n_features
    parts = {**net.parts, net.keys("map")[0]: refined(host(net.W))}
    if net.bypass:
        parts[HEAD] = np.concatenate([refined(host(net.W_o)[:, :width]), host(net.W_o)[:, width:]], axis=1)
    buffers = {address(0, name): like(value, net.theta) for name, value in b.items()}
    grown = dataclasses.replace(net, layers=(finer, *net.layers[1:]), buffers={**net.buffers, **buffers})
    return grown.with_theta(grown.join({key: like(host(part), net.theta) for key, part in parts.items()}))


def _share(q: np.ndarray, at: int) -> float:
    """The part of a rise that lies left of its new hinge."""
    return float((q[at] - q[at - 1]) / (q[at + 1] - q[at - 1])) if 0 < at < len(q) - 1 else 0.0


def _cut(heights: np.ndarray, first: int, share: float, at: int, count: int) -> np.ndarray:
    """Heights (rows, rises) with one more rise: one is cut in two, or beyond the outer hinges a rise of height 0 is added."""
    if 0 < at < count - 1:
        cut = heights[:, [first]] * np.array([share, 1 - share])
        return np.concatenate([heights[:, :first], cut, heights[:, first + 1 :]], axis=1)
    return np.insert(heights, first, 0.0, axis=1)
