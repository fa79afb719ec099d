"""Files that torch.save wrote, as arrays by name, without PyTorch or running anything: they may hold tensors and plain containers.

There are two forms. Since PyTorch 1.6 a file is a zip archive with a pickle and one member per storage. Before, it was five
pickles in a row, the fourth of which holds the values and the fifth the keys of the storages, whose numbers follow.
"""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from pwl.errors import InputError
from pwl.files.pickled import Name, fill, read_pickle
from pwl.files.tensors import Tensors, in_a_line

MAGIC, PROTOCOL = 0x1950A86A20F9469CFC6C, 1001  # of the older form
TYPES = {
    "Float": "f4", "Double": "f8", "Half": "f2", "BFloat16": "u2", "Long": "i8", "Int": "i4", "Short": "i2", "Char": "i1",
    "Byte": "u1", "Bool": "?",
}  # fmt: skip
STORAGES = {f"torch.{name}Storage": code for name, code in TYPES.items()}
SHOWN = 3  # names in a message
AXES = 64  # of an array in NumPy
EXPANDED = 1 << 20  # numbers of a tensor that repeats those of a smaller storage, so that a small file can't fill the memory
INSIDE = ("state_dict", "model")  # keys under which training programs keep a model's tensors


def read_torch(path: Path) -> Tensors:
    """The tensors of a file that torch.save wrote, by name.

    Parameters
    ----------
    path : Path
        A file that holds a dictionary of tensors, such as `model.state_dict()`, or one under "state_dict" or "model".

    Raises
    ------
    InputError
        If the file is damaged, or holds anything but tensors and plain containers.
    """
    try:
        with open(path, "rb") as file:
            found = (_of_archive if file.read(2) == b"PK" else _in_a_row)(file)
    except InputError as wrong:
        raise InputError(f"{path} is not taken, because {wrong}: save model.float().state_dict()") from None
    except Exception as wrong:  # archives and what is taken apart raise kinds of their own
        raise InputError(
            f"{path} was not written by torch.save, or it is damaged or cut short ({in_a_line(wrong)}): use another copy"
        ) from None
    inner = next((found[key] for key in INSIDE if isinstance(found, dict) and isinstance(found.get(key), dict)), found)
    arrays = {key: a for key, a in inner.items() if isinstance(a, np.ndarray)} if isinstance(inner, dict) else {}
    if not arrays or not all(isinstance(key, str) for key in arrays):
        raise InputError(f"{path} holds no tensors with names: save model.state_dict()")
    return arrays


def _of_archive(file: BinaryIO) -> Any:
    """The value in a zip archive. Its members are not compressed, so that a small file can't become a large one."""
    with zipfile.ZipFile(file) as archive:
        members = {info.filename.partition("/")[2]: info for info in archive.infolist()}
        if "data.pkl" not in members:
            names = ", ".join(archive.namelist()[:SHOWN])
            raise InputError(f"the archive holds no data.pkl as torch.save writes it, but {names or 'nothing'}")
        if sum(info.compress_size for info in archive.infolist()) > file.seek(0, io.SEEK_END):
            raise ValueError("its parts overlap")

        def member(name: str) -> bytes:
            info = members[name]
            if info.compress_type != zipfile.ZIP_STORED:
                raise InputError(f"its part {name!r} is compressed, which torch.save never does")
            return archive.read(info)

        order = ">" if "byteorder" in members and member("byteorder").strip() == b"big" else "<"
        stored: Tensors = {}

        def storage(key: Any) -> np.ndarray:
            kind, name, count = _wanted(key)
            if name not in stored:
                stored[name] = _storage(member(f"data/{name}"), kind, order, count)
            return stored[name]

        return _value(io.BytesIO(member("data.pkl")), storage)


