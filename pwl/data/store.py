"""Blocks of rows, kept until all have come: in memory, or in a temporary file that becomes a memory-mapped array."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pwl.data.scratch import hold, scratch_folder


class Store:
    """Collects float64 blocks (rows, width). `array` gives all rows, memory-mapped and read-only if `on_disk`."""

    def __init__(self, width: int, on_disk: bool):
        self.rows, self.width = 0, width
        self._blocks: list[np.ndarray] = []
        self._folder = scratch_folder() if on_disk else None

    def append(self, block: np.ndarray) -> None:
        """Adds a block of rows, which is copied or written at once."""
        self.rows += len(block)
        if self._folder is None:
            self._blocks.append(np.array(block, dtype=np.float64))
            return
        with self._path(self._folder.name).open("ab") as file:
            np.ascontiguousarray(block, dtype=np.float64).tofile(file)

    def array(self) -> np.ndarray:
        """All rows, (rows, width)."""
        if self._folder is None:
            return np.concatenate(self._blocks) if self._blocks else np.empty((0, self.width))
        if self.rows * self.width == 0:
            return np.empty((self.rows, self.width))
        array = np.memmap(self._path(self._folder.name), np.float64, mode="r", shape=(self.rows, self.width))
        return hold(self._folder, array)

    @staticmethod
    def _path(folder: str) -> Path:
        return Path(folder) / "rows"
