"""Gradients and a sampled H_b of a batch in one pass, with a block per row of each parameter, Eqs. (28), (29)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from pwl.network import passes
from pwl.network.layout import HEAD
from pwl.network.network import Network
from pwl.reductions.curvature import own_tangents, responses
from pwl.reductions.gradients import scores_and_d
from pwl.reductions.statistic import Statistic
from pwl.runtime.backend import Array, array_namespace, gram


class SampledBlocks(NamedTuple):
    """scores, minus the gradients G of E by slot key, and H = J'SJ with a block per row of each key, in the order of the keys."""

    scores: Array
    G: dict[str, Array]
    H: Array


def gradients_and_blocks(keys: tuple[str, ...], D: Mapping[str, Array], u: Array) -> Statistic:
    """`SampledBlocks` of the parameters `keys`, the head's and some of the body, along directions D by slot key.

    u (Nv,) holds a uniform number in [0, 1) per pattern, which draws its root of S_p, Eqs. (29), (64). H then takes one
    backward pass. It is positive semidefinite, and its mean over u is exact.
    """
    body = {key: D[key] for key in keys if key != HEAD}

    def blocks_of_block(net: Network, x: Array, t: Array, w: Array | None, u: Array) -> SampledBlocks:
        signals = passes.forward(net, x, keys)
        sums, d = scores_and_d(net, signals.y, t, w)
        G = passes.gradients(net, signals, d, keys)
        v = net.loss.drawn_root(signals.y, u, t)
        r = responses(net, signals.saved, v, own_tangents(net, signals.saved, body))
        r[HEAD] = v * passes.weighted_sum(net, D[HEAD], x, signals.o)
        return SampledBlocks(sums, G, gram(array_namespace(x).concat([r[key] for key in keys], axis=1), w))

    return Statistic(blocks_of_block, floats=2 * sum(D[key].shape[0] for key in keys), beside=u)
