"""Blocks of patterns for a device. While it works on one block, the next blocks are read, prepared and copied."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from pwl.kernels import engine
from pwl.runtime.backend import Array
from pwl.runtime.threads import ordered_map

READERS = 2  # threads that read the next blocks


def prefetched(
    read: Callable[[int], tuple[Any, ...]], compute: Callable[..., Any], starts: Sequence[int], theta: Array
) -> Iterator[Any]:
    """compute(*read(start)) for each start in order, on the device of theta."""
    with engine(theta).staging(READERS + 1) as areas:  # one for each reader, and one for the block in work

        def emptied() -> Iterator[tuple[Any, int]]:
            for number, start in enumerate(starts):
                area = areas[number % len(areas)]
                area.empty()
                yield area, start

        def bring(item: tuple[Any, int]) -> tuple[Any, tuple[Any, ...]]:
            area, start = item
            return area, area.bring(lambda: read(start))

        for area, block in ordered_map(bring, emptied(), READERS):
            values = area.work(compute, block)
            del block  # returns its memory to the area
            yield values
