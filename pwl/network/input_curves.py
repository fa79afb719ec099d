"""The curves that a network has learned on its inputs: how much each input changes the network, and the curves' values."""

from __future__ import annotations

import numpy as np

from pwl.errors import InputError
from pwl.layers import CurvedDense
from pwl.network.layout import address
from pwl.network.network import Network
from pwl.runtime.backend import host, like
from pwl.validate import kind


def curved(net: Network) -> CurvedDense:
    """The network's layer of curves on inputs. Raises InputError if it has none, and for anything but a network."""
    kind("net", net, Network, "a pwl.Network, such as ensemble.nets[0]")
    layer = net.layers[0] if net.layers else None
    if not isinstance(layer, CurvedDense) or layer.counts is None:
        raise InputError(
            'this network has no curves on its inputs: build it with input_hinges="auto", and train or initialise it'
        )
    return layer


def strengths(net: Network) -> np.ndarray:
    """The share of each input in what moves the first layer's nets and the outputs past them, (N,), Eq. (74).

    A net counts by the length of its output weights if there is one hidden layer. The shares sum to 1.
    """
    layer = curved(net)
    C = host(net.buffers[address(0, "covariance")]).astype(np.float64)
    W, W_o, first = host(net.W).astype(np.float64), host(net.W_o).astype(np.float64), net.n_basis - net.n_features
    weight = np.linalg.norm(W_o[:, first:], axis=0) if net.n_features == len(W) else np.ones(len(W))
    rows = [weight[:, None] * W[:, 1:]] + ([W_o[:, 1:first]] if net.bypass else [])
    V, N = np.concatenate(rows), net.input_shape[0]
    found, next_rise = np.zeros(N), N
    for j in range(N):
        rises = max((layer.counts or ())[j] - 1, 0)
        own = np.concatenate([V[:, [j]], V[:, next_rise : next_rise + rises]], axis=1)
        next_rise += rises
        found[j] = np.sqrt(max(np.einsum("kr,rs,ks->", own, C[j, : rises + 1, : rises + 1], own), 0.0))
    return found / (np.sum(found) or 1.0)


def curves_of(net: Network, j: int, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Values of input j's curves at points (P,): in the nets (P, units), and in the outputs past them (P, M), Eqs. (67), (72).

    Both have mean 0 over the training patterns but for the mean of x itself.
    """
    layer, b, N = curved(net), net.layer_buffers[0], net.input_shape[0]
    at = np.zeros((len(points), N))
    at[:, j] = points
    own = np.concatenate(
        [[False], np.arange(N) == j, np.repeat(np.arange(N), [max(c - 1, 0) for c in layer.counts or ()]) == j]
    )
    D = host(layer.inputs(b, like(at, net.theta))) * own
    past = D @ host(net.W_o)[:, : D.shape[1]].T if net.bypass else np.zeros((len(points), net.n_outputs))
    return D @ host(net.W).T, past
