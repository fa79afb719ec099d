"""J'J of a hidden layer with curves on its inputs, from products of hats, Eq. (109).

A row of J is the outer product of a pattern's signals and its inputs X = [1, x, rises], with the output's own share of X beside
them. Its products are sums over two hats of each input, in place of those over all numbers of X.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pwl.kernels import compiles
from pwl.layers import input_products
from pwl.layers.curved_dense import CurvedDense
from pwl.network import passes
from pwl.network.layout import HEAD
from pwl.network.network import Network
from pwl.reductions.statistic import Statistic
from pwl.runtime.backend import Array, array_namespace

HALF = 0.5**0.5  # rows and residuals belong to E / 2, so under squared error they are dy/dw and t - y
LOOKED_UP, PUT = 20, 300  # products in a row that take as long as one that looks its place up, and as a number put into J'J


class Products(NamedTuple):
    """Sums over a block for one output: of phi phi' c with the products c of each two signals, of phi s z', and of z z'.

    s: the signals (b, units) of the hidden layer, and after them that of the output if it sees X. z: the other columns of J, and
    the residual.
    """

    within: Array
    across: Array
    rest: Array


def applies(net: Network, keys: tuple[str, ...], Nv: int) -> bool:
    """Whether J'J of the weights `keys` is faster by products of hats, for Nv patterns."""
    if not (net.loss.constant and net.layers and isinstance(net.layers[0], CurvedDense)):
        return False
    first = net.layers[0]
    body = [key for key in keys if key != HEAD]
    if len(body) != 1 or net.layout.layers(body) != [0] or not first.rises or net.joins or HEAD not in keys:
        return False
    signals, inputs = first.units + net.bypass, len(input_products.sizes(first))
    looked_up = 2 * inputs * (inputs + 1) * signals * (signals + 1) // 2
    dense = (net.layout.size_of(body) + net.n_basis) ** 2
    return LOOKED_UP * looked_up * Nv + PUT * dense < dense * Nv and compiles(net.theta)


def products(net: Network, keys: tuple[str, ...]) -> Statistic:
    """`Products` of each output under squared error."""
    layer = net.layers[0]
    assert isinstance(layer, CurvedDense)

    def products_of_block(net: Network, x: Array, t: Array, w: Array | None) -> tuple[Products, ...]:
        xp = array_namespace(net.theta)
        signals = passes.forward(net, x, keys)
        scale = HALF * (xp.ones((x.shape[0],), dtype=x.dtype) if w is None else xp.sqrt(w))
        at = input_products.places(layer, signals.saved[0])
        residuals, found = net.loss.residuals(signals.y, t), []
        for i, v in enumerate(net.loss.roots(signals.y, t)):
            v = v * scale[:, None]
            (_, s), own = next(passes.backpropagate(net, signals.saved, v, [0])), v[:, i : i + 1]
            s = xp.concat([s, own], axis=1) if net.bypass else s
            beside = [signals.o * own] if net.bypass else [own, signals.o * own]
            z = xp.concat([*beside, (residuals[:, i] * scale)[:, None]], axis=1)
            k, m = np.tril_indices(s.shape[1])
            sz = xp.reshape(s[:, :, None] * z[:, None, :], (len(s), -1))
            within, across = input_products.products(layer, at, s[:, k] * s[:, m]), input_products.sums(layer, at, sz)
            found.append(Products(within, across, z.T @ z))
        return tuple(found)

    units = layer.units + 1
    return Statistic(products_of_block, floats=units * (units + net.n_features + 3))


def joined(net: Network, found: tuple[Products, ...]) -> np.ndarray:
    """[J r]'[J r] (n + 1, n + 1) over all weights, Eqs. (41), (109), on the host in float64."""
    layer, b = net.layers[0], net.layer_buffers[0]
    assert isinstance(layer, CurvedDense)
    own, signals = input_products.functions(layer, b), layer.units + net.bypass
    width, Nu = 1 + net.input_shape[0] + layer.rises, net.n_basis
    n_body, seen = layer.units * width, width * net.bypass
    n = n_body + net.n_outputs * Nu
    N = np.zeros((n + 1, n + 1))
    for i, output in enumerate(found):
        head = n_body + i * Nu
        of_signals = ((slice(0, n_body), slice(0, n_body)), (slice(head, head + seen), slice(n_body, n_body + seen)))
        of_rest = ((slice(head + seen, head + Nu), slice(0, -1)), (slice(n, None), slice(-1, None)))
        across = input_products.of_sums(own, output.across.astype(np.float64))
        across = across.reshape(width, signals, -1).transpose(1, 0, 2).reshape(signals * width, -1)
        within = input_products.of_products(own, output.within.astype(np.float64))
        _add(N, _side_by_side(within, signals), of_signals, of_signals)
        _add(N, across, of_signals, of_rest)
        _add(N, across.T, of_rest, of_signals)
        _add(N, output.rest, of_rest, of_rest)
    return N


Parts = tuple[tuple[slice, slice], ...]  # where parts of a product belong, and where they are


def _add(N: np.ndarray, P: np.ndarray, rows: Parts, columns: Parts) -> None:
    for to_row, from_row in rows:
        for to_column, from_column in columns:
            N[to_row, to_column] += P[from_row, from_column]


def _side_by_side(within: np.ndarray, signals: int) -> np.ndarray:
    """The products of signals times X with one another, (signals width, signals width), signal by signal."""
    width = len(within)
    total, blocks = np.empty((signals, width, signals, width)), np.ascontiguousarray(np.transpose(within, (2, 0, 1)))
    k, m = np.tril_indices(signals)
    total[k, :, m, :] = total[m, :, k, :] = blocks
    return total.reshape(signals * width, -1)
