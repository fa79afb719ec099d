"""Options that say how a table is to be read. Each is guessed unless it is given."""

from __future__ import annotations

import argparse

from pwl.data.rules import Rules

RULES = ("header", "delimiter", "decimal", "thousands", "missing", "dates")


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
