"""Addresses of numbers for compiled code, and copies between them, as fast as memory allows.

A loop that copies numbers between arrays is not vectorised well, since the arrays might overlap.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils

from pwl.kernels.cpu.compiled import compiled, intrinsic

LINE = 64  # bytes per cache line

@compiled
def address(a):
    """Address of an array's first number. It is signed, because an unsigned number plus an offset would be a float."""
    return np.int64(a.ctypes.data)


@intrinsic
def bytes_of(typingctx, number):
    """The size of a number."""
    size = number.bitwidth // 8
    return types.int64(number), lambda context, builder, signature, args: ir.IntType(64)(size)


@intrinsic
def copy(typingctx, source, goal, size):
    """Copies `size` bytes from one address to another; the two places do not overlap."""
    if not all(isinstance(a, types.Integer) for a in (source, goal, size)):
        return None

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        source, goal = (builder.inttoptr(a, ir.IntType(8).as_pointer()) for a in args[:2])
        cgutils.raw_memcpy(builder, goal, source, args[2], 1)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64), code


def prefetch(builder: Any, place: Any) -> None:
    """Has memory bring the cache line at a pointer to bytes, which may lie beyond the array."""
    word = ir.IntType(32)
    kind = ir.FunctionType(ir.VoidType(), [place.type, word, word, word])
    function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
    builder.call(function, [place, word(0), word(3), word(1)])  # to read, to keep in the nearest cache, of data


@intrinsic
def ask(typingctx, place, size):
    """Has memory bring `size` bytes from an address on into the cache."""
    if not all(isinstance(a, types.Integer) for a in (place, size)):
        return None

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        whole, pointer = ir.IntType(64), ir.IntType(8).as_pointer()
        with cgutils.for_range_slice(builder, whole(0), args[1], whole(LINE), whole) as (at, _):
            prefetch(builder, builder.inttoptr(builder.add(args[0], at), pointer))
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), code
