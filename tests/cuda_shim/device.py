"""A device that is none: as much of CuPy as the GPU engine uses, with kernels compiled as C++ and run on the CPU.

Every launch is checked: arguments against the kernel's signature, memory around arrays and after the shared memory for
writes beyond the end, barriers that only some threads reach, and results for the order in which threads run.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import hashlib
import importlib
import mmap
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any
from unittest import mock

import numpy as np

import pwl.kernels

COMPILER = shutil.which("g++") or shutil.which("c++")
OPTIONS = ("-std=c++17", "-O1", "-ffp-contract=off", "-fno-strict-aliasing", "-fsanitize=alignment", "-fPIC", "-shared")
FAULTS = (
    "none",
    "the arguments do not fit the kernel",
    "a barrier that not all threads reach",
    "writes beyond the shared memory",
)
GUARD, MARK, VECTOR = 64, 0xA5, 16  # bytes before arrays and what they hold; bytes that a thread moves at once
ENGINE = "pwl.kernels.cuda"


class Array(np.ndarray):
    """An array with CuPy's `data.ptr`, and guarded memory around it."""

    memory: np.ndarray | None
    after: np.ndarray | None

    def __array_finalize__(self, source: Any) -> None:
        self.memory, self.after = getattr(source, "memory", None), getattr(source, "after", None)

    @property
    def data(self) -> Any:  # type: ignore[override]
        return SimpleNamespace(ptr=self.ctypes.data)

    def guarded(self) -> bool:
        return self.memory is None or bool(np.all(self.memory[:GUARD] == MARK) and np.all(self.after == MARK))


