"""Sums of curves on the GPU for nets made where they are used, cuda/net_sums.cu. Only inputs, sums and signals are moved."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import cupy
import numpy as np

from pwl.kernels.cuda.launch import (
    SHARED_BYTES,
    VECTOR_BYTES,
    VECTORS,
    by_type,
    covering,
    in_order,
    kernel,
    launch,
    named,
    resident,
)
from pwl.kernels.cuda.lines import DEEP, LANES, packs_of
from pwl.kernels.cuda.sums import joined
from pwl.kernels.hinges import Hinges
from pwl.kernels.nets import Nets, made
from pwl.runtime.backend import Array

ROWS = 8  # rows per lane, as in cuda/net_sums.cu
FEW = 32  # most inputs: above them it costs less to move nets than to make them twice
THREADS = 64  # of a block of `scatter_nets`
TURNS = 4  # least turns of a block before there are fewer blocks, whose bins have to be summed

INSTANCES = (
    *(f"mix_nets<{t}, {v}>" for t, v in VECTORS),
    *(f"scatter_nets<{t}, {v}, {THREADS}>" for t, v in VECTORS),
)
OF = by_type(INSTANCES)


def nets(x: Array, W: Array) -> Array | Nets:
    """n = [1, x] W' (Nv, units), left to `mix` and `back_scatter` if there are few inputs."""
    found = Nets(x, W)
    return found if 0 < x.shape[1] <= FEW and x.shape[0] > 0 else made(found)


def mixed(n: Nets, grid: Hinges, A: Array, W: Array) -> Array | None:
    """Sums (Nv, 1) of the curves with weights W (1, units). None if hinges are searched, or the tables don't fit."""
    dtype, (Nv, units), K = n.x.dtype, n.shape, A.shape[1]
    for vector, warps in _forms(units, dtype):
        packs, tiles = packs_of(units // vector)
        shared = (2 * (K - 1) * vector * LANES + _numbers(n, vector, warps, packs)) * dtype.itemsize
        if grid.uniform and shared <= SHARED_BYTES:
            break
    else:
        return None
    partial = cupy.empty((tiles, Nv), dtype)
    found = kernel("net_sums", OF[named(dtype)], f"mix_nets<{named(dtype)}, {vector}>")
    most = resident(found, LANES * warps, shared) // tiles
    launch(
        found,
        (max(1, min(covering(Nv, warps * ROWS * (LANES // packs)), most)), tiles),
        (LANES, warps),
        *(in_order(a, dtype) for a in (n.x, n.W, grid.ns, A, W)),
        *_sizes(n, grid, packs),
        partial,
        shared_bytes=shared,
    )
    return partial[0][:, None] if tiles == 1 else partial.sum(axis=0)[:, None]


def scattered(n: Nets, grid: Hinges, v: Array, W: Array) -> Array | None:
    """G_a (units, K) for signals v (Nv, 1) times W (1, units). None if hinges are searched, or the bins don't fit."""
    dtype, (Nv, units), K, warps = n.x.dtype, n.shape, grid.ns.shape[1], THREADS // LANES
    for vector in dict.fromkeys(vector for vector, _ in _forms(units, dtype)):
        packs, tiles = packs_of(units // vector)
        shared = (K * vector * THREADS + _numbers(n, vector, warps, packs)) * dtype.itemsize
        if grid.uniform and shared <= SHARED_BYTES:
            break
    else:
        return None
    found = kernel("net_sums", OF[named(dtype)], f"scatter_nets<{named(dtype)}, {vector}, {THREADS}>")
    turns = covering(Nv, warps * ROWS * (LANES // packs))
    blocks = max(1, min(covering(turns, TURNS), resident(found, THREADS, shared) // tiles))
    partial = cupy.empty((blocks, *grid.ns.shape), dtype)
    launch(
        found,
        (blocks, tiles),
        (LANES, warps),
        *(in_order(a, dtype) for a in (n.x, n.W, grid.ns, v, W)),
        *_sizes(n, grid, packs),
        partial,
        shared_bytes=shared,
    )
    return joined(partial)


def _forms(units: int, dtype: Any) -> Iterator[tuple[int, int]]:
    """Units per lane and warps per block, those first that move most at once."""
    most = VECTOR_BYTES // dtype.itemsize
    for vector in (most, 1) if units % most == 0 else (1,):
        for warps in (DEEP, DEEP // 2, DEEP // 4, 1):
            yield vector, warps


def _numbers(n: Nets, vector: int, warps: int, packs: int) -> int:
    """Numbers in shared memory for the weights of a block's units and the inputs of its rows."""
    N, pitch = n.x.shape[1], ROWS * (LANES // packs) + VECTOR_BYTES // n.x.dtype.itemsize
    return (N + 1) * vector * LANES + warps * N * pitch


def _sizes(n: Nets, grid: Hinges, packs: int) -> tuple[Any, ...]:
    return np.int64(n.x.shape[0]), n.x.shape[1], *grid.ns.shape, packs, int(grid.linear)
