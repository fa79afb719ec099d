"""Standard output and error that may be closed, full, or unable to show a name."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Iterator
from typing import Any


@contextlib.contextmanager
def settled() -> Iterator[None]:
    """Context in which standard output and error can be written to.

    Closed ones lead nowhere, as /dev/null does. Characters that an encoding does not have are written as escapes.
    """
    before = sys.stdout, sys.stderr
    _hold_numbers()
    sys.stdout, sys.stderr = (_writable(stream) for stream in before)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


@contextlib.contextmanager
def of_rank_0(rank: int) -> Iterator[None]:
    """Context in which ranks other than 0 say nothing."""
    if rank == 0:
        yield
        return
    with contextlib.ExitStack() as stack:
        nowhere = stack.enter_context(open(os.devnull, "w", encoding="utf-8"))
        stack.enter_context(contextlib.redirect_stdout(nowhere))
        stack.enter_context(contextlib.redirect_stderr(nowhere))
        yield


def silence(stream: Any) -> None:
    """Leads a stream nowhere from here on, so that what is left in its buffer fails no more."""
    with contextlib.suppress(OSError, ValueError, AttributeError, io.UnsupportedOperation):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def _hold_numbers() -> None:
    """Takes the numbers of closed standard streams, which the next file to be opened would get."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            with contextlib.suppress(OSError):
                nowhere = os.open(os.devnull, os.O_RDWR)
                if nowhere != number:
                    os.dup2(nowhere, number)
                    os.close(nowhere)


def _writable(stream: Any) -> Any:
    if stream is None or getattr(stream, "closed", False):
        return open(os.devnull, "w", encoding="utf-8")
    if hasattr(stream, "reconfigure"):
        stream.reconfigure(errors="backslashreplace")
    return stream
