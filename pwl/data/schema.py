"""The columns of a table: enough to read another file of the same kind later."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Column:
    """One column of a file, of numbers or of text.

    Parameters
    ----------
    name : str
    categories : tuple of str, optional
        The texts that the column may hold; None for numbers.
    unit : str
        The unit or currency that stands beside each number, such as "km".
    dates : str
        The order of dates, which are read as days, or nothing.
    """

    name: str
    categories: tuple[str, ...] | None = None
    unit: str = ""
    dates: str = ""

    @property
    def expanded(self) -> tuple[str, ...]:
        """Names of the inputs that the column becomes: one for numbers, one per category for text."""
        return (self.name,) if self.categories is None else tuple(f"{self.name}={c}" for c in self.categories)


@dataclass(frozen=True)
class Schema:
    """The columns of a table.

    Parameters
    ----------
    inputs, targets : tuple of Column
        In the order of x and of t. The categories of a target are the classes, also if the file holds whole numbers.
    header : bool
        Whether the file names its columns.
    width : int
        Number of columns in the file, with those that were dropped.
    decimal, thousands : str, str or None
        The marks of the table's numbers, which decide if another file leaves them open.
    missing : tuple of str, optional
        The words of a missing value, if they were given.
    """

    inputs: tuple[Column, ...]
    targets: tuple[Column, ...]
    header: bool
    width: int
    decimal: str = "."
    thousands: str | None = None
    missing: tuple[str, ...] | None = None

    @property
    def input_names(self) -> tuple[str, ...]:
        """A name per column of x: the column's own, or column=category."""
        return tuple(name for column in self.inputs for name in column.expanded)

    @property
    def target_names(self) -> tuple[str, ...]:
        """A name per target column."""
        return tuple(column.name for column in self.targets)

    def to_dict(self) -> dict[str, Any]:
        """Plain lists, numbers and words, for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, d: Mapping[str, Any]) -> Schema:
        """The Schema that `to_dict` wrote. What earlier versions did not write has its default."""
        missing = d.get("missing")
        return cls(
            _columns(d["inputs"]),
            _columns(d["targets"]),
            d["header"],
            d["width"],
            d.get("decimal", "."),
            d.get("thousands"),
            None if missing is None else tuple(missing),
        )


def column_names(n: int) -> tuple[str, ...]:
    """The names of the columns of a file that names none: c1, c2, ..."""
    return tuple(f"c{place + 1}" for place in range(n))


def place_of(column: Column) -> int:
    """The place in the file of a column that `column_names` named, counted from 0."""
    return int(column.name[1:]) - 1


def _columns(dicts: Sequence[Mapping[str, Any]]) -> tuple[Column, ...]:
    return tuple(
        Column(
            d["name"], None if d["categories"] is None else tuple(d["categories"]), d.get("unit", ""), d.get("dates", "")
        )
        for d in dicts
    )
