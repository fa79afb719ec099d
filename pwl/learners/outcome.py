"""The outcome of a learner on a fold."""

from __future__ import annotations

from collections.abc import Sequence

from pwl.learners.ensemble import Ensemble
from pwl.network.network import Network
from pwl.training.record import Record


class Outcome:
    """Holds the best network of one learner on one fold, and its record.

    Attributes
    ----------
    name : str
        Name of the learner.
    fold : int
        Number of the fold, from 0.
    net : Network or Ensemble
        The best network, with its preparation, or the default learner's ensemble.
    record : Record
        The record of the run, with errors in raw units of the targets.
    """

    def __init__(self, name: str, fold: int, net: Network | Ensemble, record: Record) -> None:
        self.name, self.fold, self.net, self.record = name, fold, net, record

    def at_best(self, series: str) -> float:
        """The value of a series at the best iteration."""
        return self.record[series][self.record.best_iteration]


def by_name(outcomes: Sequence[Outcome]) -> dict[str, list[Outcome]]:
    """The outcomes of each algorithm, in their order."""
    found: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        found.setdefault(outcome.name, []).append(outcome)
    return found
