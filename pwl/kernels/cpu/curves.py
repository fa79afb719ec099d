"""The curve kernels on the CPU, compiled by Numba.

Each kernel is one formula on registers full of nets. `segments` finds where the nets lie, and both ordinates of a segment
are looked up together.

Nets whose patterns lie side by side are left to `unit_curves`.

The loops are serial and release the interpreter's lock. `reduce` already runs blocks of patterns on all cores, so one
place decides how many threads there are.
"""

from __future__ import annotations

import functools

import numpy as np

from pwl.kernels.cpu import unit_curves
from pwl.kernels.cpu.compiled import compiled
from pwl.kernels.cpu.gather import fast, gather, gather_two
from pwl.kernels.cpu.segments import after, locate, space, units_of
from pwl.kernels.cpu.vectors import (
    add_pairs,
    inlined,
    lanes,
    load,
    load_beside,
    put,
    put_in_pairs,
    spread,
    store,
    vector_bytes,
)
from pwl.kernels.hinges import Hinges
from pwl.runtime.backend import Array, side_by_side

WAITING = 128  # nets whose shares wait to be added; a power of 2

# In all loops below, arrays are one long row: n, o, slope, g, c of (Nv, units) numbers; ns, A, G_a of (units, K); segments =
# K - 1 as n's type. k is the unit of the first net in a register.


@compiled
def _value(n, ns, segments, uniform, linear, by_gather, numbers, row, A, o):
    units = units_of(ns, segments, uniform, linear, by_gather, numbers, row)
    k = 0
    for p in range(0, n.size, lanes(n)):
        at, u, _ = locate(load(n, p), k, units)
        left, right = gather_two(A, at, by_gather)
        store(left + u * (right - left), o, p)
        k = after(k, units)


@compiled
def _value_slope(n, ns, segments, uniform, linear, by_gather, numbers, row, A, o, slope):
    units = units_of(ns, segments, uniform, linear, by_gather, numbers, row)
    k = 0
    for p in range(0, n.size, lanes(n)):
        at, u, factor = locate(load(n, p), k, units)
        left, right = gather_two(A, at, by_gather)
        store(left + u * (right - left), o, p)
        store((right - left) * factor, slope, p)
        k = after(k, units)


@compiled
def _times_slope(n, ns, segments, uniform, linear, by_gather, numbers, row, A, g):
    units = units_of(ns, segments, uniform, linear, by_gather, numbers, row)
    k = 0
    for p in range(0, n.size, lanes(n)):
        at, _, factor = locate(load(n, p), k, units)
        left, right = gather_two(A, at, by_gather)
        store(load(g, p) * ((right - left) * factor), g, p)
        k = after(k, units)


@inlined
def _wait(signal, at, u, shares, places, slot):
    """A register's shares wait in pairs: what the left and the right end of each net's segment get."""
    right = signal * u
    put(at, places, slot)
    put_in_pairs(signal - right, right, shares, 2 * slot)


@inlined
def _joined(sums, G_a):
    """Sums of pairs joined, as a hinge is the right end of one segment and the left end of the next."""
    end = sums.dtype.type(0)
    for at in range(G_a.size):
        G_a[at] = sums[2 * at] + end
        end = sums[2 * at + 1]


@compiled
def _scatter(n, ns, segments, uniform, linear, by_gather, numbers, row, c, G_a):
    """What a segment's ends get is summed in pairs, so that each net costs one addition; the pairs are joined at the end.

    Shares wait before they are added, so that none is read right after it was written and memory is read all the time.
    Beyond the end of c, shares are 0.
    """
    units, k = units_of(ns, segments, uniform, linear, by_gather, numbers, row), 0
    sums, shares, places = np.zeros(2 * G_a.size, n.dtype), np.empty(2 * WAITING, n.dtype), np.empty(WAITING, np.int32)
    for p in range(0, n.size + WAITING, lanes(n)):
        slot = p & (WAITING - 1)
        if p >= WAITING:
            add_pairs(sums, places, shares, slot)
        if p < n.size:
            at, u, _ = locate(load(n, p), k, units)
            _wait(load(c, p), at, u, shares, places, slot)
            k = after(k, units)
    _joined(sums, G_a)


