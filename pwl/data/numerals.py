"""Numbers as people write them: decimal mark, thousands mark, signs, exponents. The marks hold for a whole table."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import isfinite

MISSING = ("", "na", "n/a", "#n/a", "nan", "null", "none", "?", "-", "--", ".")  # in lower case
BLANKS = " \u00a0\u2007\u2009\u202f"  # blanks that part thousands: plain, no-break, figure, thin, narrow no-break
APOSTROPHES = "'\u2019"
MARKS = {",": ",", ".": r"\.", " ": f"[{BLANKS}]", "'": f"[{APOSTROPHES}]"}  # thousands marks, and what stands for each
SIGNS = str.maketrans({"\u2212": "-", "\ufe63": "-", "\uff0d": "-", "\uff0b": "+"})  # other minus and plus signs
# Fortran's double precision. A point or a sign must be there: 12D3 is a flat, not a number.
FORTRAN = re.compile(r"([+-]?(?:\d+\.\d*|\.\d+))[dD]([+-]?\d+)|([+-]?\d+)[dD]([+-]\d+)")
UNIT = r"(?:%|\u2030|\u00b0[CF]?|[^\W\d_][^\W\d_/\u00b2\u00b3\u00b0.]{0,11}(?:[/^*\u00b7]?[^\W\d_]*[\u00b2\u00b3]?\d?)?)"
CURRENCY = r"[$\u00a2-\u00a5\u058f\u060b\u09f2\u09f3\u0e3f\u20a0-\u20cf\ufdfc\uff04\uffe0\uffe1\uffe5\uffe6]"


@dataclass(frozen=True)
class Numerals:
    """How a table writes its numbers.

    decimal: "." or ",". thousands: a key of MARKS, or None. missing: words for missing values, in lower case.
    """

    decimal: str = "."
    thousands: str | None = None
    missing: tuple[str, ...] = MISSING

    @property
    def plain(self) -> bool:
        """Whether Python and NumPy read such numbers as they stand."""
        return self.decimal == "." and self.thousands is None

    @cached_property
    def _words(self) -> frozenset[str]:
        return frozenset(self.missing)

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        """Numbers whose thousands are parted. Indian groups (1,23,456) are among them."""
        mark, point = MARKS[self.thousands or ","], re.escape(self.decimal)
        groups = rf"[1-9]\d{{0,2}}(?:{mark}\d{{3}})+|[1-9]\d?(?:{mark}\d{{2}})*{mark}\d{{3}}"
        return re.compile(rf"[+-]?(?:{groups})(?:{point}\d*)?")

    def is_missing(self, cell: str) -> bool:
        """True for an empty cell and for the words of a missing value."""
        word = cell.strip().lower()
        return word in self._words or (word[:1] in ("+", "-") and word[1:] == "nan" and "nan" in self._words)

    def is_number(self, cell: str) -> bool:
        """True for finite and infinite numbers, but not for a missing value."""
        try:
            self.to_number(cell)
        except ValueError:
            return cell.strip().lstrip("+-").lower() in ("inf", "infinity")
        return True

    def to_number(self, cell: str) -> float:
        """The finite number in a cell. Raises ValueError, which says what else the cell holds."""
        try:
            if not self.plain or "_" in cell:
                raise ValueError
            number = float(cell)
        except ValueError:
            if self.is_missing(cell):
                raise ValueError(missing_words(cell)) from None
            number = self._other(cell.strip())
        if number != number:
            raise ValueError(missing_words(cell))
        if not isfinite(number):
            raise ValueError(f"{cell.strip()[:60]!r} is not a finite number; correct it or drop the row")
        return number

    def _other(self, cell: str) -> float:
        """A number that Python does not read as it stands."""
        text = cell.translate(SIGNS)
        if text[:1] == "\u2013" and text[1:2].isdecimal():  # an en dash, as typesetters write a minus
            text = f"-{text[1:]}"
        if self.thousands is not None and self._pattern.fullmatch(text):
            text = re.sub(MARKS[self.thousands], "", text)
        if self.decimal == ",":
            text = "_" if "." in text else text.replace(",", ".")
        if (fortran := FORTRAN.fullmatch(text)) is not None:
            text = "e".join(part for part in fortran.groups() if part is not None)
        try:
            if "_" in text:
                raise ValueError
            return float(text)
        except ValueError:
            raise ValueError(f"the text {cell[:60]!r} is in a column of numbers") from None


def missing_words(cell: str) -> str:
    """The words of an error message about a missing value."""
    held = f"holds {cell.strip()!r}" if cell.strip() else "is empty"
    return f"a value is missing (the cell {held}); fill it, or drop the row or the column"


# ---- which marks a table uses

GUESSES = tuple(Numerals(decimal, thousands) for thousands in (None, ",", ".", " ", "'") for decimal in ".,")
GUESSES = tuple(guess for guess in GUESSES if guess.decimal != guess.thousands)
DIGITS = re.compile(rf"[+\-\u2212\u2013]?[\d.,{BLANKS}{APOSTROPHES}]*\d[\d.,{BLANKS}{APOSTROPHES}]*(?:[eEdD][+\-\u2212]?\d+)?")


class Unsure(ValueError):
    """The marks of a table can't be known from its cells. The argument is a cell that may mean two numbers."""


