"""What comes of training a learner on a fold."""

from __future__ import annotations

from pwl.network.network import Network
from pwl.training.record import Record


class Outcome:
    """One learner on one fold: the best network, and the record with errors in raw units of the targets.

    Attributes
    ----------
    name : str
        Of the learner.
    fold : int
    net : Network
    record : Record
    """

    def __init__(self, name: str, fold: int, net: Network, record: Record) -> None:
        self.name, self.fold, self.net, self.record = name, fold, net, record

    def at_best(self, series: str) -> float:
        """A series at the iteration of the best network."""
        return self.record[series][self.record.best_iteration]
