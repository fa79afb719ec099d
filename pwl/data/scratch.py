"""Arrays too large for memory: temporary files, memory-mapped, gone when nothing uses them any more."""

from __future__ import annotations

import tempfile
import weakref
from pathlib import Path

import numpy as np

BLOCK = 2**20  # numbers in a block: 8 MB as float64, small beside any memory, large beside the cost of a call


def rows_a_block(row_size: int) -> int:
    """Rows of `row_size` numbers that make one block, at least one."""
    return max(1, BLOCK // max(1, row_size))


def scratch_array(shape: tuple[int, ...], dtype: np.dtype | type = np.float64) -> np.memmap:
    """A writable array of zeros on disk, in the folder that TMPDIR names; its file goes when the last view goes."""
    folder = scratch_folder()
    array = np.memmap(Path(folder.name) / "array", mode="w+", shape=shape, dtype=dtype)
    return hold(folder, array)


def scratch_folder() -> tempfile.TemporaryDirectory[str]:
    """An empty folder that is removed with the object, errors ignored: Windows keeps a file that is still mapped."""
    return tempfile.TemporaryDirectory(prefix="pwl-", ignore_cleanup_errors=True)


def hold(folder: tempfile.TemporaryDirectory[str], array: np.memmap) -> np.memmap:
    """Give `array`, whose file lies in `folder`, and remove the folder when neither it nor a view of it lives."""
    # Views do not keep the np.memmap object alive, but all of them keep the mapping under it.
    weakref.finalize(array._mmap, folder.cleanup)  # type: ignore[attr-defined]
    return array
