"""Result cells: a benchmark keeps all its cells in one file of JSON lines, so that later runs can complete a table."""

from __future__ import annotations

import contextlib
import fcntl
import functools
import json
import os
import platform
import subprocess
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from pwl.errors import InputError
from pwl.files.plain import plain

BEGINNING = b'{"key":'  # of every line that is written here


class Cells:
    """The cells in a file: one JSON object per line, with the cell's key under "key" and its content beside it.

    If several lines have the same key, the last one counts. A kill may cut off the last line of a file. Such a line is
    not a cell, and the next write removes it. Several processes may use one file at the same time. If the file holds
    anything else, InputError is raised and the file stays as it is.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._found: dict[str, dict[str, Any]] = {}
        self._bytes = self._lines = 0  # that have been read
        commit()  # that of now, before a long run begins
        self._read()

    def cell(self, key: str, compute: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """The content of a cell. If the file lacks the cell, it is computed and appended first."""
        if key not in self:
            print(f"  {key}", flush=True)
            self._append(key, plain(compute()) | {"machine": machine()})
        return self._found[key]

    def __contains__(self, key: str) -> bool:
        if key not in self._found:
            self._read()
        return key in self._found

    def all(self) -> dict[str, dict[str, Any]]:
        """All cells by their keys, in alphabetical order."""
        self._read()
        return dict(sorted(self._found.items()))

    def _read(self) -> None:
        """Takes in the lines that were added since the last call."""
        if not self.path.exists():
            return
        with open(self.path, "rb") as file:
            if os.fstat(file.fileno()).st_size < self._bytes:  # another file has taken its place
                self._found, self._bytes, self._lines = {}, 0, 0
            file.seek(self._bytes)
            *whole, last = file.read().split(b"\n")
        for line in whole:
            self._take(line)
            self._bytes += len(line) + 1
            self._lines += 1
        if not cut_off(last):
            self._take(last)

    def _take(self, line: bytes) -> None:
        if not line.strip():
            return
        found = parsed(line)
        if found is None:
            raise InputError(
                f"line {self._lines + 1} of {self.path} is not a result cell, which is a JSON object with a key: "
                "correct or remove it"
            )
        self._found[found.pop("key")] = found

    def _append(self, key: str, content: dict[str, Any]) -> None:
        line = json.dumps({"key": key} | content, separators=(",", ":")) + "\n"
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with open(self.path, "ab+") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            end_with_a_whole_line(file)
            file.write(line.encode())
            file.flush()
            os.fsync(file.fileno())
        self._read()


def parsed(line: bytes) -> dict[str, Any] | None:
    """The object in a line, or None if the line is not a cell."""
    try:
        found = json.loads(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) and isinstance(found.get("key"), str) else None


def cut_off(last: bytes) -> bool:
    """Whether the last line of a file, which has no line break, is only the beginning of a cell."""
    return parsed(last) is None and (last.startswith(BEGINNING) or BEGINNING.startswith(last))


def end_with_a_whole_line(file: BinaryIO) -> None:
    """Removes a last line that was cut off, and adds the line break to a whole one that lacks it.

    The file has to be locked, so that no other process is in the middle of a line.
    """
    file.seek(0)
    content = file.read()
    start = content.rfind(b"\n") + 1
    last = content[start:]
    if cut_off(last):
        file.truncate(start)
    elif last:
        file.write(b"\n")


def machine() -> dict[str, str]:
    """Processor, cores, versions and the commit of the program, which are kept with every cell."""
    found = {"processor": processor(), "cores": str(len(os.sched_getaffinity(0))), "python": platform.python_version()}
    return found | {"vectors": vectors(), "commit": commit()} | versions()


@functools.cache
def versions() -> dict[str, str]:
    """Versions of the packages that matter, of those that are installed."""
    found = {}
    for package in ("pwl", "numpy", "scipy", "numba", "torch", "cupy-cuda12x", "cupy-cuda13x"):
        with contextlib.suppress(PackageNotFoundError):
            found[package] = version(package)
    return found


@functools.cache
def commit() -> str:
    """The commit that the program was taken from, with "-changed" if files differ from it; "unknown" outside a clone.

    It is asked for once a process, because the modules of a running process stay as they were when they were read.
    """
    git = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--abbrev=12", "--exclude=*", "--dirty=-changed"]
    try:
        return subprocess.run(git, check=True, capture_output=True, text=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def vectors() -> str:
    """The widest vector instructions that NumPy found, for example X86_V3 for AVX2 and X86_V4 for AVX-512.

    They decide how long exp and tanh take.
    """
    return (np.show_config(mode="dicts").get("SIMD Extensions", {}).get("found") or ["none"])[-1]


def processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next(
        (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.processor()
    )
