"""The one loop that drives every algorithm: records, validation, the best network, and reasons to stop."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from numbers import Real
from typing import Any, NamedTuple

import numpy as np

from pwl.algorithms.penalties import Penalties
from pwl.data.augmentation import Augmentation
from pwl.errors import InputError
from pwl.network.network import Network, check_seed
from pwl.reductions.batch_moments import with_moments
from pwl.reductions.patterns import Patterns
from pwl.reductions.statistics import error
from pwl.solvers.ols import OLS
from pwl.training import checkpoint as checkpoints
from pwl.training.checkpoint import Checkpoint, Run
from pwl.training.initialise import start
from pwl.training.record import Record


def train(
    net: Network,
    data: Any,
    algorithm: Any,
    *,
    iterations: int = 100,
    validation: Any = None,
    test: Any = None,
    batch_size: int | None = None,
    augment: Augmentation | None = None,
    max_fail: int = 6,
    min_grad: float = 0.0,
    goal: float = 0.0,
    max_seconds: float | None = None,
    callback: Callable[[Network, Record], Any] | None = None,
    checkpoint: Any = None,
    resume: Any = None,
    progress: bool = False,
    seed: int = 0,
) -> tuple[Network, Record]:
    """Trains `net` on `data` and returns the best network and the record of the run.

    data, validation, test: (x, t), (x, t, weights) or pwl.Patterns, used as they are (see pwl.Preparation for scaling).
    algorithm: pwl.AdAct(), pwl.MOLF(), pwl.OWOBP(), ...
    iterations: at most so many; each is one pass over the data, in shuffled batches of `batch_size` if given.
    augment: how the images of batches are changed, pwl.Augmentation(...), anew in each iteration; errors are those of the
        images as they are.
    max_fail: stop after so many iterations in a row without a new lowest validation error.
    min_grad: stop when the norm of the step's gradient is no larger (of batches, the largest in a pass).
    goal: stop when the training error is no larger.
    max_seconds: stop after so many seconds. callback(net, record): called after each iteration; stops if it returns True.
    checkpoint: a path, or pwl.Checkpoint(path, seconds), to write the run down in now and then, and when it ends.
    resume: a checkpoint's path; the run goes on from there to the same bits as one that was never interrupted.
    progress: a bar on the terminal. seed: of the shuffling.

    The network returned is the one with the lowest validation error, else the lowest training error; Ctrl-C and
    numbers that are no longer finite end the run with the best network so far, and the record says so.
    Raises InputError where data, network and settings do not fit.
    """
    _check_algorithm(algorithm, callback)
    check_seed(seed)
    patterns, others = _checked(net, data, {"validation": validation, "test": test})
    _check_settings(iterations, batch_size, max_fail, min_grad, goal, max_seconds, len(patterns))
    if batch_size is not None and getattr(algorithm, "full_batch", False):
        raise InputError(
            f"{type(algorithm).__name__} needs all patterns in every step: leave batch_size out, or use pwl.Adam or pwl.SGD"
        )
    if augment is not None:
        _check_augment(augment, net, batch_size)
        patterns = patterns.augmented(augment)
    writer = Checkpoint(checkpoint) if isinstance(checkpoint, (str, os.PathLike)) else checkpoint
    limits = Limits(iterations, max_fail if validation is not None else None, min_grad, goal, max_seconds)
    job = Job(patterns, others, algorithm, batch_size, seed, time.perf_counter())
    run = job.first(net) if resume is None else job.resumed(net, resume)
    record = run.record
    try:
        with _bar(progress, iterations, record.iterations) as bar:
            while not (record.stop_code or limits.stop(record)):
                run = job.next(run)
                if writer is not None:
                    writer.maybe(run)
                if callback is not None and not record.stop_code and _is_true(callback(run.net, record)):
                    record.stop("callback")
                bar.update()
    except KeyboardInterrupt:
        record.trim()
        record.stop("interrupted", f"after iteration {record.iterations}")
    if writer is not None:
        writer.write(run)
    return run.best, record


@dataclass
class Job:
    """What stays the same during a run. begin: the clock at its start."""

    patterns: Patterns
    others: dict[str, Patterns]
    algorithm: Any
    batch_size: int | None
    seed: int
    begin: float

    @property
    def penalties(self) -> Penalties:
        return getattr(self.algorithm, "penalties", Penalties())

    @property
    def watched(self) -> str:
        """The series whose lowest value names the best network where there are no validation data."""
        return getattr(self.algorithm, "watched", "error")

    @property
    def shares_pass(self) -> bool:
        """Whether a record and the next step share a pass: the step then begins at this very network, moments and all."""
        return self.batch_size is None and hasattr(self.algorithm, "measure")

    def first(self, net: Network) -> Run:
        """The run before its first iteration: network initialised, row 0 of the record."""
        record = Record(self.settings(net))
        self.patterns.passes = 0.0
        if not net.initialised:
            net = start(net, self.patterns, self.penalties, getattr(self.algorithm, "ols", OLS()))
        state = self.algorithm.init(net, self.patterns, self.seed)
        row, state = self.row(net, state, np.zeros(2))
        record.append(row)
        if not math.isfinite(record["error"][0]):
            raise InputError(
                f"the error of the initialised network is {record['error'][0]}: "
                "scale inputs and targets (pwl.Preparation)"
            )
        return Run(net, net, state, record, np.zeros(2))

    def resumed(self, net: Network, path: Any) -> Run:
        """The run that a checkpoint holds; InputError where it is not of this job."""
        run = checkpoints.read(path, net, self.settings(net))
        if evaluate(run.net, self.patterns).error != run.record["error"][-1]:
            raise InputError(
                f"{path} is a checkpoint of a run on other data, or on another device: its last error is not that of these "
                "data here"
            )
        self.begin -= run.record["seconds"][-1]
        self.patterns.passes = run.record["passes"][-1]
        run.record.stop_code = run.record.stop_reason = ""
        return run

    def next(self, run: Run) -> Run:
        """The run after one more pass over the patterns; the same run, stopped, where a number is no longer finite."""
        net, state, spent, info, norms = run.net, run.state, run.spent, {}, []
        with np.errstate(over="ignore", invalid="ignore"):  # steps that diverge: the record says so below
            for batch in _batches(self.patterns, self.batch_size, self.seed, run.record.iterations + 1):
                net, state, info = self.algorithm.step(net, batch, state)
                spent = spent + self.algorithm.multiplies(net, len(batch))
                norms.append(info.get("gradient_norm"))
            if not self.shares_pass:  # else steps are on the network itself: other moments would move it
                net = with_moments(net, self.patterns, (self.seed, run.record.iterations + 1))
            row, state = self.row(net, state, spent)
        record = run.record
        if "gradient_norm" in info:
            info["gradient_norm"] = float(max(norms))  # one batch that fits is no reason to stop
        if not (math.isfinite(row["error"]) and math.isfinite(row["objective"])):
            record.stop("non_finite", f"in iteration {record.iterations + 1}")
            return run
        stop = info.pop("stop", None)
        record.append({**row, **info})
        if stop is not None:
            record.stop(*stop)
        watched = record["validation_error" if "validation" in self.others else self.watched]
        lowest = watched[record.best_iteration]
        if lowest is not None and not watched[-1] < lowest:
            return Run(net, run.best, state, record, spent)
        record.best_iteration = record.iterations
        return Run(net, net, state, record, spent)

    def row(self, net: Network, state: dict[str, Any], spent: np.ndarray) -> tuple[dict[str, Any], dict[str, Any]]:
        """What is recorded of a network, and the state with what the next step can use of the pass over the data."""
        if self.shares_pass:
            scores, state = self.algorithm.measure(net, self.patterns, state)
        else:
            (scores,) = self.patterns.reduce(error(), net)
        row: dict[str, Any] = {"error": float(scores[0]), "objective": float(scores[0]) + self.penalties.value(net)}
        row |= _classification("", scores)
        for name, other in self.others.items():
            (scores,) = other.reduce(error(), net)
            row |= {f"{name}_error": float(scores[0])} | _classification(f"{name}_", scores)
        seconds, passes = time.perf_counter() - self.begin, self.patterns.passes
        literature, own = map(float, spent)
        return row | {"seconds": seconds, "multiplies": literature, "own_multiplies": own, "passes": passes}, state

    def settings(self, net: Network) -> dict[str, Any]:
        """What a record says was run, and what a checkpoint must agree with."""
        return {
            "algorithm": repr(self.algorithm),
            "network": describe(net),
            "patterns": len(self.patterns),
            "batch_size": self.batch_size,
            "augment": None if self.patterns.augmentation is None else repr(self.patterns.augmentation),
            "seed": self.seed,
        }


@dataclass(frozen=True)
class Limits:
    """What ends a run; None: does not apply."""

    iterations: int
    max_fail: int | None
    min_grad: float
    goal: float
    max_seconds: float | None

    def stop(self, record: Record) -> bool:
        """True, and the record says so, where the last iteration has reached a limit."""
        reached = self.reached(record)
        if reached:
            record.stop(*reached)
        return reached is not None

    def reached(self, record: Record) -> tuple[str, str] | None:
        """Code and detail of the limit that the last iteration reached, if any."""
        gradient = record["gradient_norm"][-1] if "gradient_norm" in record else None
        if record.iterations and record["error"][-1] <= self.goal:
            return "goal", f"{record['error'][-1]:.3g} <= {self.goal:g}"
        if gradient is not None and gradient <= self.min_grad:
            return "min_grad", f"{gradient:.3g} <= {self.min_grad:g}"
        if self.max_fail is not None and record.iterations - record.best_iteration >= self.max_fail:
            return "max_fail", f"{self.max_fail} iterations without a new lowest"
        if self.max_seconds is not None and record.iterations and record["seconds"][-1] >= self.max_seconds:
            return "max_seconds", f"{self.max_seconds:g} s"
        if record.iterations >= self.iterations:
            return "iterations", f"{record.iterations} of {self.iterations}"
        return None


def _bar(progress: bool, iterations: int, done: int) -> Any:
    """A progress bar where one was asked for and standard error is a terminal."""
    from tqdm import tqdm

    return tqdm(total=iterations, initial=done, unit="it", leave=False, disable=None if progress else True)


class Evaluation(NamedTuple):
    """error: E; classification_error: share of patterns whose largest output is wrong, None under squared error."""

    error: float
    classification_error: float | None


def evaluate(net: Network, data: Any) -> Evaluation:
    """E of an initialised network on (x, t), (x, t, weights) or pwl.Patterns, Eqs. (1), (2).

    Raises InputError for a network that is not initialised, and where data and network do not fit.
    """
    net.check_initialised()
    patterns = Patterns.of(data)
    patterns.check(net)
    return _evaluation(patterns.reduce(error(), net)[0])


def _evaluation(scores: Any) -> Evaluation:
    return Evaluation(float(scores[0]), float(scores[1]) if scores.shape[0] > 1 else None)


def describe(net: Network) -> str:
    """The network's structure in one line: sizes and activations."""
    layers = " - ".join(repr(layer) for layer in net.layers)
    return f"{'x'.join(map(str, net.input_shape))} - {layers} - {net.n_outputs}, {'bypass, ' if net.bypass else ''}{net.loss.name}"


