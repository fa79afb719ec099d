"""Options that say how a table is to be read. Each is guessed unless it is given."""

from __future__ import annotations

import argparse
from pathlib import Path

from pwl.data.arrays import is_array_file
from pwl.data.parquet import is_parquet
from pwl.data.rules import Rules
from pwl.errors import InputError

RULES = ("header", "delimiter", "decimal", "thousands", "missing", "dates")
OF_TEXT = RULES[:4]  # those that say nothing of a Parquet file


def add_rules(group: argparse._ActionsContainer) -> None:
    group.add_argument(
        "--header", action=argparse.BooleanOptionalAction, default=None,
        help="whether the first line names the columns (default: it does if it holds no number)",
    )  # fmt: skip
    group.add_argument("--delimiter", metavar="C", help=r"character between columns; \t is a tab (default: it is guessed)")
    group.add_argument("--decimal", metavar="C", help="decimal mark, a point or a comma (default: it is guessed)")
    group.add_argument(
        "--thousands", metavar="C", help="mark that parts thousands: , . ' or a blank (default: it is guessed)"
    )
    group.add_argument(
        "--missing", nargs="*", metavar="WORD",
        help="words for a missing value beside an empty cell; --missing alone: none (default: NA, N/A, NaN, null, None, ?, -, .)",
    )  # fmt: skip
    group.add_argument(
        "--dates", metavar="ORDER", help="ymd, dmy or mdy: read dates as days since 1970 (default: dates are refused)"
    )


def rules(options: argparse.Namespace) -> Rules:
    """What the options say. Raises InputError for values that can't be used."""
    return Rules(**{name: getattr(options, name) for name in RULES})


def said(options: argparse.Namespace) -> list[str]:
    """The options of this kind that were given."""
    return [name for name in RULES if getattr(options, name, None) is not None]


def is_text(name: str) -> bool:
    """Whether a table is text, so that all of the options say something of it."""
    return not is_array_file(Path(name)) and not is_parquet(Path(name))


def check_used(name: str, options: argparse.Namespace) -> None:
    """Raises InputError for options that say nothing of a file of this kind."""
    given = [] if is_text(name) else [o for o in said(options) if is_array_file(Path(name)) or o in OF_TEXT]
    if given:
        kind = "holds numbers only" if is_array_file(Path(name)) else "is a Parquet file"
        raise InputError(f"--{given[0]} is for text tables, but {name} {kind}: leave it out")
