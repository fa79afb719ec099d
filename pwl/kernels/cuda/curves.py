"""The curve kernels on the GPU: this file shares nets out among the threads of cuda/curves.cu.

The arithmetic is that of the reference. Tables, and the bins of `scatter`, lie in shared memory with a copy per lane or
thread. If curves have more hinges than fit there (hundreds), the reference does the work.
"""

from __future__ import annotations

from typing import Any

import cupy
import numpy as np

from pwl.kernels.cuda.launch import SHARED_BYTES, at_once, covering, in_order, kernel, launch, named, resident
from pwl.kernels.cuda.lines import DEEP, LANES, Lines, lines_of
from pwl.kernels.cuda.sums import column_sums
from pwl.kernels.hinges import Hinges
from pwl.kernels.reference import curves as reference
from pwl.runtime.backend import Array, product

CURVE_LINES = 4  # least lines per thread before there are fewer blocks than the device runs at a time
SCATTER_LINES = 16  # the same for `scatter`, where the bins of each block have to be summed
WARP = 32

_FLAGS = ("true", "false")
INSTANCES = (
    *(
        f"{name}<{t}, {v}, {uniform}, {other}>"
        for name in ("curve", "back")
        for t, most in (("float", 4), ("double", 2))
        for v in (1, most)
        for uniform in _FLAGS
        for other in _FLAGS
    ),
    *(f"scatter<{t}, {uniform}, {one}>" for t in ("float", "double") for uniform in _FLAGS for one in _FLAGS),
    *(f"mix<{t}, {uniform}>" for t in ("float", "double") for uniform in _FLAGS),
)


def value(n: Array, grid: Hinges, A: Array) -> Array:
    """Curves o (Nv, units) with ordinates A (units, K) at nets n (Nv, units), Eq. (3)."""
    found = _curve(n, grid, A, with_slope=False)
    return reference.value(n, grid, A) if found is None else found[0]


def value_slope(n: Array, grid: Hinges, A: Array) -> tuple[Array, Array]:
    """Curves o and slopes do/dn, both (Nv, units), Eq. (3). At a hinge it is the right-hand slope."""
    return _curve(n, grid, A, with_slope=True) or reference.value_slope(n, grid, A)


def times_slope(n: Array, grid: Hinges, A: Array, g: Array) -> Array:
    """g (Nv, units) times the slopes do/dn, in place."""
    n, g = in_order(n, n.dtype), in_order(g, n.dtype)
    found = _back(n, grid, A, g, None, g)
    return reference.times_slope(n, grid, A, g) if found is None else found


