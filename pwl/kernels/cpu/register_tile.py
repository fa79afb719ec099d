"""A tile of a matrix product that stays in the processor's registers, written in LLVM's vector instructions.

A product is fast if a block of its sums stays in registers. No loop over arrays that Numba compiles does that, so the
innermost part, and nothing else, is given to LLVM as vectors. A whole product then runs at the speed of a good BLAS. Its
rows may lie anywhere, so the patches of a convolution are read in place and no matrix of them is made.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils

from pwl.kernels.cpu.addresses import LINE, prefetch
from pwl.kernels.cpu.compiled import intrinsic
from pwl.kernels.cpu.vectors import vector_bytes

VECTORS = 2  # side by side in a row
AHEAD = 16  # rows of weights: how far ahead they are asked for, because they come from the second cache


def fitting(vector_bytes: int) -> int:
    """Rows of a tile, for a size of vectors. Sums and operands fill the registers that a processor has of that size."""
    return 12 if vector_bytes == 64 else 6  # 24 of 32 registers hold sums, or 12 of 16


VECTOR_BYTES = vector_bytes()
ROWS = fitting(VECTOR_BYTES)


def wide(itemsize: int, vector_bytes: int = VECTOR_BYTES) -> int:
    """Numbers in a row of a tile."""
    return VECTORS * vector_bytes // itemsize


def tile_product(rows: int, vector_bytes: int) -> Any:
    """A function for compiled code that multiplies one tile.

    multiply(like, before, before_step, places, x, starts, runs, count, step, w, w_step, out, out_step)

    out[r, :] = before[r, :] + sum over s < runs, k < count of x[places[r] + starts[s] + k step] w[s count + k, :]

    for `rows` rows r of `wide` numbers of the type of `like`. All arguments after `like` are 64-bit whole numbers. before, x,
    w, out: addresses of numbers of that type. places, starts: addresses of 64-bit whole numbers. before_step, w_step,
    out_step: distances from row to row. All offsets and distances count numbers, not bytes.
    """

    @intrinsic
    def multiply(
        typingctx, like, before, before_step, places, x, starts, runs, count, step, w, w_step, out, out_step
    ):  # fmt: skip
        if like not in (types.float32, types.float64):
            return None
        arguments = (before, before_step, places, x, starts, runs, count, step, w, w_step, out, out_step)
        if not all(isinstance(a, types.Integer) for a in arguments):
            return None
        return types.void(like, *[types.int64] * len(arguments)), _code(like, rows, vector_bytes)

    return multiply


def _code(real: Any, rows: int, vector_bytes: int) -> Any:
    number, bits = (ir.FloatType(), 32) if real == types.float32 else (ir.DoubleType(), 64)
    lanes = 8 * vector_bytes // bits
    vector, whole = ir.VectorType(number, lanes), ir.IntType(64)
    undefined = ir.Constant(vector, ir.Undefined)
    first_lane = ir.Constant(ir.VectorType(ir.IntType(32), lanes), [0] * lanes)

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        _, before, before_step, places, x, starts, runs, count, step, w, w_step, out, out_step = args
        fused = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(vector, [vector] * 3), f"llvm.fmuladd.v{lanes}f{bits}"
        )

        def at(address: Any, kind: Any) -> Any:
            return builder.inttoptr(address, kind.as_pointer())

        def ask(place: Any) -> None:
            """Has the first cache bring a row of weights; it may lie beyond the last one."""
            bytes_there = builder.bitcast(place, ir.IntType(8).as_pointer())
            for at in range(0, VECTORS * vector_bytes, LINE):
                prefetch(builder, builder.gep(bytes_there, [whole(at)]))

        def cell(row: Any, v: int) -> Any:
            """Address of vector v of a row."""
            return builder.bitcast(builder.gep(row, [whole(v * lanes)]), vector.as_pointer())

        def all_rows(address: Any, row_step: Any) -> list[Any]:
            return [builder.gep(at(address, number), [builder.mul(whole(r), row_step)]) for r in range(rows)]

        def loads(row: Any) -> list[Any]:
            return [builder.load(cell(row, v), align=bits // 8) for v in range(VECTORS)]

        def spread(value: Any) -> Any:
            """The value in every lane."""
            one = builder.insert_element(undefined, value, ir.IntType(32)(0))
            return builder.shuffle_vector(one, undefined, first_lane)

        def phis(kind: Any, values: list[Any], block: Any) -> list[Any]:
            found = [builder.phi(kind) for _ in values]
            for phi, value in zip(found, values, strict=True):
                phi.add_incoming(value, block)
            return found

        def come_from(found: list[Any], values: list[Any], block: Any) -> None:
            for phi, value in zip(found, values, strict=True):
                phi.add_incoming(value, block)

        sums = [value for row in all_rows(before, before_step) for value in loads(row)]
        offsets = at(places, whole)
        x_rows = [builder.gep(at(x, number), [builder.load(builder.gep(offsets, [whole(r)]))]) for r in range(rows)]
        x_starts, w_row = at(starts, whole), at(w, number)
        entry = builder.block
        run, inner, run_end, end = (builder.append_basic_block(name) for name in ("run", "inner", "run_end", "end"))
        builder.branch(run)

        builder.position_at_end(run)
        (s,) = s_phi = phis(whole, [whole(0)], entry)
        (run_w,) = run_w_phi = phis(number.as_pointer(), [w_row], entry)
        run_sums = phis(vector, sums, entry)
        start = builder.load(builder.gep(x_starts, [s]))
        builder.branch(inner)

        builder.position_at_end(inner)
        k, place = k_phis = phis(whole, [whole(0), start], run)
        (here_w,) = here_w_phi = phis(number.as_pointer(), [run_w], run)
        here = phis(vector, run_sums, run)
        weights = loads(here_w)
        ask(builder.gep(here_w, [builder.mul(w_step, whole(AHEAD))]))
        after = []
        for r in range(rows):
            signal = spread(builder.load(builder.gep(x_rows[r], [place])))
            after += [builder.call(fused, [signal, weights[v], here[r * VECTORS + v]]) for v in range(VECTORS)]
        next_k, next_w = builder.add(k, whole(1)), builder.gep(here_w, [w_step])
        come_from(k_phis, [next_k, builder.add(place, step)], inner)
        come_from(here_w_phi, [next_w], inner)
        come_from(here, after, inner)
        builder.cbranch(builder.icmp_signed("<", next_k, count), inner, run_end)

        builder.position_at_end(run_end)
        next_s = builder.add(s, whole(1))
        come_from(s_phi, [next_s], run_end)
        come_from(run_w_phi, [next_w], run_end)
        come_from(run_sums, after, run_end)
        builder.cbranch(builder.icmp_signed("<", next_s, runs), run, end)

        builder.position_at_end(end)
        for r, row in enumerate(all_rows(out, out_step)):
            for v in range(VECTORS):
                builder.store(after[r * VECTORS + v], cell(row, v), align=bits // 8)
        return context.get_dummy_value()

    return code


multiply = tile_product(ROWS, VECTOR_BYTES)
