"""`pwl train`: the networks of the default learner, or one network, from one table."""

from __future__ import annotations

import argparse
import dataclasses
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from pwl import data
from pwl.cli import choice, device, ensemble, parts, paths, shape, source
from pwl.cli.scores import fit_in_words
from pwl.data.preparation import Preparation
from pwl.data.rows import Rows
from pwl.data.shares import everywhere
from pwl.errors import InputError
from pwl.files.write import check_apart, check_writable
from pwl.learners import ensemble_file
from pwl.learners.ensemble import Ensemble
from pwl.learners.learn import with_deviations
from pwl.learners.named import LEARNERS, network, rescale
from pwl.learners.plan import Plan
from pwl.network.network import Network
from pwl.network.save import save
from pwl.reductions.patterns import Patterns
from pwl.runtime.backend import host
from pwl.runtime.ranks import ranks
from pwl.study.report import target_errors
from pwl.training.checkpoint import Checkpoint
from pwl.training.record import Record
from pwl.training.train import evaluate, train

HELP = "train networks on a table and save them"
DESCRIPTION = f"""Trains on a table, and saves the result with its preparation, the table's columns and its training record.

Without options of network and training, the default learner trains several networks, whose mean predicts. What they are
follows from the size of the table, and a fit takes from seconds to about two minutes, or --max-seconds. Ctrl-C saves the
networks that are trained by then.

One network is trained with --single, --resume, --algorithm, --iterations, --checkpoint-seconds, --error-sample, or another
option of network and training that changes its default, but for --hidden, --patterns and --seed; on several ranks and on
a GPU; and on a million rows and more. The one with the lowest validation error is saved. A checkpoint is kept beside its
file. After a crash or Ctrl-C, the same command with --resume goes on from the checkpoint to the same bits. A finished run
goes on with more --iterations, unless a --schedule spans them, or with a larger --max-fail if that ended it. When a run is
finished for good, you may delete its checkpoint.

A part of the patterns validates one network. The default learner's leave patterns out in turn, unless --validation says
otherwise. The part is drawn by the seed, with the same share of each class; --ordered takes the last patterns, --group
keeps groups together, in what networks leave out as well, and --validation can name a file of its own.

{source.SCALES}"""
CHECKPOINT_SECONDS = 30.0
EXAMPLES = """examples:
  pwl train
  pwl train houses.csv --target price --out houses.safetensors
  pwl train houses.csv --target price --out houses.safetensors --single
  pwl train houses.csv --target price --out houses.safetensors --iterations 300 --max-fail 60 --resume
  pwl train sales.csv --ordered --validation 0.2 --test 0.1
  pwl train patients.csv --target score --group patient
  pwl train fashion-mnist --network vgg2 --algorithm curved-adam --batch-size 128 --iterations 10
  pwl train birds/ --image-size 64 --flip --iterations 20 --batch-size 64
  pwl train --network vgg2 --data cifar-10 --algorithm adam --learning-rate 0.002 --schedule one_cycle --shift 4 --flip
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    source.add_arguments(parser)
    shape.add_arguments(parser)
    group = parser.add_argument_group("run")
    device.add_arguments(group)
    group.add_argument(
        "--algorithm",
        metavar="NAME",
        help=f"one of {', '.join(LEARNERS)} (default: by the size of the table, for networks for images {choice.CURVED}, "
        "for folders of images minibatch-adact)",
    )
    parts.add_arguments(group, None, f"{parts.SHARE} for one network and with --ordered, otherwise none")
    source.add_weights(group)
    group.add_argument(
        "--max-fail",
        type=int,
        default=20,
        metavar="N",
        help="stop N iterations after the lowest validation error (default: %(default)s)",
    )
    add_error_sample(group)
    group.add_argument("--max-seconds", type=float, metavar="S", help="stop after this many seconds")
    group.add_argument(
        "--single", action="store_true", help="train one network by the default learner's choice, which --resume can go on from"
    )
    add_file(group, "net.safetensors")


def add_file(group: argparse._ActionsContainer, name: str) -> None:
    """Adds the options of the network's file and of the checkpoint beside it."""
    group.add_argument(
        "--out", type=paths.path, default=Path(name), metavar="FILE", help="file of the network (default: %(default)s)"
    )
    group.add_argument("--resume", action="store_true", help="go on from the checkpoint beside --out")
    group.add_argument(
        "--checkpoint-seconds",
        type=float,
        metavar="S",
        help=f"seconds between checkpoints (default: {CHECKPOINT_SECONDS:g})",
    )


