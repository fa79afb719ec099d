"""The only loop over data. Algorithms never loop over patterns. They name a statistic and reduce it."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from functools import partial
from typing import Any

from pwl.errors import InputError
from pwl.network.network import Network
from pwl.reductions.across import over_ranks
from pwl.reductions.blocks import block_rows, even_rows, laid_out, pattern_bytes, runs
from pwl.reductions.patterns import Patterns
from pwl.reductions.prefetch import prefetched
from pwl.reductions.statistic import Part, Statistic, Tree, grown
from pwl.runtime.backend import Array, is_out_of_memory, on_cores
from pwl.runtime.threads import keep_freed_memory, ordered_map, single_threaded_blas

NOTHING: Part = (None, [])


def reduce(statistic: Statistic, net: Network, patterns: Patterns) -> Tree:
    """The statistic over all patterns of all ranks: sums divided by the sum of the weights, minima, maxima, or R factors.

    The result has the form of the statistic of one block, an array or a NamedTuple.
    """
    count, alone = len(patterns), patterns.comm.size == 1
    patterns.reads.count(count if alone else patterns.count())
    rows = block_rows(net, statistic.floats, patterns.block_bytes)
    if 0 < count <= rows and on_cores(net.theta):
        keep_freed_memory()
        with single_threaded_blas():
            outline = statistic.of_block(*patterns.whole(net), *statistic.beside_rows(0, count))
            if alone:
                return statistic.alone(outline, patterns.total_weight())
            total = statistic.start(outline)
    elif count == 0:  # a rank without patterns
        outline, total = NOTHING
    elif on_cores(net.theta):
        outline, total = _on_cores(statistic, net.remembering(None), patterns, rows)
    else:
        outline, total = _on_device(statistic, net.remembering(None), patterns, rows)
    if not alone:
        outline, total = over_ranks(statistic, patterns, (outline, total), net.theta)
    return grown(outline, iter(statistic.mean(total, patterns.total_weight())))


def _starts(patterns: Patterns, rows: int) -> range:
    """Where this rank's blocks begin. Their borders are those of the patterns of all ranks, so the first may begin before 0."""
    return range(-(patterns.first % rows), len(patterns), rows)


def _read(statistic: Statistic, net: Network, patterns: Patterns, rows: int, first: int) -> tuple[int, tuple[Any, ...]]:
    """The number of a block's first pattern on this rank, and the block."""
    first, last = max(first, 0), min(first + rows, len(patterns))
    x, *rest = patterns.block(net, first, last)
    return first, (laid_out(net, x), *rest, *statistic.beside_rows(first, last))


def _computed(statistic: Statistic, net: Network, before: int, first: int, block: tuple[Any, ...]) -> Part:
    """The statistic of one block. before: patterns on earlier ranks."""
    tree = statistic.of_block(net.at_pattern(before + first), *block)
    return grown(tree, itertools.repeat(None)), statistic.start(tree)


def _folded(statistic: Statistic, parts: Iterable[Part]) -> Part:
    """The total of the parts, folded in their order."""
    outline: Tree = None
    total: list[Array] = []
    for part in parts:
        outline, values = part
        total = statistic.fold(total, values)
    return outline, total


def _run(statistic: Statistic, net: Network, patterns: Patterns, rows: int, starts: range) -> Part:
    """The total of a run of blocks, by one thread."""
    blocks = (_read(statistic, net, patterns, rows, first) for first in starts)
    return _folded(statistic, (_computed(statistic, net, patterns.first, *block) for block in blocks))


def _on_cores(statistic: Statistic, net: Network, patterns: Patterns, rows: int) -> Part:
    """The total by all cores. Runs of blocks are computed side by side and folded in their order."""
    rows = even_rows(rows, patterns.count(), net.group)
    shares = list(runs(_starts(patterns, rows)))
    return _folded(statistic, ordered_map(partial(_run, statistic, net, patterns, rows), shares, len(shares)))


def _on_device(statistic: Statistic, net: Network, patterns: Patterns, rows: int) -> Part:
    """The total by a device, block after block. Blocks of host data are read, prepared and copied ahead."""
    starts = _starts(patterns, rows)
    try:
        if len(starts) == 1 or patterns.are_beside(net):
            return _run(statistic, net, patterns, rows, starts)
        reading, computing = partial(_read, statistic, net, patterns, rows), partial(_computed, statistic, net, patterns.first)
        return _folded(statistic, prefetched(reading, computing, starts, net.theta))
    except Exception as failure:
        if not is_out_of_memory(failure):
            raise
        count = min(rows, len(patterns))
        needed = count * pattern_bytes(net, statistic.floats)
        raise InputError(
            f"the GPU's memory is too small ({failure}): a block of {count} patterns takes about {needed} bytes. Try "
            f"batch_size={max(1, count // 2)}, or pwl.Patterns(x, t, block_bytes={max(1, needed // 2)})"
        ) from None
