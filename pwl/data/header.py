"""Whether the first line names the columns."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

from pwl.data.numerals import Numerals

FAR = 10  # a first line of numbers may be names if each lies this many ranges outside the numbers of its column
Rows = Sequence[Sequence[str]]


class Doubt(ValueError):
    """The first line may be names or data. The argument says why."""


def has_header(rows: Rows, numerals: Numerals) -> bool:
    """Whether the first of some rows names the columns.

    A line without a number does, unless its words come again below it in a table of words. Words beside numbers do where the
    numbers may be names and the words never come again. Raises Doubt where the line may be either.
    """
    first, rest = [cell.strip() for cell in rows[0]], rows[1:]
    numbers = [i for i, cell in enumerate(first) if numerals.is_number(cell)]
    words = [i for i, cell in enumerate(first) if i not in set(numbers)] if len(numbers) < len(first) else []
    if not numbers:
        return not rest or _names_alone(first, rest, numerals)
    why = _may_be_names(first, numbers, rest, numerals)
    if not words:
        if why:
            raise Doubt(why)
        return False
    if why is None:
        return False
    below = {i: [row[i] for row in rest if i < len(row)] for i in words}
    return not any(first[i] and first[i] in {cell.strip() for cell in below[i]} for i in words)


def _names_alone(first: list[str], rest: Rows, numerals: Numerals) -> bool:
    """Whether a line of words only is names: not if they come again below, where no column holds a number."""
    width = len(first)
    if any(numerals.is_number(row[i]) for row in rest for i in range(min(width, len(row)))):
        return True
    again = [i for i in range(width) if first[i] in {row[i].strip() for row in rest if i < len(row)}]
    if len(again) == width:
        return False
    if again:
        raise Doubt("as some of them come again below and others do not")
    return True


def _may_be_names(first: list[str], numbers: list[int], rest: Rows, numerals: Numerals) -> str | None:
    """Why the numbers of a first line may be names, or None: different whole numbers, unlike the numbers below them."""
    cells = [first[i] for i in numbers]
    if len(rest) < 3 or len(set(cells)) < len(cells) or not all(cell.isascii() and cell.isdecimal() for cell in cells):
        return None
    below = [_numbers([row[i] for row in rest if i < len(row)], numerals) for i in numbers]
    filled = [(float(cell), values) for cell, values in zip(cells, below, strict=True) if values]
    if not filled:
        return "as they stand above words"
    if all(_far(number, [value for _, value in values]) for number, values in filled):
        return "as they are far from the numbers below"
    counted = [int(cell) for cell in cells if len(cell) < 7]
    if len(cells) > 1 and counted == list(range(len(cells))):
        return "as they count the columns"
    fractions = all(any(not text.strip().lstrip("+-").isdecimal() for text, _ in values) for _, values in filled)
    if len(cells) > 1 and fractions:
        return "as they are whole numbers and those below are not"
    return None


def _numbers(cells: Sequence[str], numerals: Numerals) -> list[tuple[str, float]]:
    """The finite numbers among some cells, as text and as number."""
    found = []
    for cell in cells:
        with contextlib.suppress(ValueError):
            found.append((cell, numerals.to_number(cell)))
    return found


def _far(number: float, values: list[float]) -> bool:
    """Whether a number lies more than FAR ranges outside some values."""
    low, high = min(values), max(values)
    return not low - FAR * (high - low) <= number <= high + FAR * (high - low)
