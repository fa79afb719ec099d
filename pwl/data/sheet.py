"""What readers of tables have in common: columns with names, and blocks of rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, Protocol

import numpy as np

from pwl.data.numerals import Numerals

Parser = Callable[[str], float]


def ignore(cell: str) -> float:
    """The parser of a column that nobody wants."""
    return 0.0


def or_gap(parse: Parser, numerals: Numerals) -> Parser:
    """A parser that reads a missing value as NaN."""
    return lambda cell: float("nan") if numerals.is_missing(cell) else parse(cell)


class Block(NamedTuple):
    """Some rows of a table. values: float64 (rows, columns). cells: of the columns that are kept, a list per row.

    unread: why a row can't be read, by its place in the block. The values of such a row are NaN.
    """

    values: np.ndarray
    cells: list[list[str]]
    unread: dict[int, str]


class Sheet(Protocol):
    """A table in a file.

    title: the file as the user knows it. names: of the columns. header: whether the file names them. numerals: how numbers
    are written. size: of the file, in bytes. empty: whether no row follows the names.
    """

    title: str
    names: tuple[str, ...]
    header: bool
    numerals: Numerals
    size: int
    empty: bool

    def column(self, place: int) -> list[str]:
        """The cells of a column in the first rows, without missing ones."""
        ...

    def blocks(
        self,
        parsers: Sequence[Parser | None],
        keep: Sequence[int] = (),
        loose: frozenset[int] = frozenset(),
        *,
        strict: bool = True,
        gaps: frozenset[int] = frozenset(),
    ) -> Iterator[Block]:
        """The rows of the file, block after block.

        There is a parser per column, None for numbers. keep: columns whose cells come as they are written. loose: columns of
        them in which a cell that can't be read is NaN. If `strict`, InputError names the first line and column that can't be
        read; otherwise such rows are named in the blocks. gaps: columns of numbers in which a missing value is NaN.
        """
        ...
