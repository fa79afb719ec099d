"""The moments of batch normalisation, measured on training patterns at the network's weights, Eq. (60)."""

from __future__ import annotations

import dataclasses

import numpy as np

from pwl.layers import BatchNorm2d
from pwl.layers.batch_norm import sums
from pwl.network.network import Network
from pwl.reductions.patterns import Patterns, Statistic
from pwl.runtime.backend import Array

PATTERNS = 8192  # at most, drawn without replacement


def normalising(net: Network) -> tuple[int, ...]:
    """Indices of the layers that have moments."""
    return tuple(index for index, layer in enumerate(net.layers) if isinstance(layer, BatchNorm2d))


def with_moments(net: Network, patterns: Patterns, key: tuple[int, ...]) -> Network:
    """The network with the moments of some patterns, drawn by `key`, in its buffers; itself where it normalises nothing.

    One pass: groups are normalised by their own moments, as in training, and the groups' moments are averaged. Nothing is
    dropped out, as nothing will be where these moments serve.
    """
    layers = normalising(net)
    if not layers:
        return net
    counted = np.arange(len(patterns)) if patterns.weights is None else np.flatnonzero(patterns.weights)
    rows = np.random.default_rng(key).permutation(counted)[:PATTERNS]
    count, *found = patterns.take(rows).reduce(group_moments(layers), coupled(net, layers))
    names = [f"{index}.{name}" for index in layers for name in ("mean", "variance")]
    return dataclasses.replace(
        net, buffers={**net.buffers, **{name: total / count for name, total in zip(names, found, strict=True)}}
    )


def coupled(net: Network, layers: tuple[int, ...]) -> Network:
    """The network with these layers, and no others, in their training form."""
    changed = tuple(layer.training(()) if i in layers else layer for i, layer in enumerate(net.layers))
    return dataclasses.replace(net, layers=changed)


def group_moments(layers: tuple[int, ...]) -> Statistic:
    """(patterns, then of each layer the groups' means (c,) and variances (c,) times the patterns in them)."""

    def compute(net: Network, x: Array, t: Array, w: Array | None) -> tuple[Array, ...]:
        saved, _ = net.body(x, layers[0])
        found = [sums(saved[index], net.layers[index].together) for index in layers]
        return found[0][0], *(total for _, *totals in found for total in totals)

    return Statistic(compute)
