"""Vectors of numbers for compiled code: formulas on whole registers of the processor.

Numba turns loops into vector instructions where it can prove that arrays do not overlap. For a loop that looks numbers up
it can't, so such a loop says by itself what a register does: `load` gives a vector, + - * / and comparisons work on vectors
as on numbers, and `where` chooses lane by lane.
"""

from __future__ import annotations

import operator
from functools import cache
from typing import Any

from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.core.datamodel import models
from numba.core.registry import cpu_target
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import lower_builtin, register_model

from pwl.kernels.cpu.addresses import prefetch
from pwl.kernels.cpu.compiled import intrinsic

AHEAD = 2048  # bytes: how far ahead memory is asked for what is to be loaded
NUMBERS = {
    types.float32: ir.FloatType(), types.float64: ir.DoubleType(), types.int32: ir.IntType(32), types.boolean: ir.IntType(1)
}  # fmt: skip


class Vector(types.Type):
    """`lanes` numbers of one type side by side."""

    def __init__(self, number: Any, lanes: int) -> None:
        self.number, self.lanes = number, lanes
        super().__init__(f"Vector({number}, {lanes})")


@register_model(Vector)
class _Model(models.PrimitiveModel):
    def __init__(self, dmm: Any, kind: Vector) -> None:
        super().__init__(dmm, kind, ir.VectorType(NUMBERS[kind.number], kind.lanes))


def inlined(f: Any) -> Any:
    """A part of a compiled function: it becomes part of the code that calls it."""
    return njit(forceinline=True, error_model="numpy")(f)


@cache
def vector_bytes() -> int:
    """The size of a register of the processor that Numba compiles for."""
    features = cpu_target.target_context.codegen().magic_tuple()[2]
    return 64 if "+avx512f" in features else 32 if "+avx" in features else 16


def lanes_of(number: Any) -> int:
    """How many numbers of that type fill a register."""
    return 8 * vector_bytes() // number.bitwidth


# ---- operators


def _operator(function: Any, code: Any, result: Any = None) -> None:
    """Vector `function` vector, lane by lane, for compiled code: `code` builds it, its numbers are of type `result`."""

    @infer_global(function)
    class _Template(AbstractTemplate):
        def generic(self, args: Any, kws: Any) -> Any:
            if len(args) == 2 and isinstance(args[0], Vector) and args[0] == args[1]:
                return signature(Vector(result or args[0].number, args[0].lanes), *args)
            return None

    @lower_builtin(function, Vector, Vector)
    def _lower(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return code(builder, signature.args[0].number, *args)


def _arithmetic(function: Any, real: str, whole: str) -> None:
    _operator(function, lambda b, number, x, y: getattr(b, whole if number == types.int32 else real)(x, y))


def _comparison(function: Any, sign: str) -> None:
    def code(builder: Any, number: Any, x: Any, y: Any) -> Any:
        compare = builder.icmp_signed if number == types.int32 else builder.fcmp_ordered
        return compare(sign, x, y)

    _operator(function, code, types.boolean)


_arithmetic(operator.add, "fadd", "add")
_arithmetic(operator.sub, "fsub", "sub")
_arithmetic(operator.mul, "fmul", "mul")
_arithmetic(operator.truediv, "fdiv", "sdiv")
for _function, _sign in ((operator.lt, "<"), (operator.gt, ">"), (operator.ge, ">="), (operator.eq, "==")):
    _comparison(_function, _sign)
_operator(operator.and_, lambda builder, number, x, y: builder.and_(x, y))


# ---- registers


def spread_number(builder: Any, number: Any, kind: Vector) -> Any:
    """The number in every lane."""
    vector, places = ir.VectorType(number.type, kind.lanes), ir.VectorType(ir.IntType(32), kind.lanes)
    one = builder.insert_element(ir.Constant(vector, ir.Undefined), number, ir.IntType(32)(0))
    return builder.shuffle_vector(one, one, ir.Constant(places, [0] * kind.lanes))


@intrinsic
def spread(typingctx, x, number):
    """The number in as many lanes as x has, in x's type."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return spread_number(builder, context.cast(builder, args[1], number, x.number), x)

    return x(x, number), code


@intrinsic
def where(typingctx, mask, x, y):
    """x where the mask is true, else y."""
    return x(mask, x, y), lambda context, builder, signature, args: builder.select(*args)


@intrinsic
def fused(typingctx, x, y, z):
    """x y + z, rounded once."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        vector = args[0].type
        kind, name = ir.FunctionType(vector, [vector] * 3), f"llvm.fma.v{vector.count}{vector.element.intrinsic_name}"
        return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), args)

    return x(x, y, z), code


