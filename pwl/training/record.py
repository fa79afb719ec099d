"""What happened in a training run: a series per quantity, the best iteration, and why it stopped."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pwl.files.plain import plain
from pwl.runtime.backend import host


class Record:
    """Series by name, one value per iteration, and how the run ended.

    record["error"] and the series beside it hold iterations + 1 values, from the initialised network on. Series that an
    algorithm adds ("z", "dependent", ...) have None for the initialised network.

    Attributes
    ----------
    series : dict of str to list
    settings : dict
        What was run, in words.
    best_iteration : int
        Iteration of the network returned.
    stop_code : str
        Why the run stopped, a word for programs.
    stop_reason : str
        Why the run stopped, a sentence.
    """

    def __init__(self, settings: Mapping[str, Any] | None = None) -> None:
        self.series: dict[str, list[Any]] = {}
        self.settings: dict[str, Any] = dict(settings or {})
        self.best_iteration = 0
        self.stop_code = ""
        self.stop_reason = ""

    def __getitem__(self, name: str) -> list[Any]:
        if name not in self.series:
            raise KeyError(f"no series {name!r} in this record; it has {', '.join(self.series)}")
        return self.series[name]

    def __contains__(self, name: str) -> bool:
        return name in self.series

    def __len__(self) -> int:
        return len(self.series.get("error", ()))

    def __repr__(self) -> str:
        if not len(self):
            return "Record(empty)"
        best = self.best_iteration
        return f"Record({len(self) - 1} iterations, best {best}: error {self['error'][best]:.6g}; stopped: {self.stop_reason})"

    @property
    def iterations(self) -> int:
        """Iterations run."""
        return max(len(self) - 1, 0)

    def append(self, row: Mapping[str, Any]) -> None:
        """One more iteration. A series that first appears now has None for the iterations before."""
        length = len(self)
        for name, value in row.items():
            self.series.setdefault(name, [None] * length).append(
                host(value).tolist() if hasattr(value, "shape") else value
            )
        for values in self.series.values():
            values.extend([None] * (length + 1 - len(values)))

    def cut(self, rows: int) -> None:
        """Drops all rows from number `rows` on, a row that is only half written included."""
        for values in self.series.values():
            del values[rows:]

    def stop(self, code: str, reason: str) -> None:
        """Notes why the run stopped."""
        self.stop_code, self.stop_reason = code, reason

    def to_dict(self) -> dict[str, Any]:
        """Plain lists, numbers and words, for JSON."""
        return {
            "settings": plain(self.settings),
            "best_iteration": self.best_iteration,
            "stop_code": self.stop_code,
            "stop_reason": self.stop_reason,
            "series": plain(self.series),
        }

    @classmethod
    def from_dict(cls, d: Mapping[str, Any]) -> Record:
        """The record that `to_dict` wrote."""
        record = cls(d["settings"])
        record.series = d["series"]
        record.best_iteration = d["best_iteration"]
        record.stop(d["stop_code"], d["stop_reason"])
        return record
