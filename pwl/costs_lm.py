"""Multiplies of one Levenberg-Marquardt iteration with one trial: the literature's formula, and what this code spends."""

from __future__ import annotations

from pwl.costs import sizes
from pwl.network import HEAD, Network


def lm(net: Network, Nv: int) -> float:
    """M_lm, Eq. (37)."""
    N, Nh, M, Nu = sizes(net)
    Nw = M * Nu + (N + 1) * Nh
    sums = (
        M * Nu + 2 * Nh * (N + 1) + M * (N + 6 * Nh + 4) + M * Nu * (Nu + 3 * Nh * (N + 1)) + 4 * Nh**2 * (N + 1) ** 2
    )
    return Nv * sums + Nw**3 + Nw**2


def own_lm(net: Network, Nv: int, keys: tuple[str, ...], solver: str) -> float:
    """Products of the rows, their system, its solution, and the error at one trial point.

    A product A'A is charged half; a triangle of m rows and n columns n^2 (m - n / 3).
    """
    n, n_body = _weights(net, keys)
    passes = Nv * (2 * _forward(net) + net.n_outputs * _back(net))
    if solver == "cholesky":
        width = n_body + 1 + (net.n_basis if net.loss.quadratic else n - n_body)
        return passes + Nv * net.n_outputs * width**2 / 2 + n**3 / 6 + n**2
    return passes + (n + 1) ** 2 * Nv * net.n_outputs + 5 * n**3 / 3


def own_varpro(net: Network, Nv: int, keys: tuple[str, ...], solver: str) -> float:
    """The same with the output weights eliminated, and an output step at the trial point."""
    n_body = _weights(net, keys)[1]
    Nu, M = net.n_basis, net.n_outputs
    passes = Nv * (_forward(net) + M * _back(net) + sum(_maps(net)))
    width = Nu + n_body + 1
    if solver == "cholesky":
        output_step = Nv * (_forward(net) + Nu * (Nu + 1) / 2 + M * Nu) + Nu**3 / 6
        return passes + Nv * M * width**2 / 2 + output_step + M * n_body * Nu * (Nu + n_body) / 2 + n_body**3 / 6
    return passes + M * Nv * width**2 + Nv * (Nu + M) ** 2 + 5 * n_body**3 / 3


def _weights(net: Network, keys: tuple[str, ...]) -> tuple[int, int]:
    """Number of trained parameters, and of those of the body."""
    size = {slot.key: slot.stop - slot.start for slot in net.layout.slots}
    return sum(size[key] for key in keys), sum(size[key] for key in keys if key != HEAD)


def _maps(net: Network) -> list[int]:
    return [net.parts[key].size for key in net.keys("map")]


def _forward(net: Network) -> float:
    return sum(_maps(net)) + net.n_outputs * (net.n_basis - 1)


def _back(net: Network) -> float:
    return net.n_outputs * net.n_features + sum(_maps(net)[1:])
