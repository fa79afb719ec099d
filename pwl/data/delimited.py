"""Delimited text, read as blocks of numbers. The layout is guessed from the beginning; the file is never in memory whole."""

from __future__ import annotations

import codecs
import contextlib
import csv
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import TextIO

import numpy as np

from pwl.errors import InputError
from pwl.validate import nearest

MISSING = frozenset({"", "na", "n/a", "nan", "null", "?"})  # markers of a missing value, in lower case
CHUNK = 2**20  # characters read at a time
SAMPLE = 1000  # lines from which the layout is guessed
LONGEST_QUOTE = 1000  # lines that a quoted field may span
FAR = 10  # a first line of numbers may be names if each lies so many ranges outside the numbers of its column
# Digits with separators: 1.005,5, 1 000, 1/2, 50 %, $1,000, 2020-01-31, 31.1.2020, 12:30:00, 2020-01-31T12:30Z; but
# 20-29 is a word, as of an age.
NUMBER_LIKE = re.compile(
    r"""[+-]?[$€£]?\s?
    (\d*([.,:/'_ \u00a0\u2019]\d+)+ | \d+-\d+-\d+ | \d+)
    ([T ]\d+(:\d+)+([.,]\d+)?Z?)?
    \s?[%$€£]?""",
    re.VERBOSE,
)
DELIMITERS = (";", "\t", ",", " ")  # the earlier wins a tie, so that decimal commas beside ';' are no delimiters

Parser = Callable[[str], float]
Record = tuple[int, list[str]]  # number of the first line, counted from 1, and the fields


class Codes(dict[str, float]):
    """The number of each category of a text column, by cell, in the order met. `known` categories close the list.

    A new cell raises ValueError with the reason if it is a number, is missing, is unknown, or exceeds the limit.
    """

    def __init__(self, known: Sequence[str] | None = None, limit: int = 100):
        super().__init__((name, float(number)) for number, name in enumerate(known or ()))
        self.names = list(known or ())
        self.limit = None if known is not None else limit

    def __missing__(self, cell: str) -> float:
        name = cell.strip()
        if name not in self:
            self._admit(name)
        self[cell] = self[name]
        return self[name]

    def _admit(self, name: str) -> None:
        if is_missing(name):
            raise ValueError(missing_words(name))
        if self.limit is None:
            near = nearest(name, self.names) or f"; known are {', '.join(map(repr, self.names[:8]))}"
            raise ValueError(f"{name!r} is not one of the {len(self.names)} categories of this column{near}")
        if is_number(name, "."):
            raise ValueError(f"the number {name!r} is in a column of text; make the column all numbers or all text")
        if NUMBER_LIKE.fullmatch(name):
            raise ValueError(
                f"{name!r} is neither a number nor a word; write numbers as 1005.5, dates as days or years, "
                "or drop the column (--drop)"
            )
        if len(self.names) == self.limit:
            raise ValueError(f"{name!r} is one category more than the {self.limit} allowed; drop the column")
        self[name] = float(len(self.names))
        self.names.append(name)


@dataclass(frozen=True)
class Layout:
    """The layout of a text file. names: of the columns. first_line: of the data, counted from 1. sample: rows of it."""

    path: Path
    encoding: str
    delimiter: str
    decimal: str
    header: bool
    names: tuple[str, ...]
    first_line: int
    sample: tuple[list[str], ...]

    def is_text(self, column: int) -> bool:
        """True for a column that has a text and no number in the sampled rows."""
        cells = [row[column] for row in self.sample if column < len(row)]
        return not any(is_number(c, self.decimal) for c in cells) and not all(map(is_missing, cells))

    def where(self, line: int, column: int | None = None) -> str:
        """The place in words for error messages, such as "FILE, line 3, column 'age'"."""
        return f"{self.path}, line {line}" + ("" if column is None else f", column {self.names[column]!r}")


def sniff(path: Path, *, delimiter: str | None = None, header: bool | None = None) -> Layout:
    """Guess a file's layout from its beginning. A delimiter and a header that are given are not guessed.

    Raises InputError for a binary or empty file, for column names that come twice, for lines of comment before the
    table, and for a first line of numbers that may be names.
    """
    delimiter = "\t" if delimiter == "\\t" else delimiter
    if delimiter is not None and (len(delimiter) != 1 or delimiter.isalnum() or delimiter in '".+-\r\n'):
        raise InputError(f"the delimiter came as {delimiter!r}, wanted one character such as ',', ';', tab or blank")
    encoding = _encoding(path)
    with _open(path, encoding) as file:
        lines = file.readlines(CHUNK)[:SAMPLE]
        while len(lines) < 10 and (line := file.readline()):
            lines.append(line)
    delimiter = delimiter or max(DELIMITERS, key=lambda d: _fitness(path, lines, d))  # of equals, the first
    records = _records(lines, delimiter, 1, path)
    if not records:
        raise InputError(f"{path} is empty, wanted a table with a line of column names and a line per pattern")
    rows = [fields for _, fields in records]
    _refuse_comments(path, rows)
    decimal = _decimal(rows) if delimiter in ";\t" else "."
    if header is None:
        header = not any(is_number(cell, decimal) for cell in rows[0])
        if not header and _may_be_names(rows, decimal):
            raise InputError(
                f"{path}, line {records[0][0]}: {', '.join(rows[0][:4])}, ... may be column names, as they are far from "
                "the numbers below: say --header, or --no-header if they are data (header=True or False in Python)"
            )
    names = _names(path, records[0]) if header else tuple(f"c{i + 1}" for i in range(len(rows[0])))
    start = 1 if header else 0
    first_line = records[start][0] if len(records) > start else len(lines) + 1
    return Layout(path, encoding, delimiter, decimal, header, names, first_line, tuple(rows[start:]))


