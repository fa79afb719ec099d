"""Some rows of an array, read when they are asked for: parts of a memory-mapped array without a copy."""

from __future__ import annotations

from typing import Any

import numpy as np

from pwl.runtime.backend import at_rows


class Rows:
    """The given rows of `array`; slices of it are copied, to where the array is, the whole never is.

    rows: indices (n,) into `array`, or into another Rows.
    """

    def __init__(self, array: Any, rows: Any) -> None:
        indices = np.arange(array.shape[0])[rows] if isinstance(rows, slice) else np.asarray(rows)
        nested = isinstance(array, Rows)
        self.array: Any = array.array if nested else array
        self.rows: np.ndarray = array.rows[indices] if nested else indices

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self.rows), *self.array.shape[1:])

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def dtype(self) -> Any:
        return self.array.dtype

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, key: Any) -> Any:
        first, *rest = key if isinstance(key, tuple) else (key,)
        found = at_rows(self.array, self.rows[first])
        return found[(slice(None), *rest)] if rest else found
