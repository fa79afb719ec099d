"""Multiplies that this code spends in one iteration.

The count covers matrix products, outer products included, and linear solves. A product A'A counts half, although pattern
weights would make it a whole one. A solve counts as in Eq. (31), and a search counts as if its first trial were taken. Work
element by element does not count, such as activations, curves, losses, and lengths and sums of parameter vectors.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping

from pwl.algorithms.multiplies.published import ols
from pwl.layers.layer import Layer
from pwl.network.layout import Layout, Slot
from pwl.network.network import Network
from pwl.reductions.jacobian import body_size

# ---- multiplies of one pattern, then of the parts of a step


def _products(net: Network) -> list[Slot]:
    """The weights that mix inputs. Those of batch normalisation act element by element and do not count."""
    return _that_multiply(net.layout, net.layers)


@functools.lru_cache(maxsize=64)
def _that_multiply(layout: Layout, layers: tuple[Layer, ...]) -> list[Slot]:
    slots = (layout.by_key[key] for key in layout.keys("map"))
    return [s for s in slots if layers[s.layer].multiplies(s.shape, layout.shapes[s.layer + 1])]


def _maps(net: Network) -> list[tuple[int, int]]:
    """(units, inputs) of each layer of weights."""
    return [(slot.shape[0], slot.shape[1] - 1) for slot in _products(net)]


def _places(net: Network) -> list[int]:
    """Number of uses of each layer's weights per pattern: one, or one per place of an image."""
    return [math.prod(net.layout.shapes[slot.layer + 1][:-1]) for slot in _products(net)]


def _body(net: Network) -> int:
    """Nets from inputs, or gradients of the weights from signals at the nets. Thresholds count."""
    slots = zip(_places(net), _products(net), strict=True)
    return sum(places * slot.shape[0] * net.layers[slot.layer].row_multiplies(slot.shape) for places, slot in slots)


def _between(net: Network) -> int:
    """A change of the first layer's outputs carried on to the last layer's, or back."""
    each = zip(_products(net), _places(net), _maps(net), strict=True)
    return sum(places * units * inputs for slot, places, (units, inputs) in each if slot.key != net.keys("map")[0])


def _features(net: Network) -> int:
    """A change of the features carried on to the outputs, or back."""
    return net.n_outputs * net.n_features


def _touched(net: Network) -> int:
    """Basis functions of a pattern that are not known to be 0. A curve of an input touches two."""
    rises = net.layout.direct_rises
    return net.n_basis - (rises and net.parts[net.keys("map")[0]].shape[1] - _row(net))


def _row(net: Network) -> int:
    """Multiplies of one net of the first layer."""
    slot = net.layout.by_key[net.keys("map")[0]]
    return net.layers[slot.layer].row_multiplies(slot.shape)


def _head(net: Network) -> int:
    """Outputs from features and inputs."""
    return net.n_outputs * (_touched(net) - 1)


def error(net: Network, Nv: int) -> float:
    """E alone, as for a trial."""
    return Nv * (_body(net) + _head(net))


def gradient(net: Network, Nv: int) -> float:
    """E and G of the hidden weights."""
    return error(net, Nv) + Nv * (_features(net) + _between(net) + _body(net))


def whole_gradient(net: Network, Nv: int) -> float:
    """E and G of all weights. The ordinates of the curves need no products."""
    return gradient(net, Nv) + Nv * net.n_outputs * _touched(net)


def line(net: Network, Nv: int) -> float:
    """Curvature along one direction of the hidden weights: outputs and a tangent pass."""
    return error(net, Nv) + Nv * (_body(net) + _between(net) + _features(net))


def block_factors(net: Network, Nv: int, blocks: int, map_directions: bool) -> float:
    """H_b for one block per unit, and its solve."""
    M, solve = net.n_outputs, ols(blocks, 1)
    along = _body(net) if map_directions else 0
    if _places(net) == [1] and len(net.keys("map")) == 1 and not net.joins:
        y = 0 if net.loss.constant else _head(net)
        per_block = M * blocks * (blocks + 1) / 2 if net.loss.constant else M * blocks**2
        return Nv * (_body(net) + along + y + net.loss.curvature_multiplies(blocks, M)) + per_block + solve
    back = _features(net) + _between(net)
    return error(net, Nv) + Nv * (along + M * (back + blocks * (blocks + 1) / 2)) + solve


def molf(net: Network, Nv: int, with_hwo: bool) -> float:
    """A MOLF step."""
    blocks = sum(net.parts[key].shape[0] for key in net.keys("map"))
    directions = hwo(net, Nv) if with_hwo else 0
    return gradient(net, Nv) + block_factors(net, Nv, blocks, True) + directions


def hwo(net: Network, Nv: int) -> float:
    """HWO directions of all layers. The R_i of the first layer is constant, and those of higher layers are summed anew."""
    maps, places = _maps(net), _places(net)
    total = sum(ols(inputs + 1, units) for units, inputs in maps)
    for layer, (_, inputs) in enumerate(maps[1:], 1):
        below = sum(times * units * (n + 1) for times, (units, n) in zip(places, maps[:layer], strict=False))
        total += Nv * (below + places[layer] * (inputs + 1) * (inputs + 2) / 2)
    return total


