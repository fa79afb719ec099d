"""The curve kernels on the GPU: how cuda/curves.cu shares nets out among threads. Arithmetic is the reference's.

Tables, and for `scatter` bins, lie in shared memory, a copy a lane or thread. Where curves have more hinges than fit there
(hundreds), the reference serves.
"""

from __future__ import annotations

from typing import Any

import cupy
import numpy as np

from pwl.backend import Array
from pwl.kernels import reference
from pwl.kernels.grid import Grid
from pwl.kernels.launch_gpu import SHARED_BYTES, at_once, in_order, kernel, launch, named
from pwl.kernels.lines_gpu import DEEP, LANES, Lines, lines_of
from pwl.kernels.sums_gpu import column_sums

CURVE_BLOCKS, CURVE_LINES = 2048, 4  # blocks at most; lines for each thread where blocks can be fewer
SCATTER_BLOCKS, SCATTER_LINES = 1024, 16  # likewise: each block's bins have to be summed

_FLAGS = ("true", "false")
INSTANCES = (
    *(f"curve<{t}, {v}, {u}, {s}>" for t, most in (("float", 4), ("double", 2)) for v in (1, most) for u in _FLAGS for s in _FLAGS),
    *(f"scatter<{t}, {u}>" for t in ("float", "double") for u in _FLAGS),
)  # fmt: skip


def value(n: Array, grid: Grid, A: Array) -> Array:
    """Curves o (Nv, units) with ordinates A (units, K) at nets n (Nv, units), Eq. (3)."""
    found = _curve(n, grid, A, with_slope=False)
    return reference.value(n, grid, A) if found is None else found[0]


def value_slope(n: Array, grid: Grid, A: Array) -> tuple[Array, Array]:
    """Curves o and slopes do/dn, both (Nv, units), Eq. (3); at a hinge the right-hand slope."""
    return _curve(n, grid, A, with_slope=True) or reference.value_slope(n, grid, A)


def scatter(n: Array, grid: Grid, c: Array) -> Array:
    """G_a (units, K): sum over patterns of c[p, k] phi_m(n[p, k]), Eq. (17); the same bits in every run."""
    K, lines = grid.ns.shape[1], lines_of(n.shape[0], n.shape[1], 1)
    for high in (DEEP, DEEP // 2, DEEP // 4, 1):
        threads = -(-high * lines.lanes // LANES) * LANES
        shared = K * (threads + (0 if grid.uniform else lines.lanes)) * n.dtype.itemsize
        if shared <= SHARED_BYTES:
            break
    else:
        return reference.scatter(n, grid, c)
    blocks = lines.blocks(high, SCATTER_BLOCKS, SCATTER_LINES)
    partial = cupy.empty((blocks, *grid.ns.shape), n.dtype)
    launch(
        _instance(f"scatter<{named(n.dtype)}, {_flag(grid.uniform)}>"),
        (blocks, lines.tiles),
        (lines.lanes, high),
        *(in_order(a, n.dtype) for a in (n, grid.ns, c)),
        *_sizes(n, grid, lines),
        partial,
        shared_bytes=shared,
    )
    return partial[0] if blocks == 1 else column_sums(partial.reshape(blocks, -1)).reshape(grid.ns.shape)


def _curve(n: Array, grid: Grid, A: Array, with_slope: bool) -> tuple[Array, Array] | None:
    """o and, where wanted, do/dn; None where the tables don't fit."""
    n, tables = in_order(n, n.dtype), 1 if grid.uniform else 2
    for vector in (at_once(n.size, n), 1):
        lines = lines_of(n.shape[0], n.shape[1], vector)
        shared = tables * A.shape[1] * lines.lanes * lines.vector * n.dtype.itemsize
        if shared <= SHARED_BYTES:
            break
    else:
        return None
    o = cupy.empty(n.shape, n.dtype)
    slope = cupy.empty(n.shape, n.dtype) if with_slope else o
    launch(
        _instance(f"curve<{named(n.dtype)}, {lines.vector}, {_flag(grid.uniform)}, {_flag(with_slope)}>"),
        (lines.blocks(DEEP, CURVE_BLOCKS, CURVE_LINES), lines.tiles),
        (lines.lanes, DEEP),
        n,
        *(in_order(a, n.dtype) for a in (grid.ns, A)),
        *_sizes(n, grid, lines),
        o,
        slope,
        shared_bytes=shared,
    )
    return o, slope


def _sizes(n: Array, grid: Grid, lines: Lines) -> tuple[Any, ...]:
    return np.int64(n.size), *grid.ns.shape, lines.width, int(grid.linear)


def _flag(flag: bool) -> str:
    return "true" if flag else "false"


def _instance(name: str) -> Any:
    return kernel("curves", INSTANCES, name)
