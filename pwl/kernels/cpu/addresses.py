"""Addresses of numbers for compiled code, and copies between them, as fast as memory allows.

A loop that copies numbers between arrays is not vectorised well, since the arrays might overlap.
"""

from __future__ import annotations

from typing import Any

import numba.extending
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils

from pwl.kernels.cpu.compiled import compiled

intrinsic: Any = numba.extending.intrinsic  # whose functions have one parameter less than they say


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
