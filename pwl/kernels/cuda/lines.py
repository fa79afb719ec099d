"""Rows of units as lines for the threads of cuda/curves.cu and cuda/sums.cu, which keep to columns and walk down."""

from __future__ import annotations

import math
from typing import NamedTuple

LANES = 32  # per block at most, one per bank of shared memory
DEEP = 8  # most lines that a block works on at a time, a power of 2


class Lines(NamedTuple):
    """Lines of `width` numbers, each one row or several short rows. A lane keeps to `vector` neighbouring columns."""

    vector: int
    width: int
    lanes: int  # in a tile of columns
    tiles: int
    number: int

    def blocks(self, high: int, most: int, each: int) -> int:
        """Number of blocks of `high` lines: `most` over all tiles, or fewer if a thread would have less than `each` lines."""
        return max(1, min(-(-self.number // (high * each)), most // self.tiles))


def lines_of(rows: int, units: int, vector: int) -> Lines:
    """Lines of an array (rows, units). `vector` becomes 1 if it does not divide a line."""
    period = math.lcm(units, vector)
    if period > max(units, LANES * vector):
        vector, period = 1, units
    width = period * max(1, LANES * vector // period)
    packs = width // vector
    tiles = -(-packs // LANES)
    return Lines(vector, width, -(-packs // tiles), tiles, -(-(rows * units) // width))


def packs_of(count: int) -> tuple[int, int]:
    """Lanes that hold a row of `count` packs, or of an equal part of it if there is no room for all, and the number of parts."""
    tiles = -(-count // LANES)
    return -(-count // tiles), tiles