def seconds_between(options: argparse.Namespace) -> float:
    """The seconds between checkpoints."""
    return CHECKPOINT_SECONDS if options.checkpoint_seconds is None else options.checkpoint_seconds


def add_error_sample(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--error-sample", type=int, metavar="N",
        help="with batches, measure the training error on N patterns drawn by the seed, which takes less time (default: on all)",
    )  # fmt: skip


def check_error_sample(count: int | None, batch_size: int | None, algorithm: str) -> None:
    """Raises InputError for a sample if the algorithm has no batches."""
    if count is not None and batch_size is None:
        raise InputError(f"--error-sample is for training by batches, but {algorithm} has none: leave it out")


def run(options: argparse.Namespace) -> int:
    source.settle(options)
    device.settle(options)
    shaped = shape.shape(options)
    choose = choice.named(options, shaped)
    comm, given = ranks(), options.validation
    several = ensemble.wanted(options, shaped, comm.size)
    options.validation = given or (parts.SHARE if options.ordered or not several else "0")
    parts.settle(options, leaves_groups=several)
    shape.check_seconds("--max-seconds", options.max_seconds)
    shape.check_seconds("--checkpoint-seconds", options.checkpoint_seconds)
    if comm.rank == 0:
        check_files(options, checkpoint_of(options))
    table = source.opened(options, comm)
    found = parts.divide(table, options)
    if several:
        plan = ensemble.planned(options, shaped, table, found)
        if isinstance(plan, Plan):
            return train_several(options, plan, table, found)
        print(plan)
        if given is None:
            options.validation = float(parts.SHARE)
            found = parts.divide(table, options)
    return train_one(options, choose or choice.chosen(options, shaped, table, found.trains), table, found)


def train_one(options: argparse.Namespace, choose: choice.Choice, table: source.Source, found: parts.Parts) -> int:
    """Trains one network, which a checkpoint keeps."""
    name, learner, shaped, reason = choose
    print(f"{table.summary()}; {shape.in_words(shaped)}, {name}")
    if reason is not None:
        print(reason)
    if options.group:
        print(f"validation: {found.words}")
    steps: list[None] = []
    checkpoint = checkpoint_of(options)
    preparation, patterns = prepared(table, found)
    validation = parts.patterns(found.validation, preparation)
    iterations = shape.iterations(options)
    batch_size = shaped.batch(learner, range(patterns.count()))
    check_error_sample(options.error_sample, batch_size, name)
    net, record = train(
        network(learner, shaped, table.x.shape[1:], preparation, options.seed).to(options.device),
        patterns,
        shaped.algorithm(learner, range(patterns.count()), iterations),
        iterations=iterations,
        batch_size=batch_size,
        error_sample=options.error_sample,
        augment=shaped.augment,
        validation=validation,
        test=parts.patterns(found.test, preparation),
        max_fail=options.max_fail,
        max_seconds=options.max_seconds,
        callback=lambda *_: steps.append(None),
        checkpoint=Checkpoint(checkpoint, seconds_between(options)),
        resume=checkpoint if options.resume else None,
        progress=True,
        seed=options.seed,
    )
    net = with_deviations(net, patterns, learner.algorithm, record, validation)
    rescale(record, preparation)
    record.settings |= {
        "data": table.name,
        "validation": found.words,
        "start_seed": options.seed,
        "device": options.device,
    }
    if reason is not None:
        record.settings["learner"] = reason
    net = dataclasses.replace(net, preparation=preparation)
    if table.comm.rank == 0:
        save_somewhere(net, options.out, record, table.schema)
    if options.resume and not steps:
        print(f"nothing was left to do, because {checkpoint} holds a run that has ended")
    for line in outcome(net, table, found, record):
        print(line)
    print(f"stopped: {record.stop_reason}")
    print(f"saved: {options.out}")
    return 130 if record.stop_code == "interrupted" else 0


def checkpoint_of(options: argparse.Namespace) -> Path:
    """The file of the checkpoint."""
    return Path(f"{options.out}.checkpoint")


