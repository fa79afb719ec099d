"""The algorithm of `pwl train`: the one that was named, or the default learner's choice for the table's size."""

from __future__ import annotations

import argparse
import dataclasses
import math
from typing import NamedTuple

from pwl.cli import shape
from pwl.cli.source import Source
from pwl.learners.named import LEARNERS, Learner, Shape, pick
from pwl.learners.plan import FIRST_ORDER, plan

CURVED = "hwo-adact"  # for images, and where options speak of curves, batches or another loss


class Choice(NamedTuple):
    """The name of an algorithm, the algorithm, the shape of its network, and why it was chosen, if it was."""

    name: str
    learner: Learner
    shape: Shape
    reason: str | None


def named(options: argparse.Namespace, shaped: Shape) -> Choice | None:
    """The algorithm that the options name or imply, or None if the table decides."""
    default = Shape()
    speaks = ("hinges", "batch_size", "learning_rate", "curve_rate", "schedule", "augment", "loss")
    name = options.algorithm
    if name is None and shaped.network == "mlp" and all(getattr(shaped, o) == getattr(default, o) for o in speaks):
        return None
    name = name or CURVED
    learner = pick([name])[name]
    shape.check_used(shaped, {name: learner})
    return Choice(name, learner, shaped, None)


def chosen(options: argparse.Namespace, shaped: Shape, table: Source, patterns: int) -> Choice:
    """The default learner's choice for numbers, of its networks the first with curved inputs.

    For classes a single network is better judged by the patterns that validate than by its evidence, so it is AdAct, unless a pass
    over all patterns for each step would take too long.
    """
    if table.classes and patterns < FIRST_ORDER:
        return Choice(CURVED, LEARNERS[CURVED], shaped, None)
    outputs, inputs = len(table.classes or table.target_names), math.prod(table.x.shape[1:])
    found = plan(patterns, inputs, outputs, classes=bool(table.classes), hidden=shaped.hidden if options.hidden else None)
    form = next((form for form in found.forms if form.hinges), found.forms[0])
    hinges = form.hinges if shaped.input_hinges is None else shaped.input_hinges
    own = dataclasses.replace(shaped, hidden=form.hidden, input_hinges=hinges)
    algorithm, batch_size = form.training.algorithm, form.training.batch_size
    reason = f"as by default for {patterns} patterns: {form._replace(hinges=hinges)}"
    return Choice(
        type(algorithm).__name__, Learner(algorithm, batch_size=batch_size), own, found.reason if len(found.forms) == 1 else reason
    )
