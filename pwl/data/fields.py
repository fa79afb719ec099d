"""Lines to fields. Quotes are taken at their word only where a field begins and ends with one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

LONGEST = 1000  # lines that a quoted field may span
OPEN = "a quote opens here and does not close: remove it, or double it within a quoted field"


class Record(NamedTuple):
    """number: of the first line, counted from 1. fields: None if the line can't be divided, with the reason in fault."""

    number: int
    fields: list[str] | None
    fault: str = ""


class Unfinished(Exception):
    """A quoted field goes on in the next line."""


def records(lines: list[str], delimiter: str, first: int, width: int | None = None) -> Iterator[Record]:
    """The records of some lines without blank ones.

    A stray or unclosed quote is a fault of its own line, and the next record begins with the next line. width: number of
    fields in the table, if it is known: a quoted field that holds a whole line of the table is a fault as well.
    """
    at = 0
    while at < len(lines):
        line, number = lines[at], first + at
        if '"' not in line:
            fields = split_plain(line, delimiter)
            at += 1
            if len(fields) > 1 or fields[0].strip():
                yield Record(number, fields)
            continue
        record, taken = _quoted(lines, at, number, delimiter, width)
        at += taken
        if record.fields is None or len(record.fields) > 1 or record.fields[0].strip():
            yield record


def split_plain(line: str, delimiter: str) -> list[str]:
    """The fields of a line without quotes. Runs of blanks and tabs are one delimiter if it is the blank."""
    if delimiter == " ":
        return line.split() or [""]
    return line.rstrip("\r\n").split(delimiter)


def _quoted(lines: list[str], at: int, number: int, delimiter: str, width: int | None) -> tuple[Record, int]:
    """The record that begins at a line with a quote, and the number of its lines."""
    text = lines[at]
    for taken in range(1, LONGEST + 1):
        try:
            fields = split_quoted(text, delimiter)
        except Unfinished:
            if at + taken == len(lines):
                break
            text += lines[at + taken]
            continue
        except ValueError as wrong:
            return Record(number, None, str(wrong)), 1
        if taken > 1 and width and any(_holds_a_line(field, delimiter, width) for field in fields):
            fault = f"a quote opens here and closes in line {number + taken - 1}, and lines of the table lie between"
            return Record(number, None, f"{fault}: remove the stray quotes, or double them within a quoted field"), 1
        return Record(number, fields), taken
    return Record(number, None, OPEN), 1


def _holds_a_line(field: str, delimiter: str, width: int) -> bool:
    """Whether a field of several lines holds, after its first line, as many fields as the table has."""
    return width > 1 and any(len(split_plain(line, delimiter)) == width for line in field.split("\n")[1:])


def split_quoted(text: str, delimiter: str) -> list[str]:
    """The fields of a record with quotes.

    Raises Unfinished if a quote is still open at the end, and ValueError for letters after a closing quote.
    """
    text = text.rstrip("\r\n") if text.count('"') % 2 == 0 else text
    if delimiter == " ":
        text = text.replace("\t", " ").strip()
    fields, at, end = [], 0, len(text)
    while True:
        while at < end and text[at] == " ":
            at += 1
        if text[at : at + 1] == '"':
            field, at = _in_quotes(text, at + 1)
            while at < end and text[at] == " " and delimiter != " ":
                at += 1
            if at < end and text[at] != delimiter and text[at] != "\n":
                raise ValueError(f"the quoted text {field[:30]!r} is followed by {text[at : at + 10]!r}: remove the stray quote")
            at = end if text[at : at + 1] == "\n" else at
        else:
            stop = text.find(delimiter, at)
            stop = end if stop < 0 else stop
            field, at = text[at:stop].rstrip("\n"), stop
        fields.append(field)
        if at >= end:
            return fields
        at += 1


def _in_quotes(text: str, at: int) -> tuple[str, int]:
    """The text up to the closing quote, with doubled quotes as one, and the place after it."""
    parts = []
    while True:
        stop = text.find('"', at)
        if stop < 0:
            raise Unfinished
        parts.append(text[at:stop])
        if text[stop + 1 : stop + 2] != '"':
            return "".join(parts), stop + 1
        parts.append('"')
        at = stop + 2