# ---- one output: what is carried back to a net is d w, the output's d of its pattern times the unit's weight w

# d is of (Nv + a register,) numbers; w and `below` are of the units' tables' length. A register's nets are of the patterns
# r + below from unit k on.


@inlined
def _carried(d, w, below, r, k, x, by_gather):
    """d w for a register full of nets x, from unit k of pattern r on."""
    at = load_beside(x, below, k)
    return gather(d, at + spread(at, r), by_gather) * load_beside(x, w, k)


@inlined
def _pattern_after(r, k, units, n):
    """The pattern of the first net in the next register."""
    r += lanes(n) // units.period
    return r + 1 if k + units.step >= units.period else r


@compiled
def _back(n, ns, segments, uniform, linear, by_gather, numbers, row, A, d, w, below, g):
    units = units_of(ns, segments, uniform, linear, by_gather, numbers, row)
    k, r = 0, 0
    for p in range(0, n.size, lanes(n)):
        x = load(n, p)
        at, _, factor = locate(x, k, units)
        left, right = gather_two(A, at, by_gather)
        store(_carried(d, w, below, r, k, x, by_gather) * ((right - left) * factor), g, p)
        k, r = after(k, units), _pattern_after(r, k, units, n)


@compiled
def _back_scatter(n, ns, segments, uniform, linear, by_gather, numbers, row, d, w, below, G_a):
    """As `_scatter`. Beyond the end of n, d is 0."""
    units, k, r = units_of(ns, segments, uniform, linear, by_gather, numbers, row), 0, 0
    sums, shares, places = np.zeros(2 * G_a.size, n.dtype), np.empty(2 * WAITING, n.dtype), np.empty(WAITING, np.int32)
    for p in range(0, n.size + WAITING, lanes(n)):
        slot = p & (WAITING - 1)
        if p >= WAITING:
            add_pairs(sums, places, shares, slot)
        if p < n.size:
            x = load(n, p)
            at, u, _ = locate(x, k, units)
            _wait(_carried(d, w, below, r, k, x, by_gather), at, u, shares, places, slot)
            k, r = after(k, units), _pattern_after(r, k, units, n)
    _joined(sums, G_a)


def one_row(a: Array, dtype: np.dtype) -> Array:
    """An array as one row of numbers of a type; a copy where they are of another type or do not stand side by side."""
    return np.ascontiguousarray(a, dtype).reshape(-1)


def _filled(a: Array, row: Array) -> Array:
    """The array, filled from its row where that is a copy."""
    if not a.flags.c_contiguous or a.dtype != row.dtype:
        a[...] = row.reshape(a.shape)
    return a


def _parameters(a: Array, dtype: np.dtype) -> Array:
    """A copy as one row: parameters may be read-only, and Numba would compile once more for them."""
    return np.array(a, dtype, order="C").reshape(-1)


def loop_grid(n: Array, grid: Hinges) -> tuple:
    """A grid as the loops want it, in the nets' type."""
    units, K = grid.ns.shape
    hinges, room = _parameters(grid.ns, n.dtype), space(units, K, n.dtype)
    return hinges, n.dtype.type(K - 1), grid.uniform, grid.linear, fast(n.dtype), *room


def value(n: Array, grid: Hinges, A: Array) -> Array:
    """Curves o (Nv, units) with ordinates A (units, K) at nets n (Nv, units), Eq. (3)."""
    if side_by_side(n):
        return unit_curves.value(n, grid, A)
    return value_into(n, grid, A, np.empty(n.shape, n.dtype))


def value_slope(n: Array, grid: Hinges, A: Array) -> tuple[Array, Array]:
    """Curves o and slopes do/dn, both (Nv, units), Eq. (3). At a hinge it is the right-hand slope."""
    if side_by_side(n):
        return unit_curves.value_slope(n, grid, A)
    return value_slope_into(n, grid, A, np.empty(n.shape, n.dtype), np.empty(n.shape, n.dtype))


