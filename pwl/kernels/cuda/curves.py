"""Curves on the GPU, cuda/curves.cu, and how they are summed over units and rows, which cuda/curve_sums.py shares out.

The arithmetic is that of the reference. Tables lie in shared memory with a copy per lane. If curves have more hinges than fit
there (hundreds), the reference does the work.
"""

from __future__ import annotations

from typing import Any

import cupy
import numpy as np

from pwl.kernels.cuda.launch import (
    FLAGS,
    SHARED_BYTES,
    VECTORS,
    at_once,
    by_type,
    flag,
    in_order,
    kernel,
    launch,
    named,
    resident,
)
from pwl.kernels.cuda.lines import DEEP, LANES, Lines, lines_of
from pwl.kernels.hinges import Hinges
from pwl.kernels.nets import made
from pwl.kernels.reference import curves as reference
from pwl.runtime.backend import Array, product

LINES = 4  # least lines per thread before there are fewer blocks than the device runs at a time

INSTANCES = (
    *(f"curve<{t}, {v}, {uniform}, {slope}>" for t, v in VECTORS for uniform in FLAGS for slope in FLAGS),
    *(
        f"back<{t}, {v}, {uniform}, {of_rows}>"
        for t, v in VECTORS
        for uniform in FLAGS
        for of_rows in sorted({0, 1, v})
    ),
)
OF = by_type(INSTANCES)


def value(n: Array, grid: Hinges, A: Array) -> Array:
    """Curves o (Nv, units) with ordinates A (units, K) at nets n (Nv, units), Eq. (3)."""
    n = made(n)
    found = _curve(n, grid, A, with_slope=False)
    return reference.value(n, grid, A) if found is None else found[0]


def value_slope(n: Array, grid: Hinges, A: Array) -> tuple[Array, Array]:
    """Curves o and slopes do/dn, both (Nv, units), Eq. (3). At a hinge it is the right-hand slope."""
    n = made(n)
    return _curve(n, grid, A, with_slope=True) or reference.value_slope(n, grid, A)


def times_slope(n: Array, grid: Hinges, A: Array, g: Array) -> Array:
    """g (Nv, units) times the slopes do/dn, in place."""
    n = made(n)
    g = in_order(g, n.dtype)
    found = _back(n, grid, A, g, None, g)
    return reference.times_slope(n, grid, A, g) if found is None else found


def back(n: Array, grid: Hinges, A: Array, v: Array, W: Array) -> Array:
    """v (Nv, M) carried back from the sums of `mix` to the nets, (v W) do/dn (Nv, units), Eq. (18)."""
    n = made(n)
    found = _back(n, grid, A, v, W, cupy.empty(n.shape, n.dtype)) if len(W) == 1 else None
    return times_slope(n, grid, A, product(v, W)) if found is None else found


def _back(n: Array, grid: Hinges, A: Array, g: Array, w: Array | None, out: Array) -> Array | None:
    """Writes g like n, or g (Nv, 1) times w (1, units), times the slopes to `out`. None if the tables don't fit."""
    n = in_order(n, n.dtype)
    most = min(at_once(n.size, a) for a in ((n, g, out) if w is None else (n, out)))
    found = _lines(n, most, grid.ns.shape[1] + 1, grid)
    if found is None:
        return None
    lines, shared = found
    _run(
        f"back<{named(n.dtype)}, {lines.vector}, {flag(grid.uniform)}, {of_rows(n, w, lines.vector)}>",
        lines,
        shared,
        *(in_order(a, n.dtype) for a in (n, grid.ns, A, g, g if w is None else w)),
        *_sizes(n, grid, lines),
        out,
    )
    return out


def of_rows(n: Array, w: Array | None, vector: int) -> int:
    """Signals of rows that a thread reads for `vector` nets side by side, as cuda/hinges.cuh says; 0 for signals of nets."""
    return 0 if w is None else 1 if n.shape[1] % vector == 0 else vector


def _curve(n: Array, grid: Hinges, A: Array, with_slope: bool) -> tuple[Array, Array] | None:
    """o and, if asked for, do/dn. None if the tables don't fit."""
    n = in_order(n, n.dtype)
    found = _lines(n, at_once(n.size, n), 2 * (grid.ns.shape[1] - 1), grid)
    if found is None:
        return None
    lines, shared = found
    o = cupy.empty(n.shape, n.dtype)
    slope = cupy.empty(n.shape, n.dtype) if with_slope else o
    _run(
        f"curve<{named(n.dtype)}, {lines.vector}, {flag(grid.uniform)}, {flag(with_slope)}>",
        lines,
        shared,
        *(in_order(a, n.dtype) for a in (n, grid.ns, A)),
        *_sizes(n, grid, lines),
        o,
        slope,
    )
    return o, slope


def _lines(n: Array, most: int, numbers: int, grid: Hinges) -> tuple[Lines, int] | None:
    """Lines with `most` neighbours per thread, or with one, and the bytes of the tables. None if the tables don't fit.

    numbers: those of a unit in its tables, beside hinges that are searched.
    """
    each = (numbers + (0 if grid.uniform else grid.ns.shape[1])) * LANES * n.dtype.itemsize
    for vector in (most, 1):
        lines = lines_of(n.shape[0], n.shape[1], vector)
        if each * lines.vector <= SHARED_BYTES:
            return lines, each * lines.vector
    return None


def _run(instance: str, lines: Lines, shared: int, n: Array, *args: Any) -> None:
    found = kernel("curves", OF[named(n.dtype)], instance)
    blocks = lines.blocks(DEEP, resident(found, lines.lanes * DEEP, shared), LINES)
    launch(found, (blocks, lines.tiles), (lines.lanes, DEEP), n, *args, shared_bytes=shared)


def _sizes(n: Array, grid: Hinges, lines: Lines) -> tuple[Any, ...]:
    return np.int64(n.size), *grid.ns.shape, lines.width, int(grid.linear)
