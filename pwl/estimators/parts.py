"""Patterns for a fit: weights, missing inputs, and the part that validates."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from sklearn.utils.validation import _check_sample_weight

from pwl.data.split import numbered, split
from pwl.errors import InputError
from pwl.runtime.given import check_numbers


class Part(NamedTuple):
    """Raw inputs X (Nv, N), targets t (Nv, M) or class numbers (Nv,), and weights and numbers of groups (Nv,) or None."""

    X: np.ndarray
    t: np.ndarray
    weights: np.ndarray | None
    groups: np.ndarray | None = None

    def rows(self, rows: np.ndarray) -> Part:
        weights, groups = (None if a is None else a[rows] for a in (self.weights, self.groups))
        return Part(self.X[rows], self.t[rows], weights, groups)


def weighed(
    X: np.ndarray, t: np.ndarray, sample_weight: Any, of_class: np.ndarray | None = None, groups: Any = None
) -> Part:
    """The patterns of weight above 0: a weight of 0 is absence. of_class: weights (M,) of the classes."""
    whole = Part(X, t, None, None if groups is None else numbered("groups", groups, len(X)))
    if sample_weight is None and of_class is None:
        return whole
    check_numbers(sample_weight, "sample_weight")
    weights = _check_sample_weight(sample_weight, X, dtype=np.float64)
    if np.any(weights < 0):
        raise InputError("sample_weight must not be negative")
    if of_class is not None:
        weights = weights * of_class[t]
    there = np.flatnonzero(weights)
    if not len(there):
        raise InputError("all weights are 0, so no pattern is left to fit to")
    return whole._replace(weights=None if np.all(weights[there] == 1) else weights).rows(there)


def class_weights(class_weight: Any, classes: np.ndarray, t: np.ndarray, sample_weight: Any) -> np.ndarray | None:
    """A weight per class (M,). "balanced" gives all classes the same total weight. Classes not in a mapping weigh 1."""
    if class_weight is None:
        return None
    if isinstance(class_weight, str) and class_weight == "balanced":
        check_numbers(sample_weight, "sample_weight")
        w = np.ones(len(t)) if sample_weight is None else _check_sample_weight(sample_weight, t, dtype=np.float64)
        totals = np.bincount(t, weights=w, minlength=len(classes))
        return totals.sum() / (np.sum(totals > 0) * np.where(totals > 0, totals, 1))
    if not isinstance(class_weight, dict):
        raise InputError(
            f'class_weight must be None, "balanced" or a dictionary of weights by label, not {class_weight!r}'
        )
    known = {label: number for number, label in enumerate(classes.tolist())}
    found = np.ones(len(classes))
    for label, weight in class_weight.items():
        plain = label.item() if isinstance(label, np.generic) else label
        if plain not in known:
            raise InputError(
                f"class_weight has the label {label!r}, but y has {', '.join(map(repr, classes[:8].tolist()))}"
            )
        try:
            found[known[plain]] = float(weight)
        except (TypeError, ValueError):
            raise InputError(f"the weight of class {label!r} must be a number, not {weight!r}") from None
    if not np.all(np.isfinite(found)) or np.any(found < 0):
        raise InputError("class weights must be finite numbers, not negative")
    return found


def divided(
    n: int, fraction: float, seed: int, labels: np.ndarray | None, groups: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Sorted rows to train on and rows held out: a share of all, of each class, or whole groups. A class keeps a row to train on.

    Raises InputError if either part would be too small.
    """
    if groups is not None:
        kept, out = split(n, (1 - fraction, fraction), seed, groups=groups)
        return kept, out
    order = np.random.default_rng(seed).permutation(n)
    count = round(fraction * n)
    if fraction and not count:
        raise InputError(
            f"validation_fraction {fraction} of {n} patterns is none: choose a larger share, or 0 for no validation"
        )
    if labels is None:
        out = order[:count]
    else:
        members = np.bincount(labels)
        own = _shares(members, fraction, count)
        place = np.empty(n, dtype=np.int64)  # of each pattern among those of its class, in the order drawn
        by_class = order[np.argsort(labels[order], kind="stable")]
        place[by_class] = np.arange(n) - np.repeat(np.cumsum(members) - members, members)
        out = np.flatnonzero(place < own[labels])
    kept = np.setdiff1d(np.arange(n), out)
    if fraction and not len(out):
        raise InputError(
            "validation_fraction holds out none: every class has a single pattern, which is needed to train on"
        )
    if len(kept) < 2:
        raise InputError(
            f"validation_fraction {fraction} leaves {len(kept)} of {n} patterns to train on: choose a smaller share"
        )
    return kept, np.sort(out)


def _shares(members: np.ndarray, fraction: float, count: int) -> np.ndarray:
    """How many of each class's members are held out, `count` in all where each class can keep one."""
    wanted = fraction * members
    own = np.floor(wanted).astype(np.int64)
    for c in np.argsort(own - wanted, kind="stable")[: max(0, count - int(own.sum()))]:  # the largest rests first
        own[c] += 1
    return np.minimum(own, np.maximum(members - 1, 0))


def column_means(part: Part) -> np.ndarray:
    """Mean of the known numbers of each input (N,), weighed; 0 where none is known."""
    known = ~np.isnan(part.X)
    w = known if part.weights is None else known * part.weights[:, None]
    totals, X = w.sum(axis=0), np.where(known, part.X, 0.0)
    return np.divide((X * w).sum(axis=0), totals, out=np.zeros(X.shape[1]), where=totals > 0)


def filled(X: np.ndarray, means: np.ndarray) -> np.ndarray:
    """X with the means in place of NaN."""
    return np.where(np.isnan(X), means, X)
