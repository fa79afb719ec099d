"""Products of a curved layer's inputs [1, x, rises] with one another, by hats of two entries, Eq. (109).

Every input is a curve here, a straight one between two hinges at -1 and 1.
"""

from __future__ import annotations

from itertools import accumulate, pairwise
from typing import NamedTuple

import numpy as np

from pwl.kernels import engine
from pwl.kernels.hinges import pair_geometry
from pwl.kernels.reference.input_curves import Places
from pwl.layers.curved_dense import CurvedDense, CurvedInputs
from pwl.runtime.backend import Array, host


class Functions(NamedTuple):
    """What the hats of one input stand for: their columns of [1, x, rises], and these functions' values (hinges, columns) there."""

    columns: list[int]
    values: np.ndarray


def sizes(layer: CurvedDense) -> tuple[int, ...]:
    """The number of hinges of each input, with one more at both ends."""
    assert layer.counts is not None
    return tuple(count + 2 if count > 1 else 2 for count in layer.counts)


def places(layer: CurvedDense, saved: CurvedInputs) -> Places:
    """The places of all inputs among the hinges of `sizes`."""
    g, n = layer.geometry, np.array(sizes(layer))
    at, u = np.zeros(saved.x.shape, np.int64), (saved.x + 1) / 2
    if saved.curved is not None:
        own, bent = saved.curved.places, list(g.inputs)
        within = own.at - (g.most + 3) * np.arange(len(bent))
        at[:, bent] = np.minimum(within, n[bent] - 2)
        u[:, bent] = own.u + (within - at[:, bent])  # hinges that fill up a table are equally far apart
    return Places(at + (np.cumsum(n) - n), u)


def functions(layer: CurvedDense, b: dict[str, Array]) -> list[Functions]:
    """The functions of each input, the first with the constant."""
    g, n = layer.geometry, sizes(layer)
    N, begin = len(n), [0, *accumulate(n)]
    tails, row_of = host(layer.curves(b).ns), {j: row for row, j in enumerate(g.inputs)}
    probe, columns = np.zeros((begin[-1], N)), []
    for j in range(N):
        own = [0] * (j == 0) + [1 + j]
        if j in row_of:
            own += range(1 + N + g.begin[row_of[j]], 1 + N + g.begin[row_of[j] + 1])
        columns.append(own)
        probe[begin[j] : begin[j + 1], j] = tails[row_of[j], : n[j]] if j in row_of else (-1, 1)
    values = np.asarray(layer.inputs(b, probe), np.float64)
    return [Functions(own, values[first:last, own]) for own, (first, last) in zip(columns, pairwise(begin), strict=True)]


def sums(layer: CurvedDense, at: Places, c: Array) -> Array:
    """Sums over patterns of phi c (hinges, columns) for all inputs, for c (Nv, columns)."""
    return engine(c).input_scatter(at, sum(sizes(layer)), c)


def products(layer: CurvedDense, at: Places, c: Array) -> Array:
    """Sums over patterns of phi phi' c (rows, columns), in the order of `pair_geometry`, for c (Nv, columns)."""
    return engine(c).input_products(at, sizes(layer), c)


def of_sums(own: list[Functions], found: np.ndarray) -> np.ndarray:
    """The sums of [1, x, rises]' c (width, columns) from those of phi c."""
    total, begin = [], 0
    for _, values in own:
        total.append(values.T @ found[begin : begin + len(values)])
        begin += len(values)
    return np.take(np.concatenate(total), _order(own), axis=0)


def of_products(own: list[Functions], found: np.ndarray) -> np.ndarray:
    """The sums of X X' c (width, width, columns) for X = [1, x, rises] from those of phi phi' c, Eq. (109)."""
    geometry, order = pair_geometry(tuple(len(values) for _, values in own)), _order(own)
    ends = np.cumsum([len(columns) for columns, _ in own])
    places = [slice(end - len(columns), end) for end, (columns, _) in zip(ends, own, strict=True)]
    width, count = len(order), found.shape[1]
    total = np.empty((width, width, count))
    for j, (_, left) in enumerate(own):
        for i, (_, right) in enumerate(own[: j + 1]):
            first = geometry.first[j, i]
            block = (left.T @ found[first : first + len(left) * len(right)].reshape(len(left), -1)).reshape(-1, len(right), count)
            total[places[j], places[i]] = block = right.T @ block
            total[places[i], places[j]] = np.transpose(block, (1, 0, 2))
    rows = (order[:, None] * width + order).reshape(-1)
    return np.take(total.reshape(-1, count), rows, axis=0).reshape(total.shape)


def _order(own: list[Functions]) -> np.ndarray:
    """Where each column of [1, x, rises] is if those of each input stand together."""
    return np.argsort(np.concatenate([columns for columns, _ in own]))
