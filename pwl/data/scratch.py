"""Arrays that are too large for memory: memory-mapped temporary files, removed when nothing uses them any more."""

from __future__ import annotations

import tempfile
import weakref
from pathlib import Path

import numpy as np

BLOCK = 2**20  # numbers in a block: 8 MB as float64, small beside any memory, yet many for one call


def rows_a_block(row_size: int) -> int:
    """Number of rows of `row_size` numbers in one block, at least one."""
    return max(1, BLOCK // max(1, row_size))


def scratch_array(shape: tuple[int, ...], dtype: np.dtype | type = np.float64) -> np.memmap:
    """A writable array of zeros on disk, in the folder that TMPDIR names. Its file is removed with the last view."""
    folder = scratch_folder()
    array = np.memmap(Path(folder.name) / "array", mode="w+", shape=shape, dtype=dtype)
    return hold(folder, array)


def scratch_folder() -> tempfile.TemporaryDirectory[str]:
    """An empty folder that is removed with the object. Errors are ignored, as Windows keeps a file that is still mapped."""
    return tempfile.TemporaryDirectory(prefix="pwl-", ignore_cleanup_errors=True)


def hold(folder: tempfile.TemporaryDirectory[str], array: np.memmap) -> np.memmap:
    """`array`, whose file is in `folder`. The folder is removed when neither the array nor a view of it is left."""
    # Views do not keep the np.memmap object alive, but all of them keep the mapping beneath it.
    weakref.finalize(array._mmap, folder.cleanup)  # type: ignore[attr-defined]
    return array
