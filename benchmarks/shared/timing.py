"""Comparable times: medians of warmed-up jobs that take turns in one process."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable
from typing import Any


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


def sleeping_torch() -> Any:
    """PyTorch with threads that sleep while they wait for work. Raises ModuleNotFoundError if it is not installed.

    By default they spin, and take a core from the job whose turn comes next: beside PyTorch, two threads of ours were then no
    faster than one.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # read when PyTorch is loaded
    import torch

    return torch
