"""Means with their standard errors, and what paired differences decide."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.stats import t

CONFIDENCE = 0.95


def mean_and_error(values: Sequence[float]) -> tuple[float, float]:
    """Mean and its standard error, the sample's deviation over the root of n; NaN where there is one value."""
    n = len(values)
    return float(np.mean(values)), float(np.std(values, ddof=1)) / n**0.5 if n > 1 else float("nan")


def in_words(values: Sequence[float], sign: str = "") -> str:
    """Mean ± standard error; of one value the value. sign: "+" shows it of positive means, too."""
    mean, error = mean_and_error(values)
    return f"{mean:{sign}.2f}" + ("" if np.isnan(error) else f" ± {error:.2f}")


def verdict(differences: Sequence[float]) -> str:
    """ "higher" or "lower" where Student's two-sided interval of the mean, at 95 %, leaves 0 out; else "undecided"."""
    mean, error = mean_and_error(differences)
    bound = t.ppf((1 + CONFIDENCE) / 2, len(differences) - 1) * error  # NaN of one difference: neither side of it
    return "higher" if mean > bound else "lower" if mean < -bound else "undecided"
