"""Bounds on the weights of a least squares problem."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from pwl.errors import InputError


class Box(NamedTuple):
    """Lowest and highest values (P,) of the weights, -inf and inf where there is no bound."""

    low: np.ndarray
    high: np.ndarray

    @staticmethod
    def of(bounds: Any, w: np.ndarray) -> Box:
        """The box from a pair (low, high) of numbers or arrays (P,), or an object with lb and ub. w must be inside.

        Raises InputError, with the number of the weight, for bounds that leave no room, and for a w outside.
        """
        if bounds is None:
            bounds = (-np.inf, np.inf)
        if hasattr(bounds, "lb") and hasattr(bounds, "ub"):
            bounds = (bounds.lb, bounds.ub)
        try:
            low, high = (np.broadcast_to(np.asarray(b, dtype=np.float64), w.shape).copy() for b in bounds)
        except (TypeError, ValueError):
            raise InputError(
                f"bounds must be a pair (lowest, highest), each a number or an array of {len(w)}, not {bounds!r}"
            ) from None
        for j in range(len(w)):
            if not low[j] < high[j]:
                raise InputError(f"the bounds of weight {j} must leave room: {low[j]} < {high[j]} is not so")
            if not low[j] <= w[j] <= high[j]:
                raise InputError(f"weight {j} starts at {w[j]}, outside of its bounds {low[j]} to {high[j]}")
        return Box(low, high)

    def free(self, w: np.ndarray, downhill: np.ndarray) -> np.ndarray:
        """Which weights (P,) may move: all but those at a bound that the way downhill (P,) would leave the box by."""
        return ~(((w <= self.low) & (downhill <= 0)) | ((w >= self.high) & (downhill >= 0)))

    def clipped(self, w: np.ndarray) -> np.ndarray:
        """The nearest point of the box."""
        return np.clip(w, self.low, self.high)
