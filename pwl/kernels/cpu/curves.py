"""The curve kernels on the CPU, compiled by Numba.

Each kernel is one formula on registers full of nets. `segments` finds where the nets lie, and both ordinates of a segment
are looked up together.

The loops are serial and release the interpreter's lock. `reduce` already runs blocks of patterns on all cores, so one
place decides how many threads there are.
"""

from __future__ import annotations

import numpy as np

from pwl.kernels.cpu.compiled import compiled
from pwl.kernels.cpu.gather import fast, gather_two
from pwl.kernels.cpu.segments import after, locate, space, units_of
from pwl.kernels.cpu.vectors import add_pairs, lanes, load, put, put_in_pairs, store
from pwl.kernels.hinges import Hinges
from pwl.runtime.backend import Array, product

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
            signal = load(c, p)
            right = signal * u
            put(at, places, slot)
            put_in_pairs(signal - right, right, shares, 2 * slot)
            k = after(k, units)
    end = n.dtype.type(0)
    for at in range(G_a.size):
        G_a[at] = sums[2 * at] + end
        end = sums[2 * at + 1]


def _row(a: Array, dtype: np.dtype) -> Array:
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


def _geometry(n: Array, grid: Hinges) -> tuple:
    """A grid as the loops want it, in the nets' type."""
    units, K = grid.ns.shape
    hinges, room = _parameters(grid.ns, n.dtype), space(units, K, n.dtype)
    return hinges, n.dtype.type(K - 1), grid.uniform, grid.linear, fast(n.dtype), *room


def value(n: Array, grid: Hinges, A: Array) -> Array:
    """Curves o (Nv, units) with ordinates A (units, K) at nets n (Nv, units), Eq. (3)."""
    return value_into(n, grid, A, np.empty(n.shape, n.dtype))


def value_slope(n: Array, grid: Hinges, A: Array) -> tuple[Array, Array]:
    """Curves o and slopes do/dn, both (Nv, units), Eq. (3). At a hinge it is the right-hand slope."""
    return value_slope_into(n, grid, A, np.empty(n.shape, n.dtype), np.empty(n.shape, n.dtype))


def value_into(n: Array, grid: Hinges, A: Array, o: Array) -> Array:
    """`value` into an array of n's shape and dtype."""
    row = _row(o, n.dtype)
    _value(_row(n, n.dtype), *_geometry(n, grid), _parameters(A, n.dtype), row)
    return _filled(o, row)


def value_slope_into(n: Array, grid: Hinges, A: Array, o: Array, slope: Array) -> tuple[Array, Array]:
    """`value_slope` into arrays of n's shape and dtype."""
    row, slopes = _row(o, n.dtype), _row(slope, n.dtype)
    _value_slope(_row(n, n.dtype), *_geometry(n, grid), _parameters(A, n.dtype), row, slopes)
    return _filled(o, row), _filled(slope, slopes)


def times_slope(n: Array, grid: Hinges, A: Array, g: Array) -> Array:
    """g (Nv, units) times the slopes do/dn, in place."""
    row = _row(g, n.dtype)
    _times_slope(_row(n, n.dtype), *_geometry(n, grid), _parameters(A, n.dtype), row)
    return _filled(g, row)


def mix(n: Array, grid: Hinges, A: Array, W: Array) -> Array:
    """Sums (Nv, M) of the curves with weights W (M, units)."""
    return value(n, grid, A) @ W.T


def back(n: Array, grid: Hinges, A: Array, v: Array, W: Array) -> Array:
    """v (Nv, M) carried back from the sums of `mix` to the nets, (v W) do/dn (Nv, units), Eq. (18)."""
    return times_slope(n, grid, A, product(v, W))


def back_scatter(n: Array, grid: Hinges, v: Array, W: Array) -> Array:
    """G_a (units, K) by `scatter` for signals c = v W, carried back from the sums of `mix` to the curves; v is (Nv, M)."""
    return scatter(n, grid, product(v, W))


def scatter(n: Array, grid: Hinges, c: Array) -> Array:
    """G_a (units, K): sum over patterns of c[p, k] phi_m(n[p, k]), Eq. (17)."""
    G_a = np.zeros(grid.ns.shape, n.dtype)
    _scatter(_row(n, n.dtype), *_geometry(n, grid), _row(c, n.dtype), _row(G_a, n.dtype))
    return G_a
