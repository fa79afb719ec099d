"""E, the scores, and negative gradients of E by slot key, Eqs. (1), (2), (15)-(18)."""

from __future__ import annotations

import functools
from typing import NamedTuple

from pwl.network import passes
from pwl.network.network import Network
from pwl.reductions.statistic import Statistic
from pwl.runtime.backend import Array, array_namespace, beside, reshaped, total, weighted


class Gradients(NamedTuple):
    """scores: [E], for classes [E, share of patterns whose largest output is wrong]. G: minus the gradients by slot key."""

    scores: Array
    G: dict[str, Array]


@functools.cache
def error() -> Statistic:
    """The scores of a network, as in `Gradients`."""

    def scores_of_block(net: Network, x: Array, t: Array, w: Array | None) -> Array:
        return scores(net, passes.outputs(net, x), t, w)

    return Statistic(scores_of_block)


def raw_error(scale: Array) -> Statistic:
    """Sum over outputs of the squared error in raw units, E of Eq. (1) with each output times its scale (M,)."""

    def raw_of_block(net: Network, x: Array, t: Array, w: Array | None) -> Array:
        xp = array_namespace(t)
        squares = (net.loss.d(passes.outputs(net, x), t) / 2 * beside(scale, t)) ** 2
        return xp.sum(weighted(xp.sum(squares, axis=1), w))

    return Statistic(raw_of_block)


@functools.lru_cache(maxsize=64)
def gradients(keys: tuple[str, ...]) -> Statistic:
    """`Gradients` of the parameters `keys`."""

    def gradients_of_block(net: Network, x: Array, t: Array, w: Array | None) -> Gradients:
        signals = passes.forward(net, x, keys)
        sums, d = scores_and_d(net, signals.y, t, w)
        return Gradients(sums, passes.gradients(net, signals, d, keys))

    return Statistic(gradients_of_block)


@functools.lru_cache(maxsize=64)
def joined_gradients(keys: tuple[str, ...]) -> Statistic:
    """Minus the gradients of the parameters `keys` as one vector like theta, without the scores, for methods that want no more."""

    def joined_of_block(net: Network, x: Array, t: Array, w: Array | None) -> Array:
        signals = passes.forward(net, x, keys)
        return net.join(passes.gradients(net, signals, weighted(net.loss.d(signals.y, t), w), keys))

    return Statistic(joined_of_block)


def scores(net: Network, y: Array, t: Array, w: Array | None) -> Array:
    """Sums over a block: [E], Eqs. (1), (2), for classes [E, number of patterns whose largest output is wrong]."""
    return _summed(net, net.loss.errors(y, t), y, t, w)


def scores_and_d(net: Network, y: Array, t: Array, w: Array | None) -> tuple[Array, Array]:
    """`scores`, and d (Nv, M) times the patterns' weights, Eq. (15)."""
    errors, d = net.loss.errors_and_d(y, t)
    return _summed(net, errors, y, t, w), weighted(d, w)


def _summed(net: Network, errors: Array, y: Array, t: Array, w: Array | None) -> Array:
    """`scores` from the error of each pattern (Nv,)."""
    xp = array_namespace(y)
    E = total(weighted(errors, w))
    if not net.loss.classes:
        return reshaped(E, (1,))
    wrong = xp.astype(xp.argmax(y, axis=1) != xp.astype(t, xp.int64), y.dtype)
    return xp.stack([E, xp.sum(weighted(wrong, w))])
