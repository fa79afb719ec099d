"""Delimited text, read as blocks of numbers. The file is never in memory whole."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TextIO

import numpy as np

from pwl.data.fields import LONGEST, OPEN, Record, records
from pwl.data.layout import Layout, without_tail
from pwl.data.numerals import SIGNS
from pwl.data.sheet import Block, Parser, Sheet, or_gap
from pwl.data.text import CHUNK
from pwl.errors import InputError

TO_E = str.maketrans("dD", "eE")
FORTRAN = re.compile(r"\d\.\d*[dD][+-]?\d|\.\d+[dD][+-]?\d|\d[dD][+-]\d")


class TextSheet(Sheet):
    """A delimited text with its layout."""

    def __init__(self, layout: Layout) -> None:
        self.layout, self.title = layout, layout.text.name
        self.names, self.numerals, self.header = layout.names, layout.numerals, layout.header
        self.size = layout.text.size
        self.empty = not layout.sample

    def column(self, place: int) -> list[str]:
        return self.layout.column(place)

    def blocks(
        self,
        parsers: Sequence[Parser | None],
        keep: Sequence[int] = (),
        loose: frozenset[int] = frozenset(),
        *,
        strict: bool = True,
        gaps: frozenset[int] = frozenset(),
    ) -> Iterator[Block]:
        layout, line = self.layout, max(self.layout.first_line, self.layout.text.line)
        try:
            with layout.text.part() as file:
                for _ in range(line - layout.text.line):
                    file.readline()
                while lines := file.readlines(CHUNK):
                    found, text = None, "".join(lines)
                    if '"' in text:
                        found = _whole_records(layout, lines, file, line)
                        text = "".join(lines)
                    if text and not text.isspace():
                        block = None if found else _fast(layout, parsers, keep, loose, lines, text)
                        if block is None:
                            found = found or list(records(lines, layout.delimiter, line, len(parsers)))
                            block = _careful(layout, _with_gaps(layout, parsers, gaps), keep, loose, found, strict)
                        yield block
                    line += len(lines)
        except UnicodeDecodeError as why:
            raise layout.text.damaged(why) from None


def _whole_records(layout: Layout, lines: list[str], file: TextIO, first: int) -> list[Record] | None:
    """The records of lines with quotes, or None if each quote closes in its line, as NumPy reads them as well.

    Lines are added until no quoted field is cut.
    """
    if layout.delimiter != " " and _closes("".join(lines), lines, layout.delimiter):
        return None
    while True:
        found = list(records(lines, layout.delimiter, first, len(layout.names)))
        end = first + len(lines) - LONGEST
        cut = any(record.fault == OPEN and record.number > end for record in found)
        more = list(islice(file, LONGEST)) if cut else []
        if not more:
            return found
        lines += more


def _closes(text: str, lines: list[str], delimiter: str) -> bool:
    """Whether quotes stand in pairs around whole fields, each pair within a line."""
    begin = text.count(f'{delimiter}"') + text.count('\n"') + text.startswith('"')
    end = text.count(f'"{delimiter}') + text.count('"\n') + text.endswith('"')
    return text.count('"') == 2 * begin == 2 * end and not any(line.count('"') & 1 for line in lines)


def _fast(
    layout: Layout,
    parsers: Sequence[Parser | None],
    keep: Sequence[int],
    loose: frozenset[int],
    lines: list[str],
    text: str,
) -> Block | None:
    """The block by NumPy's own reader, or None if it finds anything unusual, which `_careful` then reads or names."""
    for rows in _plain_lines(layout, not any(parsers), lines, text):
        kept: dict[int, list[str]] = {place: [] for place in keep}
        converters: dict[int | str, Parser] = {i: p for i, p in enumerate(parsers) if p is not None}
        for place, cells in kept.items():
            converters[place] = _keeping(cells, parsers[place], place in loose, layout.numerals.to_number)
        values = _loaded(rows, layout.delimiter, converters)
        if values is None or values.shape[1] != len(parsers) or any(len(cells) != len(values) for cells in kept.values()):
            continue
        if len(values) != len(lines) and len(values) != sum(not line.isspace() for line in lines):
            return None  # a quote has joined lines
        finite = np.isfinite(values)
        finite[:, list(loose)] = True
        if finite.all():
            return Block(values, list(map(list, zip(*kept.values(), strict=True))), {})
    return None


