"""The record of a training run: a series per quantity, the best iteration, and the reason for the end."""

from __future__ import annotations

import html
from collections.abc import Mapping
from typing import Any

from pwl.errors import InputError
from pwl.files.html_table import html_table
from pwl.files.plain import plain
from pwl.runtime.backend import host
from pwl.validate import is_number, is_whole

NUMBERS = ("error", "objective", "seconds", "multiplies", "passes", "gradient_norm")  # ends of the names of series of numbers


class Record:
    """Keeps the series of a run by name, as record["error"], and the reason for its end.

    Each series has iterations + 1 values, and the first one belongs to the initialised network. Series of an algorithm
    ("z", "dependent", ...) have None there.

    Parameters
    ----------
    settings : mapping, optional
        Settings of the run.

    Attributes
    ----------
    series : dict of str to list
        Values by name, one per row.
    names : tuple of str
        Names of the series.
    settings : dict
        Settings of the run, as plain words and numbers.
    rows : dict of str to list of int
        Rows of the data by part, "training", "validation" and "test", if `pwl.train` divided them (parts=).
    iterations : int
        Number of iterations that were run.
    best_iteration : int
        Iteration of the best network.
    stop_code : str
        Reason for the end, in one word for programs.
    stop_reason : str
        Reason for the end, in a sentence.

    Raises
    ------
    KeyError
        From record[name], if there is no such series.
    """

    def __init__(self, settings: Mapping[str, Any] | None = None) -> None:
        self.series: dict[str, list[Any]] = {}
        self.settings: dict[str, Any] = dict(settings or {})
        self.rows: dict[str, list[int]] = {}
        self.best_iteration = 0
        self.stop_code = ""
        self.stop_reason = ""

    def __getitem__(self, name: str) -> list[Any]:
        if name not in self.series:
            raise KeyError(f"no series {name!r} in this record, but it has {', '.join(self.series)}")
        return self.series[name]

    def __contains__(self, name: str) -> bool:
        return name in self.series

    def __len__(self) -> int:
        return len(self.series.get("error", ()))

    def __repr__(self) -> str:
        if not len(self):
            return "Record(empty)"
        best = self.best_iteration
        return f"Record({self._counted()}, best {best}: error {self['error'][best]:.6g}; stopped: {self.stop_reason})"

    def _counted(self) -> str:
        return f"{self.iterations} iteration{'s' * (self.iterations != 1)}"

    def _repr_html_(self) -> str:
        """The series of numbers at the start, at the best and at the last iteration, for notebooks."""
        if not len(self):
            return html.escape(repr(self))
        places = {"start": 0, f"best ({self.best_iteration})": self.best_iteration, f"last ({self.iterations})": -1}
        lines = [["series", *places]]
        for name, values in self.series.items():
            found = [values[place] for place in places.values()]
            if all(value is None or is_number(value) for value in found):
                lines.append([name, *("" if value is None else f"{value:.6g}" for value in found)])
        return html_table(lines, f"{self._counted()}; {self.stop_reason}")

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the series."""
        return tuple(self.series)

    def to_pandas(self) -> Any:
        """The series as a pandas.DataFrame with a row per iteration. Raises InputError if pandas is not installed."""
        try:
            import pandas
        except ModuleNotFoundError as missing:
            raise InputError("a data frame needs the package pandas: pip install pandas") from missing
        kinds = {name: None if name.endswith(NUMBERS) else object for name in self.names}
        columns = {name: pandas.Series(self[name], dtype=kind) for name, kind in kinds.items()}
        return pandas.DataFrame(columns, index=pandas.RangeIndex(len(self), name="iteration"))

    @property
    def iterations(self) -> int:
        """Number of iterations that were run."""
        return max(len(self) - 1, 0)

    def append(self, row: Mapping[str, Any]) -> None:
        """Adds a row. A series that is new gets None for all earlier rows."""
        length, series = len(self), self.series
        for name, value in row.items():
            if name not in series:
                series[name] = [None] * length
            series[name].append(host(value).tolist() if hasattr(value, "shape") else value)
        if len(row) < len(series):
            for values in series.values():
                values.extend([None] * (length + 1 - len(values)))

    def cut(self, rows: int) -> None:
        """Drops all rows from number `rows` on, also a row that is only half written."""
        for values in self.series.values():
            if len(values) > rows:
                del values[rows:]

    def stop(self, code: str, reason: str) -> None:
        """Notes the reason for the end of the run."""
        self.stop_code, self.stop_reason = code, reason

    def to_dict(self) -> dict[str, Any]:
        """The record as plain lists, numbers and words, for JSON."""
        return {
            "settings": plain(self.settings),
            "best_iteration": self.best_iteration,
            "stop_code": self.stop_code,
            "stop_reason": self.stop_reason,
            "series": plain(self.series),
            **({"rows": self.rows} if self.rows else {}),
        }

    @classmethod
    def from_dict(cls, d: Mapping[str, Any]) -> Record:
        """The record from a result of `to_dict`."""
        record = cls(d["settings"])
        record.series = d["series"]
        record.rows = d.get("rows", {})
        record.best_iteration = d["best_iteration"]
        record.stop(d["stop_code"], d["stop_reason"])
        record.check()
        return record

    def check(self) -> None:
        """Raises ValueError unless this is the record of a run, as a file should hold it."""
        rows = len(self)
        wrong = [name for name, values in self.series.items() if not isinstance(values, list) or len(values) != rows]
        if wrong or not rows:
            raise ValueError(f"the series {wrong[0]!r} has no value per iteration" if wrong else "it has no errors")
        for name, values in self.series.items():
            if name.endswith(NUMBERS) and not all(value is None or is_number(value) for value in values):
                raise ValueError(f"the series {name!r} holds something else than numbers")
        for name in ("error", "seconds", "passes"):
            if name in self.series and not all(map(is_number, self.series[name])):
                raise ValueError(f"the series {name!r} has gaps")
        if not is_whole(self.best_iteration) or not 0 <= self.best_iteration < rows:
            raise ValueError(f"iteration {self.best_iteration!r} can't be the best")
        if not isinstance(self.rows, dict) or not all(map(_are_rows, self.rows.values())):
            raise ValueError("its rows are not whole numbers by part")
        if not isinstance(self.stop_code, str) or not isinstance(self.stop_reason, str):
            raise ValueError("the reason for its end is not text")


def _are_rows(rows: Any) -> bool:
    return isinstance(rows, list) and all(map(is_whole, rows))
