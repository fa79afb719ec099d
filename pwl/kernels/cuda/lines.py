"""Rows of units as lines for threads, cuda/curves.cu and cuda/sums.cu: a thread keeps to columns and walks down the lines."""

from __future__ import annotations

import math
from typing import NamedTuple

LANES = 32  # of a block, at most: as many as shared memory has banks
DEEP = 8  # lines that a block works on at a time, at most: a power of 2


class Lines(NamedTuple):
    """Lines of `width` numbers: a row, or several short rows side by side. A lane keeps to `vector` neighbouring columns."""

    vector: int
    width: int
    lanes: int  # in a tile of columns
    tiles: int
    number: int

    def blocks(self, high: int, most: int, each: int) -> int:
        """Blocks of `high` lines at a time: `most` in all tiles, fewer where threads would have less than `each` lines."""
        return max(1, min(-(-self.number // (high * each)), most // self.tiles))


def lines_of(rows: int, units: int, vector: int) -> Lines:
    """Lines of an array (rows, units); `vector` becomes 1 where it does not divide a line."""
    period = math.lcm(units, vector)
    if period > max(units, LANES * vector):
        vector, period = 1, units
    width = period * max(1, LANES * vector // period)
    packs = width // vector
    tiles = -(-packs // LANES)
    return Lines(vector, width, -(-packs // tiles), tiles, -(-(rows * units) // width))
