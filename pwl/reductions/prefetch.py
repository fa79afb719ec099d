"""Blocks of patterns for a device, which works on one at a time: the next ones are read, prepared and copied meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from pwl.kernels import slots_engine
from pwl.runtime.backend import Array
from pwl.runtime.threads import ordered_map

READERS = 2  # threads that read the next blocks


def computed(
    read: Callable[[int], tuple[Any, ...]], compute: Callable[..., Any], starts: Sequence[int], theta: Array
) -> Iterator[Any]:
    """compute(*read(start)) for each start in order, on the device of theta."""
    if len(starts) == 1:
        yield compute(*read(starts[0]))
        return
    with slots_engine(theta).slots(READERS + 1) as slots:  # one more is worked on

        def emptied() -> Iterator[tuple[Any, int]]:
            for number, start in enumerate(starts):
                slot = slots[number % len(slots)]
                slot.empty()
                yield slot, start

        def bring(item: tuple[Any, int]) -> tuple[Any, tuple[Any, ...]]:
            slot, start = item
            return slot, slot.bring(lambda: read(start))

        for slot, block in ordered_map(bring, emptied(), READERS):
            values = slot.work(compute, block)
            del block  # its memory is the slot's again
            yield values