def read_blocks(layout: Layout, parsers: Sequence[Parser | None]) -> Iterator[np.ndarray]:
    """Float64 blocks (rows, columns) of the whole file. There is a parser per column, None for numbers.

    Raises InputError, with line and column, at the first ragged line, missing value, NaN, Inf, text among numbers, and
    cell that a parser refuses with ValueError.
    """
    line = layout.first_line
    with _open(layout.path, layout.encoding) as file:
        for _ in range(line - 1):
            file.readline()
        while lines := file.readlines(CHUNK):
            _complete(lines, file)
            if any(map(str.strip, lines)):
                block = _fast(layout, parsers, lines)
                yield _careful(layout, parsers, lines, line) if block is None else block
            line += len(lines)


def is_number(cell: str, decimal: str) -> bool:
    """True for finite and infinite numbers. NaN is no number here, since it marks a missing value."""
    try:
        to_number(cell, decimal)
    except ValueError:
        return cell.strip().lstrip("+-").lower() in ("inf", "infinity")
    return True


def is_missing(cell: str) -> bool:
    """True for an empty cell and for the usual marks of a missing value."""
    return cell.strip().lstrip("+-").lower() in MISSING


def missing_words(cell: str) -> str:
    """The words of an error message about a missing value."""
    held = f"holds {cell.strip()!r}" if cell.strip() else "is empty"
    return f"a value is missing (the cell {held}); fill it, or drop the row or the column"


def to_number(cell: str, decimal: str) -> float:
    """The finite number in a cell. Raises ValueError, which says what else the cell holds."""
    if is_missing(cell):
        raise ValueError(missing_words(cell))
    plain = cell.replace(",", ".") if decimal == "," and "." not in cell else cell
    try:
        if "_" in cell or (decimal == "," and plain is cell and "." in cell):
            raise ValueError
        number = float(plain)
    except ValueError:
        raise ValueError(f"the text {cell.strip()!r} is in a column of numbers") from None
    if not isfinite(number):
        raise ValueError(f"{cell.strip()!r} is not a finite number; correct it or drop the row")
    return number


def _fast(layout: Layout, parsers: Sequence[Parser | None], lines: list[str]) -> np.ndarray | None:
    """The block by NumPy's own reader, or None if it finds anything unusual, which `_careful` then names."""
    numeric = not any(parsers)
    if not numeric and any(f'{layout.delimiter} "' in line for line in lines):
        return None  # NumPy takes a quote after a blank for a letter
    if layout.decimal == ",":
        text = "".join(lines)
        if not numeric or "." in text:
            return None
        lines = text.replace(",", ".").split("\n")
    delimiter = None if layout.delimiter == " " else layout.delimiter
    converters: dict[int | str, Parser] = {i: p for i, p in enumerate(parsers) if p is not None}
    try:
        block = np.loadtxt(lines, delimiter=delimiter, comments=None, quotechar='"', converters=converters, ndmin=2)
    except ValueError:
        return None
    return block if block.shape[1] == len(parsers) and np.isfinite(block).all() else None


def _careful(layout: Layout, parsers: Sequence[Parser | None], lines: list[str], first_line: int) -> np.ndarray:
    """The block cell by cell, with the place of the first mistake. `_fast` must give the same numbers."""
    width, rows = len(parsers), []
    for line, fields in _records(lines, layout.delimiter, first_line, layout.path):
        if len(fields) != width:
            raise InputError(
                f"{layout.where(line)} has {len(fields)} fields between {layout.delimiter!r}, but the file began with "
                f"{width}: give every line as many, or name another delimiter with --delimiter"
            )
        row = []
        for column, (cell, parser) in enumerate(zip(fields, parsers, strict=True)):
            try:
                row.append(to_number(cell, layout.decimal) if parser is None else parser(cell))
            except ValueError as error:
                unsure = line == 1 and not layout.header
                hint = " (if this line names the columns, say --header, or header=True in Python)" if unsure else ""
                raise InputError(f"{layout.where(line, column)}: {error}{hint}") from None
        rows.append(row)
    return np.array(rows, dtype=np.float64).reshape(-1, width)


