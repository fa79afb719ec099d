"""What happened in a training run: a series per quantity, the best iteration, and why it stopped."""

from __future__ import annotations

from typing import Any

import numpy as np

from pwl.runtime.backend import host

STOP_REASONS = {
    "iterations": "all iterations asked for were run",
    "max_fail": "the validation error rose too many times in a row",
    "min_grad": "the gradient is as small as asked for",
    "goal": "the training error reached the goal",
    "max_seconds": "the time asked for is over",
    "callback": "the callback asked to stop",
    "no_descent": "no step along the direction lowers the error",
    "mu_max": "no damping up to mu_max lowers the error",
    "interrupted": "interrupted from the keyboard",
    "non_finite": "a number became infinite or NaN; the best network before that was kept",
}


class Record:
    """Series by name, one value per iteration, and how the run ended.

    record["error"] and the series beside it hold iterations + 1 values, from the initialised network on. Series that an
    algorithm adds ("z", "dependent", ...) have None for the initialised network.

    best_iteration: iteration of the network returned. stop_code: a word; stop_reason: a sentence.
    settings: what was run, in words.
    """

    def __init__(self, settings: dict[str, Any] | None = None) -> None:
        self.series: dict[str, list[Any]] = {}
        self.settings = settings or {}
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

    def append(self, row: dict[str, Any]) -> None:
        """One more iteration. A series that first appears now has None for the iterations before."""
        length = len(self)
        for name, value in row.items():
            self.series.setdefault(name, [None] * length).append(
                host(value).tolist() if hasattr(value, "shape") else value
            )
        for values in self.series.values():
            values.extend([None] * (length + 1 - len(values)))

    def trim(self) -> None:
        """Drops a row that was only half written when the run was interrupted."""
        whole = min((len(values) for values in self.series.values()), default=0)
        for values in self.series.values():
            del values[whole:]

    def stop(self, code: str, detail: str = "") -> None:
        self.stop_code = code
        self.stop_reason = STOP_REASONS[code] + (f" ({detail})" if detail else "")

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
    def from_dict(cls, d: dict[str, Any]) -> Record:
        record = cls(d["settings"])
        record.series = d["series"]
        record.best_iteration, record.stop_code, record.stop_reason = (
            d["best_iteration"],
            d["stop_code"],
            d["stop_reason"],
        )
        return record


def plain(value: Any) -> Any:
    """`value` in terms that JSON knows; NaN and infinities become None, since JSON has no word for them."""
    if isinstance(value, dict):
        return {str(key): plain(v) for key, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    if isinstance(value, (bool, str, int)) or value is None:
        return value
    if isinstance(value, (float, np.floating)):
        return float(value) if np.isfinite(value) else None
    if isinstance(value, (np.integer, np.bool_)):
        return value.item()
    if hasattr(value, "shape"):
        return plain(host(value).tolist())
    return str(value)
