"""Each curve's own curvature: the tridiagonal Gauss-Newton matrix of a unit's ordinates, Eq. (86)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pwl.activations.piecewise_linear import PiecewiseLinear
from pwl.kernels.hinges import Hinges
from pwl.kernels.reference.curves import locate
from pwl.network import passes
from pwl.network.network import Network
from pwl.reductions.statistic import Statistic
from pwl.runtime.backend import Array, array_namespace, is_numpy_array, weighted


class Bands(NamedTuple):
    """By slot key, the diagonal (units, K) and its neighbour (units, K - 1) of the matrices."""

    diagonal: dict[str, Array]
    beside: dict[str, Array]


def curve_bands(keys: tuple[str, ...]) -> Statistic:
    """`Bands` of the ordinates `keys` of curves over vectors, Eq. (86)."""

    def bands_of_block(net: Network, x: Array, t: Array, w: Array | None) -> Bands:
        signals = passes.forward(net, x, keys)
        found = Bands({}, {})
        for key, c in _weights(net, signals, t, keys).items():
            index = net.layout.by_key[key].layer
            layer, _, b = net.layer(index)
            assert isinstance(layer, PiecewiseLinear)
            diagonal, beside = tridiagonal(signals.saved[index].n, layer.grid(b), weighted(c, w))
            found.diagonal[key], found.beside[key] = diagonal, beside
        return found

    return Statistic(bands_of_block)


def _weights(net: Network, signals: passes.Signals, t: Array, keys: tuple[str, ...]) -> dict[str, Array]:
    """By slot key, the second derivative (b, units) of each pattern's error along each unit's output, by the roots v of S_p."""
    total: dict[str, Array] = {}
    for v in net.loss.roots(signals.y, t):
        for index, g in passes.backpropagate(net, signals.saved, v, net.layout.layers(keys)):
            for slot in net.layout.of_layer(index):
                total[slot.key] = total.get(slot.key, 0) + g * g
    return {key: total[key] for key in keys}


def tridiagonal(n: Array, grid: Hinges, c: Array) -> tuple[Array, Array]:
    """Sums over patterns of c phi phi' for nets n and weights c (b, units): the diagonal, and the band beside it, Eq. (86).

    In a segment two hats are not 0, and they add up to 1. So c phi_m^2 is c phi_m without the shares of the neighbours.
    """
    xp = array_namespace(n)
    m, u, _, _ = locate(n, grid)
    units, K = grid.ns.shape
    both = c * u * (1 - u)
    if is_numpy_array(n):
        place = m + np.arange(units) * (K - 1)
        beside = np.bincount(place.reshape(-1), both.reshape(-1), units * (K - 1)).reshape(units, K - 1)
        at = (m + np.arange(units) * K).reshape(-1)
        left, right = (c * (1 - u) ** 2).reshape(-1), (c * u * u).reshape(-1)
        diagonal = (np.bincount(at, left, units * K) + np.bincount(at + 1, right, units * K)).reshape(units, K)
        return diagonal.astype(n.dtype), beside.astype(n.dtype)
    zero = xp.zeros_like(both)

    def in_segment(a: Array, segment: int) -> Array:
        return xp.sum(xp.where(m == segment, a, zero), axis=0)

    left, right = c * (1 - u) ** 2, c * u * u
    beside = xp.stack([in_segment(both, s) for s in range(K - 1)], axis=1)
    columns = [in_segment(left, s) + in_segment(right, s - 1) for s in range(K)]
    return xp.stack(columns, axis=1), beside
