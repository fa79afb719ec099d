"""Look-ups for vectors in compiled code: by the processor's gather instruction, or lane by lane.

Which of the two is faster differs among processors of the same instructions, because a flaw in some of them is mended at
the cost of their gathers. So both are compiled, and `fast` says at each call which of them is to run.
"""

from __future__ import annotations

import time
from functools import cache
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils

from pwl.kernels.cpu.compiled import compiled, intrinsic
from pwl.kernels.cpu.vectors import NUMBERS, Vector, data_of, lanes, load, load_beside, store, vector_bytes

WORD = ir.IntType(32)


class _Addresses(ir.instructions.Instruction):
    """Where the entries `at`, a vector, lie; llvmlite's own instruction knows one entry only."""

    def __init__(self, block: Any, data: Any, at: Any, number: Any) -> None:
        super().__init__(block, ir.VectorType(data.type, at.type.count), "getelementptr", [data, at])
        self.number = number

    def descr(self, buf: list[str]) -> None:
        operands = ", ".join(f"{operand.type} {operand.get_reference()}" for operand in self.operands)
        buf.append(f"getelementptr {self.number}, {operands}\n")


def _places(indices: list[int]) -> Any:
    return ir.Constant(ir.VectorType(WORD, len(indices)), indices)


def _gathered_512(builder: Any, data: Any, at: Any, number: Any, item: Any, align: int) -> Any:
    count = at.type.count
    found, mask = ir.VectorType(item, count), ir.VectorType(ir.IntType(1), count)
    addresses = _Addresses(builder.block, data, at, number)
    builder._insert(addresses)
    goals = builder.bitcast(addresses, ir.VectorType(item.as_pointer(), count))
    kind = ir.FunctionType(found, [goals.type, WORD, mask, found])
    name = f"llvm.masked.gather.v{count}{item.intrinsic_name}.v{count}p0"
    function = cgutils.get_or_insert_function(builder.module, kind, name)
    every, nothing = ir.Constant(mask, [1] * count), ir.Constant(found, ir.Undefined)
    return builder.call(function, [goals, WORD(align), every, nothing])


def _gathered_256(builder: Any, data: Any, at: Any, number: Any, item: Any, align: int) -> Any:
    """By AVX2's instruction; LLVM's general one avoids it on many processors."""
    bits = 32 if isinstance(item, ir.FloatType) else 64
    count, letter = 256 // bits, "s" if bits == 32 else "d"
    found, whole, byte = ir.VectorType(item, count), ir.VectorType(ir.IntType(bits), count), ir.IntType(8)
    base = builder.bitcast(data, byte.as_pointer())
    kind = ir.FunctionType(found, [found, base.type, ir.VectorType(WORD, count), found, byte])
    function = cgutils.get_or_insert_function(builder.module, kind, f"llvm.x86.avx2.gather.d.p{letter}.256")
    every = builder.bitcast(ir.Constant(whole, [-1] * count), found)
    parts = []
    for first in range(0, at.type.count, count):
        some = builder.shuffle_vector(at, at, _places(list(range(first, first + count))))
        parts.append(builder.call(function, [ir.Constant(found, [0] * count), base, some, every, byte(align)]))
    if len(parts) == 1:
        return parts[0]
    return builder.shuffle_vector(*parts, _places(list(range(2 * count))))


def _one_by_one(builder: Any, data: Any, at: Any, number: Any, item: Any, align: int) -> Any:
    found = ir.Constant(ir.VectorType(item, at.type.count), ir.Undefined)
    for lane in range(at.type.count):
        place = builder.zext(builder.extract_element(at, WORD(lane)), ir.IntType(64))
        address = builder.bitcast(builder.gep(data, [place]), item.as_pointer())
        found = builder.insert_element(found, builder.load(address, align=align), WORD(lane))
    return found


def _found(builder: Any, data: Any, at: Any, fast: Any, number: Any, item: Any) -> Any:
    """`item`s that begin at the places `at` of numbers."""
    align = 4 if isinstance(number, ir.FloatType) else 8
    gathered = {64: _gathered_512, 32: _gathered_256, 16: _one_by_one}[vector_bytes()]
    ways = []
    with builder.if_else(fast) as branches:
        for branch, way in zip(branches, (gathered, _one_by_one), strict=True):
            with branch:
                ways.append((way(builder, data, at, number, item, align), builder.block))
    either = builder.phi(ways[0][0].type)
    for value, block in ways:
        either.add_incoming(value, block)
    return either


@intrinsic
def gather(typingctx, array, at, fast):
    """The array's numbers at the places `at`, each less than 2^31."""
    number = NUMBERS[array.dtype]

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return _found(builder, data_of(context, builder, array, args[0]), args[1], args[2], number, number)

    return Vector(array.dtype, at.lanes)(array, at, types.boolean), code


@intrinsic
def gather_two(typingctx, array, at, fast):
    """The array's numbers at the places `at`, and those behind them. Two of 32 bits are looked up as one of 64 bits."""
    kind, number, twice = Vector(array.dtype, at.lanes), NUMBERS[array.dtype], 2 * at.lanes

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        data = data_of(context, builder, array, args[0])
        if array.dtype == types.float32:
            both = _found(builder, data, args[1], args[2], number, ir.DoubleType())
            flat = builder.bitcast(both, ir.VectorType(number, twice))
            two = [builder.shuffle_vector(flat, flat, _places(list(range(i, twice, 2)))) for i in (0, 1)]
        else:
            behind = builder.gep(data, [ir.IntType(64)(1)])
            two = [_found(builder, d, args[1], args[2], number, number) for d in (data, behind)]
        return context.make_tuple(builder, signature.return_type, two)

    return types.UniTuple(kind, 2)(array, at, types.boolean), code


# ---- the choice


@compiled
def _look_up(table, places, fast, found):
    for p in range(0, places.size, lanes(table)):
        here = load(table, p)
        left, right = gather_two(table, load_beside(here, places, p), fast)
        store(left + right, found, p)


@cache
def fast(dtype: np.dtype) -> bool:
    """Whether gather instructions are the faster way here, found by a tenth of a millisecond of both."""
    if vector_bytes() == 16:
        return False  # there are none
    table, found = np.zeros(4096, dtype), np.zeros(4096, dtype)
    places = np.random.default_rng(0).integers(0, 4095, 4096).astype(np.int32)
    times: dict[bool, list[int]] = {True: [], False: []}
    for way in [True, False] * 10:
        begin = time.perf_counter_ns()
        _look_up(table, places, way, found)
        times[way].append(time.perf_counter_ns() - begin)
    return min(times[True]) <= min(times[False])
