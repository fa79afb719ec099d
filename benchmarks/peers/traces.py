"""Traces, which are the errors of a run with their times."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.peers.rivals.problem import Trace


def lowest_so_far(trace: Trace) -> Trace:
    """The lowest error so far at every time. NaN and infinite errors don't count."""
    errors = np.array([e if np.isfinite(e) else np.inf for _, e in trace])
    return [(s, float(e)) for (s, _), e in zip(trace, np.minimum.accumulate(errors), strict=True)]


def seconds_to(lowest: Trace, level: float) -> float | None:
    """The first time with an error at or below a level, or None."""
    return next((s for s, e in lowest if e <= level), None)


def error_at(lowest: Trace, seconds: float) -> float | None:
    """The lowest error up to a time, or None."""
    return next((e for s, e in reversed(lowest) if s <= seconds), None)


def steps(traces: list[list[Any]]) -> tuple[np.ndarray, np.ndarray]:
    """The times (n,) of all runs, and the error of each run at them (runs, n), which holds until its next one."""
    times = np.unique(np.concatenate([[s for s, _ in trace] for trace in traces]))
    times = times[times > 0]
    found = []
    for trace in traces:
        at, errors = np.array(trace).T
        found.append(errors[np.maximum(np.searchsorted(at, times, side="right") - 1, 0)])
    return times, np.array(found)
