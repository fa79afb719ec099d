"""Some rows of an array, read only when they are needed, so that parts of a memory-mapped array need no copy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pwl.runtime.backend import Array, at_rows


class Rows:
    """The given rows of an array. A slice of them is copied, on the device of the array; the whole is never copied.

    array: an array, or another Rows. rows: indices (n,) into it, or a slice.
    """

    def __init__(self, array: Array | Rows, rows: np.ndarray | Sequence[int] | slice) -> None:
        indices = np.arange(array.shape[0])[rows] if isinstance(rows, slice) else np.asarray(rows)
        nested = isinstance(array, Rows)
        self.array: Array = array.array if nested else array
        self.rows: np.ndarray = array.rows[indices] if nested else indices
        self.shape: tuple[int, ...] = (len(self.rows), *self.array.shape[1:])

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def dtype(self) -> Any:
        return self.array.dtype

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, key: Any) -> Array:
        first, *rest = key if isinstance(key, tuple) else (key,)
        found = at_rows(self.array, self.rows[first])
        return found[(slice(None), *rest)] if rest else found
