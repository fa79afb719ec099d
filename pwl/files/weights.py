"""Weights of other programs: arrays by name from safetensors, .npz and torch.save, which are told apart by what is in a file."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np

from pwl.errors import InputError
from pwl.files.tensors import FAULTS, Tensors, in_a_line
from pwl.files.torch_file import from_brain, read_torch

LENGTH = 8  # bytes of a safetensors file before its header, which begins with a brace
TYPES = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1", "U8": "u1",
    "BOOL": "?",
}  # fmt: skip


def read_weights(path: Path) -> Tensors:
    """The arrays of a file by name. Nothing in it is run.

    Raises
    ------
    InputError
        If it is none of these files, or it is damaged, or holds other things than arrays.
    """
    from safetensors import SafetensorError

    try:
        with open(path, "rb") as file:
            head = file.read(LENGTH + 1)
        if head[LENGTH:] == b"{":
            return _safetensors(path)
        if _is_npz(path):
            with np.load(path, allow_pickle=False) as arrays:
                return {name: arrays[name] for name in arrays.files}
    except InputError:
        raise
    except (SafetensorError, zipfile.BadZipFile, OSError, EOFError, *FAULTS) as wrong:
        raise InputError(f"{path} is damaged, or holds other things than arrays ({in_a_line(wrong)}): use another copy") from None
    if head[:2] not in (b"PK", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05"):  # archives, and pickles by their protocols
        raise InputError(f"{path} is neither safetensors nor .npz nor by torch.save, or it is damaged: give a file of weights")
    return read_torch(path)


def _is_npz(path: Path) -> bool:
    if not zipfile.is_zipfile(path):
        return path.suffix.lower() == ".npz"  # one that is cut short
    with zipfile.ZipFile(path) as archive:
        return all(name.endswith(".npy") for name in archive.namelist())


def _safetensors(path: Path) -> Tensors:
    """The tensors of a safetensors file. The library's own NumPy function does not take bfloat16."""
    from safetensors import deserialize

    found = {}
    for name, tensor in deserialize(path.read_bytes()):
        if tensor["dtype"] not in TYPES:
            raise InputError(f"{path} holds {name} as {tensor['dtype']}, wanted one of {', '.join(TYPES)}: save it as float32")
        a = np.frombuffer(tensor["data"], TYPES[tensor["dtype"]]).reshape(tensor["shape"])
        found[name] = from_brain(a) if tensor["dtype"] == "BF16" else a
    return found
