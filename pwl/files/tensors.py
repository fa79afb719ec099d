"""Arrays by name in safetensors files, with a versioned header in JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from pwl.errors import InputError
from pwl.files.plain import plain
from pwl.files.write import write_atomic
from pwl.version import VERSION

Tensors = dict[str, np.ndarray]


def write_tensors(path: Path, kind: str, version: int, arrays: Tensors, header: dict[str, Any]) -> None:
    """Write arrays and a header, with the file's kind and version, whole or not at all."""
    from safetensors.numpy import save as to_bytes

    metadata = {"format": kind, "format_version": str(version), "header": json.dumps(plain(header), allow_nan=False)}
    write_atomic(path, to_bytes({name: np.ascontiguousarray(a) for name, a in arrays.items()}, metadata))


def read_tensors(path: Path, kind: str, version: int) -> tuple[Tensors, dict[str, Any]]:
    """Arrays and header of a file that `write_tensors` wrote. Raises InputError, with the reason, for another file."""
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        raise InputError(f"{path} is not there" if not path.exists() else f"{path} is not a file")
    try:
        with safe_open(path, "numpy") as file:
            metadata = file.metadata() or {}
            if metadata.get("format") != kind:
                raise InputError(f"{path} is not a {kind} file: it was written by another program or command")
            found = int(metadata["format_version"])
            if found > version:
                raise InputError(
                    f"{path} has version {found} of the {kind} format, but pwl {VERSION} reads up to {version}: upgrade pwl"
                )
            names = file.keys()  # a method of the library's, whose files can't be iterated over
            return {name: file.get_tensor(name) for name in names}, json.loads(metadata["header"])
    except InputError:
        raise
    except (SafetensorError, OSError, ValueError, KeyError) as wrong:
        raise InputError(f"{path} is not a {kind} file, or it is damaged or cut short ({wrong})") from None
