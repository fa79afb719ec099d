"""Ranks of a cluster behind one method. One rank is the serial case; others bring the same method."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np


class Communicator(Protocol):
    """What a reduction needs of a cluster."""

    def allgather(self, values: list[np.ndarray]) -> list[list[np.ndarray]]:
        """The lists of arrays of all ranks, in the order of the ranks; the same on every rank."""
        ...


class Serial:
    """One rank."""

    def allgather(self, values: list[Any]) -> list[list[Any]]:
        return [values]
