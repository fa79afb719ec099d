"""The count of what a run reads."""

from __future__ import annotations


class Reads:
    """The number of patterns that reductions have read, on all ranks. Parts of patterns share it with the whole.

    crossing: seconds in which sums crossed between ranks.
    """

    def __init__(self) -> None:
        self.patterns, self.crossing = 0, 0.0

    def count(self, patterns: int) -> None:
        """Adds to the number."""
        self.patterns += patterns