def _classification(prefix: str, scores: Any) -> dict[str, float]:
    return {f"{prefix}classification_error": float(scores[1])} if scores.shape[0] > 1 else {}


def _batches(patterns: Patterns, batch_size: int | None, seed: int, iteration: int) -> Iterator[Patterns]:
    """Slices of one pass over the patterns, shuffled by (seed, iteration); the whole where no batch size is given."""
    if batch_size is None:
        yield patterns
        return
    order = np.random.default_rng([seed, iteration]).permutation(len(patterns))
    for first in range(0, len(patterns), batch_size):
        rows = order[first : first + batch_size]  # not sorted: neighbours share moments in batch normalisation
        if patterns.weights is None or np.any(patterns.weights[rows]):  # patterns that weigh nothing make no step
            yield patterns.batch(rows, (seed, iteration), first)


def _checked(net: Network, data: Any, others: dict[str, Any]) -> tuple[Patterns, dict[str, Patterns]]:
    patterns = Patterns.of(data)
    patterns.check(net)
    rest = {}
    for name, given in others.items():
        if given is not None:
            try:
                rest[name] = Patterns.of(given)
                rest[name].check(net)
            except InputError as wrong:
                raise InputError(f"{name} data: {wrong}") from None
    return patterns, rest


def _is_true(answer: Any) -> bool:
    """True or NumPy's True; whatever else a callback returns does not stop the run."""
    return isinstance(answer, (bool, np.bool_)) and bool(answer)


