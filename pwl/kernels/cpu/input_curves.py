"""Curves on inputs, compiled by Numba: an input touches two rows of a table, however many hinges it has, Eqs. (67)-(70).

A table is cut into strips of two registers, so that a strip stays in the nearest cache while a tile of patterns passes over it.
The tile stays in the next cache while all strips pass over it.
"""

from __future__ import annotations

import numpy as np

from pwl.kernels.cpu.addresses import LINE
from pwl.kernels.cpu.compiled import compiled
from pwl.kernels.cpu.curves import loop_grid, one_row
from pwl.kernels.cpu.segments import after, locate, units_of
from pwl.kernels.cpu.vectors import fused, lanes, load, load_beside, put, spread, table, vector_bytes
from pwl.kernels.hinges import Hinges, Rises
from pwl.kernels.reference.input_curves import Places
from pwl.runtime.backend import Array

STRIP = 2  # registers
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


@compiled
def _add(at, u, A, n, inputs, width, strips):
    """n += curves: n (patterns, width), A (hinges, width).

    The last strip begins earlier than it would, to end with the row. What it has in common with the strip before it is 0 there.
    """
    step, beside, last, hinges = 2 * lanes(A), lanes(A), width - 2 * lanes(A), A.size // width
    some, rows, nets, places, shares = load(A, 0), table(strips, 0), table(n, 0), table(at, 0), table(u, 0)
    for begin in range(0, width, step):
        first = min(begin, last)
        for m in range(hinges):
            for k in range(step):
                strips[begin * hinges + m * step + k] = A[m * width + first + k] if first + k >= begin else 0
    patterns = at.size // inputs
    for top in range(0, patterns, TILE):
        for begin in range(0, width, step):
            first, strip = min(begin, last), begin * hinges
            for p in range(top, min(top + TILE, patterns)):
                here = p * width + first
                a, b = load_beside(some, nets, here), load_beside(some, nets, here + beside)
                c, d = a - a, a - a
                e, f, g, h = c, c, c, c  # two inputs at a time: a sum waits for the one before it
                for j in range(p * inputs, (p + 1) * inputs - 1, 2):
                    left, u_left, u_right = (
                        strip + places[j] * step,
                        spread(some, 1 - shares[j]),
                        spread(some, shares[j]),
                    )
                    a = fused(u_left, load_beside(some, rows, left), a)
                    b = fused(u_left, load_beside(some, rows, left + beside), b)
                    c = fused(u_right, load_beside(some, rows, left + step), c)
                    d = fused(u_right, load_beside(some, rows, left + step + beside), d)
                    left = strip + places[j + 1] * step
                    u_left, u_right = spread(some, 1 - shares[j + 1]), spread(some, shares[j + 1])
                    e = fused(u_left, load_beside(some, rows, left), e)
                    f = fused(u_left, load_beside(some, rows, left + beside), f)
                    g = fused(u_right, load_beside(some, rows, left + step), g)
                    h = fused(u_right, load_beside(some, rows, left + step + beside), h)
                if inputs & 1:
                    j = (p + 1) * inputs - 1
                    left, u_left, u_right = (
                        strip + places[j] * step,
                        spread(some, 1 - shares[j]),
                        spread(some, shares[j]),
                    )
                    a = fused(u_left, load_beside(some, rows, left), a)
                    b = fused(u_left, load_beside(some, rows, left + beside), b)
                    c = fused(u_right, load_beside(some, rows, left + step), c)
                    d = fused(u_right, load_beside(some, rows, left + step + beside), d)
                put((a + c) + (e + g), nets, here)
                put((b + d) + (f + h), nets, here + beside)


@compiled
def _scatter(at, u, c, G, inputs, width, strips):
    """G (hinges, width) = sum of phi_m c over patterns, c (patterns, width)."""
    step, beside, last, hinges = 2 * lanes(c), lanes(c), width - 2 * lanes(c), G.size // width
    some, rows, source, places, shares = load(c, 0), table(strips, 0), table(c, 0), table(at, 0), table(u, 0)
    strips[:] = 0
    patterns = at.size // inputs
    for top in range(0, patterns, TILE):
        for begin in range(0, width, step):
            first, strip = min(begin, last), begin * hinges
            for p in range(top, min(top + TILE, patterns)):
                here = p * width + first
                a, b = load_beside(some, source, here), load_beside(some, source, here + beside)
                for j in range(p * inputs, (p + 1) * inputs):
                    left, u_left, u_right = (
                        strip + places[j] * step,
                        spread(some, 1 - shares[j]),
                        spread(some, shares[j]),
                    )
                    right = left + step
                    put(fused(u_left, a, load_beside(some, rows, left)), rows, left)
                    put(fused(u_left, b, load_beside(some, rows, left + beside)), rows, left + beside)
                    put(fused(u_right, a, load_beside(some, rows, right)), rows, right)
                    put(fused(u_right, b, load_beside(some, rows, right + beside)), rows, right + beside)
    for begin in range(0, width, step):
        first = min(begin, last)
        for m in range(hinges):
            for k in range(step):
                G[m * width + first + k] = strips[begin * hinges + m * step + k]


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
def _ordinates(W, mean, scale, begin, A):
    """A (hinges, units) of weights W (units, rises)."""
    K = A.shape[0] // (begin.size - 1)
    for j in range(begin.size - 1):
        for k in range(A.shape[1]):
            level = mean[0] * 0
            for m in range(begin[j], begin[j + 1]):
                level -= mean[m] * (W[k, m] / scale[m])
            A[j * K, k] = level
            for i in range(1, K):
                m = begin[j] + i - 1
                if m < begin[j + 1]:
                    level += W[k, m] / scale[m]
                A[j * K + i, k] = level


