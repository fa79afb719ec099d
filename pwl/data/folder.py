"""A folder of files with the same columns, read as one table in the order of the files' names."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from pwl.data.arrays import is_array_file, load_rows
from pwl.data.numerals import Numerals
from pwl.data.schema import column_names
from pwl.data.scratch import rows_a_block
from pwl.data.shares import own_files
from pwl.data.sheet import Block, Parser, Sheet, ignore
from pwl.errors import InputError
from pwl.runtime.ranks import Communicator


class FolderSheet(Sheet):
    """The files of a folder. Names and kinds of the columns are those of the first one. Each rank reads whole files.

    opened: makes the sheet of a file.
    """

    def __init__(self, folder: Path, opened: Callable[[Path], Sheet], comm: Communicator) -> None:
        files = sorted(path for path in folder.iterdir() if path.is_file() and path.stat().st_size)
        files = [path for path in files if not path.name.startswith((".", "_"))]  # marks of programs that write such folders
        if not files:
            raise InputError(
                f"{folder} holds no files itself, wanted tables (CSV, Parquet or .npy, all with the same columns), or a folder of "
                "PNG or JPEG files for each class"
            )
        self._opened, self._own, self._first = opened, own_files(files, comm), opened(files[0])
        self.title, self.size = str(folder), sum(path.stat().st_size for path in files)
        self.names, self.header, self.numerals = self._first.names, self._first.header, self._first.numerals
        self.empty = self._first.empty

    def column(self, place: int) -> list[str]:
        return self._first.column(place)

    def blocks(
        self,
        parsers: Sequence[Parser | None],
        keep: Sequence[int] = (),
        loose: frozenset[int] = frozenset(),
        *,
        strict: bool = True,
        gaps: frozenset[int] = frozenset(),
    ) -> Iterator[Block]:
        for path in self._own:
            sheet = self._opened(path)
            if sheet.names != self.names:
                raise InputError(
                    f"{path} has the columns {', '.join(sheet.names)[:80]}, but the first file of the folder has "
                    f"{', '.join(self.names)[:80]}: give all files of a folder the same columns"
                )
            yield from sheet.blocks(parsers, keep, loose, strict=strict, gaps=gaps)


class ArraySheet(Sheet):
    """A .npy file in a folder. Its columns are called c1, c2, ..."""

    def __init__(self, path: Path) -> None:
        self._a = load_rows(path)
        self.title, self.size, self.header, self.empty = str(path), self._a.nbytes, False, False
        self.names, self.numerals = column_names(self._a.shape[1]), Numerals()

    def column(self, place: int) -> list[str]:
        return []

    def blocks(
        self,
        parsers: Sequence[Parser | None],
        keep: Sequence[int] = (),
        loose: frozenset[int] = frozenset(),
        *,
        strict: bool = True,
        gaps: frozenset[int] = frozenset(),
    ) -> Iterator[Block]:
        step = rows_a_block(self._a.shape[1])
        for first in range(0, len(self._a), step):
            raw = self._a[first : first + step]
            values = np.array(raw, dtype=np.float64)
            for place, parser in enumerate(parsers):
                if parser is not None and parser is not ignore:
                    values[:, place] = [parser(f"{cell:g}") for cell in values[:, place]]
            finite = np.isfinite(values)
            finite[:, list(gaps)] |= np.isnan(values[:, list(gaps)])
            bad = np.argwhere(~finite)
            if len(bad) and strict:
                row, column = bad[0]
                raise InputError(
                    f"{self.title}, pattern {first + row + 1}, column {self.names[column]!r}: {values[row, column]} is not a "
                    "finite number, so correct it or drop the row"
                )
            unread = {int(row): f"{self.title}, pattern {first + row + 1} holds a number that is not finite" for row, _ in bad}
            yield Block(values, [[f"{cell:g}" for cell in row] for row in values[:, list(keep)]] if keep else [], unread)


def sheets(opened: Callable[[Path], Sheet]) -> Callable[[Path], Sheet]:
    """The maker of sheets of text and Parquet files, and of .npy files as well."""
    return lambda path: ArraySheet(path) if is_array_file(path) else opened(path)
