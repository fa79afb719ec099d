"""Memory policy: the number of patterns in a block, and the runs of blocks that threads share out.

Blocks follow only from the network, the statistic and the memory bound, so no result depends on the number of threads.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator

import numpy as np

from pwl.network.layout import Layout
from pwl.network.memory import device_bytes, floats_of
from pwl.network.network import Network
from pwl.runtime.backend import Array, is_numpy_array, number_bytes, on_cores

BLOCK_BYTES = 512 * 2**20  # work arrays of all blocks at once
CACHE_BYTES = 16 * 2**20  # work arrays of one block; larger blocks leave the cache, and smaller blocks cost more calls
RUNS = 64  # runs of blocks that threads share out among themselves
SHARES = 4  # of the bound, one per block, because several blocks are under way, whatever the number of threads
LEAST = 128  # fewest patterns in a block, if the bound allows
TOGETHER = 4  # blocks come in this number or a multiple of it, so that two or four threads have equal shares


def block_rows(net: Network, floats: int = 0, block_bytes: int | None = None) -> int:
    """Number of patterns in a block. Work arrays stay within the bound and, on the CPU, within the cache if they can.

    floats: numbers per pattern beyond those of the passes. block_bytes: the bound, or None for the default.
    """
    if on_cores(net.theta):
        bounds = block_bytes or BLOCK_BYTES, cache_bytes(net)
        return _rows_on_cores(net.layout, net.group, number_bytes(net.theta), floats, *bounds)
    return _grouped((block_bytes or device_bytes(net)) // pattern_bytes(net, floats), net.group)


def cache_bytes(net: Network) -> int:
    """Work arrays of one block, so that it is fast. Curves take a block in parts, which stay in the cache if the block does not."""
    in_parts = any(layer.fused or layer.reads_inputs for layer in net.layers)
    return 2 * CACHE_BYTES if in_parts else CACHE_BYTES


def even_rows(rows: int, count: int, group: int = 1) -> int:
    """Number of patterns in a block, at most `rows`, if `count` patterns are cut into like blocks, a multiple of TOGETHER.

    The last block has a few patterns less. Patterns that fit one block stay together, and groups are not cut.
    """
    if count <= rows:
        return rows
    blocks = -(-count // (rows * TOGETHER)) * TOGETHER
    return -(-count // (blocks * group)) * group


def pattern_bytes(net: Network, floats: int) -> int:
    """Bytes of work arrays per pattern."""
    return number_bytes(net.theta) * (floats_of(net.layout) + floats)


@functools.lru_cache(maxsize=256)
def _rows_on_cores(layout: Layout, group: int, number: int, floats: int, block_bytes: int, cache: int) -> int:
    row_bytes = number * (floats_of(layout) + floats)
    return _grouped(min(block_bytes // SHARES // row_bytes, max(cache // row_bytes, LEAST)), group)


def _grouped(rows: int, group: int) -> int:
    """At most so many rows in whole groups, and one group at least."""
    return max(1, rows // group) * group


def laid_out(net: Network, x: Array) -> Array:
    """A block's inputs as the passes want them in memory: with the patterns side by side, if curves are the last layer.

    The nets then lie in the same way, and a curve's ordinates stay in registers while its nets are read. Curves on inputs take
    the inputs pattern by pattern.
    """
    if not (is_numpy_array(x) and x.ndim == 2 and net.layers and net.layers[-1].fused) or net.layers[0].reads_inputs:
        return x
    return np.asfortranarray(x)


def runs(starts: range) -> Iterator[range]:
    """The first patterns of the blocks, in at most RUNS runs of nearly equal length.

    A thread takes a whole run of blocks, because the hand-over of a single block can cost as much as its work.
    """
    count = min(len(starts), RUNS)
    for run in range(count):
        yield starts[len(starts) * run // count : len(starts) * (run + 1) // count]
