"""The curve kernels on the CPU, compiled by Numba.

A row of nets is worked in two loops. The first finds segment and position of every unit; it has no table look-up, so the
compiler turns it into vector instructions. The second looks the ordinates up. In one loop nothing would be vectorised.
Table indices are unsigned: signed ones cost a test for counting from the end at every look-up.

The loops are serial and release the interpreter's lock: `patterns.reduce` already runs blocks of patterns on all
cores, so one place decides how many threads there are. Arithmetic and index rule are the reference's, step by step.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numba import njit

from pwl.backend import Array
from pwl.kernels.grid import Grid


def compiled(f: Callable) -> Callable:
    """`f` compiled, and kept on disk for the next process where there is a place for it."""
    try:
        return njit(cache=True, nogil=True, error_model="numpy")(f)
    except RuntimeError:  # neither the package's folder nor the user's cache folder can be written
        warnings.warn(
            "compiled curves can't be kept on disk, so that each process takes seconds more; set NUMBA_CACHE_DIR"
        )
        return njit(nogil=True, error_model="numpy")(f)


class Hinges(NamedTuple):
    """A grid as the loops want it: hinges by column, ns (K, units), and the number of segments as n's type."""

    ns: Array
    inverse: Array  # 1 / width: (1, units) where uniform, else (K - 1, units)
    segments: Array
    uniform: bool
    linear: bool


class Row(NamedTuple):
    """Work space for one row: segment, position in it, 1 / width, and 1 inside the hinges, 0 outside, NaN for NaN."""

    m: Array
    u: Array
    inverse: Array
    inside: Array


@compiled
def _locate_uniform(n, h, row):
    """Eqs. (5), (6), by a multiply and a floor."""
    zero, one = h.segments - h.segments, h.segments / h.segments
    first, inverse = h.ns[0], h.inverse[0]
    for k in range(n.shape[0]):
        t = (n[k] - first[k]) * inverse[k]
        inside = one if h.linear or (t >= zero and t < h.segments) else zero
        row.inside[k] = inside if t == t else t
        bounded = zero if t < zero else (h.segments if t > h.segments else t)
        t = t if h.linear else bounded
        whole = np.floor(bounded if bounded == bounded else zero)
        whole = whole if whole < h.segments else h.segments - one
        row.m[k] = np.int32(whole)
        row.u[k] = t - whole


@compiled
def _locate_search(n, h, row):
    """Eqs. (5), (6), by counting the hinges passed: more steps than bisection, but vector instructions for all units."""
    zero, one = h.segments - h.segments, h.segments / h.segments
    last = h.ns.shape[0] - 1
    first, end = h.ns[0], h.ns[last]
    for k in range(n.shape[0]):
        inside = one if h.linear or (n[k] >= first[k] and n[k] < end[k]) else zero
        row.inside[k] = inside if n[k] == n[k] else n[k]
        row.m[k] = np.int32(0)
    for column in range(1, last):
        hinge = h.ns[column]
        for k in range(n.shape[0]):
            row.m[k] += np.int32(1) if n[k] >= hinge[k] else np.int32(0)
    for k in range(n.shape[0]):
        x = n[k]
        if not h.linear:
            x = first[k] if x < first[k] else (end[k] if x > end[k] else x)
        m = np.uint32(row.m[k])
        row.inverse[k] = h.inverse[m, k]
        row.u[k] = (x - h.ns[m, k]) * row.inverse[k]


@compiled
def _value(n, h, row, A, o):
    K = np.uintp(h.ns.shape[0])
    for p in range(n.shape[0]):
        if h.uniform:
            _locate_uniform(n[p], h, row)
        else:
            _locate_search(n[p], h, row)
        for k in range(n.shape[1]):
            at = np.uintp(k) * K + np.uintp(np.uint32(row.m[k]))
            o[p, k] = A[at] + row.u[k] * (A[at + np.uintp(1)] - A[at])


@compiled
def _value_slope(n, h, row, A, o, slope):
    K = np.uintp(h.ns.shape[0])
    for p in range(n.shape[0]):
        if h.uniform:
            _locate_uniform(n[p], h, row)
        else:
            _locate_search(n[p], h, row)
        for k in range(n.shape[1]):
            at = np.uintp(k) * K + np.uintp(np.uint32(row.m[k]))
            rise = A[at + np.uintp(1)] - A[at]
            o[p, k] = A[at] + row.u[k] * rise
            slope[p, k] = row.inside[k] * (rise * row.inverse[k])


@compiled
def _scatter(n, h, row, c, G_a):
    K = np.uintp(h.ns.shape[0])
    for p in range(n.shape[0]):
        if h.uniform:
            _locate_uniform(n[p], h, row)
        else:
            _locate_search(n[p], h, row)
        for k in range(n.shape[1]):
            at = np.uintp(k) * K + np.uintp(np.uint32(row.m[k]))
            right = c[p, k] * row.u[k]
            G_a[at] += c[p, k] - right
            G_a[at + np.uintp(1)] += right


def _prepared(n: Array, grid: Grid) -> tuple[Hinges, Row]:
    units, K = grid.ns.shape
    ns = np.ascontiguousarray(grid.ns.T)
    inverse = (K - 1) / (ns[-1:] - ns[:1]) if grid.uniform else 1 / np.diff(ns, axis=0)
    hinges = Hinges(ns, inverse, n.dtype.type(K - 1), grid.uniform, grid.linear)
    u, inside = np.empty(units, n.dtype), np.empty(units, n.dtype)
    return hinges, Row(np.empty(units, np.int32), u, inverse[0].copy(), inside)


def value(n: Array, grid: Grid, A: Array) -> Array:
    """Curves o (Nv, units) with ordinates A (units, K) at nets n (Nv, units), Eq. (3)."""
    return value_into(n, grid, A, np.empty(n.shape, n.dtype))


def value_slope(n: Array, grid: Grid, A: Array) -> tuple[Array, Array]:
    """Curves o and slopes do/dn, both (Nv, units), Eq. (3); at a hinge the right-hand slope."""
    return value_slope_into(n, grid, A, np.empty(n.shape, n.dtype), np.empty(n.shape, n.dtype))


def value_into(n: Array, grid: Grid, A: Array, o: Array) -> Array:
    """`value` into an array of n's shape and dtype."""
    _value(n, *_prepared(n, grid), np.ravel(A), o)
    return o


def value_slope_into(n: Array, grid: Grid, A: Array, o: Array, slope: Array) -> tuple[Array, Array]:
    """`value_slope` into arrays of n's shape and dtype."""
    _value_slope(n, *_prepared(n, grid), np.ravel(A), o, slope)
    return o, slope


def scatter(n: Array, grid: Grid, c: Array) -> Array:
    """G_a (units, K): sum over patterns of c[p, k] phi_m(n[p, k]), Eq. (17)."""
    G_a = np.zeros(grid.ns.shape, n.dtype)
    _scatter(n, *_prepared(n, grid), c, G_a.reshape(-1))
    return G_a
