"""Second derivatives of E along one line and block by block, Eqs. (19)-(22), (24), (25), (28)."""

from __future__ import annotations

from collections.abc import Mapping

from pwl.network import passes
from pwl.network.network import Network
from pwl.reductions.statistic import Statistic
from pwl.runtime.backend import Array, array_namespace, gram, weighted


def line_curvature(direction: Mapping[str, Array]) -> Statistic:
    """h, the sum of dy' S dy along a direction of some or all parameters. It is E'' in Eqs. (20), (24), (39)."""

    def h_of_block(net: Network, x: Array, t: Array, w: Array | None) -> Array:
        if net.loss.constant and net.layout.layers(direction) == [len(net.layers) - 1]:
            y = dy = passes.body_tangent(net, passes.kept(net, x, direction), direction)  # S needs no outputs
        else:
            signals = passes.forward(net, x, direction)
            y, dy = signals.y, passes.tangent(net, signals, direction)
        return array_namespace(x).sum(weighted(net.loss.quadratic_form(y, dy, t), w))

    return Statistic(h_of_block)


def block_curvature(net: Network, direction: Mapping[str, Array]) -> Statistic:
    """H_b with a block per unit of each parameter in `direction`, in the order of its keys, Eqs. (21), (22), (28)."""
    floats = 3 * sum([D.shape[0] for D in direction.values()])

    def closed_form_of_block(net: Network, x: Array, t: Array, w: Array | None) -> Array:
        """For blocks that change one feature each, dy/dz_b = V[:, b] w_b. The loss sums J'SJ, Eqs. (21), (22), (25)."""
        if net.loss.constant:
            saved, y = passes.kept(net, x, direction), None  # S needs no outputs
        else:
            signals = passes.forward(net, x, direction)
            saved, y = signals.saved, signals.y
        V = [passes.features_tangent(net, saved, key, D) for key, D in direction.items()]
        W_b = [net.W_oh] * len(V)
        return net.loss.curvature(_side_by_side(V), _side_by_side(W_b), y, w, t)

    def many_layers_of_block(net: Network, x: Array, t: Array, w: Array | None) -> Array:
        """For blocks in any layer: a backward pass per root v of S_p gives r_p = J_p'v, Eq. (28)."""
        signals = passes.forward(net, x, direction)
        own = own_tangents(net, signals.saved, direction)
        H = 0
        for v in net.loss.roots(signals.y, t):
            r = responses(net, signals.saved, v, own)
            H = H + gram(_side_by_side([r[key] for key in direction]), w)
        return H

    return Statistic(closed_form_of_block if one_feature_each(net, direction) else many_layers_of_block, floats=floats)


def one_feature_each(net: Network, keys: Mapping[str, Array]) -> bool:
    """Whether each unit's parameters change one feature of its own: signals are vectors, and only activations follow."""
    lowest = min(net.layout.layers(keys))
    kinds = {layer.kind for layer in net.layers[lowest + 1 :]}
    return len(net.layout.shapes[lowest + 1]) == 1 and kinds <= {"activation"}


def own_tangents(net: Network, saved: tuple, direction: Mapping[str, Array]) -> dict[str, Array]:
    """By slot key, the change U of the layer's output along a direction of one parameter, for a fixed input."""
    found = {}
    for key, D in direction.items():
        slot = net.layout.by_key[key]
        layer, p, b = net.layer(slot.layer)
        found[key] = layer.tangent(p, b, saved[slot.layer], {slot.name: D}, None)
    return found


def responses(net: Network, saved: tuple, v: Array, own: Mapping[str, Array]) -> dict[str, Array]:
    """By slot key, each block's share (Nv, units) of J_p'v: the signals at the layer times its change, Eq. (28)."""
    r: dict[str, Array] = {}
    for index, g in passes.backpropagate(net, saved, v, net.layout.layers(own)) if own else ():
        r |= {slot.key: over_pixels(g * own[slot.key]) for slot in net.layout.of_layer(index) if slot.key in own}
    return r


def over_pixels(a: Array) -> Array:
    """Sum over the pixels of each pattern: (Nv, ..., units) -> (Nv, units)."""
    if a.ndim == 2:
        return a
    xp = array_namespace(a)
    return xp.sum(xp.reshape(a, (a.shape[0], -1, a.shape[-1])), axis=1)


def _side_by_side(parts: list[Array]) -> Array:
    return parts[0] if len(parts) == 1 else array_namespace(parts[0]).concat(parts, axis=1)
