"""Multiplies of one iteration: the literature's formulas, its usual axis, and what this code spends.

Functions of the network's sizes: N inputs, Nh hidden units, M outputs, Nu basis functions, Nv patterns. The literature's
formulas are for one hidden layer; for deeper nets they take all hidden units together and are only indicative.
Our own count is of the multiplies in matrix products, outer ones included, and linear solves: a product A'A is charged
half (pattern weights would make it a whole one), a solve by Eq. (31), a search as if its first trial were taken. Left out
is what goes element by element: activations, curves, losses, and the lengths and sums of vectors of parameters.
"""

from __future__ import annotations

import math

from pwl.network.network import Network
from pwl.reductions.statistics import layer_of


def sizes(net: Network) -> tuple[int, int, int, int]:
    """N, Nh, M, Nu."""
    Nh = sum(net.parts[key].shape[0] for key in net.keys("map"))
    return math.prod(net.input_shape), Nh, net.n_outputs, net.n_basis


# ---- the literature's


def ols(Nu: int, M: int) -> float:
    """M_ols, Eq. (31)."""
    return Nu * (Nu + 1) * (M + (2 * Nu + 1) / 6 + 3 / 2)


def owo(net: Network, Nv: int) -> float:
    """M_owo, Eq. (32)."""
    N, Nh, M, Nu = sizes(net)
    return Nv * (Nh * (N + 1) + M * (2 * Nu + 1)) + Nu * (Nu + 1) * (M + Nv / 2 + (2 * Nu + 1) / 6 + 3 / 2)


def owo_bp(net: Network, Nv: int) -> float:
    """M_owo-bp, which contains M_owo, Eq. (33)."""
    N, Nh, M, Nu = sizes(net)
    return Nu * (Nu + 1) * (M + (2 * Nu + 1) / 6 + 3 / 2 + Nv / 2) + Nv * (Nh * (M + 2 * N + 3) + M * (2 * Nu + 1))


def molf(net: Network, Nv: int) -> float:
    """M_molf, Eq. (34)."""
    N, Nh, M, _ = sizes(net)
    return Nh * (Nh + 1) * ((2 * Nh + 1) / 6 + 5 / 2) + Nv * Nh * (2 * M + N + 2 + M * (Nh + 1) / 2)


def hwo(net: Network, Nv: int) -> float:
    """M_hwo, Eq. (35)."""
    N, Nh, _, _ = sizes(net)
    return (N + 1) * (N + 2) * (Nh + (2 * N + 3) / 6 + Nv / 2 + 3 / 2)


def owo_molf(net: Network, Nv: int, with_hwo: bool) -> float:
    """One OWO-MOLF iteration: M_owo-bp + M_molf + Nh (N + 1), and M_hwo for the HWO direction, Eqs. (33)-(35)."""
    N, Nh, _, _ = sizes(net)
    return owo_bp(net, Nv) + molf(net, Nv) + Nh * (N + 1) + (hwo(net, Nv) if with_hwo else 0)


def adact(net: Network, Nv: int) -> float:
    """What AdAct adds to an iteration, Eq. (36)."""
    _, Nh, M, _ = sizes(net)
    ordinates = sum(math.prod(net.parts[key].shape) for key in net.keys("activation"))
    return Nv * (Nh * (3 * M + 8) + 2 * M) + 2 * ordinates


def scg(net: Network, Nv: int) -> float:
    """M_scg, Eq. (38)."""
    N, Nh, M, Nu = sizes(net)
    return 4 * Nv * (Nh * (M + N + 1) + M * Nu) + 10 * (Nh * (N + 1) + M * Nu)


# ---- our own: multiplies of one pattern, then of the parts of a step


def _products(net: Network) -> list[str]:
    """Slot keys of the weights that mix inputs: those of batch normalisation act element by element."""
    return [key for key in net.keys("map") if not getattr(net.layers[layer_of(key)], "elementwise", False)]


def _maps(net: Network) -> list[tuple[int, int]]:
    """(units, inputs) of each layer of weights."""
    return [(W.shape[0], W.shape[1] - 1) for W in (net.parts[key] for key in _products(net))]


def _places(net: Network) -> list[int]:
    """How often each layer's weights are used for one pattern: once, or at every place of an image."""
    return [math.prod(net.layout.shapes[layer_of(key) + 1][:-1]) for key in _products(net)]


def _body(net: Network) -> int:
    """Nets from inputs, or gradients of the weights from what came back to the nets: thresholds take part."""
    return sum(places * units * (inputs + 1) for places, (units, inputs) in zip(_places(net), _maps(net), strict=True))


def _between(net: Network) -> int:
    """A change of the first layer's outputs carried on to the last layer's, or back."""
    each = zip(_products(net), _places(net), _maps(net), strict=True)
    return sum(places * units * inputs for key, places, (units, inputs) in each if key != net.keys("map")[0])


