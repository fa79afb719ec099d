"""k-fold cross-validation: which patterns train, which validate and which test."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from pwl.data.split import numbered, part_of_groups
from pwl.errors import InputError
from pwl.runtime.room import check_bytes
from pwl.validate import seed as checked_seed
from pwl.validate import whole


class Fold(NamedTuple):
    """Pattern numbers of one fold, as three sorted int64 arrays. Every pattern is in exactly one of them."""

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray

    def __repr__(self) -> str:
        return f"Fold({', '.join(f'{name}: {len(rows)} patterns' for name, rows in self._asdict().items())})"


def folds(
    n: int,
    k: int = 10,
    seed: int = 0,
    labels: Sequence[Any] | np.ndarray | None = None,
    groups: Sequence[Any] | np.ndarray | None = None,
) -> list[Fold]:
    """Divides n patterns into k parts, and makes k folds of them: part i tests, part i + 1 validates, the others train.

    With k = 10, 8 parts train, 1 validates and 1 tests. Over the folds, every pattern tests exactly once and validates
    exactly once. Part sizes differ by one pattern at most, or by the largest group.

    Parameters
    ----------
    n : int
        Number of patterns.
    k : int
        Number of parts and folds, 3 or more.
    seed : int
        Of the shuffle.
    labels : array (n,), optional
        A label per pattern. The patterns of each class are then spread over the parts just as evenly.
    groups : array (n,), optional
        A group per pattern, which stays whole. Labels then count for nothing.

    Returns
    -------
    list of Fold

    Raises
    ------
    InputError
        If k < 3, k > n, there is not one label or group per pattern, they can't be sorted, or groups are fewer than k.
    """
    n, seed = whole("n", n), checked_seed(seed)
    k = whole("k", k, 3, also=" (a fold needs a training, a validation and a test part)")
    if k > n:
        raise InputError(f"{k} parts are too many for {n} patterns, as each part needs a pattern: take k <= {n}")
    check_bytes(16 * n, f"the numbers of {n:,} patterns", "take fewer")
    if groups is not None:
        part = _by_group(numbered("groups", groups, n), k, seed)
        return [_fold(part, i, (i + 1) % k) for i in range(k)]
    order = np.random.default_rng(seed).permutation(n)
    if labels is not None:
        order = order[np.argsort(numbered("labels", labels, n)[order], kind="stable")]
    # The shuffled patterns are dealt out like cards, class after class, which spreads each class evenly.
    part = np.empty(n, dtype=np.int64)
    part[order] = np.arange(n) % k
    return [_fold(part, i, (i + 1) % k) for i in range(k)]


def _by_group(groups: np.ndarray, k: int, seed: int) -> np.ndarray:
    """The part of each pattern (n,)."""
    sizes = np.bincount(groups)
    if k > len(sizes):
        way = f"take k <= {len(sizes)}" if len(sizes) >= 3 else "give other groups, or none"
        raise InputError(f"{k} parts need {k} groups, but there are {len(sizes)}: {way}")
    return part_of_groups(sizes, np.random.default_rng(seed).permutation(len(sizes)), k)[groups]


def _fold(part: np.ndarray, test: int, validation: int) -> Fold:
    train = (part != test) & (part != validation)
    return Fold(np.flatnonzero(train), np.flatnonzero(part == validation), np.flatnonzero(part == test))
