"""The curve kernels for nets whose patterns lie side by side: a register full of nets is of one unit.

The unit's ordinates then stay in registers, if they fit four of them, and are picked out by permutations, which take a quarter of
the time of look-ups in memory. The results are the same bits as those of `curves`, but for sums over patterns.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import cgutils

from pwl.kernels.cpu.compiled import compiled, intrinsic
from pwl.kernels.cpu.gather import fast, gather_two
from pwl.kernels.cpu.segments import ends_of, located, space, units_of
from pwl.kernels.cpu.strips import aligned, load_row
from pwl.kernels.cpu.vectors import (
    add_pairs,
    inlined,
    lanes,
    load_beside,
    load_until,
    put,
    put_in_pairs,
    spread,
    store_until,
    table,
    vector_bytes,
    whole,
)
from pwl.kernels.hinges import Hinges
from pwl.runtime.backend import Array, side_by_side

KEPT = 4  # registers of a unit's ordinates


@intrinsic
def permuted(typingctx, kept, m):
    """The numbers at the places m of a row of four registers; anything where there are no such instructions."""
    kind = kept.dtype

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        if vector_bytes() < 64:
            return builder.extract_value(args[0], 0)
        vector, bits = context.get_value_type(kind), kind.number.bitwidth
        whole = ir.VectorType(ir.IntType(bits), kind.lanes)
        at = args[1] if bits == 32 else builder.zext(args[1], whole)
        name = f"llvm.x86.avx512.vpermi2var.{'ps' if bits == 32 else 'pd'}.512"
        choose = cgutils.get_or_insert_function(builder.module, ir.FunctionType(vector, [vector, whole, vector]), name)
        a, b, c, d = cgutils.unpack_tuple(builder, args[0])
        low, high = builder.call(choose, [a, at, b]), builder.call(choose, [c, at, d])
        beyond, none = ir.Constant(whole, [2 * kind.lanes] * kind.lanes), ir.Constant(whole, [0] * kind.lanes)
        return builder.select(builder.icmp_unsigned("!=", builder.and_(at, beyond), none), high, low)

    return kind(kept, m), code


# In all loops below, n, o, slope, g, c are one row of (units, patterns) numbers. ns, A, G_a are of (units, K), d and y of
# (patterns,), w of (units,). step: numbers per register, which are entries of a unit in the tables of `units`.


@inlined
def _of_unit(zero, A, k, own, small, step, units):
    """The ordinates of unit k and their rises in registers, if they are `small` enough, and its `ends_of`. own: room for both."""
    if small:
        for m in range(units.K - 1):
            at = k * units.K + m
            own[m], own[KEPT * step + m] = A[at], A[at + 1] - A[at]
    like = (zero, zero, zero, zero)
    return (load_row(like, own, 0), load_row(like, own, KEPT * step)), ends_of(zero, k * step, units)


@inlined
def _segment(at, k, units, A, kept, small):
    """The left ordinates and the rises of the segments at `at`, of unit k."""
    if small:
        m = at - spread(at, k * units.K)
        return permuted(kept[0], m), permuted(kept[1], m)
    left, right = gather_two(A, at, units.by_gather)
    return left, right - left


@compiled
def _value(n, patterns, ns, segments, uniform, linear, by_gather, numbers, row, A, own, small, o):
    step, count = lanes(n), n.size // patterns
    units = units_of(ns, segments, uniform, linear, by_gather, numbers, row, step)
    n, A, own, o = table(n, 0), table(A, 0), table(own, 0), table(o, 0)
    zero = spread(load_until(n, 0, 0), 0)
    for k in range(count):
        (kept, ends), end = _of_unit(zero, A, k, own, small, step, units), (k + 1) * patterns
        for p in range(k * patterns, end, step):
            at, u, _ = located(load_until(n, p, end), k * step, ends, units)
            left, rise = _segment(at, k, units, A, kept, small)
            store_until(left + u * rise, o, p, end)


@compiled
def _value_slope(n, patterns, ns, segments, uniform, linear, by_gather, numbers, row, A, own, small, o, slope):
    step, count = lanes(n), n.size // patterns
    units = units_of(ns, segments, uniform, linear, by_gather, numbers, row, step)
    n, A, own, o, slope = table(n, 0), table(A, 0), table(own, 0), table(o, 0), table(slope, 0)
    zero = spread(load_until(n, 0, 0), 0)
    for k in range(count):
        (kept, ends), end = _of_unit(zero, A, k, own, small, step, units), (k + 1) * patterns
        for p in range(k * patterns, end, step):
            at, u, factor = located(load_until(n, p, end), k * step, ends, units)
            left, rise = _segment(at, k, units, A, kept, small)
            store_until(left + u * rise, o, p, end)
            store_until(rise * factor, slope, p, end)


@compiled
def _times_slope(n, patterns, ns, segments, uniform, linear, by_gather, numbers, row, A, own, small, g):
    step, count = lanes(n), n.size // patterns
    units = units_of(ns, segments, uniform, linear, by_gather, numbers, row, step)
    n, A, own, g = table(n, 0), table(A, 0), table(own, 0), table(g, 0)
    zero = spread(load_until(n, 0, 0), 0)
    for k in range(count):
        (kept, ends), end = _of_unit(zero, A, k, own, small, step, units), (k + 1) * patterns
        for p in range(k * patterns, end, step):
            at, _, factor = located(load_until(n, p, end), k * step, ends, units)
            rise = _segment(at, k, units, A, kept, small)[1]
            store_until(load_until(g, p, end) * (rise * factor), g, p, end)


@compiled
def _mix(n, patterns, ns, segments, uniform, linear, by_gather, numbers, row, A, own, small, w, y):
    """y += w times the curves of all units, for one output."""
    step, count = lanes(n), n.size // patterns
    units = units_of(ns, segments, uniform, linear, by_gather, numbers, row, step)
    n, A, own, w, y = table(n, 0), table(A, 0), table(own, 0), table(w, 0), table(y, 0)
    zero = spread(load_until(n, 0, 0), 0)
    for k in range(count):
        (kept, ends), before = _of_unit(zero, A, k, own, small, step, units), k * patterns
        for p in range(0, patterns, step):
            at, u, _ = located(load_until(n, before + p, before + patterns), k * step, ends, units)
            left, rise = _segment(at, k, units, A, kept, small)
            y_p = load_until(y, p, patterns)
            store_until(y_p + spread(y_p, w[k]) * (left + u * rise), y, p, patterns)


@compiled
def _back(n, patterns, ns, segments, uniform, linear, by_gather, numbers, row, A, own, small, d, w, g):
    """g = d w times the slopes, for one output."""
    step, count = lanes(n), n.size // patterns
    units = units_of(ns, segments, uniform, linear, by_gather, numbers, row, step)
    n, A, own, d, w, g = table(n, 0), table(A, 0), table(own, 0), table(d, 0), table(w, 0), table(g, 0)
    zero = spread(load_until(n, 0, 0), 0)
    for k in range(count):
        (kept, ends), before = _of_unit(zero, A, k, own, small, step, units), k * patterns
        for p in range(0, patterns, step):
            at, _, factor = located(load_until(n, before + p, before + patterns), k * step, ends, units)
            rise = _segment(at, k, units, A, kept, small)[1]
            v = load_until(d, p, patterns)
            store_until(v * spread(v, w[k]) * (rise * factor), g, before + p, before + patterns)


@inlined
def _add_shares(at, u, signal, sums, shares, places):
    """Adds a register's shares to the sums of pairs, of which each lane has its own: neighbours often have a segment in common."""
    right = signal * u
    put(at, places, 0)
    put_in_pairs(signal - right, right, shares, 0)
    add_pairs(sums, places, shares, 0)