def _records(lines: list[str], delimiter: str, first_line: int, path: Path) -> list[Record]:
    """The records of some lines without blank ones, each with the number of its first line."""
    if delimiter == " ":
        lines = [line.replace("\t", " ").strip() for line in lines]
    reader = csv.reader(lines, delimiter=delimiter, skipinitialspace=True)
    records, line = [], first_line
    try:
        for fields in reader:
            if len(fields) > 1 or (fields and fields[0].strip()):
                records.append((line, fields))
            line = first_line + reader.line_num
    except csv.Error as error:
        raise InputError(f"{path}, line {line} can't be read: {error}") from None
    return records


def _complete(lines: list[str], file: TextIO) -> None:
    """Add lines until no quoted field is cut. Quotes come in pairs, as a quote inside a field is doubled."""
    if sum(line.count('"') for line in lines) % 2:
        for _ in range(LONGEST_QUOTE):
            lines.append(file.readline())
            if lines[-1].count('"') % 2 or not lines[-1]:
                break
        if not lines[-1]:
            lines.pop()


def _fitness(path: Path, lines: list[str], delimiter: str) -> tuple[float, float]:
    """How well a delimiter fits some lines: the share of lines of one width, and the share of cells that are numbers."""
    rows = [fields for _, fields in _records(lines, delimiter, 1, path)]
    width, count = Counter(map(len, rows)).most_common(1)[0] if rows else (1, 0)
    if width < 2:
        return 0.0, 0.0
    decimal = "." if delimiter == "," else ","
    cells = [cell for row in rows[:50] for cell in row[:200]]
    return count / len(rows), sum(is_number(c, ".") or is_number(c, decimal) for c in cells) / len(cells)


def _decimal(rows: list[list[str]]) -> str:
    """The decimal mark: a comma if some cell is a number only with a comma, and no cell only with a point."""
    commas = any("," in cell and is_number(cell, ",") for row in rows for cell in row)
    points = any("." in cell and is_number(cell, ".") for row in rows for cell in row)
    return "," if commas and not points else "."


def _names(path: Path, record: Record) -> tuple[str, ...]:
    """Names from a line of them. A column without a name is named by its number, such as c1."""
    line, fields = record
    names = tuple(field.strip() or f"c{i + 1}" for i, field in enumerate(fields))
    if len(set(names)) < len(names):
        name, count = Counter(names).most_common(1)[0]
        raise InputError(
            f"{path}, line {line}, has the column name {name!r} {count} times: give each column a name of its own"
        )
    return names


def _refuse_comments(path: Path, rows: list[list[str]]) -> None:
    """Raise InputError if the first lines begin with '#' and are no rows of the table."""
    after = next((row for row in rows if not row[0].lstrip().startswith("#")), rows[0])
    if rows[0] is not after and len(rows[0]) != len(after):
        raise InputError(f"{path} begins with a line of comment, {rows[0][0].strip()!r}: remove all lines of comment")


def _may_be_names(rows: list[list[str]], decimal: str) -> bool:
    """True for a first row of different whole numbers, each far outside the range of the later rows in its column."""
    first, rest = [cell.strip() for cell in rows[0]], rows[1:]
    if len(rest) < 3 or len(set(first)) < len(first) or not all(map(str.isdecimal, first)):
        return False
    return all(_far(float(cell), [row[i] for row in rest if i < len(row)], decimal) for i, cell in enumerate(first))


def _far(number: float, cells: list[str], decimal: str) -> bool:
    """Whether a number lies more than FAR ranges outside the numbers in some cells."""
    numbers = []
    for cell in cells:
        with contextlib.suppress(ValueError):
            numbers.append(to_number(cell, decimal))
    if not numbers:
        return False
    low, high = min(numbers), max(numbers)
    return not low - FAR * (high - low) <= number <= high + FAR * (high - low)


def _encoding(path: Path) -> str:
    """UTF-16 if the file is marked as such, else UTF-8 if it decodes, else Latin-1. Raises InputError if it is no text."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        with path.open("rb") as file:
            start = file.read(CHUNK)
            if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
                return "utf-16"
            encoding, piece = "utf-8-sig", start
            while piece:
                if b"\0" in piece:
                    raise InputError(
                        f"{path} is not a text file (it holds zero bytes): save the table as CSV, or as .npy"
                    )
                if encoding != "latin-1" and not _decodes(decoder, piece):
                    encoding = "latin-1"
                piece = file.read(CHUNK)
            if encoding != "latin-1" and decoder.getstate()[0]:
                encoding = "latin-1"  # the file ends within a character
    except OSError as error:
        raise InputError(f"{path} can't be read ({error.strerror}): give the path of a readable file") from None
    if any(c < 32 and c not in b"\t\n\v\f\r\x1a" for c in start[:4096]):
        raise InputError(f"{path} is not a text file (it holds control characters): save the table as CSV, or as .npy")
    return encoding


def _decodes(decoder: codecs.IncrementalDecoder, piece: bytes) -> bool:
    try:
        decoder.decode(piece)
    except UnicodeDecodeError:
        return False
    return True


def _open(path: Path, encoding: str) -> TextIO:
    return path.open(encoding=encoding)
