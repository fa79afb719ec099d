"""A run of an algorithm on patterns: a value per iteration, and the step from one to the next."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from pwl.algorithms.algorithm import Algorithm, AnyState, Step, Stop
from pwl.errors import InputError
from pwl.network.network import Network
from pwl.reductions.batch_moments import with_moments
from pwl.reductions.gradients import error, raw_error
from pwl.reductions.patterns import Patterns
from pwl.reductions.reduce import reduce
from pwl.runtime.backend import Array
from pwl.training.initialise import start
from pwl.training.limits import NON_FINITE
from pwl.training.record import Record

SAMPLE = 2**32 - 1  # stands for the number of an iteration
Spent = tuple[float, float]  # multiplies by the literature's formula and by our own count


class Run(NamedTuple):
    """A run between two iterations. It changes as a whole, by one assignment, and its record is cut back to `rows` rows.

    net, state: network and state after the last iteration. best, best_iteration: the network to return, and its iteration.
    record: the log, with `rows` rows of this run. spent: multiplies so far, or None if the algorithm does not count them.
    stop: the reason for the end, if the run has ended.
    """

    net: Network
    best: Network
    best_iteration: int
    state: AnyState
    record: Record
    rows: int
    spent: Spent | None
    stop: Stop | None = None

    def settled(self) -> Run:
        """The run with a record that agrees with it."""
        self.record.cut(self.rows)
        self.record.best_iteration = self.best_iteration
        self.record.stop(*(self.stop or ("", "")))
        return self

    def ended(self, stop: Stop | None) -> Run:
        """The run with the reason for its end, if there is one."""
        return self if stop is None else self._replace(stop=stop)


@dataclass(frozen=True)
class Job:
    """The constants of a run.

    measured: the patterns whose error is the training error. others: validation and test patterns by name. begin: the clock at
    the start. read: number of patterns read before the start, less those that the patterns had counted by then.
    """

    patterns: Patterns
    measured: Patterns
    others: Mapping[str, Patterns]
    algorithm: Algorithm
    batch_size: int | None
    seed: int
    begin: float
    read: int
    scale: np.ndarray | None = None  # raw units in one unit of each target, if the error in raw units is recorded
    multiplies: dict[int, Spent | None] = field(default_factory=dict)  # multiplies of a step, by the number of patterns

    def multiplies_of(self, net: Network, Nv: int) -> Spent | None:
        """Multiplies of one step on Nv patterns, counted once."""
        if Nv not in self.multiplies:
            self.multiplies[Nv] = self.algorithm.multiplies(net, Nv)
        return self.multiplies[Nv]

    @property
    def watched(self) -> str:
        """The series whose lowest value names the best network."""
        return "validation_error" if "validation" in self.others else self.algorithm.watched

    @property
    def shares_pass(self) -> bool:
        """Whether the record and the next step share a pass, because the step begins at the recorded network."""
        return self.batch_size is None and self.algorithm.shares_pass

    def first(self, net: Network) -> Run:
        """The run before its first iteration, with the initialised network and row 0 of the record."""
        record = Record(self.settings(net))
        self.algorithm.check(net)
        if not net.initialised:
            net = start(net, self.patterns, self.algorithm.penalties, self.algorithm.ols)
        state = self.algorithm.init(net, self.patterns, self.seed)
        spent = None if self.multiplies_of(net, self.patterns.count()) is None else (0.0, 0.0)
        row, state = self.row(net, state, spent)
        record.append(row)
        if not math.isfinite(row["error"]):
            raise InputError(
                f"the error of the initialised network is {row['error']}: scale inputs and targets (pwl.Preparation)"
            )
        for name in self.others:
            if not math.isfinite(row[f"{name}_error"]):
                raise InputError(
                    f"the error of the initialised network on the {name} data is {row[f'{name}_error']}: some of their numbers "
                    "lie far outside of those of the training data, so correct or drop them"
                )
        return Run(net, net, 0, state, record, 1, spent)

    def next(self, run: Run) -> Run:
        """The run after one more iteration. If a number is not finite, it is the same run, stopped."""
        net = run.net if self.batch_size else self.patterns.remembered_by(run.net)
        number, spent, step = run.rows, run.spent, Step(net, run.state, {})
        norms: list[Any] = []
        with np.errstate(over="ignore", invalid="ignore"):  # for steps that diverge, which is checked below
            for batch in _batches(run.net, self.patterns, self.batch_size, self.seed, number):
                try:
                    step = self.algorithm.step(step.net, batch, step.state)
                except (ArithmeticError, np.linalg.LinAlgError):  # Python's numbers and LAPACK have no infinities
                    return run.ended(Stop("non_finite", f"{NON_FINITE} (in iteration {number})"))
                spent = _added(spent, self.multiplies_of(step.net, batch.count()))
                spent = _added(spent, self.algorithm.further(step.net, batch.count(), step.series))
                norms.append(step.series.get("gradient_norm"))
            net = step.net
            if not self.shares_pass:  # otherwise the next step starts at this network, and new moments would change it
                net = with_moments(net, self.patterns, (self.seed, number))
            row, state = self.row(net, step.state, spent)
        row |= step.series
        if "gradient_norm" in step.series:
            row["gradient_norm"] = float(max(norms))  # the largest, because one batch that fits is not a reason to stop
        if not (math.isfinite(row["error"]) and math.isfinite(row["objective"])):
            return run.ended(Stop("non_finite", f"{NON_FINITE} (in iteration {number})"))
        run.record.append(row)
        watched = run.record[self.watched]
        better = _lower(watched[-1], watched[run.best_iteration])
        best, best_iteration = (net, number) if better else (run.best, run.best_iteration)
        return Run(net, best, best_iteration, state, run.record, number + 1, spent, step.stop)

    def row(self, net: Network, state: AnyState, spent: Spent | None) -> tuple[dict[str, Any], AnyState]:
        """The row of the record for a network, and the state with those results of the pass that the next step can use."""
        if self.shares_pass:
            scores, state = self.algorithm.measure(net, self.patterns, state)
        else:
            scores = reduce(error(), net, self.measured)
        objective = float(scores[0]) + self.algorithm.penalties.value(net)
        row: dict[str, Any] = {"error": float(scores[0]), "objective": objective, **_classification("", scores)}
        if self.scale is not None:
            row["raw_error"] = self.raw(net, self.measured, float(scores[0]))
        for name, other in self.others.items():
            scores = reduce(error(), other.suited(net), other)
            row |= {f"{name}_error": float(scores[0])} | _classification(f"{name}_", scores)
            if self.scale is not None:
                row[f"{name}_raw_error"] = self.raw(net, other, float(scores[0]))
        row["seconds"] = time.perf_counter() - self.begin
        if (comm := self.patterns.comm).size > 1:
            crossing = sum(p.reads.crossing for p in (self.patterns, *self.others.values()))
            row["seconds"], row["sum_seconds"] = comm.same((row["seconds"], crossing))
        if spent is not None:
            row["multiplies"], row["own_multiplies"] = spent
        row["passes"] = (self.read + self.patterns.reads.patterns) / self.patterns.count()
        return row, state

    def raw(self, net: Network, patterns: Patterns, E: float) -> float:
        """E in raw units: a multiple of E if all targets have one scale, else a pass over the patterns."""
        assert self.scale is not None
        if np.all(self.scale == self.scale[0]):
            return E * float(self.scale[0]) ** 2
        return float(reduce(raw_error(self.scale), patterns.suited(net), patterns))

    def settings(self, net: Network) -> dict[str, Any]:
        """The settings of a run for its record, which a checkpoint must agree with."""
        return {
            "algorithm": repr(self.algorithm),
            "network": describe(net),
            "patterns": self.patterns.count(),
            "batch_size": self.batch_size,
            "error_sample": None if self.measured is self.patterns else self.measured.count(),
            "augment": None if self.patterns.augmentation is None else repr(self.patterns.augmentation),
            "seed": self.seed,
        }


def drawn(patterns: Patterns, count: int | None, seed: int) -> Patterns:
    """Some of the patterns of all ranks, drawn by the seed, for the training error. None, or as many as there are: all."""
    if count is None or count >= patterns.count():
        return patterns
    rows = np.random.default_rng([seed, SAMPLE]).permutation(patterns.count())[:count]
    return patterns.shared(np.sort(rows))


def describe(net: Network) -> str:
    """The structure of a network in one line: sizes and activations."""
    layers = " - ".join(repr(layer) for layer in net.layers)
    return f"{'x'.join(map(str, net.input_shape))} - {layers} - {net.n_outputs}, {'bypass, ' if net.bypass else ''}{net.loss.name}"


def _classification(prefix: str, scores: Array) -> dict[str, float]:
    return {f"{prefix}classification_error": float(scores[1])} if scores.shape[0] > 1 else {}


def _lower(new: float | None, lowest: float | None) -> bool:
    """Whether a value is finite, and lower than the lowest one so far, which may be none."""
    if new is None or not math.isfinite(new):
        return False
    return lowest is None or not math.isfinite(lowest) or new < lowest


def _added(spent: Spent | None, more: Spent | None) -> Spent | None:
    return None if spent is None or more is None else (spent[0] + more[0], spent[1] + more[1])


def _batches(net: Network, patterns: Patterns, batch_size: int | None, seed: int, iteration: int) -> Iterator[Patterns]:
    """Batches of one pass over the patterns, shuffled by (seed, iteration), or all patterns if there is no batch size."""
    together = 1 if patterns.comm.size == 1 else net.training(seed, iteration).group
    if batch_size is None and together == 1:
        return iter((patterns,))
    return _shuffled(patterns, batch_size, seed, iteration, together)


def _shuffled(patterns: Patterns, batch_size: int | None, seed: int, iteration: int, together: int) -> Iterator[Patterns]:
    """`_batches` of shuffled patterns, in which groups of `together` patterns are not divided."""
    count = patterns.count()  # patterns of all ranks as one batch, too, if groups are not to be cut where ranks meet
    order = np.arange(count) if batch_size is None else np.random.default_rng([seed, iteration]).permutation(count)
    for first in range(0, count, batch_size or count):
        rows = order[first : first + (batch_size or count)]  # not sorted, as neighbours share moments in batch normalisation
        batch = patterns.batch(rows, (seed, iteration), first, together)
        if batch.total_weight():  # patterns of weight 0 make no step
            yield batch
