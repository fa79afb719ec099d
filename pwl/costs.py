"""Multiplies of one iteration: the literature's formulas, its usual axis, and what this code spends.

Functions of the network's sizes: N inputs, Nh hidden units, M outputs, Nu basis functions, Nv patterns. The literature's
formulas are for one hidden layer; for deeper nets they take all hidden units together and are only indicative.
Our own count is of the multiplies in matrix products and linear solves; a product A'A is charged half.
"""

from __future__ import annotations

import math

from pwl.network import Network


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


# ---- our own


def _maps(net: Network) -> list[tuple[int, int]]:
    """(units, inputs) of each layer of weights."""
    return [(W.shape[0], W.shape[1] - 1) for W in (net.parts[key] for key in net.keys("map"))]


def _body(net: Network) -> int:
    return sum(units * inputs for units, inputs in _maps(net))


def _head(net: Network) -> int:
    return net.n_outputs * (net.n_basis - 1)


def _back(net: Network) -> int:
    """Multiplies that carry a vector at the outputs of one pattern back to the first hidden layer."""
    return net.n_outputs * net.n_features + sum(units * inputs for units, inputs in _maps(net)[1:])


def own_gradient(net: Network, Nv: int) -> float:
    """E and G of the hidden weights."""
    return Nv * (_body(net) + _head(net) + _back(net) + _body(net))


def own_line(net: Network, Nv: int) -> float:
    """Curvature along one direction of the hidden weights: a tangent pass."""
    rest = sum(units * inputs for units, inputs in _maps(net)[1:])
    y = 0 if net.loss.quadratic else _head(net)
    return Nv * (2 * _body(net) + rest + net.n_outputs * net.n_features + y)


def own_blocks(net: Network, Nv: int, blocks: int, map_directions: bool) -> float:
    """H_b for one block per unit, and its solve."""
    M, solve = net.n_outputs, ols(blocks, 1)
    along = _body(net) if map_directions else 0
    if len(_maps(net)) == 1:
        y = 0 if net.loss.quadratic else _head(net)
        per_block = M * blocks * (blocks + 1) / 2 if net.loss.quadratic else 0
        return Nv * (_body(net) + along + y + net.loss.curvature_multiplies(blocks, M)) + per_block + solve
    return Nv * (_body(net) + _head(net) + along + M * (_back(net) + blocks * (blocks + 1) / 2)) + solve


def own_molf(net: Network, Nv: int, with_hwo: bool) -> float:
    """A MOLF step."""
    blocks = sum(units for units, _ in _maps(net))
    directions = sum(ols(inputs + 1, units) for units, inputs in _maps(net)) if with_hwo else 0
    return own_gradient(net, Nv) + own_blocks(net, Nv, blocks, True) + directions


def own_adact(net: Network, Nv: int, per_unit: bool) -> float:
    """An AdAct step."""
    gradient = Nv * (_body(net) + _head(net) + _back(net))
    if per_unit:
        return gradient + own_blocks(net, Nv, sum(net.parts[key].shape[0] for key in net.keys("activation")), False)
    y = 0 if net.loss.quadratic else _head(net)
    rest = sum(units * inputs for units, inputs in _maps(net)[1:])
    return gradient + Nv * (_body(net) + rest + net.n_outputs * net.n_features + y)


def own_gradient_step(net: Network, Nv: int) -> float:
    """A gradient step with the optimal learning factor."""
    return own_gradient(net, Nv) + own_line(net, Nv)


def own_owo(net: Network, Nv: int) -> float:
    """An output step."""
    Nu, M, steps = net.n_basis, net.n_outputs, net.loss.output_steps
    if net.loss.quadratic:
        return Nv * (_body(net) + Nu * (Nu + 1) / 2 + M * Nu) + ols(Nu, M)
    return Nv * (_body(net) + Nu * (Nu + 1) / 2 + steps * (_body(net) + _head(net) + M * Nu)) + steps * ols(Nu, M)
