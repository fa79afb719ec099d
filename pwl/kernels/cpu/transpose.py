"""Matrices turned over in squares that stay in the processor's registers: each number is read and written in vectors."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types

from pwl.kernels.cpu.addresses import bytes_of, copy
from pwl.kernels.cpu.compiled import compiled, intrinsic
from pwl.kernels.cpu.vectors import NUMBERS, lanes_of


@intrinsic
def side(typingctx, like):
    """Rows and columns of a square: as many as numbers of the type of `like` fill a register."""
    count = lanes_of(like)
    return types.int64(like), lambda context, builder, signature, args: ir.IntType(64)(count)


@intrinsic
def square(typingctx, like, source, source_step, goal, goal_step):
    """Turns one square over; addresses, and distances from row to row in numbers of the type of `like`.

    In each round the upper half of the rows is mixed with the lower half, number by number. When there were as many rounds as
    a number of a row has binary digits, rows and columns have changed places.
    """
    number, count, size = NUMBERS[like], lanes_of(like), like.bitwidth // 8
    vector, whole, half = ir.VectorType(number, count), ir.IntType(64), lanes_of(like) // 2

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        def row(address: Any, step: Any, i: int) -> Any:
            start = builder.inttoptr(address, number.as_pointer())
            return builder.bitcast(builder.gep(start, [builder.mul(step, whole(i))]), vector.as_pointer())

        def mixed(upper: Any, lower: Any, first: int) -> Any:
            order = [place for i in range(first, first + half) for place in (i, count + i)]
            return builder.shuffle_vector(upper, lower, ir.Constant(ir.VectorType(ir.IntType(32), count), order))

        _, source, source_step, goal, goal_step = args
        rows = [builder.load(row(source, source_step, i), align=size) for i in range(count)]
        for _ in range(count.bit_length() - 1):
            pairs = list(zip(rows[:half], rows[half:], strict=True))
            rows = [mixed(upper, lower, first) for upper, lower in pairs for first in (0, half)]
        for i, values in enumerate(rows):
            builder.store(values, row(goal, goal_step, i), align=size)
        return context.get_dummy_value()

    return types.void(like, types.int64, types.int64, types.int64, types.int64), code


@compiled
def transpose(like, source, source_step, goal, goal_step, rows, columns):
    """goal[j, i] = source[i, j] for i < rows and j < columns; what is not a whole square goes number by number."""
    size, count = bytes_of(like), side(like)
    for i in range(0, rows, count):
        for j in range(0, columns, count):
            here, there = source + (i * source_step + j) * size, goal + (j * goal_step + i) * size
            if i + count <= rows and j + count <= columns:
                square(like, here, source_step, there, goal_step)
            else:
                for a in range(min(count, rows - i)):
                    for b in range(min(count, columns - j)):
                        copy(here + (a * source_step + b) * size, there + (b * goal_step + a) * size, size)
