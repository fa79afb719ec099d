"""Slots for blocks of patterns on the GPU. Each slot copies in a stream of its own while earlier blocks are worked on.

A slot has memory of its own, to which freed arrays return. The work waits for the copies into its slot. Copies into a slot
wait for the work on the slot's previous block, and for nothing else.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import cupy


class Staging:
    def __init__(self) -> None:
        self.device, self.stream = cupy.cuda.Device(), cupy.cuda.Stream(non_blocking=True)
        self.memory = cupy.cuda.MemoryPool()
        self.emptied, self.brought = (cupy.cuda.Event(disable_timing=True) for _ in range(2))

    def empty(self) -> None:
        """Lets the next block overwrite this one as soon as all work requested so far is done."""
        self.emptied.record()

    def bring(self, read: Callable[[], tuple[Any, ...]]) -> tuple[Any, ...]:
        """The block that `read` returns. Its copies and kernels run in the slot's stream."""
        self.brought.synchronize()  # no more blocks may wait in page-locked memory than there are slots
        with self.device, self.stream, cupy.cuda.using_allocator(self.memory.malloc):
            self.stream.wait_event(self.emptied)
            block = read()
            self.brought.record(self.stream)
        return block

    def work(self, compute: Callable[..., Any], block: tuple[Any, ...]) -> Any:
        """`compute` of the block in the current stream, once the block has arrived."""
        cupy.cuda.get_current_stream().wait_event(self.brought)
        return compute(*block)


@contextlib.contextmanager
def staging(count: int) -> Iterator[list[Staging]]:
    """Slots that nobody else uses. After a failure they are not used again, because copies may still be under way."""
    try:
        found = _idle(count).pop()
    except IndexError:
        found = [Staging() for _ in range(count)]
    yield found
    _idle(count).append(found)


@cupy.memoize(for_each_device=True)
def _idle(count: int) -> list[list[Staging]]:
    return []