@inlined
def _join(zero, sums, shares, K, k, step, G_a):
    """The lanes' sums of pairs joined, as in `curves`, into those of unit k, and emptied. shares: room for two registers."""
    end = sums[0] - sums[0]
    for m in range(K):
        place = 2 * m * step
        put(load_beside(zero, sums, place) + load_beside(zero, sums, place + step), shares, 0)
        put(zero, sums, place)
        put(zero, sums, place + step)
        left, right = shares[0], shares[1]
        for pair in range(2, step, 2):
            left += shares[pair]
            right += shares[pair + 1]
        G_a[k * K + m] = left + end
        end = right


@compiled
def _scatter(n, patterns, ns, segments, uniform, linear, by_gather, numbers, row, sums, shares, places, apart, c, G_a):
    step, count = lanes(n), n.size // patterns
    units = units_of(ns, segments, uniform, linear, by_gather, numbers, row, step)
    n, sums, shares, places, apart = table(n, 0), table(sums, 0), table(shares, 0), table(places, 0), table(apart, 0)
    c, G_a = table(c, 0), table(G_a, 0)
    zero = spread(load_until(n, 0, 0), 0)
    own = load_beside(whole(zero), apart, 0)
    lane_count = spread(own, step)
    for k in range(count):
        ends, end = ends_of(zero, k * step, units), (k + 1) * patterns
        first = spread(ends[3], k * units.K)
        for p in range(k * patterns, end, step):
            at, u, _ = located(load_until(n, p, end), k * step, ends, units)
            _add_shares((at - first) * lane_count + own, u, load_until(c, p, end), sums, shares, places)
        _join(zero, sums, shares, units.K, k, step, G_a)


