"""The columns that stand beside inputs and targets: weights and groups of the patterns."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from pwl.data.columns import find_column
from pwl.errors import InputError
from pwl.runtime.ranks import Communicator, summed


class Groups(dict[str, float]):
    """The number of each group by its cell. missing: words in lower case that stand for none."""

    def __init__(self, missing: Collection[str] = ("",)) -> None:
        super().__init__()
        self.missing = missing

    def __missing__(self, cell: str) -> float:
        name = cell.strip()
        if not name or name.lower() in self.missing:
            raise ValueError("the group is missing; fill it")
        if name == cell:
            self[cell] = float(len(self))
            return self[cell]
        return self[name]

    def everywhere(self, own: np.ndarray, comm: Communicator) -> np.ndarray:
        """The groups of this rank's rows, numbered as one process would number them, in the order met on all ranks."""
        met = [name for name in self if name == name.strip()]  # in the order of their numbers
        number = {name: i for i, name in enumerate(dict.fromkeys(name for names in comm.allgather(met) for name in names))}
        return np.array([number[name] for name in met], dtype=np.int64)[own.astype(np.int64)]


def places_beside(
    title: str, names: Sequence[str], weights: str | int | None, groups: str | int | None
) -> list[int | None]:
    """The places of both columns, None for one that was not named. Raises InputError for one column that is to be both."""
    found = [None if column is None else find_column(title, names, column) for column in (weights, groups)]
    if found[0] is not None and found[0] == found[1]:
        raise InputError(f"{title}: {names[found[0]]!r} can't hold both weights and groups: name two columns")
    return found


def checked_weights(title: str, name: str, w: np.ndarray, comm: Communicator) -> np.ndarray:
    """The weights. Raises InputError for negative ones, and if none is positive on any rank."""
    if (w < 0).any() or not summed(comm, np.count_nonzero(w > 0))[0]:
        raise InputError(f"{title}: the weights in {name!r} must be 0 or more and not all 0")
    return np.array(w)
