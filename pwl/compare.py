"""The main job: several algorithms on the same data, folds and starting networks."""

from __future__ import annotations

import contextlib
import dataclasses
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from pwl.activations import PiecewiseLinear
from pwl.algorithms import MOLF, OWOBP, AdAct
from pwl.data import Fold
from pwl.data import folds as make_folds
from pwl.data.rows import Rows
from pwl.errors import InputError
from pwl.network import Network
from pwl.patterns import Patterns
from pwl.preparation import Preparation
from pwl.record import Record
from pwl.suggest import nearest
from pwl.threads import workers
from pwl.train import train


@dataclass(frozen=True)
class Contender:
    """An algorithm by name, and whether it trains curves (started from the activation the others keep)."""

    algorithm: Any
    curves: bool = False


CONTENDERS = {
    "adact": Contender(AdAct(), curves=True),
    "hwo-adact": Contender(AdAct(direction="hwo"), curves=True),
    "molf": Contender(MOLF()),
    "hwo-molf": Contender(MOLF(direction="hwo")),
    "owo-bp": Contender(OWOBP()),
}


@dataclass(frozen=True)
class Settings:
    """What all contenders share.

    hidden: units of the hidden layer, or of several. start: the fixed activation, from which curves start, too.
    hinges: of each curve. iterations: of each run. k: folds. seed: of the folds and of the starting networks.
    max_fail: iterations without a new lowest validation error that end a run; None runs all iterations.
    """

    hidden: tuple[int, ...] = (20,)
    start: str = "sigmoid"
    hinges: int = 13
    iterations: int = 100
    k: int = 5
    seed: int = 0
    max_fail: int | None = None


class Outcome:
    """One contender on one fold: the best network and the record, errors in raw units of the targets."""

    def __init__(self, name: str, fold: int, net: Network, record: Record) -> None:
        self.name, self.fold, self.net, self.record = name, fold, net, record

    def at_best(self, series: str) -> float:
        return self.record[series][self.record.best_iteration]


def pick(names: Sequence[str]) -> dict[str, Contender]:
    """Contenders by name, in the order given; InputError suggests the nearest name for an unknown one."""
    unknown = [name for name in names if name not in CONTENDERS]
    if unknown:
        raise InputError(
            f"unknown algorithm {unknown[0]!r}{nearest(unknown[0], CONTENDERS)}; there are {', '.join(CONTENDERS)}"
        )
    return {name: CONTENDERS[name] for name in names}


Watch = Callable[[str, int, int], None]


def compare(
    x: np.ndarray,
    t: np.ndarray,
    names: Sequence[str],
    settings: Settings,
    classes: Sequence[str] | None = None,
    jobs: int = 1,
    watch: Watch | None = None,
) -> Iterator[Outcome]:
    """Runs every contender on every fold, all from the same starting weights, and yields the outcomes in order.

    x: (Nv, N); t: (Nv, M) targets, or (Nv,) class numbers, named by `classes`. Inputs are standardised and targets centred and
    scaled by one common factor, both fitted on the fold's training data; errors are given in raw units.
    jobs: processes that share the runs. watch(name, fold, steps): called with the iterations done since it was last
    called. KeyboardInterrupt ends the comparison; the outcomes yielded before stand.
    """
    pick(names)
    tasks = [(name, number) for number in range(settings.k) for name in names]
    folds = data_folds(t, settings)
    if jobs > 1:
        yield from _side_by_side(Problem(x, t, classes, settings, folds), tasks, jobs, watch)
        return
    for name, number in tasks:
        outcome = run(Problem(x, t, classes, settings, folds), name, number, watch)
        if outcome.record.stop_code == "interrupted":
            raise KeyboardInterrupt
        yield outcome


class Problem(NamedTuple):
    """What all runs of a comparison share."""

    x: np.ndarray
    t: np.ndarray
    classes: Sequence[str] | None
    settings: Settings
    folds: list[Fold]


def data_folds(t: np.ndarray, settings: Settings) -> list[Fold]:
    """The folds of a comparison: seeded, and stratified for classes."""
    return make_folds(len(t), settings.k, settings.seed, t if t.ndim == 1 else None)


def run(problem: Problem, name: str, number: int, watch: Watch | None = None) -> Outcome:
    """One contender on one fold."""
    x, t, classes, settings, folds = problem
    fold = folds[number]
    if t.ndim == 1 and classes is None:
        classes = [str(label) for label in range(int(t.max()) + 1)]
    preparation = Preparation.fit(Rows(x, fold.train), Rows(t, fold.train), targets="common", classes=classes)
    contender = CONTENDERS[name]
    parts = {part: Patterns.prepared(x, t, preparation, rows) for part, rows in fold._asdict().items()}
    net, record = train(
        network(contender, x.shape[1], preparation, settings, number),
        parts["train"],
        contender.algorithm,
        iterations=settings.iterations,
        validation=parts["validation"],
        test=parts["test"],
        max_fail=settings.max_fail or max(settings.iterations, 1),
        callback=None if watch is None else lambda *_: watch(name, number, 1),
    )
    if watch is not None:
        watch(name, number, settings.iterations - record.iterations)  # a run that stopped early is done, too
    rescale(record, preparation)
    return Outcome(name, number, dataclasses.replace(net, preparation=preparation), record)


def network(contender: Contender, n_inputs: int, preparation: Preparation, settings: Settings, number: int) -> Network:
    """The starting network of a fold: the same hidden weights for all contenders."""
    return Network.mlp(
        n_inputs,
        settings.hidden,
        len(preparation.target_scale),
        PiecewiseLinear(settings.start, settings.hinges) if contender.curves else settings.start,
        loss="cross_entropy" if preparation.classes else "squared_error",
        seed=settings.seed + number,
    )


def rescale(record: Record, preparation: Preparation) -> None:
    """Errors of a record to raw units of the targets, in place; cross-entropy has no units."""
    if preparation.targets is None:
        return
    factor = float(preparation.target_scale[0]) ** 2
    for name, values in record.series.items():
        if name.endswith(("error", "objective")):
            record.series[name] = [None if value is None else value * factor for value in values]


def _side_by_side(problem: Problem, tasks: list[tuple[str, int]], jobs: int, watch: Watch | None) -> Iterator[Outcome]:
    """The runs in processes of their own, each with its share of the cores."""
    if isinstance(problem.x, np.memmap):
        raise InputError("processes can't share a table that is too large for memory: use one job")
    threads = str(max(1, workers() // jobs))
    with environment(OMP_NUM_THREADS=threads, OPENBLAS_NUM_THREADS=threads, MKL_NUM_THREADS=threads):
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(jobs, context, initializer=_share, initargs=(problem,)) as pool:
            try:
                for name, number, outcome in zip(*zip(*tasks, strict=True), pool.map(_run_shared, tasks), strict=True):
                    if watch is not None:
                        watch(name, number, problem.settings.iterations)
                    yield outcome
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise


_shared: list[Problem] = []  # in a worker process: the problem its runs share, so that it travels once


def _share(problem: Problem) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent, which ends the workers
    _shared[:] = [problem]


def _run_shared(task: tuple[str, int]) -> Outcome:
    return run(_shared[0], *task)


@contextlib.contextmanager
def environment(**values: str) -> Iterator[None]:
    """Environment variables for processes started inside."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
