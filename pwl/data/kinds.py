"""What a column holds: numbers, numbers with a unit, dates, or words. Numbers in disguise never become categories."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from pwl.data.dates import is_date, to_days
from pwl.data.numerals import DIGITS, Numerals, bare, missing_words, parted
from pwl.data.schema import Column
from pwl.data.sheet import Parser, Sheet
from pwl.errors import InputError
from pwl.runtime.ranks import Communicator
from pwl.validate import nearest

MAX_CATEGORIES = 100  # of a column of text: each becomes an input of the network
LONGEST = 500  # letters of a category
MANY = 20  # rows from which a text column that hardly repeats is an id
HARDLY = 0.9  # share of different texts from which a column hardly repeats
CODE = re.compile(r"[+-]?0\d+|[+-]?\d{16,}")  # whole numbers that a float would not give back as they were written
# Digits with separators: 1.005,5, 1 000, 1/2, 50 %, $1,000, 2020-01-31, 31.1.2020, 12:30:00, 2020-01-31T12:30Z; but
# 20-29 is a word, for example a range of ages.
NUMBER_LIKE = re.compile(
    r"""[+\-\u2212]?[$\u20ac\u00a3\u20b9\u00a5]?\s?
    (\d*([.,:/'_ \u00a0\u2009\u202f\u2019]\d+)+ | \d+-\d+-\d+ | \d+ | 0[xX][\da-fA-F]+)
    ([T ]\d+(:\d+)+([.,]\d+)?Z?)?
    \s?[%$\u20ac\u00a3\u20b9\u00a5]?""",
    re.VERBOSE,
)


class Kind(NamedTuple):
    """What a column holds. text: words, which become categories. unit, dates: as in Column."""

    text: bool = False
    unit: str = ""
    dates: str = ""


class Codes(dict[str, float]):
    """The number of each category of a text column, by cell, in the order met. `known` categories close the list.

    A new cell raises ValueError with the reason if it is a number, is missing, is unknown, or exceeds the limit.
    """

    def __init__(self, known: Sequence[str] | None = None, limit: int = MAX_CATEGORIES, numerals: Numerals = Numerals()):
        super().__init__((name, float(number)) for number, name in enumerate(known or ()))
        self.names = list(known or ())
        self.limit = None if known is not None else limit
        self.numerals = numerals

    def __missing__(self, cell: str) -> float:
        name = cell.strip()
        if name not in self:
            self.admit(name)
        self[cell] = self[name]
        return self[name]

    def admit(self, name: str) -> None:
        """Adds a category, if it may be one."""
        if self.numerals.is_missing(name):
            word = f"; if {name!r} is a word here, say --missing '' (missing=[] in Python)" if name else ""
            raise ValueError(missing_words(name) + word)
        if self.limit is None:
            near = nearest(name, self.names) or f"; known are {', '.join(map(repr, self.names[:8]))}"
            raise ValueError(f"{name[:60]!r} is not one of the {len(self.names)} categories of this column{near}")
        self.refuse(name)
        if len(name) > LONGEST:
            raise ValueError(f"the text {name[:30]!r}... of {len(name)} characters is not a category; drop the column (--drop)")
        if len(self.names) == self.limit:
            raise ValueError(f"{name[:60]!r} is one category more than the {self.limit} allowed; drop the column (--drop)")
        self[name] = float(len(self.names))
        self.names.append(name)

    def refuse(self, name: str) -> None:
        """Raises ValueError for numbers and what looks like them."""
        if self.numerals.is_number(name):
            raise ValueError(f"the number {name[:60]!r} is in a column of text; make the column all numbers or all text")
        if NUMBER_LIKE.fullmatch(name):
            raise ValueError(
                f"{name[:60]!r} is neither a number nor a word; write numbers as 1005.5, read dates by --dates, or drop the column "
                "(--drop)"
            )


class Labels(Codes):
    """Class numbers of labels that stay as they are written: whole numbers, codes and words alike."""

    def refuse(self, name: str) -> None:
        """Any text is a label."""


def kind_of(sheet: Sheet, place: int, dates: str | None) -> Kind:
    """The kind of a column, from the sampled rows. Raises InputError for numbers in disguise and for dates without an order."""
    cells = sheet.column(place)
    if not cells or any(sheet.numerals.is_number(cell) for cell in cells):
        return Kind()
    where = f"{sheet.title}: the column {sheet.names[place]!r} holds"
    like_dates = sum(map(is_date, cells))
    if 2 * like_dates > len(cells):
        if dates is None:
            raise InputError(
                f"{where} dates, such as {cells[0].strip()[:40]!r}: say --dates ymd, dmy or mdy to read them as days, or --drop "
                "the column"
            )
        return Kind(dates=dates)
    units = Counter(None if (found := parted(cell)) is None else found[0] for cell in cells)
    unit, count = units.most_common(1)[0]
    if unit is not None and count == len(cells) and all(sheet.numerals.is_number(bare(cell)) for cell in cells):
        return Kind(unit=unit)
    return _text(where, cells)


def _text(where: str, cells: list[str]) -> Kind:
    """The kind of words. Raises InputError for what is mostly digits and hardly repeats, and for ids."""
    different = len({cell.strip() for cell in cells})
    hardly = different > max(2, len(cells) // 2)
    mostly = sum(2 * sum(map(str.isdigit, cell)) >= len(cell.strip()) for cell in cells)
    disguised = sum(DIGITS.fullmatch(bare(cell)) is not None or NUMBER_LIKE.fullmatch(cell.strip()) is not None for cell in cells)
    ids = hardly and 2 * mostly > len(cells) >= 4
    if ids or (2 * disguised > len(cells) and different > 2):
        raise InputError(
            f"{where} texts that are mostly digits, such as {cells[0].strip()[:40]!r}, which are neither numbers nor categories: "
            "write them as 1005.5, or --drop the column"
        )
    return Kind(text=True)


def meet(codes: Codes, title: str, column: str, comm: Communicator) -> None:
    """Adds the categories of a column that other ranks have met. Raises InputError if they are too many together."""
    try:
        for names in comm.allgather(list(codes.names)):
            for name in names:
                codes[name]
    except ValueError as why:
        raise InputError(f"{title}, column {column!r}: {why}") from None


def refuse_id(name: str, column: str, codes: Codes, rows: int, target: bool) -> None:
    """Raises InputError for a column of text that hardly repeats, an input or the target."""
    if rows >= MANY and len(codes.names) > HARDLY * rows and target:
        raise InputError(
            f"{name}: the target {column!r} has {len(codes.names)} different values in {rows} rows, too many for classes: choose "
            "another target, or task regression if they are numbers"
        )
    if rows >= MANY and len(codes.names) > HARDLY * rows:
        raise InputError(
            f"{name}: the column {column!r} holds {len(codes.names)} different texts in {rows} rows, an id or a free text rather "
            "than categories: --drop the column"
        )


def holds_codes(sheet: Sheet, place: int) -> bool:
    """Whether a column of whole numbers holds codes, such as 007 or numbers of 16 digits and more."""
    cells = [cell.strip() for cell in sheet.column(place)]
    return all(cell.lstrip("+-").isdecimal() for cell in cells) and any(CODE.fullmatch(cell) for cell in cells)


def parser_of(column: Column, numerals: Numerals) -> Parser | None:
    """The parser of a known column; None for plain numbers."""
    if column.categories is not None:
        return Codes(column.categories, numerals=numerals).__getitem__
    if column.dates:
        return _dates(column.dates, numerals)
    return _with_unit(column.unit, numerals) if column.unit else None


def _dates(order: str, numerals: Numerals) -> Parser:
    def parse(cell: str) -> float:
        if numerals.is_missing(cell):
            raise ValueError(missing_words(cell))
        return to_days(cell, order)

    return parse


def _with_unit(unit: str, numerals: Numerals) -> Parser:
    """Numbers with this unit or without one."""

    def parse(cell: str) -> float:
        found = parted(cell)
        if found is not None and found[0] != unit:
            raise ValueError(f"{cell.strip()[:60]!r} is not in {unit!r} as the others of its column; convert it")
        return numerals.to_number(cell if found is None else found[1])

    return parse
