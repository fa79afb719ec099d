"""Rows of several registers for compiled code, and tables cut into strips of such rows.

A strip stays in the nearest cache while a tile of patterns passes over it, and a row's sums stay in registers.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils

from pwl.kernels.cpu.addresses import LINE
from pwl.kernels.cpu.compiled import intrinsic
from pwl.kernels.cpu.vectors import data_of, inlined, lanes, place_of, spread_number, table, vector_bytes
from pwl.runtime.backend import Array

WIDE = 4  # registers of a wide strip; a narrow one has a single register


def _registers(context: Any, builder: Any, kinds: Any, table: Any, at: Any) -> list[Any]:
    """The places of a row's registers, from place `at` of a table on."""
    lanes, vector = kinds.dtype.lanes, context.get_value_type(kinds.dtype)
    return [place_of(builder, table, builder.add(at, ir.IntType(64)(i * lanes)), vector) for i in range(kinds.count)]


@intrinsic
def load_row(typingctx, like, table, at):
    """A row of as many registers as `like`, from place `at` of a table on."""
    size = like.dtype.number.bitwidth // 8

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        places = _registers(context, builder, like, data_of(context, builder, table, args[1]), args[2])
        return context.make_tuple(builder, like, [builder.load(place, align=size) for place in places])

    return like(like, table, types.intp), code


@intrinsic
def put_row(typingctx, row, table, at):
    """Puts a row into a table, from place `at` on."""
    size = row.dtype.number.bitwidth // 8

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        places = _registers(context, builder, row, data_of(context, builder, table, args[1]), args[2])
        for place, x in zip(places, cgutils.unpack_tuple(builder, args[0]), strict=True):
            builder.store(x, place, align=size)
        return context.get_dummy_value()

    return types.void(row, table, types.intp), code


def _each(operation: str) -> Any:
    """A function of two rows, register by register."""

    @intrinsic
    def rows(typingctx, x, y):
        def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            each = zip(*(cgutils.unpack_tuple(builder, row) for row in args), strict=True)
            return context.make_tuple(builder, x, [getattr(builder, operation)(a, b) for a, b in each])

        return x(x, y), code

    return rows


plus, minus = _each("fadd"), _each("fsub")


@intrinsic
def plus_times(typingctx, sums, number, row):
    """sums + number * row, rounded once."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        vector = context.get_value_type(sums.dtype)
        kind, name = ir.FunctionType(vector, [vector] * 3), f"llvm.fma.v{vector.count}{vector.element.intrinsic_name}"
        function = cgutils.get_or_insert_function(builder.module, kind, name)
        factor = spread_number(builder, context.cast(builder, args[1], number, sums.dtype.number), sums.dtype)
        each = zip(*(cgutils.unpack_tuple(builder, args[i]) for i in (0, 2)), strict=True)
        return context.make_tuple(builder, sums, [builder.call(function, [factor, x, y]) for y, x in each])

    return sums(sums, number, row), code


@inlined
def cut(A, width, strips, wide, narrow, adds):
    """Cuts a table A (rows, width) into wide strips, and narrow ones for the columns that are left.

    The last narrow strip begins earlier than it would, to end with the row. adds: whether sums with it are added to what is
    there, so that it must be 0 where it has columns in common with the strip before it.
    """
    rows, step, one = A.size // width, WIDE * lanes(A), lanes(A)
    source, goal, begin = table(A, 0), table(strips, 0), 0
    while begin + step <= width:
        for m in range(rows):
            put_row(load_row(wide, source, m * width + begin), goal, begin * rows + m * step)
        begin += step
    while begin < width:
        first = min(begin, width - one)
        for m in range(rows):
            for k in range(one):
                strips[begin * rows + m * one + k] = 0 if adds and first + k < begin else A[m * width + first + k]
        begin += one


@inlined
def joined(strips, A, width, wide, narrow):
    """Puts the strips of a table back into the table A (rows, width)."""
    rows, step, one = A.size // width, WIDE * lanes(A), lanes(A)
    source, goal, begin = table(strips, 0), table(A, 0), 0
    while begin + step <= width:
        for m in range(rows):
            put_row(load_row(wide, source, begin * rows + m * step), goal, m * width + begin)
        begin += step
    while begin < width:
        for m in range(rows):
            put_row(load_row(narrow, source, begin * rows + m * one), goal, m * width + min(begin, width - one))
        begin += one


def room(A: Array) -> Array:
    """Room for the strips of a table A (rows, width)."""
    count = vector_bytes() // A.itemsize
    return aligned(A.shape[0] * -(-A.shape[1] // count) * count, A.dtype)


def aligned(size: int, dtype: Any) -> Array:
    """Room for numbers that begins with a line of the cache: a register that crosses lines takes two look-ups."""
    room = np.empty(size + LINE // np.dtype(dtype).itemsize, dtype)
    first = -room.ctypes.data % LINE // room.itemsize
    return room[first : first + size]
