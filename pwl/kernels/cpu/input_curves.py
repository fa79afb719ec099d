"""Curves on inputs, compiled by Numba: an input touches two rows of a table, however many hinges it has, Eqs. (67)-(70).

A table is cut into strips, so that a strip stays in the nearest cache while a tile of patterns passes over it. The tile stays in
the next cache while all strips pass over it. For sums over patterns, a tile's places are sorted, so that the sums for a hinge stay
in registers while its patterns are added.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from pwl.kernels.cpu.addresses import LINE
from pwl.kernels.cpu.compiled import compiled
from pwl.kernels.cpu.curves import loop_grid, one_row
from pwl.kernels.cpu.segments import after, locate, units_of
from pwl.kernels.cpu.strips import WIDE, cut, joined, load_row, minus, plus, plus_times, put_row, room
from pwl.kernels.cpu.vectors import inlined, lanes, load, put, spread, table, vector_bytes
from pwl.kernels.hinges import Hinges, Rises
from pwl.kernels.reference.input_curves import Places
from pwl.runtime.backend import Array

TILE = 128  # patterns


@compiled
def _places(x, ns, segments, uniform, linear, by_gather, numbers, row, at, u):
    units = units_of(ns, segments, uniform, linear, by_gather, numbers, row)
    k, to, share = 0, table(at, 0), table(u, 0)
    for p in range(0, x.size, lanes(x)):
        left, position, _ = locate(load(x, p), k, units)
        put(left, to, p)
        put(position, share, p)
        k = after(k, units)


@inlined
def _add_strip(places, shares, rows, strip, nets, inputs, top, end, width, first, step, none, adds):
    """The sums of a strip's rows for patterns top to end - 1, in the nets from unit `first` on. none: a row of zeros."""
    for p in range(top, end):
        left, right = none, none
        if adds:
            left = load_row(none, nets, p * width + first)
        for j in range(p * inputs, (p + 1) * inputs):
            place = strip + places[j] * step
            left = plus_times(left, 1 - shares[j], load_row(none, rows, place))
            right = plus_times(right, shares[j], load_row(none, rows, place + step))
        put_row(plus(left, right), nets, p * width + first)


