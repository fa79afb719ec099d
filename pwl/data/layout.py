"""The layout of a text table, guessed from its beginning: delimiter, marks of numbers, column names."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice

from pwl.data.fields import OPEN, Record, records
from pwl.data.header import Doubt, has_header
from pwl.data.numerals import DIGITS, MISSING, Numerals, Unsure, bare, guess
from pwl.data.rules import Rules
from pwl.data.schema import column_names
from pwl.data.text import AS_CSV, CHUNK, Text
from pwl.errors import InputError

IsRow = Callable[[Sequence[str], Numerals], bool]
SAMPLE = 1000  # lines or rows from which the kinds of the columns are guessed
AT_LEAST = 10  # lines that are looked at, however long they are
CELLS = 200  # cells of a line that are looked at to guess the delimiter
DELIMITERS = (";", "\t", "|", ",", " ")  # the earlier wins a tie: a blank or a comma is often within cells
STRONG = DELIMITERS[:3]  # these are seldom within cells
USUAL = 0.8  # share of the lines that a delimiter must divide alike
SEPARATOR = re.compile(r'"?sep=(?P<sign>.)"?\s*', re.IGNORECASE)  # the first line that spreadsheets understand


@dataclass(frozen=True)
class Layout:
    """The layout of a text file.

    names: of the columns. first_line: of the data, counted from 1. sample: rows of it. trailing: whether lines may end in a
    delimiter that is not an empty cell.
    """

    text: Text
    delimiter: str
    numerals: Numerals
    header: bool
    names: tuple[str, ...]
    first_line: int
    sample: tuple[list[str], ...]
    trailing: bool = False

    @cached_property
    def places(self) -> dict[str, int]:
        """The place of each column by its name."""
        return {name: place for place, name in enumerate(self.names)}

    def column(self, place: int) -> list[str]:
        """The sampled cells of a column that are not missing."""
        cells = (row[place] for row in self.sample if place < len(row))
        return [cell for cell in cells if not self.numerals.is_missing(cell)]

    def where(self, line: int, column: int | None = None) -> str:
        """The place in words for error messages, such as "FILE, line 3, column 'age'"."""
        return f"{self.text.name}, line {line}" + ("" if column is None else f", column {self.names[column][:60]!r}")


def sniff(
    text: Text, rules: Rules, *, strict: bool = True, known: Numerals | None = None, is_row: IsRow | None = None
) -> Layout:
    """Guesses a file's layout from its beginning. What the rules say is not guessed.

    strict: whether a line that can't be divided is an error. known: marks that decide if the cells leave them open. is_row:
    whether a first line is data by what is known of the columns, though it looks like names.
    Raises InputError for an empty file, for column names that come twice, for lines of comment before the table, and where
    the beginning leaves open what is meant.
    """
    lines = _beginning(text)
    said = SEPARATOR.fullmatch(lines[0]) if lines else None
    skipped = 1 if said else 0
    delimiter = rules.delimiter or (said["sign"] if said else guess_delimiter(lines))
    rows = _rows(text, lines[skipped:], delimiter, 1 + skipped, strict)
    if not rows:
        raise InputError(f"{text.name} is empty, wanted a table with a line of column names and a line per pattern")
    _refuse_comments(text.name, rows)
    _refuse_titles(text.name, rows)
    trailing = _is_trailing(rows)
    if trailing:
        width = len(rows[0].fields or []) - (not (rows[0].fields or [""])[-1].strip())
        rows = [row._replace(fields=without_tail(row.fields or [], width)) for row in rows]
    cells = [row.fields or [] for row in rows]
    numerals = _numerals(text.name, cells[1:] or cells, rules, known)
    try:
        header = has_header(cells, numerals) if rules.header is None else rules.header
        header = header and (rules.header is not None or is_row is None or not is_row(cells[0], numerals))
    except Doubt as doubt:
        shown = ", ".join(cell.strip()[:30] for cell in cells[0][:4])
        raise InputError(
            f"{text.name}, line {rows[0].number}: {shown}, ... may be column names, {doubt}: say --header, or --no-header if they "
            "are data (header=True or False in Python)"
        ) from None
    names = _names(text.name, rows[0]) if header else column_names(len(cells[0]))
    start = 1 if header else 0
    first_line = rows[start].number if len(rows) > start else len(lines) + 1
    return Layout(text, delimiter, numerals, header, names, first_line, tuple(cells[start:]), trailing)


def _beginning(text: Text) -> list[str]:
    """The first lines, at least AT_LEAST of them."""
    try:
        with text.open() as file:
            lines = file.readlines(CHUNK)[:SAMPLE]
            lines += islice(file, max(0, AT_LEAST - len(lines)))
    except UnicodeDecodeError as why:
        raise text.damaged(why) from None
    if any("\0" in line for line in lines):
        raise InputError(f"{text.name} is not a text file (it holds zero characters): {AS_CSV}")
    return lines


def _rows(text: Text, lines: list[str], delimiter: str, first: int, strict: bool) -> list[Record]:
    """The records of the sampled lines. A fault is an error if `strict`, but the last lines may be cut off."""
    found = list(records(lines, delimiter, first))
    if any('"' in line for line in lines):
        widths = Counter(len(record.fields) for record in found if record.fields is not None)
        found = list(records(lines, delimiter, first, widths.most_common(1)[0][0] if widths else None))
    for record in found:
        if record.fields is None and strict and not (record.fault == OPEN and len(lines) >= SAMPLE):
            raise InputError(f"{text.name}, line {record.number}: {record.fault}")
    return [record for record in found if record.fields is not None]


def guess_delimiter(lines: list[str]) -> str:
    """The first of DELIMITERS that divides most lines alike and leaves the most numbers; else the first that is in most lines."""
    if SEPARATOR.fullmatch(lines[0] if lines else ""):
        lines = lines[1:]
    fits = {delimiter: _fit(lines, delimiter) for delimiter in DELIMITERS}
    first = next((line for line in lines if line.strip()), "")
    if len(first.split()) < 2:  # blanks that do not divide the names are within cells
        fits[" "] = (0.0, 0.0, 0.0)
    usual = [d for d in DELIMITERS if fits[d][0] >= USUAL]
    if usual:
        strong = [d for d in usual if d in STRONG]
        best = max(usual, key=lambda d: (round(fits[d][1], 1), fits[d][0]))
        return strong[0] if strong and fits[strong[0]][1] >= fits[best][1] - 0.05 else best
    present = [d for d in DELIMITERS if fits[d][2] >= 0.5]
    return present[0] if present else max(DELIMITERS, key=lambda d: fits[d][2])


def _fit(lines: list[str], delimiter: str) -> tuple[float, float, float]:
    """How a delimiter fits: the share of lines of one width, the share of cells with numbers, the share of lines with it."""
    rows = [record.fields for record in records(lines, delimiter, 1) if record.fields is not None]
    if not rows:
        return 0.0, 0.0, 0.0
    widths = Counter(map(len, rows))
    divided = sum(count for width, count in widths.items() if width > 1)
    width, count = max(((w, c) for w, c in widths.items() if w > 1), key=lambda pair: pair[1], default=(1, 0))
    cells = [cell for row in rows[1:50] or rows if len(row) == width for cell in row[:CELLS]] if width > 1 else []
    numbers = sum(DIGITS.fullmatch(bare(cell)) is not None for cell in cells)
    return count / len(rows), numbers / max(1, len(cells)), divided / len(rows)


def _numerals(name: str, rows: list[list[str]], rules: Rules, known: Numerals | None) -> Numerals:
    """The marks of numbers in the sampled rows."""
    width = max(map(len, rows))
    columns = ([row[i].strip() for row in rows if i < len(row) and row[i].strip()] for i in range(width))
    missing = MISSING if rules.missing is None else tuple(rules.missing)
    if known is not None and rules.missing is None:
        missing = known.missing
    try:
        decimal, thousands = guess(columns, rules.decimal, rules.thousands)
    except Unsure as unsure:
        if known is not None and (known.decimal, known.thousands) in ((",", None), (".", ",")):
            return Numerals(known.decimal, known.thousands, missing)
        raise InputError(
            f"{name} holds {str(unsure)!r}, where the comma may be the decimal mark or part thousands: say --decimal , or "
            "--thousands , (decimal=',' or thousands=',' in Python)"
        ) from None
    if known is not None and rules.decimal is None and rules.thousands is None and (decimal, thousands) == (".", None):
        decimal, thousands = _as_known(rows, known)
    return Numerals(decimal, thousands, missing)


def _as_known(rows: list[list[str]], known: Numerals) -> tuple[str, str | None]:
    """The known marks, if all numbers of the rows can be read with them, else plain ones."""
    cells = [bare(cell) for row in rows for cell in row if DIGITS.fullmatch(bare(cell))]
    fits = all(known.is_number(cell) for cell in cells)
    return (known.decimal, known.thousands) if fits else (".", None)


def _is_trailing(rows: list[Record]) -> bool:
    """Whether lines end in a delimiter beyond the columns: an empty cell more than the first line has, or below no name."""
    first, *rest = [record.fields or [] for record in rows]
    if not rest or max(len(first), len(rest[0])) < 2:
        return False
    longer = [row for row in rest if len(row) == len(first) + 1 and not row[-1].strip()]
    if longer:
        return all(row in longer or len(row) == len(first) for row in rest)
    return not first[-1].strip() and all(len(row) == len(first) and not row[-1].strip() for row in rest)


def without_tail(fields: list[str], width: int) -> list[str]:
    """The fields of a line without an empty one beyond the width."""
    return fields[:-1] if len(fields) == width + 1 and not fields[-1].strip() else fields


def _names(name: str, record: Record) -> tuple[str, ...]:
    """Names from a line of them. A column without a name is named by its number, such as c1."""
    fields = record.fields or ()
    names = tuple(_one_line(field) or own for field, own in zip(fields, column_names(len(fields)), strict=True))
    if len(set(names)) < len(names):
        twice, count = Counter(names).most_common(1)[0]
        raise InputError(
            f"{name}, line {record.number}, has the column name {twice[:60]!r} {count} times: give each column a name of its own"
        )
    return names


def _refuse_titles(name: str, rows: list[Record]) -> None:
    """Raises InputError if a line of one field stands above a table of several columns."""
    width, count = Counter(len(record.fields or ()) for record in rows).most_common(1)[0]
    if len(rows[0].fields or ()) == 1 < width and 2 * count > len(rows):
        raise InputError(
            f"{name}, line {rows[0].number} has 1 field, but most lines have {width}: remove what stands above the column names"
        )


def _refuse_comments(name: str, rows: list[Record]) -> None:
    """Raises InputError if the first lines begin with '#' and are not rows of the table."""
    fields = [record.fields or [""] for record in rows]
    after = next((row for row in fields if not row[0].lstrip().startswith("#")), fields[0])
    if fields[0] is not after and len(fields[0]) != len(after):
        raise InputError(f"{name} begins with a line of comment, {fields[0][0].strip()[:60]!r}: remove all lines of comment")


def _one_line(name: str) -> str:
    """A name as it was written, but for blanks at its ends and at the ends of lines."""
    return " ".join(line.strip() for line in name.splitlines()).strip()
