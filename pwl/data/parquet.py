"""Parquet tables, read by pyarrow, which is an extra: pip install 'pwl[parquet]'."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pwl.data.delimited import loosely
from pwl.data.layout import SAMPLE
from pwl.data.numerals import Numerals
from pwl.data.sheet import Block, Parser, Sheet, ignore, or_gap
from pwl.errors import InputError
from pwl.runtime.ranks import Communicator, share_of

ROWS = 2**16  # in a block


def is_parquet(path: Path) -> bool:
    """True for .parquet and .pq."""
    return path.suffix.lower() in (".parquet", ".pq")


class ParquetSheet(Sheet):
    """A Parquet file. Columns of numbers are numbers; all other columns follow the rules of text tables.

    Each rank reads a run of the row groups.
    """

    def __init__(self, path: Path, missing: tuple[str, ...] | None, comm: Communicator) -> None:
        try:
            import pyarrow
            import pyarrow.parquet
        except ModuleNotFoundError:
            raise InputError(f"{path} needs pyarrow to be read: pip install 'pwl[parquet]', or save the table as CSV") from None
        try:
            self._file = pyarrow.parquet.ParquetFile(path)
        except (pyarrow.ArrowException, OSError) as error:
            raise InputError(f"{path} can't be read as Parquet ({str(error).splitlines()[0]}): write it again") from None
        self._pa, self.title, self.header = pyarrow, str(path), True
        fields = list(self._file.schema_arrow)
        self.names = tuple(field.name for field in fields)
        if len(set(self.names)) < len(self.names):
            twice = next(name for name in self.names if self.names.count(name) > 1)
            raise InputError(f"{path} has the column name {twice!r} twice: give each column a name of its own")
        nested = [f.name for f in fields if pyarrow.types.is_nested(f.type) or pyarrow.types.is_binary(f.type)]
        self._nested = frozenset(nested)
        self.numerals = Numerals() if missing is None else Numerals(missing=missing)
        self.size = path.stat().st_size
        self.empty = self._file.metadata.num_rows == 0
        self._groups = range(*share_of(self._file.metadata.num_row_groups, comm.rank, comm.size))
        first = None if self.empty else next(self._file.iter_batches(SAMPLE))
        self._sample = [] if first is None else [self._cells(first.column(i)) for i in range(first.num_columns)]

    def column(self, place: int) -> list[str]:
        if self.names[place] in self._nested:
            raise InputError(f"{self.title}: the column {self.names[place]!r} holds neither numbers nor texts: --drop the column")
        return [cell for cell in (self._sample[place] if self._sample else []) if not self.numerals.is_missing(cell)]

    def blocks(
        self,
        parsers: Sequence[Parser | None],
        keep: Sequence[int] = (),
        loose: frozenset[int] = frozenset(),
        *,
        strict: bool = True,
        gaps: frozenset[int] = frozenset(),
    ) -> Iterator[Block]:
        if not self._groups:
            return
        row = sum(self._file.metadata.row_group(group).num_rows for group in range(self._groups.start))
        for batch in self._file.iter_batches(ROWS, row_groups=list(self._groups)):
            values, unread = np.zeros((batch.num_rows, len(parsers))), dict[int, str]()
            for place, parser in enumerate(parsers):
                parser = or_gap(parser or self.numerals.to_number, self.numerals) if place in gaps else parser
                for at, why in self._fill(values[:, place], batch.column(place), parser, place in loose):
                    wrong = f"{self.title}, row {row + at + 1}, column {self.names[place]!r}: {why}"
                    if strict:
                        raise InputError(wrong)
                    unread.setdefault(at, wrong)
            values[list(unread)] = np.nan
            kept = [self._cells(batch.column(place)) for place in keep]
            yield Block(values, list(map(list, zip(*kept, strict=True))), unread)
            row += batch.num_rows

    def _fill(self, values: np.ndarray, column: Any, parser: Parser | None, loose: bool) -> list[tuple[int, str]]:
        """Writes a column's numbers, and gives the places that can't be read, with the reason."""
        if parser is ignore:
            return []
        types = self._pa.types
        if parser is None and (types.is_integer(column.type) or types.is_floating(column.type)) and not column.null_count:
            values[:] = column.to_numpy(zero_copy_only=False)
            if loose or np.isfinite(values).all():
                return []
        parse, wrong = parser or self.numerals.to_number, []
        for at, cell in enumerate(self._cells(column)):
            try:
                values[at] = loosely(parse, cell) if loose else parse(cell)
            except ValueError as error:
                wrong.append((at, str(error)))
        return wrong

    def _cells(self, column: Any) -> list[str]:
        """A column as texts; nothing for null."""
        return ["" if value is None else str(value) for value in column.to_pylist()]