def adact(net: Network, Nv: int, per_unit: bool) -> float:
    """An AdAct step, with one trial if its length takes a search."""
    gradient = error(net, Nv) + Nv * (_features(net) + _between(net))
    exact = net.loss.quadratic and len(_maps(net)) == 1 and not net.joins
    trial = 0 if exact else error(net, Nv)
    if per_unit:
        units = sum(net.parts[key].shape[0] for key in net.keys("activation"))
        return gradient + block_factors(net, Nv, units, False) + trial
    forward = Nv * _body(net) if exact else error(net, Nv)
    return gradient + forward + Nv * (_between(net) + _features(net)) + trial


def gradient_step(net: Network, Nv: int) -> float:
    """A gradient step with the optimal learning factor."""
    return gradient(net, Nv) + line(net, Nv)


def owo(net: Network, Nv: int) -> float:
    """An output step, whose system is factored once."""
    Nu, own, M, steps = net.n_basis, _touched(net), net.n_outputs, net.loss.output_steps
    if net.loss.own_patterns:
        return Nv * (_body(net) + M * own * (own + 3) / 2) + M * ols(Nu, 1)
    if net.loss.quadratic:
        return Nv * (_body(net) + own * (own + 1) / 2 + M * own) + ols(Nu, M)
    return Nv * (_body(net) + own * (own + 1) / 2 + steps * (_body(net) + _head(net) + M * own)) + ols(Nu, steps * M)


def minibatch_adact(net: Network, Nv: int, sides: Mapping[str, int]) -> float:
    """A step of AdAct on batches: a gradient, the tangent of each layer, another backward pass, H_b and its solve.

    A side of n numbers, each with a row of others, takes a product for its covariance and one for the direction, and in every
    tenth step its eigenvectors and a root, about 10 n^3.
    """
    blocks = sum(net.parts[key].shape[0] for kind in ("map", "activation") for key in net.keys(kind)) + net.n_outputs
    tangents = _body(net) + net.n_outputs * _touched(net)
    sampled = tangents + _features(net) + _between(net) + blocks * (blocks + 1) / 2
    turned = sum(1.5 * n * net.parts[name.rpartition(".")[0]].size + n**3 for name, n in sides.items())
    return whole_gradient(net, Nv) + Nv * sampled + ols(blocks, 1) + turned


def cg(net: Network, Nv: int) -> float:
    """A step of conjugate gradients: curvature along all weights, and a trial with its gradient."""
    return whole_gradient(net, Nv) + line(net, Nv) + Nv * _head(net)


def scg(net: Network, Nv: int) -> float:
    """A step of the scaled conjugate gradient: two gradients."""
    return 2 * whole_gradient(net, Nv)


# ---- Levenberg-Marquardt


def lm(net: Network, Nv: int, keys: tuple[str, ...], solver: str) -> float:
    """Products of the rows, their system, its solution, and the error at one trial point.

    A product A'A counts half, a triangle of m rows and n columns counts n^2 (m - n / 3), and Cholesky's factorisation n^3 / 6.
    """
    n, n_body = net.layout.size_of(keys), body_size(net, keys)
    width = n_body + 1 + (net.n_basis if net.loss.constant else n - n_body)
    sums, solution = _system(width, n + 1, n, solver)
    return error(net, Nv) + Nv * (pattern_rows(net) + net.n_outputs * sums) + solution


def bayesian_rows(net: Network, Nv: int, P: int) -> float:
    """An LM step with the rows of few patterns: their triangle, their product twice, a factorisation, and its eigenvalues."""
    m = min(net.n_outputs * Nv, P + 1)
    return error(net, Nv) + Nv * pattern_rows(net) + 2 * m**2 * P + m**3 / 6 + 4 * m**3 / 3


def varpro(net: Network, Nv: int, keys: tuple[str, ...], solver: str) -> float:
    """The same with eliminated output weights. The trial point has their least squares solution and the error."""
    n_body, Nu, M = body_size(net, keys), net.n_basis, net.n_outputs
    width = Nu + n_body + 1
    sums, solution = _system(width, width, n_body, solver)
    elimination = M * n_body * Nu * (Nu + n_body) / 2 if solver == "cholesky" else 0
    trial = error(net, Nv) + Nv * (_body(net) + M * Nu)
    output_step = Nu * (Nu + 1) / 2 + M * Nu if solver == "cholesky" else (Nu + M) ** 2
    if net.loss.own_patterns:
        output_step = M * (Nu * (Nu + 3) / 2 if solver == "cholesky" else (Nu + 1) ** 2)
    return trial + Nv * (pattern_rows(net) + M * sums + output_step) + elimination + solution


def pattern_rows(net: Network) -> float:
    """The outputs of one pattern, and M vectors carried back to the first layer's nets."""
    return error(net, 1) + net.n_outputs * (_features(net) + _between(net))


def _system(width: int, columns: int, n: int, solver: str) -> tuple[float, float]:
    """Multiplies for one row per pattern, and for the solution of n weights."""
    if solver == "cholesky":
        return width * (width + 1) / 2, n**3 / 6 + n**2
    return columns**2, 5 * n**3 / 3