def _features(net: Network) -> int:
    """A change of the features carried on to the outputs, or back."""
    return net.n_outputs * net.n_features


def _head(net: Network) -> int:
    """Outputs from features and inputs."""
    return net.n_outputs * (net.n_basis - 1)


def own_error(net: Network, Nv: int) -> float:
    """E, as a trial needs it."""
    return Nv * (_body(net) + _head(net))


def own_gradient(net: Network, Nv: int) -> float:
    """E and G of the hidden weights."""
    return own_error(net, Nv) + Nv * (_features(net) + _between(net) + _body(net))


def own_whole_gradient(net: Network, Nv: int) -> float:
    """E and G of all weights; those of the curves' ordinates need no products."""
    return own_gradient(net, Nv) + Nv * net.n_outputs * net.n_basis


def own_line(net: Network, Nv: int) -> float:
    """Curvature along one direction of the hidden weights: outputs, and a tangent pass."""
    return own_error(net, Nv) + Nv * (_body(net) + _between(net) + _features(net))


def own_blocks(net: Network, Nv: int, blocks: int, map_directions: bool) -> float:
    """H_b for one block per unit, and its solve."""
    M, solve = net.n_outputs, ols(blocks, 1)
    along = _body(net) if map_directions else 0
    if _places(net) == [1] and len(net.keys("map")) == 1 and not net.joins:
        y = 0 if net.loss.quadratic else _head(net)
        per_block = M * blocks * (blocks + 1) / 2 if net.loss.quadratic else M * blocks**2
        return Nv * (_body(net) + along + y + net.loss.curvature_multiplies(blocks, M)) + per_block + solve
    back = _features(net) + _between(net)
    return own_error(net, Nv) + Nv * (along + M * (back + blocks * (blocks + 1) / 2)) + solve


def own_molf(net: Network, Nv: int, with_hwo: bool) -> float:
    """A MOLF step."""
    blocks = sum(net.parts[key].shape[0] for key in net.keys("map"))
    directions = own_hwo(net, Nv) if with_hwo else 0
    return own_gradient(net, Nv) + own_blocks(net, Nv, blocks, True) + directions


def own_hwo(net: Network, Nv: int) -> float:
    """HWO directions of all layers. The first layer's R_i is constant and was there; those above are summed anew."""
    maps, places = _maps(net), _places(net)
    total = sum(ols(inputs + 1, units) for units, inputs in maps)
    for layer, (_, inputs) in enumerate(maps[1:], 1):
        below = sum(times * units * (n + 1) for times, (units, n) in zip(places, maps[:layer], strict=False))
        total += Nv * (below + places[layer] * (inputs + 1) * (inputs + 2) / 2)
    return total


def own_adact(net: Network, Nv: int, per_unit: bool) -> float:
    """An AdAct step; where its length is a search, with one trial."""
    gradient = own_error(net, Nv) + Nv * (_features(net) + _between(net))
    exact = net.loss.quadratic and len(_maps(net)) == 1 and not net.joins
    trial = 0 if exact else own_error(net, Nv)
    if per_unit:
        units = sum(net.parts[key].shape[0] for key in net.keys("activation"))
        return gradient + own_blocks(net, Nv, units, False) + trial
    forward = Nv * _body(net) if exact else own_error(net, Nv)
    return gradient + forward + Nv * (_between(net) + _features(net)) + trial


def own_gradient_step(net: Network, Nv: int) -> float:
    """A gradient step with the optimal learning factor."""
    return own_gradient(net, Nv) + own_line(net, Nv)


def own_owo(net: Network, Nv: int) -> float:
    """An output step; its system is factored once."""
    Nu, M, steps = net.n_basis, net.n_outputs, net.loss.output_steps
    if net.loss.quadratic:
        return Nv * (_body(net) + Nu * (Nu + 1) / 2 + M * Nu) + ols(Nu, M)
    return Nv * (_body(net) + Nu * (Nu + 1) / 2 + steps * (_body(net) + _head(net) + M * Nu)) + ols(Nu, steps * M)


def own_minibatch_adact(net: Network, Nv: int) -> float:
    """A step of AdAct on minibatches: a gradient, tangents of every layer by itself, another way back, H_b and its solve."""
    blocks = sum(net.parts[key].shape[0] for kind in ("map", "activation") for key in net.keys(kind)) + net.n_outputs
    tangents = _body(net) + net.n_outputs * net.n_basis
    sampled = tangents + _features(net) + _between(net) + blocks * (blocks + 1) / 2
    return own_whole_gradient(net, Nv) + Nv * sampled + ols(blocks, 1)


def own_cg(net: Network, Nv: int) -> float:
    """A step of conjugate gradients: curvature along all weights, and a trial with its gradient."""
    return own_whole_gradient(net, Nv) + own_line(net, Nv) + Nv * _head(net)


def own_scg(net: Network, Nv: int) -> float:
    """A step of the scaled conjugate gradient: two gradients."""
    return 2 * own_whole_gradient(net, Nv)
