"""The main job: several algorithms on the same data, folds and starting networks."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pwl.activations import PiecewiseLinear
from pwl.algorithms import MOLF, OWOBP, AdAct
from pwl.data import Fold, folds
from pwl.errors import InputError
from pwl.network import Network
from pwl.patterns import Patterns
from pwl.preparation import Preparation
from pwl.record import Record
from pwl.suggest import nearest
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


def compare(
    x: np.ndarray,
    t: np.ndarray,
    names: Sequence[str],
    settings: Settings,
    watch: Callable[[str, int, int], None] | None = None,
) -> Iterator[Outcome]:
    """Runs every contender on every fold, all from the same starting weights, and yields the outcomes as they come.

    x: (Nv, N); t: (Nv, M) targets, or (Nv,) class numbers. Inputs are standardised and targets centred and scaled by
    one common factor, both fitted on the fold's training data; errors are given in raw units.
    watch(name, fold, iteration): called after each iteration.
    """
    contenders = pick(names)
    labels = t if t.ndim == 1 else None
    for number, fold in enumerate(folds(len(x), settings.k, settings.seed, labels)):
        for name, contender in contenders.items():
            yield run(name, contender, x, t, number, fold, settings, watch)


def run(
    name: str,
    contender: Contender,
    x: np.ndarray,
    t: np.ndarray,
    number: int,
    fold: Fold,
    settings: Settings,
    watch: Callable[[str, int, int], None] | None = None,
) -> Outcome:
    """One contender on one fold."""
    classes = int(t.max()) + 1 if t.ndim == 1 else None
    preparation = Preparation.fit(
        x[fold.train], t[fold.train], targets="common", classes=None if classes is None else range(classes)
    )
    parts = {part: Patterns(*preparation.transform(x[rows], t[rows])) for part, rows in fold._asdict().items()}
    net = Network.mlp(
        x.shape[1],
        settings.hidden,
        classes or t.shape[1],
        PiecewiseLinear(settings.start, settings.hinges) if contender.curves else settings.start,
        loss="cross_entropy" if classes else "squared_error",
        seed=settings.seed + number,
    )
    net, record = train(
        net,
        parts["train"],
        contender.algorithm,
        iterations=settings.iterations,
        validation=parts["validation"],
        test=parts["test"],
        max_fail=settings.max_fail or max(settings.iterations, 1),
        callback=None if watch is None else lambda _, record: watch(name, number, record.iterations),
    )
    if not classes:
        rescale(record, float(preparation.target_scale[0]) ** 2)
    return Outcome(name, number, dataclasses.replace(net, preparation=preparation), record)


def rescale(record: Record, factor: float) -> None:
    """Errors of a record to raw units, in place."""
    for name, values in record.series.items():
        if name.endswith(("error", "objective")):
            record.series[name] = [None if value is None else value * factor for value in values]
