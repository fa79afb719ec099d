"""Tables in Markdown."""

from __future__ import annotations

from collections.abc import Iterable


def row(cells: Iterable[str]) -> str:
    """One row of a table."""
    return "| " + " | ".join(cells) + " |"


def head(names: Iterable[str]) -> list[str]:
    """The two lines that begin a table: the columns' names and the rule below them."""
    names = list(names)
    return [row(names), row(["---"] * len(names))]
