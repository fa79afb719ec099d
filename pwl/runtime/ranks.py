"""Ranks of a cluster behind one method. `Serial` is one rank alone; other communicators have the same method."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np


class Communicator(Protocol):
    """The one method of a cluster that a reduction needs."""

    def allgather(self, values: list[np.ndarray]) -> list[list[np.ndarray]]:
        """The lists of arrays of all ranks, in the order of the ranks. Every rank gets the same result."""
        ...


class Serial:
    """One rank alone."""

    def allgather(self, values: list[Any]) -> list[list[Any]]:
        return [values]
