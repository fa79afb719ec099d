"""The curve kernels on the CPU, compiled by Numba.

Each row of nets takes two loops. The first finds the segment and the position of every unit. It has no table look-up, so
the compiler turns it into vector instructions. The second looks up the ordinates. A single loop would not be vectorised.
Table indices are unsigned, because signed ones cost a test for counting from the end at every look-up.

The loops are serial and release the interpreter's lock. `reduce` already runs blocks of patterns on all cores, so one
place decides how many threads there are. Every step has the arithmetic and the index rule of the reference.
"""

from __future__ import annotations

import numpy as np

from pwl.kernels.cpu.compiled import compiled
from pwl.kernels.hinges import Hinges
from pwl.runtime.backend import Array, product

# The kernels call the two locating functions themselves. The compiler would not inline them through a third function, and
# one call per row costs a quarter of the whole time.
# Shapes in all loops below: n (Nv, units); ns (K, units), hinges by column; inverse = 1 / width, (1, units) if the hinges
# are uniform, otherwise (K - 1, units); segments = K - 1 in n's type; m and u, a unit's segment and its position there.


@compiled
def _locate_uniform(n, first, inverse, segments, linear, m, u):
    """Segments by a multiply and a floor. The comparisons are written to become vector minima and maxima."""
    zero, last = segments - segments, segments - segments / segments
    for k in range(n.shape[0]):
        t = (n[k] - first[k]) * inverse[k]
        bounded = t if t > zero else zero  # also 0 for NaN
        bounded = bounded if bounded < segments else segments
        whole = np.floor(bounded)
        whole = whole if whole < last else last
        m[k] = np.int32(whole)
        position = (t if linear else bounded) - whole
        u[k] = position if t == t else t


@compiled
def _locate_search(n, ns, inverse, linear, m, u):
    """Segments by counting the hinges passed: more steps than bisection, but vector instructions for all units."""
    first, end = ns[0], ns[ns.shape[0] - 1]
    for k in range(n.shape[0]):
        m[k] = np.int32(0)
    for column in range(1, ns.shape[0] - 1):
        hinge = ns[column]
        for k in range(n.shape[0]):
            m[k] += np.int32(1) if n[k] >= hinge[k] else np.int32(0)
    for k in range(n.shape[0]):
        x = n[k]
        if not linear:
            x = first[k] if x < first[k] else (end[k] if x > end[k] else x)
        at = np.uint32(m[k])
        u[k] = (x - ns[at, k]) * inverse[at, k]


@compiled
def _factor_uniform(n, first, inverse, segments, linear, factor):
    """Factor from a segment's rise to its slope: 1 / width inside the hinges, 0 outside, NaN for NaN."""
    zero = segments - segments
    for k in range(n.shape[0]):
        t = (n[k] - first[k]) * inverse[k]  # the arithmetic of the index
        width = inverse[k] if linear or (t >= zero and t < segments) else zero
        factor[k] = width if t == t else t


@compiled
def _factor_search(n, ns, inverse, linear, m, factor):
    """The same factor for hinges at any spacing."""
    first, end = ns[0], ns[ns.shape[0] - 1]
    for k in range(n.shape[0]):
        width = inverse[np.uint32(m[k]), k]
        width = width if linear or (n[k] >= first[k] and n[k] < end[k]) else width - width
        factor[k] = width if n[k] == n[k] else n[k]


@compiled
def _value(n, ns, inverse, segments, uniform, linear, A, o):
    m, u = np.empty(n.shape[1], np.int32), np.empty(n.shape[1], n.dtype)
    K = np.uintp(ns.shape[0])
    for p in range(n.shape[0]):
        if uniform:
            _locate_uniform(n[p], ns[0], inverse[0], segments, linear, m, u)
        else:
            _locate_search(n[p], ns, inverse, linear, m, u)
        for k in range(n.shape[1]):
            at = np.uintp(k) * K + np.uintp(np.uint32(m[k]))
            o[p, k] = A[at] + u[k] * (A[at + np.uintp(1)] - A[at])


