"""Where a rank's patterns stand among those of all ranks, and patterns that are dealt out anew by their numbers.

The patterns of all ranks are numbered in the order of the ranks. Whatever is drawn is drawn by these numbers, so that any
number of ranks draws the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from pwl.errors import InputError
from pwl.runtime.backend import host
from pwl.runtime.ranks import Communicator


class Standing(NamedTuple):
    """counts: patterns of each rank. first: the number of this rank's first one. weight: the sum of the weights of all."""

    counts: tuple[int, ...]
    first: int
    weight: float

    @property
    def patterns(self) -> int:
        """Number of patterns on all ranks."""
        return sum(self.counts)


def standing(comm: Communicator, own: int, weight: float) -> Standing:
    """The standing of a rank with this many patterns, and this much weight. All ranks call it."""
    found = comm.allgather((own, weight))
    counts = tuple(count for count, _ in found)
    if not any(counts):
        raise InputError(f"no patterns came on any of {comm.size} ranks: at least two are needed to train")
    return Standing(counts, sum(counts[: comm.rank]), float(sum(weight for _, weight in found)))


def runs(count: int, ranks: int, together: int) -> np.ndarray:
    """Borders (ranks + 1,) of runs of nearly equal length, of which all but the last are whole groups of `together`."""
    groups = -(-count // together)
    return np.minimum(np.arange(ranks + 1) * groups // ranks * together, count)


def dealt(
    comm: Communicator, counts: Sequence[int], rows: np.ndarray, together: int, *arrays: Any
) -> tuple[tuple[int, ...], list[Any]]:
    """Rows of arrays, by the numbers of their patterns among those of all ranks, cut into a run for each rank.

    Parameters
    ----------
    comm : Communicator
    counts : sequence of int
        Patterns of each rank.
    rows : array (n,)
        Numbers of patterns, the same on all ranks.
    together : int
        Groups of this many rows are not cut.
    *arrays : arrays or None
        A row for each pattern of this rank.

    Returns
    -------
    counts : tuple of int
        Length of each rank's run.
    arrays : list of arrays on the host, or None
        The rows of this rank's run, in the order of `rows`.
    """
    borders = np.concatenate([[0], np.cumsum(counts)])
    owners, cuts = np.searchsorted(borders, rows, side="right") - 1, runs(len(rows), comm.size, together)
    runners = [slice(first, last) for first, last in pairwise(cuts)]
    sent = []
    for run in runners:
        mine = rows[run][owners[run] == comm.rank] - borders[comm.rank]
        sent.append([None if a is None else np.asarray(host(a[mine])) for a in arrays])
    came = comm.alltoall(sent)
    order = np.argsort(owners[runners[comm.rank]], kind="stable")  # of what comes: by rank, each in the order of rows
    back = np.argsort(order, kind="stable")
    found = [None if a is None else np.concatenate([parts[i] for parts in came])[back] for i, a in enumerate(arrays)]
    return tuple(np.diff(cuts).tolist()), found
