"""The networks of the default learner, whose mean predicts, for `pwl train`."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Iterator

import numpy as np

from pwl.cli import parts
from pwl.cli.scores import fit_in_words
from pwl.cli.source import Source, counted, named_accuracy
from pwl.data.preparation import Preparation
from pwl.learners.ensemble import Ensemble, likely
from pwl.learners.learn import Learned, learn
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
    counts = options.iterations is not None or options.error_sample is not None
    own = shaped != dataclasses.replace(Shape(), hidden=shaped.hidden)
    return not (asks or counts or own or ranks > 1 or options.device != "cpu")


def planned(options: argparse.Namespace, shaped: Shape, table: Source, patterns: int) -> Plan | str:
    """The plan of the networks for a table, or why one is trained all the same."""
    if table.x.ndim > 2:
        return f"one network, because {table.name} holds images"
    if patterns >= FIRST_ORDER:
        return "one network, which a checkpoint keeps, because the table is large"
    chosen = plan(
        patterns, table.x.shape[1], len(table.classes or table.target_names), classes=bool(table.classes),
        hidden=shaped.hidden if options.hidden else None, seconds=options.max_seconds,
    )  # fmt: skip
    needed = COPIES * 8 * table.x.size
    if needed > available():
        return f"one network, because several would take about {in_units(needed)} of memory, but {in_units(available())} are left"
    return chosen


def trained(
    options: argparse.Namespace, chosen: Plan, table: Source, found: parts.Parts, preparation: Preparation, patterns: Patterns
) -> Learned:
    """The networks and the record of one of them. Ctrl-C ends with those that are trained, or goes on if there are none."""
    validation = parts.patterns(found.validation, preparation)
    print(chosen.words(validation is not None), flush=True)
    return learn(
        patterns, preparation, chosen, validation=validation,
        bounds=None if table.classes else likely(table.t[found.train]), max_fail=options.max_fail, seed=options.seed,
        keeps=True, progress=True,
    )  # fmt: skip


def outcome(net: Ensemble, words: str, table: Source, found: parts.Parts) -> Iterator[str]:
    """Lines about the networks, and about their mean in the parts that were held out. words: the shares of the forms."""
    yield f"{counted(len(net.nets), 'network')}: {words}"
    for name, part in (("validation", found.validation), ("test", found.test)):
        if part is None:
            continue
        if table.classes:
            right = host(net.predict_proba(part.x[:])).argmax(axis=1) == part.t[:]
            yield f"{name} accuracy: {np.mean(right):.2%}"
            continue
        errors = target_errors(part.t[:], host(net.predict(part.x[:])))
        for target, (rmse, r2) in zip(table.target_names, errors, strict=True):
            yield f"{name} of {target}: {fit_in_words(rmse, r2)}"
    if table.classes:

        def accuracy(x: np.ndarray, t: np.ndarray) -> float:
            return float(np.mean(host(net.class_numbers(x.reshape(len(x), *net.input_shape))) == t))

        yield from named_accuracy(table, accuracy)