@compiled
def _value_slope(n, ns, inverse, segments, uniform, linear, A, o, slope):
    m, u = np.empty(n.shape[1], np.int32), np.empty(n.shape[1], n.dtype)
    factor = np.empty(n.shape[1], n.dtype)
    K = np.uintp(ns.shape[0])
    for p in range(n.shape[0]):
        if uniform:
            _locate_uniform(n[p], ns[0], inverse[0], segments, linear, m, u)
            _factor_uniform(n[p], ns[0], inverse[0], segments, linear, factor)
        else:
            _locate_search(n[p], ns, inverse, linear, m, u)
            _factor_search(n[p], ns, inverse, linear, m, factor)
        for k in range(n.shape[1]):
            at = np.uintp(k) * K + np.uintp(np.uint32(m[k]))
            rise = A[at + np.uintp(1)] - A[at]
            o[p, k] = A[at] + u[k] * rise
            slope[p, k] = rise * factor[k]


@compiled
def _scatter(n, ns, inverse, segments, uniform, linear, c, G_a):
    m, u = np.empty(n.shape[1], np.int32), np.empty(n.shape[1], n.dtype)
    K = np.uintp(ns.shape[0])
    for p in range(n.shape[0]):
        if uniform:
            _locate_uniform(n[p], ns[0], inverse[0], segments, linear, m, u)
        else:
            _locate_search(n[p], ns, inverse, linear, m, u)
        for k in range(n.shape[1]):
            at = np.uintp(k) * K + np.uintp(np.uint32(m[k]))
            right = c[p, k] * u[k]
            G_a[at] += c[p, k] - right
            G_a[at + np.uintp(1)] += right


@compiled
def _times_slope(n, ns, inverse, segments, uniform, linear, A, g):
    m, u = np.empty(n.shape[1], np.int32), np.empty(n.shape[1], n.dtype)
    factor = np.empty(n.shape[1], n.dtype)
    K = np.uintp(ns.shape[0])
    for p in range(n.shape[0]):
        if uniform:
            _locate_uniform(n[p], ns[0], inverse[0], segments, linear, m, u)
            _factor_uniform(n[p], ns[0], inverse[0], segments, linear, factor)
        else:
            _locate_search(n[p], ns, inverse, linear, m, u)
            _factor_search(n[p], ns, inverse, linear, m, factor)
        for k in range(n.shape[1]):
            at = np.uintp(k) * K + np.uintp(np.uint32(m[k]))
            g[p, k] *= (A[at + np.uintp(1)] - A[at]) * factor[k]


def _geometry(n: Array, grid: Hinges) -> tuple[Array, Array, Array, bool, bool]:
    """The hinges in the form that the loops take."""
    ns = np.ascontiguousarray(grid.ns.T)
    segments = ns.shape[0] - 1
    inverse = segments / (ns[-1:] - ns[:1]) if grid.uniform else 1 / np.diff(ns, axis=0)
    return ns, inverse, n.dtype.type(segments), grid.uniform, grid.linear


def value(n: Array, grid: Hinges, A: Array) -> Array:
    """Curves o (Nv, units) with ordinates A (units, K) at nets n (Nv, units), Eq. (3)."""
    return value_into(n, grid, A, np.empty(n.shape, n.dtype))


def value_slope(n: Array, grid: Hinges, A: Array) -> tuple[Array, Array]:
    """Curves o and slopes do/dn, both (Nv, units), Eq. (3). At a hinge it is the right-hand slope."""
    return value_slope_into(n, grid, A, np.empty(n.shape, n.dtype), np.empty(n.shape, n.dtype))


def value_into(n: Array, grid: Hinges, A: Array, o: Array) -> Array:
    """`value` into an array of n's shape and dtype."""
    _value(n, *_geometry(n, grid), A.flatten(), o)
    return o


def value_slope_into(n: Array, grid: Hinges, A: Array, o: Array, slope: Array) -> tuple[Array, Array]:
    """`value_slope` into arrays of n's shape and dtype."""
    _value_slope(n, *_geometry(n, grid), A.flatten(), o, slope)
    return o, slope


def times_slope(n: Array, grid: Hinges, A: Array, g: Array) -> Array:
    """g (Nv, units) times the slopes do/dn, in place."""
    _times_slope(n, *_geometry(n, grid), A.flatten(), g)
    return g


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
    _scatter(n, *_geometry(n, grid), c, G_a.reshape(-1))
    return G_a
