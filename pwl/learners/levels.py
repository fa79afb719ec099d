"""Inputs of few values that get a hinge at each value, so that every value has a level of its own, Eq. (104)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from pwl.algorithms.penalties import Penalties
from pwl.algorithms.ridge import fitted
from pwl.data.targets import known_or_zero
from pwl.layers import CurvedDense
from pwl.learners.forms import Form
from pwl.network.network import Network
from pwl.network.passes import outputs
from pwl.reductions.blocks import block_rows
from pwl.reductions.patterns import Patterns
from pwl.runtime.backend import Array, host
from pwl.solvers.ols import OLS
from pwl.training.initialise import initialise

MOST = 64  # values of an input: of more, each would be learned from too few patterns
GROWTH = 1.0  # rises that levels add, at most, for each function of the inputs that a network has without them
NUMBERS = 1 << 20  # most numbers in the patterns that are looked at. Of larger tables they are a sample
SEED = (0, 4)  # draws the sample


def levels(patterns: Patterns, form: Form, M: int, groups: np.ndarray | None = None) -> tuple[int, ...]:
    """The inputs, sorted, whose values deserve a hinge each, by what they add to an additive fit with the form's hinges, Eq. (104).

    Of several the best ones are kept, while the functions of the inputs become twice as many at most. M: outputs. groups (Nv,): the
    numbers of the patterns' groups. An input that is constant within each of them gets no levels, which would be the groups' own.
    """
    N = patterns.x.shape[1]
    rows = _sample(patterns, NUMBERS // N)
    patterns = patterns.take(rows)
    if len(patterns) <= N * form.hinges:
        return ()  # an additive fit would leave no residuals
    start = Network.mlp(N, (1,), M, "tanh", input_hinges=form.hinges)
    x = _inputs(start, patterns)
    few = {j: count for j, column in enumerate(x.T) if 2 < (count := len(np.unique(column))) <= MOST}
    if groups is not None:
        few = {j: count for j, count in few.items() if _varies(x[:, j], groups[rows])}
    if not few:
        return ()
    net = initialise(start, patterns)
    layer = net.layers[0]
    assert isinstance(layer, CurvedDense) and layer.counts is not None
    more = {j: count - max(layer.counts[j], 1) for j, count in few.items() if count > layer.counts[j]}
    r = _residuals(fitted(net, patterns, Penalties(), OLS()).net, patterns)
    w = np.ones(len(x)) if patterns.weights is None else patterns.weights
    weights = form.hidden[0] + M  # of each function of the inputs
    return tuple(sorted(_best(x, r, w, more, weights, GROWTH * (net.n_basis - 1))))


def _best(x: np.ndarray, r: np.ndarray, w: np.ndarray, more: dict[int, int], weights: int, room: float) -> list[int]:
    """The inputs of the largest gains for a weight, one after the other, each by the residuals that those before it leave."""
    at = {j: np.unique(x[:, j], return_inverse=True)[1] for j in more}
    kept: list[int] = []
    while True:
        worth = {j: gain(at[j], r, w, more[j]) / (more[j] * weights) for j in more if j not in kept and more[j] <= room}
        best = max(worth, key=worth.__getitem__, default=None)
        if best is None or worth[best] <= 1:
            return kept
        kept.append(best)
        room -= more[best]
        r = r - _means(at[best], r, w)[0][at[best]]


def gain(at: np.ndarray, r: np.ndarray, w: np.ndarray, added: int) -> float:
    """By how much levels raise the logarithm of the evidence, as the Bayesian information criterion has it, Eq. (104).

    at (Nv,): the number of the value that the input has. r (Nv, M): residuals without levels, NaN where a target is unknown.
    w (Nv,): weights of the patterns. added: the rises that levels add.
    """
    means, n = _means(at, r, w)
    energy, between = np.sum(w[:, None] * known_or_zero(r) ** 2, axis=0), np.sum(n * means**2, axis=0)
    n, energy, between = np.sum(n, axis=0)[energy > 0], energy[energy > 0], between[energy > 0]
    rest = np.maximum(1 - between / energy, np.finfo(float).eps)
    return float(-np.sum(n * np.log(rest) + added * np.log(n)) / 2)


def _means(at: np.ndarray, r: np.ndarray, w: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The means (values, M) of the residuals at each value, 0 where there are none, and the patterns' weight n (values, M)."""
    n = np.stack([np.bincount(at, w * ~np.isnan(own)) for own in r.T], axis=1)
    sums = np.stack([np.bincount(at, w * known_or_zero(own)) for own in r.T], axis=1)
    return np.divide(sums, n, out=np.zeros(n.shape), where=n > 0), n


def _varies(column: np.ndarray, groups: np.ndarray) -> bool:
    """Whether an input (Nv,) has several values within a group."""
    _, first, number = np.unique(groups, return_index=True, return_inverse=True)
    return bool(np.any(column != column[first][number]))


def _sample(patterns: Patterns, most: int) -> np.ndarray:
    """The rows of patterns of weight above 0, this many at most."""
    rows = patterns.counted()
    if len(rows) <= max(most, 2):
        return rows
    return np.sort(np.random.default_rng(SEED).permutation(rows)[: max(most, 2)])


def _inputs(net: Network, patterns: Patterns) -> np.ndarray:
    """x (Nv, N)."""
    return np.concatenate([host(x) for x, _, _ in _blocks(net, patterns)])


def _residuals(net: Network, patterns: Patterns) -> np.ndarray:
    """t - y (Nv, M)."""
    return np.concatenate([host(t) - host(outputs(net, x)) for x, t, _ in _blocks(net, patterns)])


def _blocks(net: Network, patterns: Patterns) -> Iterator[tuple[Array, Array, Array | None]]:
    rows = block_rows(net, 0, patterns.block_bytes)
    return (patterns.block(net, first, min(first + rows, len(patterns))) for first in range(0, len(patterns), rows))