def empty(shape: Any, dtype: Any = np.float64) -> Array:
    """An array full of bytes that are NaN as floating-point numbers, at an address that vectors may be moved from.

    Behind the bytes that fill up its last vector lies a page that can't be read, so that a kernel which reads beyond the end ends
    the process.
    """
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    used = GUARD + size + -size % VECTOR
    pages = mmap.mmap(-1, (-(-used // mmap.PAGESIZE) + 1) * mmap.PAGESIZE)
    raw = np.frombuffer(pages, np.uint8)
    memory = raw[len(raw) - mmap.PAGESIZE - used : len(raw) - mmap.PAGESIZE]
    assert ctypes.CDLL(None).mprotect(ctypes.c_void_p(memory.ctypes.data + used), mmap.PAGESIZE, 0) == 0
    memory[:] = MARK
    memory[GUARD : GUARD + size] = 0xFF
    made = memory[GUARD : GUARD + size].view(dtype).reshape(shape).view(Array)
    made.memory, made.after = memory, memory[GUARD + size :]
    return made


def array(a: Any) -> Array:
    made = empty(np.shape(a), np.asarray(a).dtype)
    made[...] = a
    return made


def zeros(shape: Any, dtype: Any) -> Array:
    return array(np.zeros(shape, dtype))


def asarray(a: Any) -> Array:
    return a if isinstance(a, Array) else array(a)


def ascontiguousarray(a: Any, dtype: Any) -> Array:
    return (
        a if isinstance(a, Array) and a.flags.c_contiguous and a.dtype == dtype else array(np.asarray(a, dtype=dtype))
    )


def compiled(folder: Path, text: str) -> Path:
    """The library of a source; it is compiled once, whatever the number of processes that ask for it."""
    header = Path(__file__).with_name("cuda.h")
    headers = [file.read_text() for file in sorted(header.parent.glob("*.h"))]
    name = hashlib.sha256("\n".join((*compiler(), *OPTIONS, *headers, text)).encode()).hexdigest()[:24]
    target, source = folder / f"{name}.so", folder / f"{name}-{os.getpid()}.cpp"
    with locked(folder / f"{name}.lock"):
        if not target.exists():
            source.write_text(text, encoding="ascii")
            made = source.with_suffix(".so")
            command = [
                COMPILER or "",
                *OPTIONS,
                "-Wno-unknown-pragmas",
                f"-I{header.parent}",
                str(source),
                "-o",
                str(made),
            ]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr
            made.replace(target)
            source.unlink()
    return target


@functools.cache
def compiler() -> tuple[str, str]:
    """The compiler's path and version."""
    version = subprocess.run([COMPILER or "", "--version"], capture_output=True, text=True, check=True).stdout
    return COMPILER or "", version


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """One process at a time; where the system has no such locks, several may compile the same."""
    try:
        import fcntl
    except ImportError:
        yield
        return
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


class RawModule:
    def __init__(self, folder: Path, code: str, options: tuple[str, ...], name_expressions: tuple[str, ...]) -> None:
        assert "--fmad=false" in options  # what the C++ compiler is told as well
        self.names = name_expressions
        kernels = "\n".join(
            f"        case {i}: return shim::run({name}, *launch);" for i, name in enumerate(self.names)
        )
        text = (
            f'#include "cuda.h"\n#line 1 "source.cu"\n{code}\n'
            'extern "C" int run(int kernel, const shim::Launch* launch) {\n'
            f"    switch (kernel) {{\n{kernels}\n    }}\n    return -1;\n}}\n"
        )
        target = compiled(folder, text)
        self.library = ctypes.CDLL(str(target))

    def get_function(self, name: str) -> Any:
        number = self.names.index(name)

        def run(grid: tuple, block: tuple, arguments: tuple, *, shared_mem: int) -> None:
            arrays = [a for a in arguments if isinstance(a, Array)]
            before = [a.copy() for a in arrays]
            self._run(number, grid, block, arguments, shared_mem, backwards=True)
            found = [a.copy() for a in arrays]
            for a, was in zip(arrays, before, strict=True):
                if a.flags.writeable:
                    a[...] = was
                assert a.tobytes() == was.tobytes(), f"{name} writes to an array that is read-only"
            self._run(number, grid, block, arguments, shared_mem, backwards=False)
            for a, other in zip(arrays, found, strict=True):
                assert a.tobytes() == other.tobytes(), f"{name}: the result depends on the order of the threads"
                assert a.guarded(), f"{name} writes beside an array"

        run.kernel = SimpleNamespace(ptr=number)  # type: ignore[attr-defined]
        return run

    def _run(self, number: int, grid: tuple, block: tuple, arguments: tuple, shared: int, backwards: bool) -> None:
        assert all(isinstance(a, (Array, np.number)) for a in arguments)
        assert all(a.flags.c_contiguous for a in arguments if isinstance(a, Array))
        assert block[0] * block[1] <= 256 and grid[1] < 2**16 and min(*grid, *block) > 0 and shared <= 48 * 1024
        values = [
            ctypes.c_void_p(a.data.ptr) if isinstance(a, Array) else ctypes.create_string_buffer(a.tobytes(), a.nbytes)
            for a in arguments
        ]
        kinds = [100 + a.itemsize if isinstance(a, Array) else a.nbytes for a in arguments]
        launch = Launch(
            (*grid, *block),
            shared,
            backwards,
            (ctypes.c_void_p * len(values))(*(ctypes.addressof(v) for v in values)),
            (ctypes.c_int * len(kinds))(*kinds),
            len(kinds),
        )
        fault = self.library.run(number, ctypes.byref(launch))
        assert fault == 0, f"{self.names[number]}: {FAULTS[fault]}"


class Launch(ctypes.Structure):
    _fields_ = (
        ("grid_and_block", ctypes.c_uint * 4),
        ("shared", ctypes.c_int),
        ("backwards", ctypes.c_bool),
        ("arguments", ctypes.POINTER(ctypes.c_void_p)),
        ("kinds", ctypes.POINTER(ctypes.c_int)),
        ("count", ctypes.c_int),
    )


def occupancy(function: int, threads: int, shared_bytes: int) -> int:
    """Blocks that a processor with 1024 threads and twice the shared memory of a block holds."""
    assert isinstance(function, int) and 0 < threads <= 256 and 0 <= shared_bytes <= 48 * 1024
    return min(1024 // threads, 2 * 48 * 1024 // max(1, shared_bytes))


def memoize(for_each_device: bool) -> Any:
    assert for_each_device
    return functools.cache


def shim_of_cupy(folder: Path) -> ModuleType:
    shim, functions = ModuleType("cupy"), (memoize, empty, zeros, asarray, ascontiguousarray)
    vars(shim).update({f.__name__: f for f in functions}, ndarray=Array)
    # few processors, so that sums have parts of some length
    cuda = SimpleNamespace(
        Device=lambda: SimpleNamespace(attributes={"MultiProcessorCount": 1}, compute_capability="90"),
        driver=SimpleNamespace(occupancyMaxActiveBlocksPerMultiprocessor=occupancy),
    )
    vars(shim).update(cuda=cuda, RawModule=lambda **options: RawModule(folder, **options))
    return shim


def engine(folder: Path) -> ModuleType:
    """The engine's own package, imported once more with the shim in CuPy's place; the real one stays as it is."""
    kept = vars(pwl.kernels).get("cuda")
    with mock.patch.dict(sys.modules, {"cupy": shim_of_cupy(folder)}):
        for name in [name for name in sys.modules if name == ENGINE or name.startswith(f"{ENGINE}.")]:
            del sys.modules[name]
        found = importlib.import_module(ENGINE)
    if kept is None:
        del pwl.kernels.cuda
    else:
        pwl.kernels.cuda = kept
    return found