def mix(n: Array, grid: Hinges, A: Array, W: Array) -> Array:
    """Sums (Nv, M) of the curves with weights W (M, units)."""
    (Nv, units), K, each = n.shape, A.shape[1], A.shape[1] + (2 if grid.uniform else A.shape[1])
    most = SHARED_BYTES // (each * n.dtype.itemsize) // WARP * WARP
    if len(W) > 1 or most == 0 or Nv == 0:
        return value(n, grid, A) @ W.T
    pitch = min(most, covering(units, WARP) * WARP)
    tiles = covering(units, pitch)
    partial = cupy.empty((tiles, Nv), n.dtype)
    shared, instance = each * pitch * n.dtype.itemsize, _instance(f"mix<{named(n.dtype)}, {_flag(grid.uniform)}>")
    launch(
        instance,
        (max(1, min(covering(Nv, DEEP * CURVE_LINES), resident(instance, WARP * DEEP, shared) // tiles)), tiles),
        (WARP, DEEP),
        *(in_order(a, n.dtype) for a in (n, grid.ns, A, W)),
        np.int64(Nv),
        units,
        K,
        pitch,
        int(grid.linear),
        partial,
        shared_bytes=shared,
    )
    return partial[0][:, None] if tiles == 1 else partial.sum(axis=0)[:, None]


def back(n: Array, grid: Hinges, A: Array, v: Array, W: Array) -> Array:
    """v (Nv, M) carried back from the sums of `mix` to the nets, (v W) do/dn (Nv, units), Eq. (18)."""
    found = _back(n, grid, A, v, W, cupy.empty(n.shape, n.dtype)) if len(W) == 1 else None
    return times_slope(n, grid, A, product(v, W)) if found is None else found


def scatter(n: Array, grid: Hinges, c: Array) -> Array:
    """G_a (units, K): sum over patterns of c[p, k] phi_m(n[p, k]), Eq. (17), with the same bits in every run."""
    found = _scatter(n, grid, c, None)
    return reference.scatter(n, grid, c) if found is None else found


def back_scatter(n: Array, grid: Hinges, v: Array, W: Array) -> Array:
    """G_a (units, K) by `scatter` for signals c = v W, carried back from the sums of `mix` to the curves; v is (Nv, M)."""
    found = _scatter(n, grid, v, W) if len(W) == 1 else None
    return scatter(n, grid, product(v, W)) if found is None else found


def _scatter(n: Array, grid: Hinges, c: Array, w: Array | None) -> Array | None:
    """G_a for signals c like n, or for the products of c (Nv, 1) and w (1, units). None if the bins don't fit."""
    K, lines = grid.ns.shape[1], lines_of(n.shape[0], n.shape[1], 1)
    for high in (DEEP, DEEP // 2, DEEP // 4, 1):
        threads = covering(high * lines.lanes, LANES) * LANES
        shared = K * (threads + (0 if grid.uniform else lines.lanes)) * n.dtype.itemsize
        if shared <= SHARED_BYTES:
            break
    else:
        return None
    instance = _instance(f"scatter<{named(n.dtype)}, {_flag(grid.uniform)}, {_flag(w is not None)}>")
    blocks = lines.blocks(high, resident(instance, lines.lanes * high, shared), SCATTER_LINES)
    partial = cupy.empty((blocks, *grid.ns.shape), n.dtype)
    launch(
        instance,
        (blocks, lines.tiles),
        (lines.lanes, high),
        *(in_order(a, n.dtype) for a in (n, grid.ns, c, c if w is None else w)),
        *_sizes(n, grid, lines),
        partial,
        shared_bytes=shared,
    )
    return partial[0] if blocks == 1 else column_sums(partial.reshape(blocks, -1)).reshape(grid.ns.shape)


def _back(n: Array, grid: Hinges, A: Array, g: Array, w: Array | None, out: Array) -> Array | None:
    """Writes g like n, or g (Nv, 1) times w (1, units), times the slopes to `out`. None if the tables don't fit."""
    n = in_order(n, n.dtype)
    found = _lines(n, grid, min(at_once(n.size, a) for a in ((n, g, out) if w is None else (n, out))))
    if found is None:
        return None
    lines, shared = found
    instance = _instance(f"back<{named(n.dtype)}, {lines.vector}, {_flag(grid.uniform)}, {_flag(w is not None)}>")
    launch(
        instance,
        (lines.blocks(DEEP, resident(instance, lines.lanes * DEEP, shared), CURVE_LINES), lines.tiles),
        (lines.lanes, DEEP),
        *(in_order(a, n.dtype) for a in (n, grid.ns, A, g, g if w is None else w)),
        *_sizes(n, grid, lines),
        out,
        shared_bytes=shared,
    )
    return out


def _curve(n: Array, grid: Hinges, A: Array, with_slope: bool) -> tuple[Array, Array] | None:
    """o and, if asked for, do/dn. None if the tables don't fit."""
    n = in_order(n, n.dtype)
    found = _lines(n, grid, at_once(n.size, n))
    if found is None:
        return None
    lines, shared = found
    o = cupy.empty(n.shape, n.dtype)
    slope = cupy.empty(n.shape, n.dtype) if with_slope else o
    instance = _instance(f"curve<{named(n.dtype)}, {lines.vector}, {_flag(grid.uniform)}, {_flag(with_slope)}>")
    launch(
        instance,
        (lines.blocks(DEEP, resident(instance, lines.lanes * DEEP, shared), CURVE_LINES), lines.tiles),
        (lines.lanes, DEEP),
        n,
        *(in_order(a, n.dtype) for a in (grid.ns, A)),
        *_sizes(n, grid, lines),
        o,
        slope,
        shared_bytes=shared,
    )
    return o, slope


def _lines(n: Array, grid: Hinges, most: int) -> tuple[Lines, int] | None:
    """Lines with `most` neighbours per thread, or with one, and the bytes of the tables. None if the tables don't fit."""
    tables = 1 if grid.uniform else 2
    for vector in (most, 1):
        lines = lines_of(n.shape[0], n.shape[1], vector)
        shared = tables * grid.ns.shape[1] * lines.lanes * lines.vector * n.dtype.itemsize
        if shared <= SHARED_BYTES:
            return lines, shared
    return None


def _sizes(n: Array, grid: Hinges, lines: Lines) -> tuple[Any, ...]:
    return np.int64(n.size), *grid.ns.shape, lines.width, int(grid.linear)


def _flag(flag: bool) -> str:
    return "true" if flag else "false"


def _instance(name: str) -> Any:
    return kernel("curves", INSTANCES, name)
