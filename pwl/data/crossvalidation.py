"""k-fold cross-validation: which patterns train, which stop the training, which test."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from pwl.errors import InputError


class Fold(NamedTuple):
    """Pattern numbers of one fold: three sorted int64 arrays that share no pattern and hold all of them together."""

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray


def folds(n: int, k: int = 10, seed: int = 0, labels: Sequence[Any] | np.ndarray | None = None) -> list[Fold]:
    """Divide n patterns into k parts and give the k folds: part i tests, part i + 1 validates, the others train.

    With k = 10 that is 8 parts of training, 1 of validation, 1 of test. Every pattern is tested exactly once and
    validates exactly once. Part sizes differ by one pattern at most. With `labels`, one a pattern, each class is spread
    over the parts just as evenly.

    Raises InputError when k < 3, k > n, there is not one label a pattern, or labels can't be sorted.
    """
    for name, value in (("n", n), ("k", k), ("seed", seed)):
        if not isinstance(value, int | np.integer) or value < 0:
            raise InputError(f"folds came with {name}={value!r}, wanted a whole number, 0 or more")
    if k < 3:
        raise InputError(
            f"folds came with k={k}, but each fold needs a training, a validation and a test part: take k >= 3"
        )
    if k > n:
        raise InputError(f"folds came with k={k} for {n} patterns, but each part needs a pattern: take k <= {n}")
    order = np.random.default_rng(seed).permutation(n)
    if labels is not None:
        classes = np.asarray(labels)
        if classes.shape != (n,):
            raise InputError(f"folds came with labels of shape {classes.shape}, wanted one label a pattern: ({n},)")
        try:
            order = order[np.argsort(classes[order], kind="stable")]
        except TypeError:
            raise InputError("folds came with labels of several kinds, wanted numbers or texts throughout") from None
    # Dealing the shuffled patterns out like cards, class after class, spreads each class evenly.
    part = np.empty(n, dtype=np.int64)
    part[order] = np.arange(n) % k
    return [_fold(part, i, (i + 1) % k) for i in range(k)]


def _fold(part: np.ndarray, test: int, validation: int) -> Fold:
    train = (part != test) & (part != validation)
    return Fold(np.flatnonzero(train), np.flatnonzero(part == validation), np.flatnonzero(part == test))
