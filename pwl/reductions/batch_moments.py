"""The moments of batch normalisation, measured on training patterns at the network's weights, Eq. (60)."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import numpy as np

from pwl.layers import BatchNorm2d
from pwl.layers.batch_norm import sums
from pwl.network import passes
from pwl.network.layout import address
from pwl.network.network import Network
from pwl.reductions.patterns import Patterns
from pwl.reductions.reduce import reduce
from pwl.reductions.statistic import Statistic
from pwl.runtime.backend import Array, array_namespace

PATTERNS = 8192  # most patterns, drawn without replacement


def normalising(net: Network) -> tuple[int, ...]:
    """Indices of the layers that have moments."""
    return tuple(index for index, layer in enumerate(net.layers) if isinstance(layer, BatchNorm2d))


def with_moments(net: Network, patterns: Patterns, key: tuple[int, ...]) -> Network:
    """The network with the moments of some patterns, drawn by `key`, in its buffers, Eq. (60). A net without moments is unchanged.

    It takes one pass. Groups are normalised by their own moments, as in training, and the groups' moments are averaged. There
    is no dropout, because there is none when the moments are used.
    """
    layers = normalising(net)
    if not layers:
        return net
    rows = np.random.default_rng(key).permutation(patterns.counted())[:PATTERNS]
    measured = coupled(net, layers)
    count, totals = reduce(group_moments(layers), measured, patterns.shared(rows, measured.group))
    return dataclasses.replace(net, buffers={**net.buffers, **{key: total / count for key, total in totals.items()}})


def coupled(net: Network, layers: tuple[int, ...]) -> Network:
    """The network with only these layers in their training form."""
    changed = tuple(layer.training(()) if i in layers else layer for i, layer in enumerate(net.layers))
    return dataclasses.replace(net, layers=changed)


class GroupMoments(NamedTuple):
    """The number of patterns, and by buffer key the groups' means (c,) and variances (c,) times their numbers of patterns."""

    patterns: Array
    totals: dict[str, Array]


def group_moments(layers: tuple[int, ...]) -> Statistic:
    """`GroupMoments` of these layers."""

    def moments_of_block(net: Network, x: Array, t: Array, w: Array | None) -> GroupMoments:
        saved = passes.saved_from(net, x, layers[0])
        totals: dict[str, Array] = {}
        for index in layers:
            mean, variance = sums(saved[index], net.layers[index].together)
            totals |= {address(index, "mean"): mean, address(index, "variance"): variance}
        return GroupMoments(array_namespace(x).asarray(float(x.shape[0]), dtype=x.dtype, device=x.device), totals)

    return Statistic(moments_of_block)
