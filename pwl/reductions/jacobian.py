"""Rows of the Jacobian of all patterns and outputs, summed into normal equations or folded into a triangle, Eqs. (41), (42).

A pattern has one row J_p'v and one residual per root v of S_p, Eq. (28). With S = 2 I that is one per output.
Within a block the rows are stored as columns, so that patterns lie side by side in memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from pwl.errors import InputError
from pwl.network import passes
from pwl.network.layout import HEAD
from pwl.network.memory import floats_per_pattern
from pwl.network.network import Network
from pwl.reductions import outer
from pwl.reductions.blocks import cache_bytes
from pwl.reductions.outer import HALF
from pwl.reductions.patterns import Patterns
from pwl.reductions.reduce import reduce
from pwl.reductions.statistic import Statistic
from pwl.runtime import room
from pwl.runtime.backend import Array, array_namespace, host, transposed
from pwl.runtime.threads import workers
from pwl.solvers.levenberg_marquardt import Normal, Triangular, Wide

PANEL = 2048  # most patterns in a block, so that it fits the cache and small problems stay in one piece


class Rows(NamedTuple):
    """Rows of one output or root for a block of b patterns.

    body: parts (n, b), n_body rows in all. head: (Nu or M Nu, b), which begins at the head's parameter `first`. residual: (1, b).
    """

    body: list[Array]
    head: Array
    first: int
    residual: Array


def rows_of(net: Network, keys: tuple[str, ...], x: Array, t: Array, w: Array | None) -> Iterator[Rows]:
    """The rows of each root of S, one root after another, over the trained parameters `keys` in the order of theta."""
    xp = array_namespace(net.theta)
    signals = passes.forward(net, x, keys)
    scale = HALF * (xp.ones((x.shape[0],), dtype=x.dtype) if w is None else xp.sqrt(w))
    B = transposed(passes.basis(net, x, signals.o))
    Nu = B.shape[0]
    residuals = net.loss.residuals(signals.y, t)
    for i, v in enumerate(net.loss.roots(signals.y, t)):
        v = v * scale[:, None]
        own = passes.columns(net, signals.saved, v, keys)
        r = (residuals[:, i] * scale)[None, :]
        if net.loss.constant:  # output i depends on its own weights only
            yield Rows(own, B * v[:, i][None, :], i * Nu, r)
        else:
            yield Rows(own, xp.reshape(v.T[:, None, :] * B[None, :, :], (-1, v.shape[0])), 0, r)


def body_size(net: Network, keys: tuple[str, ...]) -> int:
    """Number of trained parameters of the body."""
    return net.layout.size_of(key for key in keys if key != HEAD)


def normal_equations(net: Network, keys: tuple[str, ...]) -> Statistic:
    """Sums of [J r]'[J r], (n + 1, n + 1), over all weights `keys`, Eq. (41)."""
    n_body = body_size(net, keys)
    n = n_body + net.n_outputs * net.n_basis

    def products_of_block(net: Network, x: Array, t: Array, w: Array | None) -> Array:
        xp = array_namespace(net.theta)
        N = xp.zeros((n + 1, n + 1), dtype=net.theta.dtype)
        for rows in rows_of(net, keys, x, t, w):
            Z = xp.concat([*rows.body, rows.head, rows.residual], axis=0)
            _add(N, Z @ Z.T, n_body, n_body + rows.first)
        return N

    return Statistic(products_of_block, floats=max(2 * n, cache_bytes(net) // 8 // PANEL - floats_per_pattern(net)))


def _add(N: Array, P: Array, n_body: int, first: int) -> None:
    """Adds a product P over [body, part of the head, residual] at its place in N. The head's part begins at `first`."""
    last = first + P.shape[0] - n_body - 1
    places = ((slice(0, n_body), slice(0, n_body)), (slice(first, last), slice(n_body, -1)), (slice(-1, None),) * 2)
    for to_row, from_row in places:
        for to_column, from_column in places:
            N[to_row, to_column] += P[from_row, from_column]


def triangle(net: Network, keys: tuple[str, ...], combine: str = "qr") -> Statistic:
    """The triangular factor of [J r] over all weights `keys`, Eq. (42). combine: "rows" keeps rows that are few as they are."""
    n_body = body_size(net, keys)
    n_head = net.n_outputs * net.n_basis

    def rows_of_block(net: Network, x: Array, t: Array, w: Array | None) -> Array:
        xp = array_namespace(net.theta)
        parts = []
        for rows in rows_of(net, keys, x, t, w):
            above = xp.zeros((rows.first, x.shape[0]), dtype=net.theta.dtype)
            below = xp.zeros((n_head - rows.first - rows.head.shape[0], x.shape[0]), dtype=net.theta.dtype)
            parts.append(xp.concat([*rows.body, above, rows.head, below, rows.residual], axis=0))
        return xp.concat(parts, axis=1).T

    return Statistic(rows_of_block, combine, floats=3 * net.n_outputs * (n_body + n_head + 1))


def separate_triangles(net: Network, keys: tuple[str, ...]) -> Statistic:
    """One triangular factor of [B J_i r_i] per output, with the basis first, under squared error, Eq. (51).

    The rows below those of the basis hold the rest of J and r that the output weights can't fit.
    """
    n_body = body_size(net, keys)

    def rows_of_block(net: Network, x: Array, t: Array, w: Array | None) -> tuple[Array, ...]:
        xp = array_namespace(net.theta)
        return tuple(
            xp.concat([rows.head, *rows.body, rows.residual], axis=0).T for rows in rows_of(net, keys, x, t, w)
        )

    return Statistic(rows_of_block, "qr", floats=3 * net.n_outputs * (n_body + net.n_basis + 1))


def system(
    net: Network, patterns: Patterns, keys: tuple[str, ...], solver: str, Nv: int | None = None
) -> Normal | Triangular:
    """The system of a step over the weights `keys`, on the host in float64, because it has the parameters' size.

    Nv: the number of patterns for which the form of the sums is chosen, if it is another one.
    """
    if solver == "cholesky" and outer.applies(net, keys, Nv or patterns.count()):
        N = outer.joined(net, reduce(outer.products(net, keys), net, patterns))
        return Normal(N[:-1, :-1], N[:-1, -1])
    if solver == "cholesky":
        N = host(reduce(normal_equations(net, keys), net, patterns)).astype(np.float64)
        return Normal(N[:-1, :-1], N[:-1, -1])
    return Triangular.of(host(reduce(triangle(net, keys), net, patterns)).astype(np.float64))


def wide_system(net: Network, patterns: Patterns, keys: tuple[str, ...]) -> Wide:
    """The system of a step from rows that keep J'J, at most one more than weights, for few patterns, Eq. (81)."""
    F = host(reduce(triangle(net, keys, "rows"), net, patterns)).astype(np.float64)
    J, c = F[:, :-1], F[:, -1]
    return Wide(J, J.T @ c, np.zeros(J.shape[1]))


def check_bytes(n: int, max_bytes: float, who: str) -> None:
    """Raises InputError if a system of n weights needs more than max_bytes.

    The count includes the sums of all threads and waiting blocks, the system, and the work arrays of its solution.
    """
    _check(8 * (n + 1) ** 2 * (2 * workers() + 6), n, max_bytes, who, "J'J and its factors")


def check_row_bytes(m: int, n: int, max_bytes: float, who: str) -> None:
    """Raises InputError if a system of m rows and n weights needs more than max_bytes."""
    _check(8 * (m + 1) * (n + 1) * (2 * workers() + 6), n, max_bytes, who, "J and its factors")


def _check(needed: float, n: int, max_bytes: float, who: str, what: str) -> None:
    if needed > max_bytes:
        raise InputError(
            f"{who} on {n} weights needs about {needed / 1e9:.2f} GB for {what}, more than max_bytes = "
            f"{max_bytes / 1e9:.2f} GB: use fewer hidden units, raise max_bytes, or train with pwl.AdAct, pwl.SCG or pwl.LBFGS, "
            "whose memory does not grow with the square of the weights"
        )
    room.check_bytes(needed, f"{who}'s J'J of {n} weights and its factors", "use fewer hidden units, or pwl.SCG or pwl.LBFGS")
