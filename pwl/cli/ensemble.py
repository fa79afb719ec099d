"""The networks of the default learner, whose mean predicts, for `pwl train`."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import math
import signal
import sys
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np

from pwl.cli import parts
from pwl.cli.scores import fit_in_words
from pwl.cli.source import Source, counted, named_accuracy
from pwl.data.preparation import Preparation
from pwl.learners.ensemble import Ensemble, likely
from pwl.learners.learn import Learned, learn
from pwl.learners.mix import Score
from pwl.learners.named import Shape
from pwl.learners.plan import FIRST_ORDER, Plan, plan
from pwl.reductions.patterns import Patterns
from pwl.runtime.backend import host
from pwl.runtime.room import available, in_units
from pwl.study.report import target_errors

COPIES = 8  # of the inputs in double precision: two networks side by side, each with its part, prepared


def wanted(options: argparse.Namespace, shaped: Shape, ranks: int) -> bool:
    """Whether no option asks for one network: by name, or by what the default learner does not have."""
    asks = options.single or options.algorithm or options.resume
    counts = options.iterations is not None or options.error_sample is not None or options.checkpoint_seconds is not None
    own = shaped != dataclasses.replace(Shape(), hidden=shaped.hidden)
    return not (asks or counts or own or ranks > 1 or options.device != "cpu")


def planned(options: argparse.Namespace, shaped: Shape, table: Source, found: parts.Parts) -> Plan | str:
    """The plan of the networks for a table, or why one is trained all the same."""
    patterns = found.trains
    if patterns >= FIRST_ORDER:
        return "one network, which a checkpoint keeps, because the table is large"
    needed = COPIES * 8 * table.x.size
    if needed > available():
        return f"one network, because several would take about {in_units(needed)} of memory, but {in_units(available())} are left"
    return plan(
        patterns, table.x.shape[1], len(table.classes or table.target_names), classes=bool(table.classes),
        hidden=shaped.hidden if options.hidden else None, seconds=options.max_seconds,
        groups=None if table.groups is None or found.validation is not None else len(np.unique(table.groups[found.train])),
    )  # fmt: skip


def learned(
    options: argparse.Namespace, chosen: Plan, table: Source, found: parts.Parts, preparation: Preparation, patterns: Patterns
) -> Learned:
    """The networks and the record of one of them. Raises KeyboardInterrupt if Ctrl-C comes before one is trained."""
    validation = parts.patterns(found.validation, preparation)
    print(chosen.words(validation is not None), flush=True)
    return learn(
        patterns, preparation, chosen, validation=validation,
        bounds=None if table.classes else likely(table.t[found.train]), max_fail=options.max_fail, seed=options.seed,
        groups=None if table.groups is None else table.groups[found.train],
        keeps=patient(), progress=True,
    )  # fmt: skip


@contextlib.contextmanager
def patient() -> Iterator[None]:
    """A context in which the first Ctrl-C only says that the work is nearly done, and the second one ends it."""
    before = signal.getsignal(signal.SIGINT)

    def once(*_: Any) -> None:
        signal.signal(signal.SIGINT, before)
        print("pwl: the trained networks are being put together; Ctrl-C once more loses them", file=sys.stderr, flush=True)

    if threading.current_thread() is not threading.main_thread() or not callable(before):
        yield
        return
    signal.signal(signal.SIGINT, once)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def outcome(net: Ensemble, words: str, score: Score | None, table: Source, found: parts.Parts) -> Iterator[str]:
    """Lines about the networks, and about their mean in the parts that were held out, or for patterns as if left out.

    words: the shares of the forms.
    """
    yield f"{counted(len(net.nets), 'network')}, by their share in the mean: {words}"
    if found.validation is None and score is not None:
        yield from as_if_left_out(net, score, table)
    for name, part in (("validation", found.validation), ("test", found.test)):
        if part is None:
            continue
        if table.classes:
            right = host(net.predict_proba(part.x[:])).argmax(axis=1) == part.t[:]
            yield f"{name} accuracy: {np.average(right, weights=part.weights):.2%}"
            continue
        errors = target_errors(part.t[:], host(net.predict(part.x[:])))
        for target, (rmse, r2) in zip(table.target_names, errors, strict=True):
            yield f"{name} of {target}: {fit_in_words(rmse, r2)}"
    if table.classes:

        def accuracy(x: np.ndarray, t: np.ndarray) -> float:
            return float(np.mean(host(net.class_numbers(x.reshape(len(x), *net.input_shape))) == t))

        yield from named_accuracy(table, accuracy)


def as_if_left_out(net: Ensemble, score: Score, table: Source) -> Iterator[str]:
    """Lines about the errors that are expected for new patterns, from those that networks have left out."""
    if table.classes:
        yield f"accuracy for {counted(score.patterns, 'pattern')} as if left out: {1 - score.square[0]:.2%}"
        return
    for target, square, variance, scale in zip(
        table.target_names, score.square, score.variance, net.preparation.target_scale, strict=True
    ):
        fit = fit_in_words(scale * square**0.5, 1 - square / variance if variance > 0 else math.nan)
        yield f"{target} for {counted(score.patterns, 'pattern')} as if left out: {fit}"
