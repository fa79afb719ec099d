"""Curves on inputs, compiled by Numba: an input touches two rows of a table, however many hinges it has, Eqs. (67)-(70).

Rows are walked in strips of a few registers, copied side by side, so that the table's strip stays in the nearest cache
while all patterns of a block pass over it.
"""

from __future__ import annotations

import numpy as np

from pwl.kernels.cpu.compiled import compiled
from pwl.kernels.cpu.curves import _geometry, _row
from pwl.kernels.cpu.segments import after, locate, units_of
from pwl.kernels.cpu.vectors import fused, lanes, load, load_beside, put, spread, table, vector_bytes
from pwl.kernels.hinges import Hinges
from pwl.kernels.reference.input_curves import Places
from pwl.runtime.backend import Array

STRIP = 2  # registers
LINE = 64  # bytes of a cache line: a register that crosses one takes two look-ups


@compiled
def _places(x, ns, segments, uniform, linear, by_gather, numbers, row, at, u):
    units = units_of(ns, segments, uniform, linear, by_gather, numbers, row)
    k, to, share = 0, table(at, 0), table(u, 0)
    for p in range(0, x.size, lanes(x)):
        left, position, _ = locate(load(x, p), k, units)
        put(left, to, p)
        put(position, share, p)
        k = after(k, units)


@compiled
def _add(at, u, A, n, o, inputs, width, strip):
    """o = n + curves: n, o (patterns, width), A (hinges, width). The last strip begins earlier than it would, to end with the row."""
    step, hinges = 2 * lanes(A), A.size // width
    beside, last = lanes(A), width - 2 * lanes(A)
    some, rows, source, goal = load(A, 0), table(strip, 0), table(n, 0), table(o, 0)
    for begin in range(0, width, step):
        first = min(begin, last)
        for m in range(hinges):
            for k in range(step):
                strip[m * step + k] = A[m * width + first + k]
        for p in range(at.size // inputs):
            here = p * width + first
            a, b = load_beside(some, source, here), load_beside(some, source, here + beside)
            c, d = a - a, a - a
            for j in range(p * inputs, (p + 1) * inputs):
                left = at[j] * step
                right, u_left, u_right = left + step, spread(some, 1 - u[j]), spread(some, u[j])
                a = fused(u_left, load_beside(some, rows, left), a)
                b = fused(u_left, load_beside(some, rows, left + beside), b)
                c = fused(u_right, load_beside(some, rows, right), c)
                d = fused(u_right, load_beside(some, rows, right + beside), d)
            put(a + c, goal, here)
            put(b + d, goal, here + beside)


@compiled
def _scatter(at, u, c, G, inputs, width, strip):
    """G (hinges, width) = sum of phi_m c over patterns, c (patterns, width)."""
    step, hinges = 2 * lanes(c), G.size // width
    beside, last = lanes(c), width - 2 * lanes(c)
    some, rows, source = load(c, 0), table(strip, 0), table(c, 0)
    for begin in range(0, width, step):
        first = min(begin, last)
        for k in range(hinges * step):
            strip[k] = 0
        for p in range(at.size // inputs):
            here = p * width + first
            a, b = load_beside(some, source, here), load_beside(some, source, here + beside)
            for j in range(p * inputs, (p + 1) * inputs):
                left = at[j] * step
                right, u_left, u_right = left + step, spread(some, 1 - u[j]), spread(some, u[j])
                put(fused(u_left, a, load_beside(some, rows, left)), rows, left)
                put(fused(u_left, b, load_beside(some, rows, left + beside)), rows, left + beside)
                put(fused(u_right, a, load_beside(some, rows, right)), rows, right)
                put(fused(u_right, b, load_beside(some, rows, right + beside)), rows, right + beside)
        for m in range(hinges):
            for k in range(step):
                G[m * width + first + k] = strip[m * step + k]


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


def input_places(x: Array, grid: Hinges) -> Places:
    """The places of inputs x (Nv, inputs) among hinges (inputs, K)."""
    room = x.size + LINE // x.dtype.itemsize  # the last register may reach beyond the end
    at, u = np.empty(room, np.int32), np.empty(room, x.dtype)
    _places(_row(x, x.dtype), *_geometry(x, grid), at, u)
    return Places(at[: x.size].reshape(x.shape), u[: x.size].reshape(x.shape))


def add_input_curves(n: Array, places: Places, A: Array) -> Array:
    """n (Nv, units) + the curves of all inputs with ordinates A (hinges, units), Eq. (68). May overwrite n."""
    wide, table_ = _wide(n), _wide(np.asarray(A, n.dtype))
    o = np.empty_like(wide)
    at, u = _rows(places, n.dtype)
    _add(at, u, table_.reshape(-1), wide.reshape(-1), o.reshape(-1), places.at.shape[1], wide.shape[1], _strip(table_))
    return o[:, : n.shape[1]]


def input_scatter(places: Places, hinges: int, c: Array) -> Array:
    """Sum over patterns of phi_m c (hinges, columns), for c (Nv, columns), Eq. (69)."""
    wide = _wide(c)
    G = np.empty((hinges, wide.shape[1]), c.dtype)
    at, u = _rows(places, c.dtype)
    _scatter(at, u, wide.reshape(-1), G.reshape(-1), places.at.shape[1], wide.shape[1], _strip(G))
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
    """The array with rows of a strip at least, filled up with zeros, and stored one after the other."""
    least = STRIP * (vector_bytes() // a.dtype.itemsize)
    if a.shape[1] >= least:
        return np.ascontiguousarray(a) if a.flags.writeable else np.array(a, order="C")  # Numba would compile once more
    wide = np.zeros((a.shape[0], least), a.dtype)
    wide[:, : a.shape[1]] = a
    return wide


def _strip(A: Array) -> Array:
    """Room for a strip of a table (hinges, width), which begins with a line of the cache."""
    size = A.shape[0] * STRIP * (vector_bytes() // A.dtype.itemsize)
    room = np.empty(size + LINE // A.dtype.itemsize, A.dtype)
    first = -room.ctypes.data % LINE // A.dtype.itemsize
    return room[first : first + size]