@compiled
def _back_scatter(
    n, patterns, ns, segments, uniform, linear, by_gather, numbers, row, sums, shares, places, apart, d, w, G_a
):
    """As `_scatter` for c = d w, for one output."""
    step, count = lanes(n), n.size // patterns
    units = units_of(ns, segments, uniform, linear, by_gather, numbers, row, step)
    n, sums, shares, places, apart = table(n, 0), table(sums, 0), table(shares, 0), table(places, 0), table(apart, 0)
    d, w, G_a = table(d, 0), table(w, 0), table(G_a, 0)
    zero = spread(load_until(n, 0, 0), 0)
    own = load_beside(whole(zero), apart, 0)
    lane_count = spread(own, step)
    for k in range(count):
        ends, before = ends_of(zero, k * step, units), k * patterns
        first = spread(ends[3], k * units.K)
        for p in range(0, patterns, step):
            at, u, _ = located(load_until(n, before + p, before + patterns), k * step, ends, units)
            v = load_until(d, p, patterns)
            _add_shares((at - first) * lane_count + own, u, v * spread(v, w[k]), sums, shares, places)
        _join(zero, sums, shares, units.K, k, step, G_a)


def _row(a: Array, n: Array) -> Array:
    """An array (Nv, units) as one row of numbers of n's type, with the patterns of a unit side by side."""
    return np.ascontiguousarray(a.T, n.dtype).reshape(-1)


def _like(n: Array) -> Array:
    return np.empty(n.shape, n.dtype, order="F")


def _lanes(n: Array) -> int:
    return vector_bytes() // n.itemsize


def _nets(n: Array, grid: Hinges) -> tuple[Any, ...]:
    """Nets and their grid as the loops want them."""
    units, K = grid.ns.shape
    hinges, room = np.array(grid.ns, n.dtype, order="C").reshape(-1), space(units, K, n.dtype, _lanes(n))
    return _row(n, n), len(n), hinges, n.dtype.type(K - 1), grid.uniform, grid.linear, fast(n.dtype), *room


def _ordinates(n: Array, A: Array) -> tuple[Array, Array, bool]:
    """Ordinates, room for those of a unit and their rises, and whether they fit the registers."""
    width = KEPT * _lanes(n)
    small = A.shape[1] <= width and vector_bytes() == 64
    return np.array(A, n.dtype, order="C").reshape(-1), aligned(2 * width, n.dtype), small


def value(n: Array, grid: Hinges, A: Array) -> Array:
    """Curves o (Nv, units)."""
    o = _like(n)
    _value(*_nets(n, grid), *_ordinates(n, A), _row(o, n))
    return o


def value_slope(n: Array, grid: Hinges, A: Array) -> tuple[Array, Array]:
    """Curves o and slopes do/dn, both (Nv, units)."""
    o, slope = _like(n), _like(n)
    _value_slope(*_nets(n, grid), *_ordinates(n, A), _row(o, n), _row(slope, n))
    return o, slope


def times_slope(n: Array, grid: Hinges, A: Array, g: Array) -> Array:
    """g (Nv, units) times the slopes do/dn, in place."""
    row = _row(g, n)
    _times_slope(*_nets(n, grid), *_ordinates(n, A), row)
    if not side_by_side(g) or g.dtype != n.dtype:
        g[...] = row.reshape(n.T.shape).T
    return g


def mix(n: Array, grid: Hinges, A: Array, w: Array) -> Array:
    """Sums (Nv,) of the curves with weights w (units,)."""
    y = np.zeros(len(n), n.dtype)
    _mix(*_nets(n, grid), *_ordinates(n, A), np.array(w, n.dtype), y)
    return y


def back(n: Array, grid: Hinges, A: Array, d: Array, w: Array) -> Array:
    """d w (Nv, units) times the slopes, for d (Nv,) and w (units,)."""
    g = _like(n)
    _back(*_nets(n, grid), *_ordinates(n, A), np.array(d, n.dtype), np.array(w, n.dtype), _row(g, n))
    return g


def scatter(n: Array, grid: Hinges, c: Array) -> Array:
    """G_a (units, K) for c (Nv, units)."""
    G_a = np.zeros(grid.ns.shape, n.dtype)
    _scatter(*_nets(n, grid), *_bins(n, grid), _row(c, n), G_a.reshape(-1))
    return G_a


def back_scatter(n: Array, grid: Hinges, d: Array, w: Array) -> Array:
    """`scatter` of d w, for d (Nv,) and w (units,)."""
    G_a = np.zeros(grid.ns.shape, n.dtype)
    _back_scatter(*_nets(n, grid), *_bins(n, grid), np.array(d, n.dtype), np.array(w, n.dtype), G_a.reshape(-1))
    return G_a


def _bins(n: Array, grid: Hinges) -> tuple[Array, ...]:
    """Room for the sums of a unit, for shares and their places, and where the sums of each lane begin."""
    step, K = _lanes(n), grid.ns.shape[1]
    sums, apart = aligned(2 * step * K, n.dtype), np.arange(step, dtype=np.int32)
    sums[:] = 0
    return sums, aligned(2 * step, n.dtype), aligned(step, np.int32), apart
