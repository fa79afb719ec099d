"""Curves as they were in the course of a run: a few units, at a few iterations, for the slider of a report."""

from __future__ import annotations

from typing import Any

import numpy as np

from pwl.activations import PiecewiseLinear
from pwl.network.network import Network
from pwl.runtime.backend import host
from pwl.training.record import Record

UNITS = 8  # of the first layer of curves
FRAMES = 24  # about as many iterations are kept, more of the early ones
SERIES = "curves"  # of the record


class Frames:
    """Collects the hinges and ordinates of the first units at some iterations of a run of at most this many iterations."""

    def __init__(self, iterations: int, wanted: bool = True) -> None:
        spaced = np.geomspace(1, max(iterations, 1), FRAMES)
        self.wanted = {int(i) for i in np.rint(spaced)} if wanted else set()
        self.seen: dict[int, Any] = {}

    def see(self, net: Network, iteration: int) -> None:
        """Looks at the network after an iteration."""
        if iteration in self.wanted and (drawn := _curves(net)) is not None:
            self.seen[iteration] = drawn

    def keep(self, record: Record) -> None:
        """Puts what was seen into the record as the series "curves", {"ns": hinges, "A": ordinates} or None per row."""
        if self.seen:
            record.series[SERIES] = [self.seen.get(row) for row in range(len(record))]


def _curves(net: Network) -> dict[str, Any] | None:
    """Hinges and ordinates (UNITS, K) to four digits, of the first layer of piecewise-linear curves."""
    for place in net.layout.layers(net.keys("activation")):
        activation, p, b = net.layer(place)
        if isinstance(activation, PiecewiseLinear):
            return {"ns": _short(b["ns"]), "A": _short(p["A"])}
    return None


def _short(a: Any) -> list[list[float]]:
    return [[float(f"{value:.4g}") for value in row] for row in host(a)[:UNITS]]