def value_into(n: Array, grid: Hinges, A: Array, o: Array) -> Array:
    """`value` into an array of n's shape and dtype."""
    row = one_row(o, n.dtype)
    _value(one_row(n, n.dtype), *loop_grid(n, grid), _parameters(A, n.dtype), row)
    return _filled(o, row)


def value_slope_into(n: Array, grid: Hinges, A: Array, o: Array, slope: Array) -> tuple[Array, Array]:
    """`value_slope` into arrays of n's shape and dtype."""
    row, slopes = one_row(o, n.dtype), one_row(slope, n.dtype)
    _value_slope(one_row(n, n.dtype), *loop_grid(n, grid), _parameters(A, n.dtype), row, slopes)
    return _filled(o, row), _filled(slope, slopes)


def times_slope(n: Array, grid: Hinges, A: Array, g: Array) -> Array:
    """g (Nv, units) times the slopes do/dn, in place."""
    if side_by_side(n):
        return unit_curves.times_slope(n, grid, A, g)
    row = one_row(g, n.dtype)
    _times_slope(one_row(n, n.dtype), *loop_grid(n, grid), _parameters(A, n.dtype), row)
    return _filled(g, row)


def mix(n: Array, grid: Hinges, A: Array, W: Array) -> Array:
    """Sums (Nv, M) of the curves with weights W (M, units)."""
    if side_by_side(n) and W.shape[0] == 1:
        return unit_curves.mix(n, grid, A, W[0])[:, None]
    return value(n, grid, A) @ W.T


def back(n: Array, grid: Hinges, A: Array, v: Array, W: Array) -> Array:
    """v (Nv, M) carried back from the sums of `mix` to the nets, (v W) do/dn (Nv, units), Eq. (18)."""
    if W.shape[0] > 1:
        return times_slope(n, grid, A, v @ W)
    if side_by_side(n):
        return unit_curves.back(n, grid, A, v[:, 0], W[0])
    g = np.empty(n.shape, n.dtype)
    _back(one_row(n, n.dtype), *loop_grid(n, grid), _parameters(A, n.dtype), *_one_output(v, W, n), g.reshape(-1))
    return g


def back_scatter(n: Array, grid: Hinges, v: Array, W: Array) -> Array:
    """G_a (units, K) by `scatter` for signals c = v W, carried back from the sums of `mix` to the curves; v is (Nv, M)."""
    if W.shape[0] > 1:
        return scatter(n, grid, v @ W)
    if side_by_side(n):
        return unit_curves.back_scatter(n, grid, v[:, 0], W[0])
    G_a = np.zeros(grid.ns.shape, n.dtype)
    _back_scatter(one_row(n, n.dtype), *loop_grid(n, grid), *_one_output(v, W, n), G_a.reshape(-1))
    return G_a


def _lanes(n: Array) -> int:
    return vector_bytes() // n.itemsize


@functools.lru_cache(maxsize=64)
def _rounds(units: int, lanes: int) -> tuple[Array, Array]:
    """For units that begin anew behind their end, as their tables do: the unit at each place, and how often it has been there."""
    places = np.arange(units + lanes, dtype=np.int32)
    return places % np.int32(units), places // np.int32(units)


def _one_output(v: Array, W: Array, n: Array) -> tuple[Array, Array, Array]:
    """d, w and `below` of the loops for one output."""
    unit, below = _rounds(n.shape[1], _lanes(n))
    d = np.zeros(len(v) + _lanes(n), n.dtype)
    d[: len(v)] = v[:, 0]
    return d, W[0].astype(n.dtype, copy=False)[unit], below


def scatter(n: Array, grid: Hinges, c: Array) -> Array:
    """G_a (units, K): sum over patterns of c[p, k] phi_m(n[p, k]), Eq. (17)."""
    if side_by_side(n):
        return unit_curves.scatter(n, grid, c)
    G_a = np.zeros(grid.ns.shape, n.dtype)
    _scatter(one_row(n, n.dtype), *loop_grid(n, grid), one_row(c, n.dtype), one_row(G_a, n.dtype))
    return G_a
