"""Correlations of the basis and of layers' inputs, Eqs. (10), (23), and moments and ranges of nets, Eq. (8).

Autocorrelations are summed in float64, because thousands of functions differ by less than the rounding of float32 sums.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np

from pwl.data.targets import known_or_zero, mask
from pwl.network import passes
from pwl.network.memory import device_bytes
from pwl.network.network import Network
from pwl.reductions.patterns import Patterns
from pwl.reductions.reduce import reduce
from pwl.reductions.statistic import Statistic
from pwl.runtime.backend import Array, array_namespace, gram, host, in_double, on_cores, total, weighted


class Correlations(NamedTuple):
    """R = B'B (Nu, Nu), or its last columns, those of the features; C = B'T (Nu, M); and the targets' energy E_t, Eq. (10)."""

    R: Array
    C: Array
    E_t: Array


class OwnCorrelations(NamedTuple):
    """R (M, Nu, Nu), C (Nu, M) and the energies (M,) of Eq. (10), for each output over the patterns whose target is known."""

    R: Array
    C: Array
    energies: Array


class Moments(NamedTuple):
    """First and second moments (units,) of nets about a centre."""

    first: Array
    second: Array


@functools.cache
def basis_correlations(known: bool = False) -> Statistic:
    """`Correlations` under squared error, Eq. (10). known: whether the inputs' own part of R is known: then R is (Nu, Nf)."""

    def correlations_of_block(net: Network, x: Array, t: Array, w: Array | None) -> Correlations:
        o, t = in_double(passes.features(net, x)), in_double(t)
        xp, wt = array_namespace(t), weighted(t, w)
        R, C = _gram_of_parts(net, x, o, w, known, wt)
        return Correlations(R, xp.concat([C, o.T @ wt], axis=0), total(wt * t))

    return Statistic(correlations_of_block)


def with_inputs(R: Array, inputs: Array | None) -> Array:
    """The whole R (Nu, Nu) from its last columns (Nu, Nf) and the inputs' own part; R itself if that was not known."""
    if inputs is None:
        return R
    xp, first = array_namespace(R), inputs.shape[0]
    return xp.concat([xp.concat([inputs, R[:first, :].T], axis=0), R], axis=1)


def own_correlations() -> Statistic:
    """`OwnCorrelations` under the squared error of known targets, Eq. (96)."""

    def correlations_of_block(net: Network, x: Array, t: Array, w: Array | None) -> OwnCorrelations:
        o, t = in_double(passes.features(net, x)), in_double(t)
        B, t_known = passes.basis(net, in_double(x), o), known_or_zero(t)
        xp, wt = array_namespace(t), weighted(t_known, w)
        return OwnCorrelations(own_grams(B, t, w), B.T @ wt, xp.sum(wt * t_known, axis=0))

    return Statistic(correlations_of_block)


def own_grams(B: Array, t: Array, w: Array | None) -> Array:
    """B'B (M, Nu, Nu) over the patterns of each output."""
    m = weighted(mask(t), w)
    return array_namespace(B).stack([gram(B, m[:, i]) for i in range(t.shape[1])])


def known_shares(net: Network, patterns: Patterns) -> np.ndarray:
    """The part of the patterns' weight whose target is known, for each output (M,)."""
    if not net.loss.own_patterns:
        return np.ones(net.n_outputs)

    def known_of_block(net: Network, x: Array, t: Array, w: Array | None) -> Array:
        return array_namespace(t).sum(weighted(mask(t), w), axis=0)

    return host(reduce(Statistic(known_of_block), net, patterns)).astype(np.float64)


def basis_autocorrelation() -> Statistic:
    """R = B'B (Nu, Nu), Eq. (10)."""

    def autocorrelation_of_block(net: Network, x: Array, t: Array, w: Array | None) -> Array:
        return _gram_of_parts(net, x, in_double(passes.features(net, x)), w, False)[0]

    return Statistic(autocorrelation_of_block)


