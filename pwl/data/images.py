"""Image files as they are published: idx files (MNIST and similar sets), and CIFAR-10's binary and Python batches."""

from __future__ import annotations

import gzip
import pickle
import zlib
from pathlib import Path
from typing import Any

import numpy as np

BATCH = 10_000  # images in a CIFAR-10 batch


def read_idx(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    """The uint8 array of a .gz file in idx format. `shape` is the shape wanted, and its first number may be -1, for any.

    Raises ValueError for a file that is not gzip, is cut short, or has another magic number, shape or length.
    """
    try:
        content = gzip.decompress(path.read_bytes())
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f"it is not a whole gzip file ({error})") from None
    magic = bytes([0, 0, 8, len(shape)])  # 8 for unsigned bytes, then the number of dimensions
    if content[:4] != magic:
        raise ValueError(f"it begins with the bytes {content[:4].hex()}, wanted {magic.hex()}")
    start = 4 + 4 * len(shape)
    if len(content) < start:
        raise ValueError("it ends before its shape is complete")
    found = tuple(np.frombuffer(content[4:start], dtype=">u4").tolist())
    if any(want not in (-1, got) for want, got in zip(shape, found, strict=True)):
        raise ValueError(f"it announces the shape {found}, wanted {shape}")
    if len(content) - start != int(np.prod(found)):
        raise ValueError(f"it holds {len(content) - start} bytes of data, wanted {int(np.prod(found))}")
    return np.frombuffer(content, dtype=np.uint8, offset=start).reshape(found)


def read_cifar_binary(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Images (10000, 32, 32, 3) uint8 and labels (10000,) int64 of a binary batch.

    A record is a label byte, then the red, the green and the blue plane.

    Raises ValueError for another size, or a label over 9.
    """
    content = np.fromfile(path, dtype=np.uint8)
    if content.size != BATCH * 3073:
        raise ValueError(f"it has {content.size} bytes, wanted {BATCH * 3073}")
    rows = content.reshape(BATCH, 3073)
    return _channels_last(rows[:, 1:]), _labels(rows[:, 0])


def read_cifar_pickle(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """The same from a batch of the Python version. Only arrays are unpickled, so a file can't run code.

    Raises ValueError for a file that is not such a batch.
    """
    try:
        with path.open("rb") as file:
            batch = _ArrayUnpickler(file, encoding="bytes").load()
        data, labels = batch[b"data"], np.asarray(batch[b"labels"])
    except Exception as error:  # a damaged pickle may raise any kind
        raise ValueError(f"it is not a batch of CIFAR-10's Python version ({error})") from None
    if (
        not isinstance(data, np.ndarray)
        or data.shape != (BATCH, 3072)
        or data.dtype != np.uint8
        or labels.shape != (BATCH,)
        or labels.dtype.kind not in "iu"
    ):
        raise ValueError(f"it does not hold {BATCH} images of 3072 bytes and as many labels, which are whole numbers")
    return _channels_last(data), _labels(labels)


class _ArrayUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if module in ("numpy", "numpy.core.multiarray", "numpy._core.multiarray", "_codecs") and name in (
            "_reconstruct",
            "ndarray",
            "dtype",
            "encode",
        ):
            return super().find_class(module.replace("numpy.core", "numpy._core"), name)
        raise pickle.UnpicklingError(f"{module}.{name} is not allowed in it")


def _channels_last(planes: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(planes.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1))


def _labels(labels: np.ndarray) -> np.ndarray:
    if labels.min() < 0 or labels.max() > 9:
        raise ValueError(f"it holds the label {labels.max()}, wanted 0 to 9")
    return labels.astype(np.int64)
