"""Ranks of algorithms over data sets, and Wilcoxon's paired test of each against some of them (Demsar 2006).

The pairs are data sets rather than folds, because folds share patterns. The test compares logarithms of errors, because
sets have different units. It is therefore a test of ratios.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.stats import rankdata, wilcoxon

from benchmarks.shared import markdown

FEWEST = 5  # pairs that a test needs; with fewer, p can't come near .05


class Test(NamedTuple):
    """A test of one algorithm against another: how often its error is lower, over how many sets, and the two-sided p."""

    lower: int
    pairs: int
    p: float


def ranks(errors: np.ndarray) -> np.ndarray:
    """Ranks of errors (sets, algorithms) within each set.

    Rank 1 is the lowest error. Ties share their mean rank, and NaN ranks last.
    """
    return np.array([rankdata(np.where(np.isnan(row), np.inf, row)) for row in errors]).reshape(errors.shape)


def paired(a: np.ndarray, b: np.ndarray) -> Test:
    """The test of errors a against errors b (sets,). Sets that lack one of them don't count. If nothing differs, p is 1."""
    both = np.isfinite(a) & np.isfinite(b) & (a > 0) & (b > 0)
    difference = np.log(a[both]) - np.log(b[both])
    p = float("nan")
    if len(difference) >= FEWEST:
        p = float(wilcoxon(difference).pvalue) if np.any(difference) else 1.0
    return Test(int(np.sum(difference < 0)), len(difference), p)


def holm(ps: np.ndarray) -> np.ndarray:
    """p values adjusted for several tests (Holm 1979). NaN stays."""
    adjusted = np.full(len(ps), np.nan)
    real = np.flatnonzero(np.isfinite(ps))
    largest = 0.0
    for place, index in enumerate(real[np.argsort(ps[real], kind="stable")]):
        largest = max(largest, min(1.0, float(ps[index]) * (len(real) - place)))
        adjusted[index] = largest
    return adjusted


def table(errors: np.ndarray, sets: list[str], names: list[str], against: tuple[str, ...]) -> str:
    """A Markdown table of ranks on each set, their average, and tests.

    The tests are against the best average rank and against the names in `against`.
    """
    order = ranks(errors)
    average = order.mean(axis=0)
    best = names[int(np.argmin(average))]
    rivals = [best, *(name for name in against if name in names and name != best)]
    tests = {
        rival: [paired(errors[:, j], errors[:, names.index(rival)]) for j in range(len(names))] for rival in rivals
    }
    heads = ["algorithm", *sets, "average rank", *(f"against {rival}" for rival in rivals)]
    lines = markdown.head(heads)
    adjusted = {}
    for rival, own in tests.items():
        ps = np.array([np.nan if names[j] == rival else test.p for j, test in enumerate(own)])
        adjusted[rival] = holm(ps)
    for j in np.argsort(average, kind="stable"):
        cells = [names[j], *(f"{rank:g}" for rank in order[:, j]), f"{average[j]:.2f}"]
        for rival in rivals:
            cells.append("" if names[j] == rival else in_words(tests[rival][j], adjusted[rival][j]))
        lines.append(markdown.row(cells))
    return "\n".join(lines) + "\n"


def in_words(test: Test, adjusted: float) -> str:
    """A test in words, for example: lower on 3 of 10, p .02 (.08)."""
    p = "too few sets" if np.isnan(test.p) else f"p {test.p:.2g} ({adjusted:.2g})"
    return f"lower on {test.lower} of {test.pairs}, {p}"