@compiled
def _rises(G, mean, scale, begin, found):
    """found (rises, n) of G (hinges, n), whose rows are summed up from the right."""
    K = G.shape[0] // (begin.size - 1)
    for j in range(begin.size - 1):
        first, end = begin[j], begin[j + 1]
        total = np.zeros(G.shape[1], G.dtype)
        for i in range(K - 1, -1, -1):
            m = first + i - 1
            for k in range(G.shape[1]):
                total[k] += G[j * K + i, k]
            if first <= m < end:
                for k in range(G.shape[1]):
                    found[m, k] = total[k]
        for m in range(first, end):
            for k in range(G.shape[1]):
                found[m, k] = (found[m, k] - mean[m] * total[k]) / scale[m]


def input_ordinates(W: Array, rises: Rises) -> Array:
    """Ordinates (hinges, units) of the sums of rises with weights W (units, rises), with mean 0 over the patterns, Eq. (68)."""
    A = np.empty((rises.geometry.hinges, W.shape[0]), W.dtype)
    _ordinates(np.array(W, order="C"), *_scaling(rises, W.dtype), A)
    return A


def input_rises(G: Array, rises: Rises) -> Array:
    """The transpose of `input_ordinates`: sums (hinges, n) over hats as sums (rises, n) over the rises, Eq. (69)."""
    found = np.empty((rises.geometry.rises, G.shape[1]), G.dtype)
    _rises(np.ascontiguousarray(G), *_scaling(rises, G.dtype), found)
    return found


def _scaling(rises: Rises, dtype: np.dtype) -> tuple[Array, Array, Array]:
    """Means, scales and first rises as arrays that may be written to: Numba would compile once more for others."""
    return np.array(rises.mean, dtype), np.array(rises.scale, dtype), np.array(rises.geometry.begin)


def input_places(x: Array, grid: Hinges) -> Places:
    """The places of inputs x (Nv, inputs) among hinges (inputs, K)."""
    room = x.size + LINE // x.dtype.itemsize  # the last register may reach beyond the end
    at, u = np.empty(room, np.int32), np.empty(room, x.dtype)
    _places(one_row(x, x.dtype), *loop_grid(x, grid), at, u)
    return Places(at[: x.size].reshape(x.shape), u[: x.size].reshape(x.shape))


def add_input_curves(n: Array, places: Places, A: Array) -> Array:
    """n (Nv, units) + the curves of all inputs with ordinates A (hinges, units), Eq. (68). May overwrite n."""
    wide, rows = _wide(n), _wide(np.asarray(A, n.dtype))
    at, u = _rows(places, n.dtype)
    _add(at, u, rows.reshape(-1), wide.reshape(-1), places.at.shape[1], wide.shape[1], _strips(rows))
    return wide[:, : n.shape[1]]


def input_scatter(places: Places, hinges: int, c: Array) -> Array:
    """Sum over patterns of phi_m c (hinges, columns), for c (Nv, columns), Eq. (69)."""
    wide = _wide(c)
    G = np.empty((hinges, wide.shape[1]), c.dtype)
    at, u = _rows(places, c.dtype)
    _scatter(at, u, wide.reshape(-1), G.reshape(-1), places.at.shape[1], wide.shape[1], _strips(G))
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


def _strips(A: Array) -> Array:
    """Room for the strips of a table (hinges, width), which begins with a line of the cache."""
    step = STRIP * (vector_bytes() // A.dtype.itemsize)
    size = A.shape[0] * -(-A.shape[1] // step) * step
    room = np.empty(size + LINE // A.dtype.itemsize, A.dtype)
    first = -room.ctypes.data % LINE // A.dtype.itemsize  # a register that crosses a cache line takes two look-ups
    return room[first : first + size]
