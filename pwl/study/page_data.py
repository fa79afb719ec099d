"""The numbers of a comparison that its page draws by itself: medians over the folds, and the curves in the course of a run."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from pwl.learners.outcome import Outcome, by_name
from pwl.plots.style import look
from pwl.study.frames import SERIES as CURVES
from pwl.study.report import HEADS

PLACES = ("iterations", "multiplies", "seconds")


def live(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """What the page's script reads: {"series", "last", "lines", "curves"}. Lines are in the order of their looks."""
    runs = by_name(outcomes)
    series = [name for name in HEADS if outcomes and name in outcomes[0].record]
    lines = [_line(name, own, series, number) for number, (name, own) in enumerate(runs.items())]
    curves = [found for name, own in runs.items() if (found := _curves(name, own[0])) is not None]
    last = max((len(line["iterations"]) for line in lines), default=1) - 1
    return {"series": [HEADS[name] for name in series], "last": last, "lines": lines if last else [], "curves": curves}


def as_script(found: Any) -> str:
    """JSON that can stand between script tags."""
    return json.dumps(found, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")


def _line(name: str, own: Sequence[Outcome], series: Sequence[str], number: int) -> dict[str, Any]:
    """An algorithm's line: its look, and medians over its folds after each iteration. A run that ended keeps its last values."""
    rows = max(len(outcome.record) for outcome in own)
    colour, marker, dashes = look(number)
    line: dict[str, Any] = {
        "name": name, "colour": colour, "marker": marker, "dashes": dashes, "level": rows == 1,
        "iterations": list(range(rows)),
        "values": {HEADS[s]: _medians([outcome.record[s] for outcome in own], rows) for s in series if s in own[0].record},
    }  # fmt: skip
    for place in PLACES[1:]:
        known = all(place in outcome.record for outcome in own)
        line[place] = _medians([outcome.record[place] for outcome in own], rows) if known else None
    return line


def _medians(runs: Sequence[Sequence[Any]], rows: int) -> list[float | None]:
    filled = [[*run, *[run[-1]] * (rows - len(run))] for run in runs]
    return [
        _short(np.median([np.nan if value is None else value for value in row])) for row in zip(*filled, strict=True)
    ]


def _short(value: Any) -> float | None:
    return float(f"{value:.5g}") if np.isfinite(value) else None


def _curves(name: str, outcome: Outcome) -> dict[str, Any] | None:
    """The frames of an algorithm's first fold."""
    if CURVES not in outcome.record:
        return None
    frames = [{"iteration": row, **frame} for row, frame in enumerate(outcome.record[CURVES]) if frame is not None]
    return {"name": name, "fold": outcome.fold, "frames": frames} if frames else None
