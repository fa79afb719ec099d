"""The hinges of curves on inputs, at equal shares of the training patterns, Eq. (71), and the scales of their rises."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from pwl.errors import InputError
from pwl.kernels.hinges import input_geometry
from pwl.layers import CurvedDense
from pwl.network.layout import HEAD, address
from pwl.network.network import Network
from pwl.reductions.patterns import Patterns
from pwl.runtime.backend import host, like

NUMBERS = 1 << 20  # most numbers in the patterns that the hinges are taken from; of larger tables it is a sample
BLOCK = 1 << 18  # numbers in a block of them
SEED = (0, 2)  # draws the sample
FEWEST, MOST = 2, 8  # rises of an input with "auto"


class Sample(NamedTuple):
    """Inputs x (n, N) of patterns of weight above 0 on all ranks, and weights w (n,) that sum up to those of all patterns."""

    x: np.ndarray
    w: np.ndarray


def with_input_hinges(net: Network, patterns: Patterns, levels: Sequence[int] = ()) -> Network:
    """The network with hinges for its curves on inputs, if it has any that are not placed yet. Its outputs do not change.

    levels: inputs that get a hinge at each of their values, Eq. (104).
    The hinges are taken from all patterns of weight above 0, or from a sample of a fixed seed if there are more than memory
    should hold. Raises InputError if positions of the user's do not fit.
    """
    layer = net.layers[0] if net.layers else None
    if not isinstance(layer, CurvedDense) or layer.counts is not None:
        return net
    seen = sample(net, patterns)
    q = placed(layer, seen, host(net.theta).dtype, levels)
    curved = dataclasses.replace(layer, counts=tuple(len(own) for own in q))
    buffers = {address(0, name): like(b, net.theta) for name, b in measured(curved, q, seen).items()}
    grown = dataclasses.replace(net, layers=(curved, *net.layers[1:]), buffers={**net.buffers, **buffers})
    return grown.with_theta(like(_straight(net, curved.rises), net.theta))


def sample(net: Network, patterns: Patterns) -> Sample:
    """Patterns of all ranks to take the hinges from."""
    counted = patterns.counted()
    N = net.input_shape[0]
    rows = counted
    if len(counted) * N > NUMBERS:
        rows = np.sort(np.random.default_rng(SEED).permutation(counted)[: max(2, NUMBERS // N)])
    own, step = patterns.take(patterns.own(rows)), max(1, BLOCK // N)
    blocks = [host(own.block(net, first, min(first + step, len(own)))[0]) for first in range(0, len(own), step)]
    patterns.reads.count(len(rows))
    x = np.concatenate([np.zeros((0, N)), *blocks]).astype(np.float64)
    w = np.ones(len(own)) if own.weights is None else own.weights
    w = w * (len(counted) / len(rows))
    return Sample(*(np.concatenate(each) for each in zip(*patterns.comm.allgather((x, w)), strict=True)))


def placed(layer: CurvedDense, seen: Sample, dtype: np.dtype, levels: Sequence[int] = ()) -> list[np.ndarray]:
    """The hinges of each input, none for an input that stays straight. levels: inputs with a hinge at each value."""
    columns = seen.x.T
    if layer.per_input:
        found = [np.asarray(own) for own in layer.hinges]
    elif isinstance(layer.hinges, tuple):
        found = [np.asarray(layer.hinges) if several(column) else np.zeros(0) for column in columns]
    else:
        count = automatic(float(np.sum(seen.w))) if layer.hinges == "auto" else layer.hinges
        found = [quantiles(column, seen.w, count) if several(column) else np.zeros(0) for column in columns]
        found = [q if len(q) > 2 else np.zeros(0) for q in found]  # a single rise between the ends is a straight line
    for j in levels:
        found[j] = np.unique(columns[j])
    for q in found:
        if len(np.unique(q.astype(dtype))) < len(q):
            raise InputError(f"hinge positions {q.tolist()} are too close for {np.dtype(dtype)}: use dtype=np.float64")
    return found


def automatic(patterns: float) -> int:
    """The number of hinges of "auto": a rise for every four of the square root of the number of patterns, from 2 to 8, Eq. (71)."""
    return 1 + min(max(round(patterns**0.5 / 4), FEWEST), MOST)


def several(column: np.ndarray) -> bool:
    """Whether an input has three distinct values or more."""
    return len(np.unique(column)) > 2


def quantiles(column: np.ndarray, w: np.ndarray, count: int) -> np.ndarray:
    """Up to `count` distinct values of an input that cut the patterns' weight into equal shares, Eq. (71).

    Hinge m is the smallest value up to which lie m / (count - 1) of the weight. The outer ones are the lowest and highest
    value. A weight of 2 counts as a repeated pattern.
    """
    order = np.argsort(column, kind="stable")
    up_to = np.cumsum(w[order])
    at = np.searchsorted(up_to * (count - 1), np.arange(count) * up_to[-1])
    return np.unique(column[order][np.minimum(at, len(order) - 1)])


def measured(layer: CurvedDense, q: list[np.ndarray], seen: Sample) -> dict[str, np.ndarray]:
    """The buffers of a layer with hinges q: "ns" (inputs with hinges, most), filled up with infinity, and of each rise "mean" and
    "scale", and of each input the "covariance" (N, 1 + most rises, 1 + most rises) of x and its rises, Eq. (74).
    """
    own = input_geometry(layer.counts or ())
    ns = np.full((len(own.inputs), own.most + 1), np.inf)
    means, scales = [np.zeros(0)], [np.zeros(0)]
    covariance = np.zeros((len(q), 1 + own.most, 1 + own.most))
    share = seen.w / np.sum(seen.w)
    for j, hinges in enumerate(q):
        x, f = seen.x[:, j], np.zeros((len(seen.x), 0))
        if len(hinges):
            ns[own.inputs.index(j), : len(hinges)] = hinges
            r = np.clip((x[:, None] - hinges[:-1]) / np.diff(hinges), 0, 1)
            mean = share @ r
            std = np.sqrt(share @ (r - mean) ** 2)
            scale = np.where(std > 0, std, 1)  # a rise beyond all patterns
            means.append(mean)
            scales.append(scale)
            f = (r - mean) / scale
        f = np.concatenate([(x - share @ x)[:, None], f], axis=1)
        covariance[j, : f.shape[1], : f.shape[1]] = f.T @ (share[:, None] * f)
    ready = {"mean": np.concatenate(means), "scale": np.concatenate(scales)}
    return {"ns": ns, "covariance": covariance} | ready


def _straight(net: Network, rises: int) -> np.ndarray:
    """The parameters of a network whose new rises have weight 0."""
    W, W_o = host(net.W), host(net.W_o)
    first = net.n_basis - net.n_features
    parts = {key: host(part) for key, part in net.parts.items()}
    parts[net.keys("map")[0]] = np.concatenate([W, np.zeros((len(W), rises), W.dtype)], axis=1)
    if net.bypass:
        zeros = np.zeros((len(W_o), rises), W_o.dtype)
        parts[HEAD] = np.concatenate([W_o[:, :first], zeros, W_o[:, first:]], axis=1)
    return np.concatenate([parts[slot.key].reshape(-1) for slot in net.layout.slots])