def input_autocorrelation(layer: int) -> Statistic:
    """R_i (n+1, n+1) of [1, inputs of a unit of the layer], Eq. (23). For images it is summed over the places."""

    def autocorrelation_of_block(net: Network, x: Array, t: Array, w: Array | None) -> Array:
        a, rows, b = passes.input_of(net, layer, x), net.layers[layer].inputs, net.layer_buffers[layer]
        if net.layers[layer].reads_inputs:
            return passes.direct_gram(net, a, w)
        if a.ndim == 2:
            return gram(in_double(rows(b, a)), w)
        total, images = 0, _images_at_once(net, rows(b, a[:1, ...]).size)
        for first in range(0, a.shape[0], images):
            own = slice(first, min(first + images, a.shape[0]))
            total = total + _gram_of_images(in_double(rows(b, a[own, ...])), None if w is None else w[own])
        return total

    return Statistic(autocorrelation_of_block)


def nets_mean(layer: int) -> Statistic:
    """Mean (units,) of a layer's outputs."""

    def mean_of_block(net: Network, x: Array, t: Array, w: Array | None) -> Array:
        n = passes.input_of(net, layer + 1, x)
        return array_namespace(n).sum(weighted(n, w), axis=0)

    return Statistic(mean_of_block)


def nets_moments(layer: int, centre: Array) -> Statistic:
    """`Moments` of a layer's outputs about a centre (units,), for net control, Eq. (8)."""

    def moments_of_block(net: Network, x: Array, t: Array, w: Array | None) -> Moments:
        n = passes.input_of(net, layer + 1, x) - centre
        xp = array_namespace(n)
        return Moments(xp.sum(weighted(n, w), axis=0), xp.sum(weighted(n * n, w), axis=0))

    return Statistic(moments_of_block)


def nets_range(layer: int) -> tuple[Statistic, Statistic]:
    """Two statistics, the lowest and the highest output (units,) of a layer, over pixels and patterns of weight above 0."""

    def lowest_of_block(net: Network, x: Array, t: Array, w: Array | None) -> Array:
        n = passes.input_of(net, layer + 1, x)
        return array_namespace(n).min(_counted(n, w, float("inf")), axis=tuple(range(n.ndim - 1)))

    def highest_of_block(net: Network, x: Array, t: Array, w: Array | None) -> Array:
        n = passes.input_of(net, layer + 1, x)
        return array_namespace(n).max(_counted(n, w, -float("inf")), axis=tuple(range(n.ndim - 1)))

    return Statistic(lowest_of_block, combine="min"), Statistic(highest_of_block, combine="max")


def _images_at_once(net: Network, numbers: int) -> int:
    """Images whose patches, `numbers` each, are made at a time: all of a block's would take far more memory than the block."""
    return 1 if on_cores(net.theta) else max(1, device_bytes(net) // (8 * numbers))


def _gram_of_images(patches: Array, w: Array | None) -> Array:
    """Gram matrix of the patches (images x places, inputs) of images with weights w (images,)."""
    if w is None:
        return gram(patches)
    if w.shape[0] == 1:
        return gram(patches) * w[0]
    return gram(patches, array_namespace(w).repeat(w, patches.shape[0] // w.shape[0]))


def _gram_of_parts(net: Network, x: Array, o: Array, w: Array | None, known: bool, *others: Array) -> tuple[Array, ...]:
    """B'B of B = [D, o], or B'o if D'D is known, and D'c for each c of `others`.

    B is not put together, because that would move o twice more.
    """
    across, *found = passes.direct_across(net, x, weighted(o, w), *others)
    if known:
        return array_namespace(o).concat([across, gram(o, w)], axis=0), *found
    first, n = across.shape[0], across.shape[0] + o.shape[1]
    R = array_namespace(o).zeros((n, n), dtype=o.dtype, device=o.device)
    R[:first, :first] = passes.direct_gram(net, x, w)
    R[:first, first:], R[first:, :first], R[first:, first:] = across, across.T, gram(o, w)
    return R, *found


def _counted(n: Array, w: Array | None, other: float) -> Array:
    """n (Nv, ..., units) with `other` for patterns of weight 0."""
    if w is None:
        return n
    xp = array_namespace(n)
    return xp.where(xp.reshape(w, (-1,) + (1,) * (n.ndim - 1)) > 0, n, xp.full_like(n, other))
