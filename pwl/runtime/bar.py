"""Progress bars on the terminal and in notebooks."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import Any


@contextlib.contextmanager
def progress_bar(shown: bool, total: int, unit: str, done: int = 0) -> Iterator[Callable[[], Any]]:
    """A function that says that one more of `total` is done, to a bar if one was asked for and there is a terminal."""
    if not shown or sys.stderr is None:  # None where standard error is closed
        yield lambda: None
        return
    from tqdm import tqdm

    notebook = "ipykernel" in sys.modules  # its standard error is not a terminal, but shows bars
    with tqdm(total=total, initial=done, unit=unit, leave=False, disable=False if notebook else None) as bar:
        yield bar.update