@intrinsic
def whole(typingctx, x):
    """Whole numbers, by cutting off what stands after the point; of numbers that fit."""
    kind = Vector(types.int32, x.lanes)
    vector = ir.VectorType(ir.IntType(32), x.lanes)
    return kind(x), lambda context, builder, signature, args: builder.fptosi(args[0], vector)


@intrinsic
def real(typingctx, x, m):
    """Whole numbers as numbers of x's type."""
    vector = ir.VectorType(NUMBERS[x.number], x.lanes)
    return x(x, m), lambda context, builder, signature, args: builder.sitofp(args[1], vector)


@intrinsic
def has_masks(typingctx, x):
    """Whether instructions can be restricted to chosen lanes."""
    return types.boolean(x), lambda context, builder, signature, args: ir.IntType(1)(vector_bytes() == 64)


# ---- memory: arrays have one dimension and are contiguous


@intrinsic
def lanes(typingctx, array):
    """How many of an array's numbers a register holds."""
    count = lanes_of(array.dtype)
    return types.intp(array), lambda context, builder, signature, args: context.get_constant(types.intp, count)


@intrinsic
def table(typingctx, array, at):
    """An array's numbers from place `at` on without their size, and without counting who uses them: that costs a call at each use.

    The array has to live on as an argument of the compiled function.
    """
    pointer = types.CPointer(array.dtype)

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.gep(data_of(context, builder, array, args[0]), [args[1]])

    return pointer(array, types.intp), code


def _parts(context: Any, builder: Any, kind: Any, array: Any) -> Any:
    if kind.ndim != 1 or kind.layout != "C":
        raise TypeError(f"a row of numbers that stand side by side is needed, not {kind}")
    return context.make_array(kind)(context, builder, array)


def data_of(context: Any, builder: Any, kind: Any, array: Any) -> Any:
    """The address of the numbers of an array, or of a `table`."""
    return array if isinstance(kind, types.CPointer) else _parts(context, builder, kind, array).data


def place_of(builder: Any, data: Any, at: Any, vector: Any) -> Any:
    return builder.bitcast(builder.gep(data, [at]), vector.as_pointer())


def _part(builder: Any, kind: Vector, left: Any) -> Any:
    """A mask that is true in the first `left` lanes."""
    places = ir.Constant(ir.VectorType(ir.IntType(64), kind.lanes), list(range(kind.lanes)))
    return builder.icmp_signed("<", places, spread_number(builder, left, kind))


def _masked(builder: Any, name: str, result: Any, place: Any, vector: Any, arguments: list[Any]) -> Any:
    kind = ir.FunctionType(result, [argument.type for argument in arguments])
    full = f"llvm.masked.{name}.v{vector.count}{vector.element.intrinsic_name}.p0"
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, full), arguments)