def _loaded(rows: list[str], delimiter: str, converters: dict[int | str, Parser]) -> np.ndarray | None:
    """The numbers by NumPy's reader, or None if it can't read them."""
    mark = None if delimiter == " " else delimiter
    try:
        return np.loadtxt(rows, delimiter=mark, comments=None, quotechar='"', converters=converters, ndmin=2)
    except ValueError:
        return None


def _with_gaps(layout: Layout, parsers: Sequence[Parser | None], gaps: frozenset[int]) -> Sequence[Parser | None]:
    """The parsers, of which those of `gaps` read a missing value as NaN."""
    numerals = layout.numerals
    return [or_gap(parser or numerals.to_number, numerals) if i in gaps else parser for i, parser in enumerate(parsers)]


def _keeping(cells: list[str], parser: Parser | None, loose: bool, to_number: Parser) -> Parser:
    """A parser that keeps each cell as it is written. loose: a cell that can't be read is NaN."""
    parse = parser or to_number

    def keep(cell: str) -> float:
        cells.append(cell)
        return loosely(parse, cell) if loose else parse(cell)

    return keep


def loosely(parse: Parser, cell: str) -> float:
    """The number of a cell, or NaN if it can't be read."""
    try:
        return parse(cell)
    except ValueError:
        return float("nan")


def _plain_lines(layout: Layout, numeric: bool, lines: list[str], text: str) -> Iterator[list[str]]:
    """The lines in ways that NumPy's reader may take them: as they stand, then with other marks of numbers replaced."""
    numerals, changed = layout.numerals, text
    if '"' in text and ((not numeric and layout.delimiter == " ") or '""' in text or f'{layout.delimiter} "' in text):
        return  # NumPy takes a quote after a blank for a letter
    if numerals.thousands is not None or (not numeric and not numerals.plain):
        return
    if numerals.plain and not layout.trailing:
        yield lines
    if numerals.decimal == ",":
        if "." in text:
            return
        changed = changed.replace(",", ".")
    if numeric:
        changed = changed.translate(SIGNS) if not changed.isascii() else changed
        exponents = sum(1 for _ in FORTRAN.finditer(changed))
        if exponents and exponents == changed.count("D") + changed.count("d"):
            changed = changed.translate(TO_E)
    if layout.trailing:
        tail = f"{layout.delimiter}\n"
        if changed.count(tail) + (not changed.endswith("\n")) * changed.endswith(layout.delimiter) != len(lines):
            return
        changed = changed.replace(tail, "\n").removesuffix(layout.delimiter)
    if changed is not text:
        yield changed.split("\n")


def _careful(
    layout: Layout,
    parsers: Sequence[Parser | None],
    keep: Sequence[int],
    loose: frozenset[int],
    found: Sequence[Record],
    strict: bool,
) -> Block:
    """The block cell by cell, with the place of each mistake. `_fast` must give the same numbers."""
    width, to_number = len(parsers), layout.numerals.to_number
    values, cells, unread = np.full((len(found), width), np.nan), [], {}
    for place, record in enumerate(found):
        fields = record.fields
        if fields is not None and layout.trailing:
            fields = without_tail(fields, width)
        if fields is None or len(fields) != width:
            wrong = f"{layout.where(record.number)}: {record.fault}" if fields is None else _ragged(layout, record, width)
            if strict:
                raise InputError(wrong)
            unread[place] = wrong
            cells.append(["" if fields is None or i >= len(fields) else fields[i] for i in keep])
            continue
        row, column = values[place], 0
        cells.append([fields[i] for i in keep])
        try:
            for column, (cell, parser) in enumerate(zip(fields, parsers, strict=True)):
                row[column] = loosely(parser or to_number, cell) if column in loose else (parser or to_number)(cell)
        except ValueError as error:
            wrong = f"{layout.where(record.number, column)}: {error}{_hint(layout, record.number, error)}"
            if strict:
                raise InputError(wrong) from None
            unread[place] = wrong
            row[:] = np.nan
    return Block(values, cells, unread)


def _ragged(layout: Layout, record: Record, width: int) -> str:
    return (
        f"{layout.where(record.number)} has {len(record.fields or ())} fields between {layout.delimiter!r}, but the file began "
        f"with {width}: give every line as many, or name another delimiter with --delimiter"
    )


def _hint(layout: Layout, line: int, error: ValueError) -> str:
    """What may be meant by a fault in the first line of data."""
    if line != layout.first_line or "column of numbers" not in str(error):
        return ""
    if layout.header:
        return " (if the column names take two lines, keep one)"
    return " (if this line names the columns, say --header, or header=True in Python)" if line == 1 else ""
