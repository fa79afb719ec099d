"""Slots for blocks that are brought to where they are worked on: here they are there as soon as they are read.

Every engine has `staging(count)`, a context with that many slots. A slot is emptied, then a block is brought into it, by any
thread, and then worked on, by the thread that emptied it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any


class Staging:
    def empty(self) -> None:
        """What was brought before may be overwritten by what is brought next, once all work asked for until now is done."""

    def bring(self, read: Callable[[], tuple[Any, ...]]) -> tuple[Any, ...]:
        """A block as `read` gives it."""
        return read()

    def work(self, compute: Callable[..., Any], block: tuple[Any, ...]) -> Any:
        """`compute` of the block that was brought, when it is there."""
        return compute(*block)


@contextlib.contextmanager
def staging(count: int) -> Iterator[list[Staging]]:
    yield [Staging() for _ in range(count)]