def train_several(options: argparse.Namespace, plan: Plan, table: source.Source, found: parts.Parts) -> int:
    """Trains the default learner's networks instead of one."""
    print(f"{table.summary()}; the default learner")
    preparation, patterns = prepared(table, found)
    net, record, interrupted, score = ensemble.learned(options, plan, table, found, preparation, patterns)
    with ensemble.patient():
        rescale(record, preparation)
        validation = "patterns that each network leaves out" if found.validation is None else found.words
        record.settings |= {"data": table.name, "validation": validation, "start_seed": options.seed}
        save_somewhere(net, options.out, record, table.schema)
    for line in ensemble.outcome(net, record.settings["forms"], score, table, found):
        print(line)
    if interrupted:
        print("stopped: interrupted from the keyboard; networks that were not trained by then are missing")
    print(f"saved: {options.out}")
    return 130 if interrupted else 0


def prepared(table: source.Source, found: parts.Parts) -> tuple[Preparation, Patterns]:
    """The preparation by the patterns that train, and these patterns."""
    kept = found.train
    preparation = Preparation.fit(
        Rows(table.x, kept),
        Rows(table.t, kept),
        targets="common",
        classes=table.classes,
        weights=None if table.weights is None else table.weights[kept],
        comm=table.comm,
    )
    return preparation, Patterns.prepared(table.x, table.t, preparation, kept, table.weights, table.comm)


def check_files(options: argparse.Namespace, checkpoint: Path) -> None:
    """Raises InputError if a file can't be written, would replace one that is read, or is missing."""
    for path in (options.out, checkpoint):
        check_apart(path, [options.data, *parts.files(options)])
        check_writable(path)
    several = options.resume and options.out.exists() and ensemble_file.is_one(options.out)
    if several and checkpoint.exists():
        raise InputError(f"{options.out} holds several networks, but {checkpoint} is of a single one: give --out another name")
    if several:
        raise InputError(f"{options.out} holds several networks, which keep no checkpoint: train one by --single to resume it")
    if options.resume and not checkpoint.exists():
        raise InputError(f"there is no checkpoint {checkpoint} to go on from: run without --resume")


def outcome(net: Network, table: source.Source, found: parts.Parts, record: Record) -> Iterator[str]:
    """Lines about the errors of the best network."""
    best = record.best_iteration
    errors = [f"{name.replace('_', ' ')} {record[name][best]:.6g}" for name in record.series if name.endswith("error")]
    sample = record.settings.get("error_sample")
    of = "" if sample is None else f"; the training errors are those of {source.counted(sample, 'pattern')}"
    yield f"best of {source.counted(record.iterations, 'iteration')}: {best}; {', '.join(errors)}{of}"
    yield from single_targets(net, table, found)
    yield from accuracies(net, table, record)


def save_somewhere(net: Network | Ensemble, out: Path, record: Record, schema: data.Schema) -> None:
    """Save the network as `out`, or among the temporary files if that fails, as on a full disk, and then say so.

    Raises InputError for a network that is not in `out`, with the place where it is.
    """
    write: Callable[..., None] = save if isinstance(net, Network) else ensemble_file.save
    try:
        write(net, out, record, schema)
    except InputError as failure:
        kept = Path(tempfile.mkdtemp(prefix="trained-")) / (out.name or "net.safetensors")
        try:
            write(net, kept, record, schema)
        except InputError:
            kept.parent.rmdir()
            raise failure from None
        raise InputError(f"{failure}; the trained network is kept as {kept}") from None


def single_targets(net: Network, table: source.Source, found: parts.Parts) -> Iterator[str]:
    """Lines about each of several targets in the parts that were held out, and about one target in the test part."""
    for name, part in (("validation", found.validation), ("test", found.test)):
        if part is None or table.classes or (len(table.target_names) == 1 and name == "validation"):
            continue
        y, t = (everywhere(table.comm, a) for a in (host(net.predict(part.x[:])), part.t[:]))
        for target, (rmse, r2) in zip(table.target_names, target_errors(t, y), strict=True):
            yield f"{name} of {target}: {fit_in_words(rmse, r2)}"


def accuracies(net: Network, table: source.Source, record: Record) -> Iterator[str]:
    """Lines about the share of patterns in the right class, in the validation part and in a named set's test part."""
    if not table.classes:
        return
    for part in ("validation", "test"):
        if f"{part}_classification_error" in record:
            yield f"{part} accuracy: {1 - record[f'{part}_classification_error'][record.best_iteration]:.2%}"
    yield from source.named_accuracy(table, lambda x, t: 1 - (wrong_of(net, x, t) or 0))


def wrong_of(net: Network, x: np.ndarray, t: np.ndarray) -> float | None:
    """The share of raw patterns in the wrong class."""
    return evaluate(net, Patterns(x.reshape(len(x), *net.input_shape), t, preparation=net.preparation)).classification_error
