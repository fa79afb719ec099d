"""Arrays by name in safetensors files, with a versioned header in JSON and a checksum over all of it."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from pwl.errors import InputError
from pwl.files.plain import plain
from pwl.files.write import write_atomic
from pwl.version import VERSION

Tensors = dict[str, np.ndarray]
ADVICE = {  # where another kind of file was wanted
    "pwl ensemble": ": pwl.Ensemble.load reads it, and .nets of the ensemble are its networks",
    "pwl checkpoint": ": it is read by --resume or resume=, which go on with the run",
    "pwl network": ": pwl.Network.load reads it",
}
FAULTS = (  # what content of the wrong form may raise where it is taken apart
    AssertionError, AttributeError, IndexError, KeyError, MemoryError, OverflowError, RecursionError, TypeError, ValueError,
    ZeroDivisionError,
)  # fmt: skip


def write_tensors(path: Path, kind: str, version: int, arrays: Tensors, header: dict[str, Any]) -> None:
    """Writes arrays and a header, with the file's kind and version, whole or not at all."""
    from safetensors.numpy import save as to_bytes

    arrays = {name: np.ascontiguousarray(a) for name, a in arrays.items()}
    metadata = {"format": kind, "format_version": str(version), "header": json.dumps(plain(header), allow_nan=False)}
    metadata["checksum"] = checksum(metadata, arrays)
    write_atomic(path, to_bytes(arrays, metadata))


def read_tensors(path: Path, kind: str, version: int) -> tuple[Tensors, dict[str, Any]]:
    """Arrays and header of a file that `write_tensors` wrote. Raises InputError, with the reason, for another file."""
    from safetensors import SafetensorError, safe_open

    if not is_file(path):
        raise InputError(f"{path} is not there" if not path.exists() else f"{path} is not a file")
    try:
        with safe_open(path, "numpy") as file:
            metadata = file.metadata() or {}
            if (other := metadata.get("format")) != kind:
                what = f"a {other} file" if str(other).startswith("pwl ") else "one of another program"
                raise InputError(f"{path} is not a {kind} file, but {what}{ADVICE.get(other or '', '')}")
            found = int(metadata["format_version"])
            if found > version:
                raise InputError(
                    f"{path} has version {found} of the {kind} format, but pwl {VERSION} reads up to {version}: upgrade pwl"
                )
            names = file.keys()  # a method of the library's, whose files can't be iterated over
            arrays = {name: file.get_tensor(name) for name in names}
        old = found == 1  # a file of 0.1.0, which has no checksum
        if not old and metadata.get("checksum") != checksum(metadata, arrays):
            raise ValueError("its checksum is another one")
        header = json.loads(metadata["header"])
        if not isinstance(header, dict):
            raise ValueError("its header is not a dictionary")
        return arrays, header
    except InputError:
        raise
    except (SafetensorError, OSError, *FAULTS) as wrong:
        raise InputError(
            f"{path} is not a {kind} file, or it is damaged or cut short ({in_a_line(wrong)}): use another copy"
        ) from None


@contextlib.contextmanager
def taken_apart(path: Any, parts: str = "its header and its arrays do not fit", todo: str = "use another copy") -> Iterator[None]:
    """Context in which the contents of a file are taken apart. What goes wrong there becomes an InputError that names the file."""
    try:
        yield
    except InputError as wrong:
        raise InputError(f"{path} can't be used: {wrong}") from None
    except FAULTS as wrong:
        raise InputError(f"{path} is damaged, because {parts} ({in_a_line(wrong)}): {todo}") from None


def kind_of(path: Path) -> str | None:
    """The kind of a file that `write_tensors` wrote, or None for any other file."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "numpy") as file:
            return (file.metadata() or {}).get("format")
    except (SafetensorError, OSError, *FAULTS):
        return None


def checksum(metadata: dict[str, str], arrays: Tensors) -> str:
    """A checksum over everything that is read: the metadata, and names, types, shapes and bytes of the arrays."""
    sums = hashlib.blake2b(digest_size=16)
    for key in ("format", "format_version", "header"):
        sums.update(f"{key}={metadata.get(key)}\n".encode(errors="backslashreplace"))
    for name in sorted(arrays):
        a = np.ascontiguousarray(arrays[name])
        sums.update(f"{name} {a.dtype.str} {a.shape}\n".encode())
        sums.update(a.reshape(-1).view(np.uint8).data)
    return sums.hexdigest()


def is_file(path: Path) -> bool:
    """Whether there is such a file; no, if no file can have such a name."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def in_a_line(wrong: BaseException) -> str:
    """The message of an exception in one line, or its kind if it has none."""
    return " ".join(str(wrong).split())[:200] or type(wrong).__name__
