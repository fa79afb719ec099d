"""Kernels of cuda/*.cu: NVRTC compiles them at first use, CuPy keeps them on disk, and `launch` runs them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib import resources
from typing import Any

import cupy
import numpy as np

from pwl.runtime.backend import Array

OPTIONS = ("--std=c++17", "--fmad=false")  # every product and sum is rounded, as in the specification
NAMES = {"f4": "float", "f8": "double", "u1": "unsigned char", "i4": "int"}
VECTOR_BYTES = 16  # the most that a thread moves at once
THREADS = 256  # per block at most, the launch bound of the kernels
SHARED_BYTES = 48 * 1024  # shared memory that every device gives a block
# Types, and how many neighbours a thread moves at once.
VECTORS = (("float", 1), ("float", 4), ("double", 1), ("double", 2))
FLAGS = ("true", "false")
BLOCKS = 8192  # enough to fill any device a few times over; threads walk on if there is more work


@cupy.memoize(for_each_device=True)
def kernel(source: str, instances: tuple[str, ...], instance: str) -> Any:
    """One instance of the templates in a source file. All its instances are compiled together."""
    return _module(source, instances).get_function(instance)


@cupy.memoize(for_each_device=True)
def _module(source: str, instances: tuple[str, ...]) -> Any:
    return cupy.RawModule(code=code(f"{source}.cu"), options=OPTIONS, name_expressions=instances)


def code(file: str) -> str:
    """The text of a source file, with the files that it includes in their places."""
    lines = (resources.files("pwl.kernels") / "cuda" / file).read_text(encoding="ascii").splitlines(keepends=True)
    return "".join(code(line.split('"')[1]) if line.startswith("#include") else line for line in lines)


def by_type(instances: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """Instances by their type of number. Those of a type are compiled together, when the first of them is needed."""
    return {t: tuple(name for name in instances if re.search(rf"<{t}\b", name)) for t in ("float", "double")}


def launch(kernel: Any, grid: Sequence[int], block: Sequence[int], *args: Any, shared_bytes: int = 0) -> None:
    """Runs the kernel on the current stream. Whole numbers are passed as `int`, and NumPy numbers keep their type."""
    kernel(
        tuple(grid),
        tuple(block),
        tuple(np.int32(a) if isinstance(a, int) else a for a in args),
        shared_mem=shared_bytes,
    )


@cupy.memoize(for_each_device=True)
def processors() -> int:
    """Number of multiprocessors of the device."""
    return int(cupy.cuda.Device().attributes["MultiProcessorCount"])


@cupy.memoize(for_each_device=True)
def resident(kernel: Any, threads: int, shared_bytes: int = 0) -> int:
    """Number of blocks of this size that the device runs at a time. A grid of that many is one wave: no block waits."""
    each = cupy.cuda.driver.occupancyMaxActiveBlocksPerMultiprocessor(kernel.kernel.ptr, threads, shared_bytes)
    return max(1, each) * processors()


def named(dtype: Any) -> str:
    """The name of a dtype in CUDA."""
    return NAMES[np.dtype(dtype).str[1:]]


def flag(flag: bool) -> str:
    """A truth value in CUDA."""
    return "true" if flag else "false"


def in_order(a: Array, dtype: Any) -> Array:
    """`a` row by row in memory and with this dtype; `a` itself if it is so already."""
    return cupy.ascontiguousarray(a, dtype=dtype)


def covering(count: int, size: int) -> int:
    """Number of parts of a size that hold `count` items."""
    return -(-count // size)


def at_once(count: int, *arrays: Array) -> int:
    """Number of neighbours that a thread may move at once in arrays of one dtype, if it works on runs of `count` numbers."""
    most = VECTOR_BYTES // arrays[0].dtype.itemsize
    aligned = all(a.data.ptr % VECTOR_BYTES == 0 for a in arrays)
    return most if aligned and count % most == 0 else 1


def columns_by_rows(columns: int, rows: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """Grid and block of threads, where each thread keeps to a column and walks down the rows."""
    wide = min(THREADS, 1 << max(0, columns - 1).bit_length())
    across, high = covering(columns, wide), THREADS // wide
    return (across, max(1, min(covering(rows, high), BLOCKS // across))), (wide, high)