def _check_algorithm(algorithm: Any, callback: Any) -> None:
    if isinstance(algorithm, type) or not all(
        callable(getattr(algorithm, name, None)) for name in ("init", "step", "multiplies")
    ):
        raise InputError(f"an algorithm is an object such as pwl.AdAct() or pwl.MOLF(), not {algorithm!r}")
    if callback is not None and not callable(callback):
        raise InputError(f"callback must be a function of (net, record), not {callback!r}")


def _check_augment(augment: Any, net: Network, batch_size: int | None) -> None:
    if not isinstance(augment, Augmentation):
        raise InputError(f"augment is an object such as pwl.Augmentation(shift=4, flip=True), not {augment!r}")
    augment.check(net.input_shape, batch_size)


def _check_settings(
    iterations: Any, batch_size: Any, max_fail: Any, min_grad: Any, goal: Any, max_seconds: Any, Nv: int
) -> None:
    def whole(name: str, value: Any, least: int) -> None:
        if not isinstance(value, (int, np.integer)) or isinstance(value, bool) or value < least:
            raise InputError(f"{name} must be a whole number, {least} or more, not {value!r}")

    whole("iterations", iterations, 0)
    whole("max_fail", max_fail, 1)
    if batch_size is not None:
        whole("batch_size", batch_size, 1)
        if batch_size > Nv:
            raise InputError(
                f"batch_size {batch_size} is larger than the {Nv} patterns: make it smaller or leave it out"
            )
    for name, value in (
        ("min_grad", min_grad),
        ("goal", goal),
        ("max_seconds", 0 if max_seconds is None else max_seconds),
    ):
        if not isinstance(value, Real) or not float(value) >= 0:
            raise InputError(f"{name} must be 0 or a positive number, not {value!r}")