def _loaded(builder: Any, kind: Vector, data: Any, at: Any, end: Any) -> Any:
    """A register full of the numbers at an address, from place `at` on; 0 from place `end` on. Asks for those that come soon."""
    vector, size = ir.VectorType(NUMBERS[kind.number], kind.lanes), kind.number.bitwidth // 8
    place, left = place_of(builder, data, at, vector), builder.sub(end, at)
    soon = builder.gep(data, [builder.add(at, left.type(AHEAD // size))])
    prefetch(builder, builder.bitcast(soon, ir.IntType(8).as_pointer()))
    with builder.if_else(builder.icmp_signed(">=", left, left.type(kind.lanes)), likely=True) as (then, otherwise):
        with then:
            all_of_it, full = builder.load(place, align=size), builder.block
        with otherwise:
            zero = ir.Constant(vector, [0] * kind.lanes)
            arguments = [place, ir.IntType(32)(size), _part(builder, kind, left), zero]
            part, stop = _masked(builder, "load", vector, place, vector, arguments), builder.block
    either = builder.phi(vector)
    either.add_incoming(all_of_it, full)
    either.add_incoming(part, stop)
    return either


def _stored(builder: Any, kind: Vector, x: Any, data: Any, at: Any, end: Any) -> None:
    """Puts x at an address, from place `at` on; nothing from place `end` on."""
    size = kind.number.bitwidth // 8
    place, left = place_of(builder, data, at, x.type), builder.sub(end, at)
    with builder.if_else(builder.icmp_signed(">=", left, left.type(kind.lanes)), likely=True) as (then, otherwise):
        with then:
            builder.store(x, place, align=size)
        with otherwise:
            arguments = [x, place, ir.IntType(32)(size), _part(builder, kind, left)]
            _masked(builder, "store", ir.VoidType(), place, x.type, arguments)


@intrinsic
def load(typingctx, array, at):
    """A register full of an array's numbers, from place `at` on; 0 beyond the array's end. Asks for those that come soon."""
    kind = Vector(array.dtype, lanes_of(array.dtype))

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        found = _parts(context, builder, array, args[0])
        return _loaded(builder, kind, found.data, args[1], found.nitems)

    return kind(array, types.intp), code


@intrinsic
def load_until(typingctx, array, at, end):
    """`load`, with 0 from place `end` on."""
    kind = Vector(array.dtype, lanes_of(array.dtype))

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return _loaded(builder, kind, data_of(context, builder, array, args[0]), args[1], args[2])

    return kind(array, types.intp, types.intp), code


@intrinsic
def store(typingctx, x, array, at):
    """Puts x into an array, from place `at` on; nothing beyond the array's end."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        found = _parts(context, builder, array, args[1])
        _stored(builder, x, args[0], found.data, args[2], found.nitems)
        return context.get_dummy_value()

    return types.void(x, array, types.intp), code


@intrinsic
def store_until(typingctx, x, array, at, end):
    """`store`, with nothing from place `end` on."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        _stored(builder, x, args[0], data_of(context, builder, array, args[1]), args[2], args[3])
        return context.get_dummy_value()

    return types.void(x, array, types.intp, types.intp), code


@intrinsic
def load_whole(typingctx, table, at):
    """A register full of a table's numbers, from place `at` on; the table has to reach so far."""
    kind = Vector(table.dtype, lanes_of(table.dtype))
    vector, size = ir.VectorType(NUMBERS[kind.number], kind.lanes), kind.number.bitwidth // 8

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.load(place_of(builder, data_of(context, builder, table, args[0]), args[1], vector), align=size)

    return kind(table, types.intp), code


@intrinsic
def load_beside(typingctx, x, table, at):
    """As many of a table's numbers as x has, from place `at` on; the table has to reach so far."""
    kind = Vector(table.dtype, x.lanes)
    vector, size = ir.VectorType(NUMBERS[kind.number], kind.lanes), kind.number.bitwidth // 8

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.load(place_of(builder, data_of(context, builder, table, args[1]), args[2], vector), align=size)

    return kind(x, table, types.intp), code


@intrinsic
def put(typingctx, x, table, at):
    """Puts x into a table, from place `at` on; the table has to reach so far."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        place = place_of(builder, data_of(context, builder, table, args[1]), args[2], args[0].type)
        builder.store(args[0], place, align=x.number.bitwidth // 8)
        return context.get_dummy_value()

    return types.void(x, table, types.intp), code


@intrinsic
def put_in_pairs(typingctx, x, y, table, at):
    """Puts x and y into a table, from place `at` on: x[0], y[0], x[1], y[1], ..."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        order = [place for lane in range(x.lanes) for place in (lane, x.lanes + lane)]
        pairs = builder.shuffle_vector(args[0], args[1], ir.Constant(ir.VectorType(ir.IntType(32), 2 * x.lanes), order))
        place = place_of(builder, data_of(context, builder, table, args[2]), args[3], pairs.type)
        builder.store(pairs, place, align=x.number.bitwidth // 8)
        return context.get_dummy_value()

    return types.void(x, y, table, types.intp), code


@intrinsic
def add_pairs(typingctx, table, places, pairs, at):
    """Adds a register's pairs of numbers to a table of pairs; they stand from pair `at` on, and where they go, in `places`."""
    number, size = NUMBERS[table.dtype], table.dtype.bitwidth // 8
    two, whole = ir.VectorType(number, 2), ir.IntType(64)

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        sums, where, more = (data_of(context, builder, *a) for a in zip((table, places, pairs), args[:3], strict=True))
        where, more = builder.gep(where, [args[3]]), builder.gep(more, [builder.mul(args[3], whole(2))])
        for lane in range(lanes_of(table.dtype)):
            goal = builder.zext(builder.load(builder.gep(where, [whole(lane)])), whole)
            here = place_of(builder, sums, builder.mul(goal, whole(2)), two)
            share = builder.load(place_of(builder, more, whole(2 * lane), two), align=size)
            builder.store(builder.fadd(builder.load(here, align=size), share), here, align=size)
        return context.get_dummy_value()

    return types.void(table, places, pairs, types.intp), code
