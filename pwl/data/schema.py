"""What a table's columns are: enough to read another file of the same kind later."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Column:
    """One column of a file: numbers, or text where `categories` lists what may stand in it."""

    name: str
    categories: tuple[str, ...] | None = None

    @property
    def expanded(self) -> tuple[str, ...]:
        """Names of the inputs that the column becomes: one for numbers, one for each category."""
        return (self.name,) if self.categories is None else tuple(f"{self.name}={c}" for c in self.categories)


@dataclass(frozen=True)
class Schema:
    """Columns of a table: the inputs in the order of x, the targets in the order of t.

    A text target's categories are the classes, and so are the values of an integer target read as classes.
    header: whether the columns have names of their own. width: columns in the file, those that were dropped too.
    """

    inputs: tuple[Column, ...]
    targets: tuple[Column, ...]
    header: bool
    width: int

    @property
    def input_names(self) -> tuple[str, ...]:
        """A name for each column of x: the column's, or column=category."""
        return tuple(name for column in self.inputs for name in column.expanded)

    def to_dict(self) -> dict[str, Any]:
        """Plain lists, numbers and words, for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, d: dict[str, Any]) -> Schema:
        """The Schema that `to_dict` wrote."""
        return cls(_columns(d["inputs"]), _columns(d["targets"]), d["header"], d["width"])


def _columns(dicts: list[dict[str, Any]]) -> tuple[Column, ...]:
    return tuple(Column(d["name"], None if d["categories"] is None else tuple(d["categories"])) for d in dicts)
