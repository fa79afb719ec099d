"""Multiplies of one Levenberg-Marquardt iteration with one trial: the literature's formula, and what this code spends."""

from __future__ import annotations

from pwl.algorithms.multiplies import _between, _body, _features, own_error, sizes
from pwl.network.network import HEAD, Network


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

    A product A'A is charged half, a triangle of m rows and n columns n^2 (m - n / 3), Cholesky's factorisation n^3 / 6.
    """
    n, n_body = _weights(net, keys)
    width = n_body + 1 + (net.n_basis if net.loss.quadratic else n - n_body)
    sums, solution = _system(width, n + 1, n, solver)
    return own_error(net, Nv) + Nv * (pattern_rows(net) + net.n_outputs * sums) + solution


def own_varpro(net: Network, Nv: int, keys: tuple[str, ...], solver: str) -> float:
    """The same with the output weights eliminated, and at the trial point their least squares solution and the error."""
    n_body, Nu, M = _weights(net, keys)[1], net.n_basis, net.n_outputs
    width = Nu + n_body + 1
    sums, solution = _system(width, width, n_body, solver)
    elimination = M * n_body * Nu * (Nu + n_body) / 2 if solver == "cholesky" else 0
    trial = own_error(net, Nv) + Nv * (_body(net) + M * Nu)
    output_step = Nu * (Nu + 1) / 2 + M * Nu if solver == "cholesky" else (Nu + M) ** 2
    return trial + Nv * (pattern_rows(net) + M * sums + output_step) + elimination + solution


def pattern_rows(net: Network) -> float:
    """Outputs of one pattern, and each of M vectors carried back to the first layer's nets."""
    return own_error(net, 1) + net.n_outputs * (_features(net) + _between(net))


def _system(width: int, columns: int, n: int, solver: str) -> tuple[float, float]:
    """Multiplies for a row of each pattern, and for the solution of n weights."""
    if solver == "cholesky":
        return width * (width + 1) / 2, n**3 / 6 + n**2
    return columns**2, 5 * n**3 / 3


def _weights(net: Network, keys: tuple[str, ...]) -> tuple[int, int]:
    """Number of trained parameters, and of those of the body."""
    size = {slot.key: slot.stop - slot.start for slot in net.layout.slots}
    return sum(size[key] for key in keys), sum(size[key] for key in keys if key != HEAD)
