"""In which segment of its unit's curve a net lies, and where in it, for a register full of nets at once.

A block of nets is read as one long row in which the units repeat, so that registers are full whatever the number of
units. What belongs to the units stands in tables that begin anew behind their end: a register may begin at any unit.
Arithmetic and index rule are the specification's, step by step.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pwl.kernels.cpu.compiled import compiled
from pwl.kernels.cpu.gather import gather, gather_two
from pwl.kernels.cpu.vectors import (
    has_masks,
    inlined,
    lanes,
    load_beside,
    real,
    spread,
    table,
    vector_bytes,
    where,
    whole,
)
from pwl.runtime.backend import Array

COUNTED = 40  # more hinges than these are searched by halving: each look-up takes as long as several comparisons


class Units(NamedTuple):
    """What belongs to the units: tables of one entry a unit, continued by a register's lanes."""

    first: Array  # hinges
    end: Array
    inverse: Array  # 1 / width of uniform segments
    inner: Array  # the hinges between first and end, one after the other, each for all units
    steps: Array  # of each segment the left end and 1 / width, (units, K, 2)
    row: Array  # where the row of a unit begins in ns
    ns: Array  # (units, K)
    period: int  # how many they are: then they repeat
    step: int  # from the unit at which a register begins to that of the next
    K: int
    stride: int  # of the tables
    segments: Array  # K - 1 as a number
    one: int  # the compiler adds an unknown number to chosen lanes in one step, but a known 1 in two
    uniform: bool
    linear: bool
    by_gather: bool  # look-ups by gather instructions


def space(units: int, K: int, dtype: np.dtype, each: int = 1) -> tuple[Array, Array]:
    """Room for the tables of numbers and for that of rows, in which a unit has `each` entries."""
    stride = units * each + vector_bytes() // dtype.itemsize
    return np.empty((K + 1) * stride + 2 * units * K, dtype), np.empty(stride, np.int32)


@compiled
def units_of(ns, segments, uniform, linear, by_gather, numbers, row, each=1):
    """The units with hinges ns, (units, K) in one row; segments, K - 1, is of their type; numbers, row: room for tables.

    each: entries of a unit in the tables, one after the other, so that a register full of them is of one unit.
    """
    stride, period, K = row.size, row.size - lanes(ns), int(segments) + 1
    k, unit = 0, 0
    while k < stride and period:
        begin = unit * K
        first, end = ns[begin], ns[begin + K - 1]
        inverse = segments / (end - first)
        for entry in range(k, min(k + each, stride)):
            numbers[entry], numbers[stride + entry], numbers[2 * stride + entry] = first, end, inverse
            row[entry] = begin
            if not uniform and K <= COUNTED:
                for hinge in range(1, K - 1):
                    numbers[(2 + hinge) * stride + entry] = ns[begin + hinge]
        k += each
        unit = unit + 1 if (unit + 1) * each < period else 0
    steps = (K + 1) * stride
    for k in range(0 if uniform else ns.size - 1):
        numbers[steps + 2 * k], numbers[steps + 2 * k + 1] = ns[k], segments / segments / (ns[k + 1] - ns[k])
    return Units(
        table(numbers, 0), table(numbers, stride), table(numbers, 2 * stride), table(numbers, 3 * stride),
        table(numbers, steps), table(row, 0), table(ns, 0), period, lanes(ns) % max(period, 1), K, stride,
        segments, int(segments / segments), uniform, linear, by_gather
    )  # fmt: skip


@inlined
def after(k, units):
    """The unit at which the next register begins."""
    k += units.step
    return k - units.period if k >= units.period else k


@inlined
def ends_of(x, k, units):
    """The first and the last hinge, the inverse width of uniform segments and the row in `ns`, of the units of x from k on."""
    row = load_beside(x, units.row, k)
    return load_beside(x, units.first, k), load_beside(x, units.end, k), load_beside(x, units.inverse, k), row


@inlined
def locate(x, k, units):
    """For nets x of the units from k on: places of their segments' left ends in `ns`, positions, and slopes' factors.

    The factor is what turns a segment's rise into a slope: 1 / width inside the hinges, 0 outside, NaN for NaN.
    """
    return located(x, k, ends_of(x, k, units), units)


@inlined
def located(x, k, ends, units):
    """`locate` for units whose `ends_of` are known."""
    if units.uniform:
        return _uniform(x, ends, units)
    return _searched(x, k, ends, units)


@inlined
def _uniform(x, ends, units):
    """By a multiply, cut off after the point. Comparisons are written so that they become minima and maxima."""
    first, _, inverse, row = ends
    zero, end = spread(x, 0), spread(x, units.segments)
    t = (x - first) * inverse
    bounded = where(t > zero, t, zero)  # 0 for NaN, too
    bounded = where(bounded < end, bounded, end)
    m = whole(bounded)
    last = spread(m, units.segments) - spread(m, 1)
    m = where(m < last, m, last)
    u = (t if units.linear else bounded) - real(x, m)
    factor = inverse if units.linear else where((t >= zero) & (t < end), inverse, zero)
    return row + m, where(t == t, u, t), where(t == t, factor, t)


@inlined
def _searched(x, k, ends, units):
    """By comparisons with the hinges."""
    first, end, _, row = ends
    at = _counted(x, k, row, units) if units.K <= COUNTED else _halved(x, row, units)
    bounded = x if units.linear else where(x < first, first, where(x > end, end, x))
    low, inverse = gather_two(units.steps, at + at, units.by_gather)
    factor = inverse if units.linear else where((x >= first) & (x < end), inverse, spread(x, 0))
    return at, (bounded - low) * inverse, where(x == x, factor, x)


@inlined
def _counted(x, k, row, units):
    """The hinges passed are counted: a comparison for each hinge between the ends."""
    at, one, none = row, spread(row, units.one if has_masks(x) else 1), spread(row, 0)
    for inner in range(k, k + (units.K - 2) * units.stride, units.stride):
        at = at + where(x >= load_beside(x, units.inner, inner), one, none)
    return at


@inlined
def _halved(x, row, units):
    """The segments that are left are halved until there is one."""
    at, left = row, units.K - 1
    while left > 1:
        half = left >> 1
        middle = at + spread(at, half)
        at = where(x >= gather(units.ns, middle, units.by_gather), middle, at)
        left -= half
    return at
