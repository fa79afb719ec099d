"""The curve kernels on the CPU, compiled by Numba.

The loops are serial and release the interpreter's lock: `patterns.reduce` already runs blocks of patterns on all
cores, so one place decides how many threads there are. Arithmetic and index rule are the reference's, step by step.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from pwl.backend import Array
from pwl.kernels.grid import Grid

compiled = njit(cache=True, nogil=True, error_model="numpy")


@compiled
def _place_uniform(x, first, inverse, top, linear):
    """Segment m, position u and whether x counts as inside the hinges, Eqs. (5), (6); top = K - 1 as x's type."""
    zero = top - top
    t = (x - first) * inverse
    inside = linear or (t >= zero and t < top)
    if not linear:
        t = zero if t < zero else (top if t > top else t)
    whole = np.floor(t)
    last = top - np.float32(1)
    whole = whole if whole < last else last
    whole = whole if whole > zero else zero
    if x != x:
        whole = zero
    return int(whole), t - whole, inside


@compiled
def _place_search(x, ns, k, linear):
    """The same by bisection over general hinges, with 1 / width of the segment found."""
    last = ns.shape[1] - 2
    inside = linear or (x >= ns[k, 0] and x < ns[k, last + 1])
    if not linear:
        x = ns[k, 0] if x < ns[k, 0] else (ns[k, last + 1] if x > ns[k, last + 1] else x)
    low, high = 0, last + 1
    while high - low > 1:
        middle = (low + high) // 2
        if x >= ns[k, middle]:
            low = middle
        else:
            high = middle
    inverse = np.float32(1) / (ns[k, low + 1] - ns[k, low])
    return low, (x - ns[k, low]) * inverse, inverse, inside


@compiled
def _value_uniform(n, first, inverse, top, linear, A, o):
    for p in range(n.shape[0]):
        for k in range(n.shape[1]):
            m, u, _ = _place_uniform(n[p, k], first[k], inverse[k], top, linear)
            o[p, k] = A[k, m] + u * (A[k, m + 1] - A[k, m])


@compiled
def _value_search(n, ns, linear, A, o):
    for p in range(n.shape[0]):
        for k in range(n.shape[1]):
            m, u, _, _ = _place_search(n[p, k], ns, k, linear)
            o[p, k] = A[k, m] + u * (A[k, m + 1] - A[k, m])


@compiled
def _value_slope_uniform(n, first, inverse, top, linear, A, o, slope):
    zero = top - top
    for p in range(n.shape[0]):
        for k in range(n.shape[1]):
            x = n[p, k]
            m, u, inside = _place_uniform(x, first[k], inverse[k], top, linear)
            rise = A[k, m + 1] - A[k, m]
            o[p, k] = A[k, m] + u * rise
            slope[p, k] = (rise * inverse[k] if inside else zero) if x == x else x


@compiled
def _value_slope_search(n, ns, linear, A, o, slope):
    for p in range(n.shape[0]):
        for k in range(n.shape[1]):
            x = n[p, k]
            m, u, inverse, inside = _place_search(x, ns, k, linear)
            rise = A[k, m + 1] - A[k, m]
            o[p, k] = A[k, m] + u * rise
            slope[p, k] = (rise * inverse if inside else rise - rise) if x == x else x


@compiled
def _scatter_uniform(n, first, inverse, top, linear, c, G_a):
    for p in range(n.shape[0]):
        for k in range(n.shape[1]):
            m, u, _ = _place_uniform(n[p, k], first[k], inverse[k], top, linear)
            right = c[p, k] * u
            G_a[k, m] += c[p, k] - right
            G_a[k, m + 1] += right


@compiled
def _scatter_search(n, ns, linear, c, G_a):
    for p in range(n.shape[0]):
        for k in range(n.shape[1]):
            m, u, _, _ = _place_search(n[p, k], ns, k, linear)
            right = c[p, k] * u
            G_a[k, m] += c[p, k] - right
            G_a[k, m + 1] += right


def _uniform(grid: Grid) -> tuple[Array, Array, Array]:
    """First hinge and 1 / step of every unit, and K - 1, all of the nets' type."""
    ns, segments = grid.ns, grid.ns.shape[1] - 1
    return np.ascontiguousarray(ns[:, 0]), segments / (ns[:, -1] - ns[:, 0]), ns.dtype.type(segments)


def value(n: Array, grid: Grid, A: Array) -> Array:
    """Curves o (Nv, units) with ordinates A (units, K) at nets n (Nv, units), Eq. (3)."""
    o = np.empty(n.shape, n.dtype)
    if grid.uniform:
        _value_uniform(n, *_uniform(grid), grid.linear, A, o)
    else:
        _value_search(n, grid.ns, grid.linear, A, o)
    return o


def value_slope(n: Array, grid: Grid, A: Array) -> tuple[Array, Array]:
    """Curves o and slopes do/dn, both (Nv, units), Eq. (3); at a hinge the right-hand slope."""
    o, slope = np.empty(n.shape, n.dtype), np.empty(n.shape, n.dtype)
    if grid.uniform:
        _value_slope_uniform(n, *_uniform(grid), grid.linear, A, o, slope)
    else:
        _value_slope_search(n, grid.ns, grid.linear, A, o, slope)
    return o, slope


def scatter(n: Array, grid: Grid, c: Array) -> Array:
    """G_a (units, K): sum over patterns of c[p, k] phi_m(n[p, k]), Eq. (17)."""
    G_a = np.zeros(grid.ns.shape, n.dtype)
    if grid.uniform:
        _scatter_uniform(n, *_uniform(grid), grid.linear, c, G_a)
    else:
        _scatter_search(n, grid.ns, grid.linear, c, G_a)
    return G_a
