"""Sums down the columns on the GPU, cuda/sums.cu. CuPy's sums of few columns use few blocks, however many rows there are."""

from __future__ import annotations

import cupy
import numpy as np

from pwl.kernels.cuda.launch import FLAGS, VECTORS, at_once, flag, in_order, kernel, launch, named
from pwl.kernels.cuda.lines import DEEP, lines_of
from pwl.runtime.backend import Array

BLOCKS, LINES = 512, 16  # most blocks; least lines per thread before there are fewer blocks

INSTANCES = tuple(f"sums<{t}, {v}, {products}>" for t, v in VECTORS for products in FLAGS)


def column_sums(a: Array) -> Array:
    """Sum of a (.., units) over all but its last axis, (units,), with the same bits in every run."""
    return group_sums(_one_group(a))[0]


def column_products(a: Array, b: Array) -> Array:
    """Sum of a b, both (.., units), over all but the last axis, (units,), with the same bits in every run."""
    return group_products(_one_group(a), _one_group(b))[0]


def group_sums(a: Array) -> Array:
    """Sum of a (groups, rows, units) over the rows of each group, (groups, units), with the same bits in every run."""
    return _sums(a, a, products=False, most=BLOCKS)


def group_products(a: Array, b: Array) -> Array:
    """Sum of a b, both (groups, rows, units), over the rows of each group, (groups, units), with the same bits in every run."""
    return _sums(a, b, products=True, most=BLOCKS)


def joined(partial: Array) -> Array:
    """The sum of the parts (parts, ...), in which blocks of threads left their sums, with the same bits in every run."""
    parts, shape = len(partial), partial.shape[1:]
    return partial[0] if parts == 1 else column_sums(partial.reshape(parts, -1)).reshape(shape)


def _one_group(a: Array) -> Array:
    return a.reshape(1, a.size // a.shape[-1], a.shape[-1])


def _sums(a: Array, b: Array, products: bool, most: int) -> Array:
    a, b, (groups, rows, units) = in_order(a, a.dtype), in_order(b, a.dtype), a.shape
    lines = lines_of(rows, units, min(at_once(rows * units, a), at_once(rows * units, b)))
    blocks = lines.blocks(DEEP, most // groups, LINES)
    partial = cupy.empty((groups, blocks, units), a.dtype)
    launch(
        kernel("sums", INSTANCES, f"sums<{named(a.dtype)}, {lines.vector}, {flag(products)}>"),
        (blocks * groups, lines.tiles),
        (lines.lanes, DEEP),
        a,
        b,
        np.int64(rows * units),
        units,
        lines.width,
        blocks,
        partial,
        shared_bytes=DEEP * lines.lanes * lines.vector * a.dtype.itemsize,
    )
    return partial[:, 0, :] if blocks == 1 else _sums(partial, partial, products=False, most=1)
