"""`pwl train --ensemble`: the networks of the default learner, whose mean predicts."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from pwl.cli import parts
from pwl.cli.scores import fit_in_words
from pwl.cli.source import Source, counted
from pwl.data.image_folder import is_image_folder
from pwl.data.preparation import Preparation
from pwl.errors import InputError
from pwl.learners.ensemble import Ensemble, likely
from pwl.learners.learn import Learned, learn
from pwl.learners.named import Shape
from pwl.learners.plan import plan
from pwl.reductions.patterns import Patterns
from pwl.runtime.backend import host
from pwl.study.compare import Settings
from pwl.study.report import target_errors


def check(options: argparse.Namespace, shaped: Shape, ranks: int) -> None:
    """Raises InputError for options that the default learner doesn't take."""
    if is_image_folder(Path(options.data)):
        raise InputError(f"--ensemble is for tables, but {options.data} holds images: name an --algorithm instead")
    if options.resume:
        raise InputError("--ensemble keeps no checkpoint to go on from: run without --resume")
    if ranks > 1 or options.device != "cpu":
        raise InputError("--ensemble trains its networks on the cores of one machine: run it without mpiexec and --device")
    if options.error_sample is not None:
        raise InputError("--error-sample is for a single network that trains by batches: leave it out with --ensemble")
    plain = dataclasses.replace(Shape(), hidden=shaped.hidden)
    if options.algorithm or shaped != plain or options.iterations != Settings().iterations:
        raise InputError(
            "--ensemble leaves algorithms, networks and iterations to the default learner: of their options it takes --hidden only"
        )


def trained(
    options: argparse.Namespace, shaped: Shape, table: Source, found: parts.Parts, preparation: Preparation, patterns: Patterns
) -> Learned:
    """The networks and the record of one of them. Raises InputError for images, and KeyboardInterrupt on Ctrl-C."""
    if table.x.ndim > 2:
        raise InputError(f"--ensemble is for tables, but {table.name} holds images: name an --algorithm instead")
    classes = bool(table.classes)
    chosen = plan(
        patterns.count(), table.x.shape[1], len(preparation.target_scale), classes=classes,
        hidden=shaped.hidden if options.hidden else None, seconds=options.max_seconds,
    )  # fmt: skip
    validation = parts.patterns(found.validation, preparation)
    print(chosen.words(validation is not None), flush=True)
    return learn(
        patterns, preparation, chosen, validation=validation,
        bounds=None if classes else likely(table.t[found.train]), max_fail=options.max_fail, seed=options.seed,
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
