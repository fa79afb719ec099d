"""Parts of the patterns: drawn at random, with the same share of each class, whole groups together, or in their order."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from typing import Any

import numpy as np

from pwl.errors import InputError
from pwl.runtime.given import missing
from pwl.runtime.room import check_bytes
from pwl.validate import is_number, listed, shown, truth, whole
from pwl.validate import seed as checked_seed


def split(
    n: int,
    shares: Sequence[float],
    seed: int = 0,
    *,
    labels: Sequence[Any] | np.ndarray | None = None,
    groups: Sequence[Any] | np.ndarray | None = None,
    ordered: bool = False,
) -> tuple[np.ndarray, ...]:
    """Divides n patterns into parts.

    Parameters
    ----------
    n : int
        Number of patterns.
    shares : sequence of float
        Share of each part. They sum to 1.
    seed : int
        Of the draw.
    labels : array (n,), optional
        A label per pattern. Each part then has its share of each class, and a class has a pattern in the largest part.
        They count for nothing beside groups.
    groups : array (n,), optional
        A group per pattern. A group is never divided, and classes keep no shares in the parts.
    ordered : bool
        Whether the parts follow each other in the order of the patterns, as patterns in the order of time need it.

    Returns
    -------
    tuple of int64 arrays
        The sorted pattern numbers of each part.

    Raises
    ------
    InputError
        For impossible shares, arrays of another length, or too few patterns or groups for a part whose share is not 0.
    """
    n, seed = whole("n", n, 1), checked_seed(seed)
    parts = _shares(shares)
    if truth("ordered", ordered) and (labels is not None or groups is not None):
        raise InputError("parts in the order of the patterns have neither labels nor groups: leave them out")
    numbers = {name: numbered(name, given, n) for name, given in (("labels", labels), ("groups", groups)) if given is not None}
    check_bytes(32 * n, f"the numbers of {n:,} patterns", "take fewer")
    order = np.arange(n) if ordered else np.random.default_rng(seed).permutation(n)
    if groups is not None:
        part = _by_group(numbers["groups"], order, parts)
    elif labels is not None:
        part = _by_class(numbers["labels"], order, parts)
    else:
        part = np.empty(n, dtype=np.int64)
        part[order] = np.repeat(np.arange(len(parts)), _counts(n, parts))
    found = tuple(np.flatnonzero(part == number) for number in range(len(parts)))
    for share, rows in zip(parts, found, strict=True):
        if share and not len(rows):
            count = None if groups is None else int(numbers["groups"].max()) + 1
            if count == 1:
                raise InputError(f"all {n} patterns are of one group, which is not divided: give other groups, or none")
            those = f"{n} patterns" if count is None else f"{n} patterns in {count} whole groups"
            raise InputError(f"a share of {share:g} of {those} is none: choose a larger share, or 0 for no such part")
    return found


def numbered(name: str, given: Any, n: int) -> np.ndarray:
    """The number of each pattern's label or group, (n,), in the order of the sorted ones."""
    if count := _missing(given):
        raise InputError(f"the {name} hold {count} missing values, wanted one per pattern: fill them, or leave out their rows")
    try:
        a = np.asarray(given)
        numbers = np.unique(a, return_inverse=True)[1].reshape(-1)
    except (TypeError, ValueError):
        raise InputError(f"the {name} are of several kinds, wanted numbers or texts throughout, one per pattern") from None
    if a.shape != (n,):
        names = ", not the name of a column" if isinstance(given, str) else ""
        raise InputError(f"{name} came with shape {a.shape}, wanted one per pattern{names}: ({n},)")
    return numbers


def _missing(given: Any) -> int:
    """How many labels or groups are missing: None, NaN, or what pandas takes for that."""
    if isinstance(given, list | tuple) or (isinstance(given, np.ndarray) and given.dtype == object):
        return sum(value is None or (isinstance(value, float) and value != value) for value in given)
    return missing(given)


def _shares(shares: Sequence[float]) -> np.ndarray:
    if listed(shares) is None:
        raise InputError(f"the shares of the parts must be a list of numbers such as (0.7, 0.15, 0.15), not {shown(shares)}")
    if not all(is_number(share) and 0 <= share <= 1 for share in shares) or abs(sum(shares) - 1) > 1e-9:
        raise InputError(f"the shares of the parts must be numbers from 0 to 1 that sum to 1, not {shown(shares)}")
    return np.array(shares, dtype=np.float64)


def _counts(n: int, shares: np.ndarray) -> np.ndarray:
    """Patterns in each part: rounded shares, and the rest in the largest part."""
    counts = np.array([round(share * n) for share in shares])
    counts[int(np.argmax(shares))] += n - counts.sum()
    return counts


def _by_class(labels: np.ndarray, order: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """The part of each pattern. What rounding leaves to one class is made up by the next."""
    largest, part = int(np.argmax(shares)), np.empty(len(labels), dtype=np.int64)
    wanted, given = np.zeros(len(shares)), np.zeros(len(shares), dtype=np.int64)
    for label in range(int(labels.max()) + 1):
        rows = order[labels[order] == label]
        wanted += len(rows) * shares
        counts = np.maximum(np.rint(wanted - given).astype(np.int64), 0)
        counts[largest] = 0
        while counts.sum() > len(rows) - 1:  # a pattern of each class stays in the largest part
            counts[int(np.argmax(counts))] -= 1
        counts[largest] = len(rows) - counts.sum()
        given += counts
        part[rows] = np.repeat(np.arange(len(shares)), counts)
    return part


def _by_group(groups: np.ndarray, order: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """The part of each pattern. Groups come in the order in which they are met, each to the part that lacks the most."""
    sizes, given = np.bincount(groups), np.zeros(len(shares))
    owner = np.empty(len(sizes), dtype=np.int64)
    _, first = np.unique(groups[order], return_index=True)
    for group in np.argsort(first):
        lack = shares * len(groups) - given
        owner[group] = int(np.argmax(np.where(shares > 0, lack, -np.inf)))
        given[owner[group]] += sizes[group]
    return owner[groups]


def part_of_groups(sizes: np.ndarray, order: np.ndarray, parts: int) -> np.ndarray:
    """The part of each group (groups,): large ones come first, those of a size in this order, each to the part with the fewest."""
    found = np.empty(len(sizes), dtype=np.int64)
    filled = [(0, number) for number in range(parts)]
    for group in order[np.argsort(-sizes[order], kind="stable")]:
        size, number = heapq.heappop(filled)
        found[group] = number
        heapq.heappush(filled, (size + int(sizes[group]), number))
    return found
