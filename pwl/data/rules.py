"""What the user says of a table. Whatever is left out is guessed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pwl.data.dates import ORDERS
from pwl.data.numerals import MARKS
from pwl.errors import InputError
from pwl.validate import one_of, shown, truth


@dataclass(frozen=True)
class Rules:
    """How a text table is to be read. None: guessed from its beginning.

    Parameters
    ----------
    header : bool, optional
        Whether the first line names the columns.
    delimiter : str, optional
        The character between columns. "\\t" and the word "tab" are the tab.
    decimal, thousands : str, optional
        The decimal mark, "." or ",", and the mark that parts thousands, a comma, a point, an apostrophe or a blank.
    missing : sequence of str, optional
        The words that stand for a missing value, beside an empty cell. Any other text is then a word of its own.
    dates : str, optional
        "ymd", "dmy" or "mdy": columns of dates are read as days since 1 January 1970.

    Raises
    ------
    InputError
        For values that can't be used.
    """

    header: bool | None = None
    delimiter: str | None = None
    decimal: str | None = None
    thousands: str | None = None
    missing: Sequence[str] | None = None
    dates: str | None = None

    def __post_init__(self) -> None:
        if self.header is not None:
            truth("header", self.header)
        d = self.delimiter
        d = "\t" if d in ("\\t", "tab") else d
        if d is not None and (not isinstance(d, str) or len(d) != 1 or d.isalnum() or d in '".+-\r\n'):
            raise InputError(f"the delimiter came as {shown(self.delimiter)}, wanted one character such as ',', ';', tab or blank")
        object.__setattr__(self, "delimiter", d)
        if self.decimal is not None:
            one_of("the decimal mark", self.decimal, (".", ","))
        if self.thousands is not None:
            one_of("the thousands mark", self.thousands, tuple(MARKS))
            if self.thousands == (self.decimal or ""):
                raise InputError(f"the decimal mark and the thousands mark are both {self.decimal!r}: they must differ")
        if self.dates is not None:
            one_of("the order of dates", self.dates, ORDERS)
        if self.missing is not None:
            words = (self.missing,) if isinstance(self.missing, str) else self.missing
            if not isinstance(words, (list, tuple, set)) or not all(isinstance(word, str) for word in words):
                raise InputError(f"missing must be a list of words, not {shown(self.missing)}")
            object.__setattr__(self, "missing", tuple(dict.fromkeys(("", *(word.strip().lower() for word in words)))))
