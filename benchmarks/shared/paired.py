"""Means with standard errors, and verdicts on paired differences."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.stats import t

CONFIDENCE = 0.95


def mean_and_error(values: Sequence[float]) -> tuple[float, float]:
    """The mean and its standard error, which is the sample's deviation over the root of n, or NaN for one value."""
    n = len(values)
    return float(np.mean(values)), float(np.std(values, ddof=1)) / n**0.5 if n > 1 else float("nan")


def in_words(values: Sequence[float], sign: str = "") -> str:
    """The mean ± its standard error, or one value alone. sign: "+" is shown before positive means, too."""
    mean, error = mean_and_error(values)
    return f"{mean:{sign}.2f}" + ("" if np.isnan(error) else f" ± {error:.2f}")


def verdict(differences: Sequence[float]) -> str:
    """A word for the mean of paired differences.

    It is "higher" or "lower" if Student's two-sided 95 % interval of the mean excludes 0, and "undecided" otherwise.
    """
    mean, error = mean_and_error(differences)
    # For a single difference the bound is NaN, and both comparisons are false.
    bound = t.ppf((1 + CONFIDENCE) / 2, len(differences) - 1) * error
    return "higher" if mean > bound else "lower" if mean < -bound else "undecided"
