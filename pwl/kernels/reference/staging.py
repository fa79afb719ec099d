"""Slots for blocks of patterns on their way to the place of the work. Here a block has arrived as soon as it is read.

Every engine has `staging(count)`, a context with that many slots. One thread empties a slot, any thread brings a block
into it, and the first thread then works on the block.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any


class Staging:
    def empty(self) -> None:
        """Lets the next block overwrite this one as soon as all work requested so far is done."""

    def bring(self, read: Callable[[], tuple[Any, ...]]) -> tuple[Any, ...]:
        """The block that `read` returns."""
        return read()

    def work(self, compute: Callable[..., Any], block: tuple[Any, ...]) -> Any:
        """`compute` of the block, once the block has arrived."""
        return compute(*block)


@contextlib.contextmanager
def staging(count: int) -> Iterator[list[Staging]]:
    yield [Staging() for _ in range(count)]
