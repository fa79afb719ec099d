"""Two small comparisons and records made by hand, for the tests of pictures and pages."""

from __future__ import annotations

import functools

import numpy as np

import pwl
from pwl.study.compare import Settings, compare
from pwl.training.record import Record

RNG = np.random.default_rng(0)
X = RNG.normal(size=(90, 3))
T = np.c_[X[:, 0] * X[:, 1], np.sin(X[:, 2])]
LABELS = (X[:, 0] > 0).astype(int) + (X[:, 1] > 0.5)


@functools.cache
def regression():
    settings = Settings(hidden=(3,), iterations=3, k=3, hinges=5)
    return list(compare(X, T, ["adact", "molf"], settings)), pwl.data.folds(len(X), 3, 0)


@functools.cache
def classification():
    settings = Settings(hidden=(3,), iterations=2, k=3, hinges=5)
    return list(compare(X, LABELS, ["adact"], settings)), pwl.data.folds(len(X), 3, 0, LABELS)


def record_of(error, seconds=None, **series):
    record = Record()
    seconds = seconds or [0.1 * (i + 1) for i in range(len(error))]
    record.series = {"error": error, "multiplies": [10.0 * i for i in range(len(error))], "seconds": seconds, **series}
    return record


def line(ax, label):
    (found,) = [li for li in ax.get_lines() if li.get_label() == label]
    return found
