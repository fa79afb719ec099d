"""Slots for blocks on the GPU: copied by a stream of their own while the stream of the work is at the blocks before.

A slot has memory of its own, which freed arrays go back to. The work waits for the copies into its slot; copies into a slot
wait for the work on what was in it before, and for nothing else.
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
        """What was brought before may be overwritten by what is brought next, once all work asked for until now is done."""
        self.emptied.record()

    def bring(self, read: Callable[[], tuple[Any, ...]]) -> tuple[Any, ...]:
        """A block as `read` gives it, whose copies and kernels are in the slot's stream."""
        self.brought.synchronize()  # so that no more blocks wait in page-locked memory than there are slots
        with self.device, self.stream, cupy.cuda.using_allocator(self.memory.malloc):
            self.stream.wait_event(self.emptied)
            block = read()
            self.brought.record(self.stream)
        return block

    def work(self, compute: Callable[..., Any], block: tuple[Any, ...]) -> Any:
        """`compute` of the block that was brought, in the current stream, when it is there."""
        cupy.cuda.get_current_stream().wait_event(self.brought)
        return compute(*block)


@contextlib.contextmanager
def staging(count: int) -> Iterator[list[Staging]]:
    """Slots that no one else uses. Those of a failure are not used again: copies may still be under way."""
    try:
        found = _idle(count).pop()
    except IndexError:
        found = [Staging() for _ in range(count)]
    yield found
    _idle(count).append(found)


@cupy.memoize(for_each_device=True)
def _idle(count: int) -> list[list[Staging]]:
    return []
