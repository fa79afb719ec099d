"""Comparable times: medians of warmed-up jobs that take turns in one process."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable


def in_turns(jobs: dict[str, Callable[[], object]], repeats: int = 7) -> dict[str, float]:
    """Median seconds of each job. Jobs take turns, so that a slow moment of the machine affects all of them."""
    for job in jobs.values():
        job()
    times: dict[str, list[float]] = {name: [] for name in jobs}
    for _ in range(repeats):
        for name, job in jobs.items():
            begin = time.perf_counter()
            job()
            times[name].append(time.perf_counter() - begin)
    return {name: statistics.median(values) for name, values in times.items()}
