"""The problems of the benchmark, with the levels of error and the times that its tables show."""

from __future__ import annotations

import numpy as np

import pwl
from benchmarks.peers.rivals.problem import Problem, started

PROBLEMS = ("concrete-tanh", "concrete-sigmoid", "wine-classes")
LEVELS = {"concrete-tanh": (0.08, 0.05, 0.03), "concrete-sigmoid": (0.08, 0.05, 0.03), "wine-classes": (0.8, 0.75, 0.7)}
TIMES = (0.5, 2.0)
UNITS = 20


def problem_of(name: str, seed: int) -> Problem:
    """The problem of this name at its start number `seed`."""
    data, kind = name.split("-")
    x, t = pwl.data.load("white-wine" if data == "wine" else data)
    x, scaled = pwl.Preparation.fit(x, t).transform(x, t)
    if kind == "classes":  # three classes: grades up to 5, grade 6, grades from 7 on
        return started(x, np.digitize(t[:, 0], [5.5, 6.5]), UNITS, "tanh", seed)
    return started(x, scaled, UNITS, kind, seed)
