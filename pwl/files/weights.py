"""Weights of other programs: arrays by name from safetensors, .npz and torch.save, which are told apart by what is in a file."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np

from pwl.errors import InputError
from pwl.files.npz import arrays_of
from pwl.files.tensors import Tensors, in_a_line
from pwl.files.torch_file import from_brain, read_torch

LENGTH = 8  # bytes of a safetensors file that count those of its header, which follows and begins with a brace
HEADER = 10 << 20  # bytes of the longest header, which are enough for 100 000 tensors: its names are all kept in memory
UNPACKED, TIMES = 1 << 28, 100  # bytes that an archive may unpack to, or times its own size: weights are not that regular
START = 32  # bytes by which files are known
PICKLES = (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")  # by their protocols
TYPES = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1", "U8": "u1",
    "BOOL": "?",
}  # fmt: skip
FOREIGN = {  # how other files begin, what they are, and what to do
    b"\x1f\x8b": "compressed by gzip: unpack it first",
    b"BZh": "compressed by bzip2: unpack it first",
    b"\xfd7zXZ": "compressed by xz: unpack it first",
    b"\x28\xb5\x2f\xfd": "compressed by zstd: unpack it first",
    b"\x93NUMPY": "one array without a name: save all with their names by numpy.savez",
    b"\x89HDF": "in HDF5: read its arrays with h5py and give them as a dictionary",
    b"GGUF": "in GGUF: give the safetensors file that it was made from",
    b"version https://git-lfs": "a pointer of Git LFS: fetch the file itself by `git lfs pull`",
    b"<": "in HTML or XML, such as a page that came instead of a download: use another copy",
    b"{": "in JSON, such as the index of weights in several files: read these and give their arrays as one dictionary",
}


def read_weights(path: Path) -> Tensors:
    """The arrays of a file by name. Nothing in it is run, and those of safetensors are read when they are used.

    Raises
    ------
    InputError
        If it is none of these files, or it is damaged, or holds other things than arrays.
    """
    try:
        with open(path, "rb") as file:
            head = file.read(START)
    except OSError as wrong:
        raise InputError(f"{path} can't be read ({in_a_line(wrong)})") from None
    try:
        if head[LENGTH : LENGTH + 1] == b"{":
            found = _safetensors(path, int.from_bytes(head[:LENGTH], "little"))
        elif head[:2] == b"PK" and _is_npz(path):
            found = _npz(path)
        elif head[:2] in (b"PK", *PICKLES):
            found = read_torch(path)
        else:
            raise InputError(f"{path} is {_what(head)}")
    except InputError:
        raise
    except Exception as wrong:  # archives, what unpacks them, and NumPy's headers raise kinds of their own
        raise InputError(f"{path} is damaged, or holds other things than arrays ({in_a_line(wrong)}): use another copy") from None
    if not found:
        raise InputError(f"{path} holds no arrays: give a file of weights")
    return found


def _what(head: bytes) -> str:
    """Words for a file that holds no weights, by its first bytes."""
    if not head:
        return "damaged, because it is empty: use another copy"
    known = next((words for start, words in FOREIGN.items() if head.lstrip().startswith(start)), None)
    return known or "neither safetensors nor .npz nor by torch.save, or it is damaged: give a file of weights"


def _is_npz(path: Path) -> bool:
    """Whether an archive holds arrays of NumPy alone, and not too much for its size."""
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        size, most = sum(part.file_size for part in archive.infolist()), max(UNPACKED, TIMES * path.stat().st_size)
    if size > most:
        raise InputError(f"{path} would unpack to {size} bytes, over {TIMES} times its own size: use another copy")
    if len(set(names)) < len(names):
        raise InputError(f"{path} holds several parts of one name: use another copy")
    return all(name.endswith(".npy") for name in names)


def _npz(path: Path) -> Tensors:
    with np.load(path, allow_pickle=False) as file:
        return arrays_of(file)


def _safetensors(path: Path, length: int) -> Tensors:
    """The tensors of a safetensors file, which stay in the file until they are used. NumPy knows no bfloat16, which is converted.

    The library sees to it that the tensors neither overlap nor leave gaps.
    """
    from safetensors import safe_open

    if length > min(size := path.stat().st_size, HEADER):
        raise InputError(
            f"{path} is damaged or not in safetensors: its header would have {length} bytes, but the file has {size} "
            f"and a header at most {HEADER}. Use another copy"
        )
    with safe_open(path, "numpy"):
        content = np.memmap(path, np.uint8, "r").view(np.ndarray)
    header, numbers = json.loads(content[LENGTH : LENGTH + length].tobytes()), content[LENGTH + length :]
    found = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        if (kind := entry["dtype"]) not in TYPES:
            raise InputError(f"{path} holds {name} as {kind}, wanted one of {', '.join(TYPES)}: save it as float32")
        a = numbers[slice(*entry["data_offsets"])].view(TYPES[kind]).reshape(entry["shape"])
        found[name] = from_brain(a) if kind == "BF16" else a
    return found
