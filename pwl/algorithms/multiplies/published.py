"""Multiplies of one iteration by the literature's formulas, Eqs. (31)-(38), the usual axis of its plots.

There are N inputs, Nh hidden units, M outputs, Nu basis functions and Nv patterns. The formulas are for one hidden layer. For
deeper networks they take all hidden units together, and are only a guide.
"""

from __future__ import annotations

import math

from pwl.network.layout import direct_width
from pwl.network.network import Network


def sizes(net: Network) -> tuple[int, int, int, int]:
    """N, Nh, M, Nu. With curves on the inputs, their rises are inputs, too."""
    Nh = sum(net.parts[key].shape[0] for key in net.keys("map"))
    return direct_width(net.layers, net.input_shape), Nh, net.n_outputs, net.n_basis


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
    """The multiplies that AdAct adds to an iteration, Eq. (36)."""
    _, Nh, M, _ = sizes(net)
    ordinates = sum(math.prod(net.parts[key].shape) for key in net.keys("activation"))
    return Nv * (Nh * (3 * M + 8) + 2 * M) + 2 * ordinates


def scg(net: Network, Nv: int) -> float:
    """M_scg, Eq. (38)."""
    N, Nh, M, Nu = sizes(net)
    return 4 * Nv * (Nh * (M + N + 1) + M * Nu) + 10 * (Nh * (N + 1) + M * Nu)


def lm(net: Network, Nv: int) -> float:
    """M_lm, Eq. (37)."""
    N, Nh, M, Nu = sizes(net)
    Nw = M * Nu + (N + 1) * Nh
    sums = (
        M * Nu + 2 * Nh * (N + 1) + M * (N + 6 * Nh + 4) + M * Nu * (Nu + 3 * Nh * (N + 1)) + 4 * Nh**2 * (N + 1) ** 2
    )
    return Nv * sums + Nw**3 + Nw**2