def guess(columns: Iterable[Sequence[str]], decimal: str | None, thousands: str | None) -> tuple[str, str | None]:
    """Decimal and thousands marks under which the most cells are numbers. What is given is not guessed.

    columns: cells of each column. Raises Unsure if a comma may be a decimal mark or part thousands.
    """
    if decimal is not None and thousands is not None:
        return decimal, thousands
    odd, plain = _odd_and_plain(columns)
    given = [g for g in GUESSES if decimal in (None, g.decimal) and thousands in (None, g.thousands)]
    if not given:
        return decimal or ".", thousands
    if not odd:
        return given[0].decimal, given[0].thousands
    wrong = [sum(not g.is_number(cell) for cell in (*odd, *plain)) for g in given]
    best = given[wrong.index(min(wrong))]
    rival = next((g for g, w in zip(given, wrong, strict=True) if (g.decimal, g.thousands) == (".", ",")), None)
    if (best.decimal, best.thousands) == (",", None) and rival and wrong[given.index(rival)] == min(wrong):
        raise Unsure(next(cell for cell in odd if "," in cell))
    return best.decimal, best.thousands


def _odd_and_plain(columns: Iterable[Sequence[str]]) -> tuple[list[str], list[str]]:
    """Different cells with marks that are no plain numbers, and plain numbers with a point, of columns mostly of digits."""
    odd: dict[str, None] = {}
    plain: dict[str, None] = {}
    for cells in columns:
        strange, points, digits = [], [], 0
        for cell in cells:
            text = bare(cell)
            if DIGITS.fullmatch(text):
                digits += 1
                try:
                    float(text)
                    if "." in text:
                        points.append(text)
                except ValueError:
                    strange.append(text)
        if 2 * digits >= len(cells):
            odd.update(dict.fromkeys(strange))
            plain.update(dict.fromkeys(points[:200]))
    return list(odd), list(plain)


# ---- units

_WITH_UNIT = re.compile(
    rf"(?P<sign>[+\-\u2212]?)(?P<before>{CURRENCY}|[A-Z]{{3}}(?=[\s\d]))?\s?(?P<number>[+\-\u2212]?[\d.,{APOSTROPHES}{BLANKS}]*\d"
    rf"[\d.,]*(?:[eE][+-]?\d+)?)\s?(?P<after>{CURRENCY}|{UNIT})?"
)


def parted(cell: str) -> tuple[str, str] | None:
    """A number with a currency or a unit as (unit, number), such as ("km", "10.83"); None for anything else."""
    found = _WITH_UNIT.fullmatch(cell.strip())
    if found is None or bool(found["before"]) == bool(found["after"]):
        return None
    unit = found["before"] or found["after"]
    if unit[0].isnumeric() and not unit[0].isalpha():  # part of the number, as in 5½ or 10²
        return None
    return unit, found["sign"] + found["number"].strip()


def bare(cell: str) -> str:
    """A cell without its unit and without blanks around it."""
    text = cell.strip()
    if text[-1:].isdecimal() and (text[:1].isdecimal() or (text[:1] in "+-." and text[1:2].isdecimal())):
        return text
    found = parted(text)
    return text if found is None else found[1]