def _in_a_row(file: BinaryIO) -> Any:
    """The value in five pickles and the storages behind them. Tensors are made when the numbers are known."""
    file.seek(0)
    if read_pickle(file, {}) != MAGIC or read_pickle(file, {}) != PROTOCOL:
        raise ValueError("it does not begin as such files do")
    order = "<" if read_pickle(file, {})["little_endian"] else ">"
    start, kinds = file.tell(), {}

    def noted(key: Any) -> None:
        kind, name, count = _wanted(key)
        kinds[name] = kind, count

    read_pickle(
        file, dict.fromkeys(STORAGES) | CONTAINERS | dict.fromkeys(VIEWS, lambda *_: None), noted
    )
    stored = {}
    for name in read_pickle(file, {}):
        if not isinstance(name, str):
            raise ValueError("a storage has no name")
        (length,) = struct.unpack(f"{order}q", file.read(8))
        kind, count = kinds[name]
        if length != count:
            raise ValueError("the sizes of its storages differ")
        stored[name] = _storage(file.read(length * np.dtype(STORAGES[kind]).itemsize), kind, order, count)
    file.seek(start)
    return _value(file, lambda key: stored[key[2]])


def _wanted(key: Any) -> tuple[str, str, int]:
    """Kind, name and size of the storage that a pickle asks for."""
    word, kind, name, _, count, *rest = key
    if word != "storage" or not isinstance(kind, Name) or kind.text not in STORAGES or any(a is not None for a in rest):
        raise InputError("it asks for something that is not a storage of numbers")
    if not isinstance(name, str) or not isinstance(count, int):
        raise ValueError("a storage has no name or no size")
    return kind.text, name, count


def _storage(content: bytes, kind: str, order: str, count: int) -> np.ndarray:
    """Numbers in a row that tensors are views of. Those in bfloat16 are converted here, once for all views."""
    values = np.frombuffer(content, np.dtype(order + STORAGES[kind]))
    if len(values) != count:
        raise ValueError("a storage has another size than its tensors say")
    values = values.astype(values.dtype.newbyteorder("="), copy=False)
    return from_brain(values) if kind == "torch.BFloat16Storage" else values


def _value(stream: BinaryIO, storage: Callable[[Any], np.ndarray]) -> Any:
    known = dict.fromkeys(STORAGES) | CONTAINERS | VIEWS
    return read_pickle(stream, known, storage)


def _view(values: np.ndarray, offset: int, shape: tuple[int, ...], strides: tuple[int, ...], *_: Any) -> np.ndarray:
    """A tensor: the numbers of a storage from an offset on, with a stride for each axis."""
    if len(shape) > AXES:
        raise ValueError(f"a tensor has {len(shape)} axes")
    ends = sum((n - 1) * s for n, s in zip(shape, strides, strict=True))
    if min((offset, *shape, *strides), default=0) < 0 or (0 not in shape and offset + ends >= len(values)):
        raise ValueError("a tensor does not fit its storage")
    if (size := np.prod(shape, dtype=object)) > max(len(values), EXPANDED):
        raise InputError(f"a tensor of {size} numbers repeats a storage of {len(values)}, and at most {EXPANDED} are taken")
    if 0 in shape:
        return np.zeros(shape, values.dtype)
    steps = tuple(s * values.itemsize for s in strides)
    return np.lib.stride_tricks.as_strided(values[offset:], shape, steps, writeable=False)


def _size(numbers: Any = ()) -> tuple[int, ...]:
    """A shape. It is short, so that a long list can't be copied over and over."""
    if len(numbers) > AXES:
        raise ValueError(f"a shape has {len(numbers)} axes")
    return tuple(numbers)


def _ordered(pairs: Any = ()) -> dict[Any, Any]:
    """A dictionary. The pairs move into it, so that a long list can't be copied over and over."""
    found: dict[Any, Any] = {}
    for key, value in pairs:
        fill(found, [key, value])
    if pairs:
        pairs.clear()
    return found


def from_brain(a: np.ndarray) -> np.ndarray:
    """Numbers in bfloat16, which are the upper halves of float32 numbers and which NumPy does not know, from their bits."""
    return (a.astype(np.uint32) << 16).view(np.float32)


CONTAINERS: dict[str, Callable[..., Any]] = {"collections.OrderedDict": _ordered, "torch.Size": _size}
VIEWS: dict[str, Callable[..., Any]] = {
    "torch._utils._rebuild_tensor_v2": _view,
    "torch._utils._rebuild_parameter": lambda tensor, *_: tensor,
}