@compiled
def _add(at, u, A, n, inputs, width, strips, adds):
    """The curves' sums n (patterns, width), added to what is there if `adds`; A (hinges, width)."""
    zero = spread(load(A, 0), 0)
    wide, narrow, one, step = (zero, zero, zero, zero), (zero,), lanes(A), WIDE * lanes(A)
    cut(A, width, strips, wide, narrow, adds)
    places, shares, rows, nets, hinges = table(at, 0), table(u, 0), table(strips, 0), table(n, 0), A.size // width
    for top in range(0, at.size // inputs, TILE):
        end, begin = min(top + TILE, at.size // inputs), 0
        while begin + step <= width:
            _add_strip(places, shares, rows, begin * hinges, nets, inputs, top, end, width, begin, step, wide, adds)
            begin += step
        while begin < width:
            first = min(begin, width - one)
            _add_strip(places, shares, rows, begin * hinges, nets, inputs, top, end, width, first, one, narrow, adds)
            begin += one


@inlined
def _sort(places, shares, inputs, top, end, width, hinges, ends, order, own):
    """Sorts the places of patterns top to end - 1 by hinge; those of hinge m end before ends[m], where those of m + 1 begin.

    order: where the pattern's row of numbers begins. own: the share.
    """
    for m in range(hinges + 1):
        ends[m] = 0
    for j in range(top * inputs, end * inputs):
        ends[places[j] + 1] += 1
    for m in range(hinges):
        ends[m + 1] += ends[m]
    for p in range(top, end):
        for j in range(p * inputs, (p + 1) * inputs):
            m = places[j]
            at = ends[m]
            order[at], own[at] = p * width, shares[j]
            ends[m] = at + 1


@inlined
def _scatter_strip(ends, order, own, source, rows, strip, hinges, first, step, none):
    """Adds the columns from `first` on to a strip, whose row of a hinge is summed in registers. none: a row of zeros."""
    i = 0
    for m in range(hinges):
        if i < ends[m]:
            whole, right = none, none
            while i < ends[m]:
                c = load_row(none, source, order[i] + first)
                whole, right = plus(whole, c), plus_times(right, own[i], c)
                i += 1
            place = strip + m * step
            put_row(plus(load_row(none, rows, place), minus(whole, right)), rows, place)
            put_row(plus(load_row(none, rows, place + step), right), rows, place + step)


@compiled
def _scatter(at, u, c, G, inputs, width, strips, ends, order, own):
    """G (hinges, width) = sum of phi_m c over patterns, c (patterns, width). Room for `_sort`: ends, order and own."""
    zero = spread(load(c, 0), 0)
    wide, narrow, one, step = (zero, zero, zero, zero), (zero,), lanes(c), WIDE * lanes(c)
    places, shares, rows, source, hinges = table(at, 0), table(u, 0), table(strips, 0), table(c, 0), G.size // width
    ends, order, own = table(ends, 0), table(order, 0), table(own, 0)
    strips[:] = 0
    for top in range(0, at.size // inputs, TILE):
        _sort(places, shares, inputs, top, min(top + TILE, at.size // inputs), width, hinges, ends, order, own)
        first = 0
        while first + step <= width:
            _scatter_strip(ends, order, own, source, rows, first * hinges, hinges, first, step, wide)
            first += step
        while first < width:
            _scatter_strip(ends, order, own, source, rows, first * hinges, hinges, min(first, width - one), one, narrow)
            first += one
    joined(strips, G, width, wide, narrow)


@compiled
def _pairs(at, u, w, R):
    """The lower triangle of the sum of w phi phi' over patterns."""
    patterns, inputs = at.shape
    for p in range(patterns):
        for j in range(inputs):
            m, right = at[p, j], u[p, j] * w[p]
            left = w[p] - right
            for i in range(j + 1):
                other, share = at[p, i], u[p, i]
                R[m, other] += left * (1 - share)
                R[m, other + 1] += left * share
                R[m + 1, other] += right * (1 - share)
                R[m + 1, other + 1] += right * share


@compiled
def _tails(ns, found):
    for j in range(ns.shape[0]):
        first = last = ns[j, 0]
        for m in range(ns.shape[1]):
            last = ns[j, m] if np.isfinite(ns[j, m]) else last
        span, beyond = last - first, 0
        found[j, 0] = first - span
        for m in range(ns.shape[1] + 1):
            there = m < ns.shape[1] and np.isfinite(ns[j, m])
            beyond += not there
            found[j, m + 1] = ns[j, m] if there else last + span * beyond


@compiled
def _ordinates(W, ns, mean, scale, begin, level, A):
    """A (hinges, units) of weights W (1 + inputs + rises, units). level: room for a row."""
    inputs, K = ns.shape
    for j in range(inputs):
        first, end = begin[j] + 1 + inputs, begin[j + 1] + 1 + inputs
        for k in range(level.size):
            level[k] = W[0, k] if j == 0 else level[k] * 0
        for m in range(first, end):
            share = mean[m - 1 - inputs] / scale[m - 1 - inputs]
            for k in range(level.size):
                level[k] -= share * W[m, k]
        for i in range(K):
            m = first + i - 2  # the rise that ends at hinge i
            if first <= m < end:
                width = scale[m - 1 - inputs]
                for k in range(level.size):
                    level[k] += W[m, k] / width
            hinge = ns[j, i]
            for k in range(level.size):
                A[j * K + i, k] = level[k] + hinge * W[1 + j, k]


@compiled
def _rises(G, ns, mean, scale, begin, total, found):
    """found (1 + inputs + rises, n) of G (hinges, n), whose rows are summed up from the right. total: room for a row."""
    inputs, K = ns.shape
    for j in range(inputs):
        first, end = begin[j] + 1 + inputs, begin[j + 1] + 1 + inputs
        for k in range(total.size):
            total[k] = found[1 + j, k] = 0
        for i in range(K - 1, -1, -1):
            hinge = ns[j, i]
            for k in range(total.size):
                total[k] += G[j * K + i, k]
            for k in range(total.size):
                found[1 + j, k] += hinge * G[j * K + i, k]
            m = first + i - 2  # the rise that ends at hinge i
            if first <= m < end:
                for k in range(total.size):
                    found[m, k] = total[k]
        for m in range(first, end):
            centre, width = mean[m - 1 - inputs], scale[m - 1 - inputs]
            for k in range(total.size):
                found[m, k] = (found[m, k] - centre * total[k]) / width
        if j == 0:
            found[0] = total


def input_tails(ns: Array) -> Array:
    """Hinges ns (inputs, K) of curves on inputs with one more before the first and after the last, (inputs, K + 2)."""
    found = np.empty((ns.shape[0], ns.shape[1] + 2), ns.dtype)
    _tails(np.array(ns), found)
    return found


def input_ordinates(W: Array, rises: Rises) -> Array:
    """Ordinates (hinges, units) of whole curves with weights W (units, 1 + inputs + rises), Eq. (68).

    W has the thresholds, the slopes of the straight parts, and the weights of the rises. The first input's curves contain the
    thresholds.
    """
    A = np.empty((rises.geometry.hinges, W.shape[0]), W.dtype)
    _ordinates(np.array(W.T, order="C"), *_scaling(rises, W.dtype), np.empty(W.shape[0], W.dtype), A)
    return A


def input_rises(G: Array, rises: Rises) -> Array:
    """The transpose of `input_ordinates`: sums (hinges, n) over hats as sums (1 + inputs + rises, n), Eq. (69)."""
    own, n = rises.geometry, G.shape[1]
    found = np.empty((1 + len(own.inputs) + own.rises, n), G.dtype)
    _rises(np.ascontiguousarray(G), *_scaling(rises, G.dtype), np.empty(n, G.dtype), found)
    return found


def _scaling(rises: Rises, dtype: np.dtype) -> tuple[Array, ...]:
    """Hinges, means, scales and first rises as arrays that may be written to: Numba would compile once more for others."""
    return *(np.array(a, dtype) for a in rises[1:]), _begin(rises.geometry.begin)


@lru_cache(maxsize=256)
def _begin(begin: tuple[int, ...]) -> Array:
    return np.array(begin)


def input_places(x: Array, grid: Hinges) -> Places:
    """The places of inputs x (Nv, inputs) among hinges (inputs, K)."""
    room = x.size + LINE // x.dtype.itemsize  # the last register may reach beyond the end
    at, u = np.empty(room, np.int32), np.empty(room, x.dtype)
    _places(one_row(x, x.dtype), *loop_grid(x, grid), at, u)
    return Places(at[: x.size].reshape(x.shape), u[: x.size].reshape(x.shape))


def add_input_curves(n: Array | None, places: Places, A: Array) -> Array:
    """n (Nv, units), if given, + the curves of all inputs with ordinates A (hinges, units), Eq. (68). May overwrite n."""
    rows = _wide(np.asarray(A, places.u.dtype if n is None else n.dtype))
    wide = np.empty((len(places.u), rows.shape[1]), rows.dtype) if n is None else _wide(n)
    at, u = _rows(places, rows.dtype)
    _add(at, u, rows.reshape(-1), wide.reshape(-1), places.at.shape[1], wide.shape[1], room(rows), n is not None)
    return wide[:, : A.shape[1]]


def input_scatter(places: Places, hinges: int, c: Array) -> Array:
    """Sum over patterns of phi_m c (hinges, columns), for c (Nv, columns), Eq. (69)."""
    wide = _wide(c)
    G = np.empty((hinges, wide.shape[1]), c.dtype)
    at, u = _rows(places, c.dtype)
    places_of_tile = TILE * places.at.shape[1]
    own = np.empty(hinges + 1, np.int64), np.empty(places_of_tile, np.int64), np.empty(places_of_tile, c.dtype)
    _scatter(at, u, wide.reshape(-1), G.reshape(-1), places.at.shape[1], wide.shape[1], room(G), *own)
    return G[:, : c.shape[1]]


def input_pairs(places: Places, hinges: int, w: Array | None) -> Array:
    """Sum over patterns of w phi_m phi_m' (hinges, hinges), Eq. (70)."""
    R = np.zeros((hinges, hinges), places.u.dtype)
    weights = np.ones(len(places.u), R.dtype) if w is None else np.array(w, R.dtype)
    _pairs(places.at, places.u, weights, R)
    return np.tril(R) + np.tril(R, -1).T


def _rows(places: Places, dtype: np.dtype) -> tuple[Array, Array]:
    return places.at.reshape(-1), np.ascontiguousarray(places.u, dtype).reshape(-1)


def _wide(a: Array) -> Array:
    """The array with rows of a register at least, filled up with zeros, and stored one after the other."""
    least = vector_bytes() // a.dtype.itemsize
    if a.shape[1] >= least:
        return np.ascontiguousarray(a) if a.flags.writeable else np.array(a, order="C")  # Numba would compile once more
    wide = np.zeros((a.shape[0], least), a.dtype)
    wide[:, : a.shape[1]] = a
    return wide
