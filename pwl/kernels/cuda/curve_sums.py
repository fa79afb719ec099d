"""Sums of curves over units, and of signals over rows, on the GPU, cuda/curve_sums.cu.

Bins lie in shared memory, with a copy per thread. If curves have more hinges than fit there (hundreds), the reference does the
work.
"""

from __future__ import annotations

import cupy
import numpy as np

from pwl.kernels.cuda.curves import of_rows, value
from pwl.kernels.cuda.launch import (
    FLAGS,
    SHARED_BYTES,
    VECTORS,
    at_once,
    by_type,
    covering,
    flag,
    in_order,
    kernel,
    launch,
    named,
    resident,
)
from pwl.kernels.cuda.lines import DEEP, LANES, lines_of, packs_of
from pwl.kernels.cuda.net_sums import mixed, scattered
from pwl.kernels.cuda.sums import joined
from pwl.kernels.hinges import Hinges
from pwl.kernels.nets import Nets, made
from pwl.kernels.reference import curves as reference
from pwl.runtime.backend import Array, product

MIX_ROWS = 4  # rows that a lane of `mix` takes at a time, as in cuda/curve_sums.cu
LINES = 16  # least lines per thread of `scatter` before there are fewer blocks, whose bins have to be summed
THREADS = {False: (64,), True: (128, 32)}  # of a block of `scatter`, if a thread keeps to several units, or to one

INSTANCES = (
    *(f"mix<{t}, {v}, {uniform}>" for t, v in VECTORS for uniform in FLAGS),
    *(
        f"scatter<{t}, {v}, {threads}, {uniform}, {of_rows}>"
        for t, v in VECTORS
        for threads in THREADS[v == 1]
        for uniform in FLAGS
        for of_rows in sorted({0, 1, v})
    ),
)
OF = by_type(INSTANCES)


def mix(n: Array, grid: Hinges, A: Array, W: Array) -> Array:
    """Sums (Nv, M) of the curves with weights W (M, units)."""
    if isinstance(n, Nets) and len(W) == 1 and (y := mixed(n, grid, A, W)) is not None:
        return y
    n = made(n)
    n, (Nv, units), K = in_order(n, n.dtype), n.shape, A.shape[1]
    each = (2 * (K - 1) + (0 if grid.uniform else K)) * LANES * n.dtype.itemsize
    vector = next((v for v in (at_once(units, n), 1) if each * v <= SHARED_BYTES), 0)
    if len(W) > 1 or vector == 0 or Nv == 0:
        return value(n, grid, A) @ W.T
    packs, tiles = packs_of(units // vector)
    partial = cupy.empty((tiles, Nv), n.dtype)
    found = kernel("curve_sums", OF[named(n.dtype)], f"mix<{named(n.dtype)}, {vector}, {flag(grid.uniform)}>")
    most = resident(found, LANES * DEEP, each * vector) // tiles
    launch(
        found,
        (max(1, min(covering(Nv, DEEP * MIX_ROWS * (LANES // packs)), most)), tiles),
        (LANES, DEEP),
        *(in_order(a, n.dtype) for a in (n, grid.ns, A, W)),
        np.int64(Nv),
        units,
        K,
        packs,
        int(grid.linear),
        partial,
        shared_bytes=each * vector,
    )
    return partial[0][:, None] if tiles == 1 else partial.sum(axis=0)[:, None]


def scatter(n: Array, grid: Hinges, c: Array) -> Array:
    """G_a (units, K): sum over patterns of c[p, k] phi_m(n[p, k]), Eq. (17), with the same bits in every run."""
    n = made(n)
    found = _scatter(n, grid, c, None)
    return reference.scatter(n, grid, c) if found is None else found


def back_scatter(n: Array, grid: Hinges, v: Array, W: Array) -> Array:
    """G_a (units, K) by `scatter` for signals c = v W, carried back from the sums of `mix` to the curves; v is (Nv, M)."""
    if isinstance(n, Nets) and len(W) == 1 and (G_a := scattered(n, grid, v, W)) is not None:
        return G_a
    n = made(n)
    found = _scatter(n, grid, v, W) if len(W) == 1 else None
    return scatter(n, grid, product(v, W)) if found is None else found


def _scatter(n: Array, grid: Hinges, c: Array, w: Array | None) -> Array | None:
    """G_a for signals c like n, or for the products of c (Nv, 1) and w (1, units). None if the bins don't fit."""
    n, c = in_order(n, n.dtype), in_order(c, n.dtype)
    most = min(at_once(n.size, a) for a in ((n, c) if w is None else (n,)))
    for vector, threads in ((v, threads) for v in (most, 1) for threads in THREADS[v == 1]):
        lines = lines_of(n.shape[0], n.shape[1], vector)
        tables = 0 if grid.uniform else LANES
        shared = grid.ns.shape[1] * lines.vector * (threads + tables) * n.dtype.itemsize
        if lines.vector == vector and shared <= SHARED_BYTES:
            break
    else:
        return None
    high = threads // LANES
    instance = f"scatter<{named(n.dtype)}, {vector}, {threads}, {flag(grid.uniform)}, {of_rows(n, w, vector)}>"
    found = kernel("curve_sums", OF[named(n.dtype)], instance)
    blocks = lines.blocks(high, resident(found, lines.lanes * high, shared), LINES)
    partial = cupy.empty((blocks, *grid.ns.shape), n.dtype)
    launch(
        found,
        (blocks, lines.tiles),
        (lines.lanes, high),
        *(in_order(a, n.dtype) for a in (n, grid.ns, c, c if w is None else w)),
        np.int64(n.size),
        *grid.ns.shape,
        lines.width,
        int(grid.linear),
        partial,
        shared_bytes=shared,
    )
    return joined(partial)
