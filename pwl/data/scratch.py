"""Arrays that are too large for memory: memory-mapped temporary files, removed when nothing uses them any more."""

from __future__ import annotations

import math
import os
import tempfile
import weakref
from pathlib import Path

import numpy as np

from pwl.errors import InputError
from pwl.files.temporary import prefix, sweep
from pwl.runtime.room import in_units

BLOCK = 2**20  # numbers in a block: 8 MB as float64, small beside any memory, yet many for one call


def rows_a_block(row_size: int) -> int:
    """Number of rows of `row_size` numbers in one block, at least one."""
    return max(1, BLOCK // max(1, row_size))


def scratch_array(shape: tuple[int, ...], dtype: np.dtype | type = np.float64) -> np.memmap:
    """A writable array of zeros on disk, in the folder that TMPDIR names. Its file is removed with the last view."""
    folder = scratch_folder()
    path = Path(folder.name) / "array"
    _take(path, math.prod(shape) * np.dtype(dtype).itemsize)
    return hold(folder, np.memmap(path, mode="r+", shape=shape, dtype=dtype))


def _take(path: Path, size: int) -> None:
    """Makes a file of zeros with its space taken, because a process dies when it writes to a map that finds no space.

    Raises InputError if the space is not there.
    """
    try:
        with path.open("wb") as file:
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(file.fileno(), 0, size)
            else:
                file.truncate(size)
    except OSError as failure:
        raise InputError(
            f"{in_units(size)} of temporary space are needed in {tempfile.gettempdir()}, but {failure.strerror or failure}: "
            "make room, or let TMPDIR name a folder on a larger disk"
        ) from None


def scratch_folder() -> tempfile.TemporaryDirectory[str]:
    """An empty folder that is removed with the object. Errors are ignored, as Windows keeps a file that is still mapped."""
    sweep(Path(tempfile.gettempdir()), "pwl")
    return tempfile.TemporaryDirectory(prefix=prefix("pwl"), ignore_cleanup_errors=True)


def hold(folder: tempfile.TemporaryDirectory[str], array: np.memmap) -> np.memmap:
    """`array`, whose file is in `folder`. The folder is removed when neither the array nor a view of it is left."""
    # Views do not keep the np.memmap object alive, but all of them keep the mapping beneath it.
    weakref.finalize(array._mmap, folder.cleanup)  # type: ignore[attr-defined]
    return array
