"""`pwl compare`: several algorithms on the same data, folds and starting networks."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import math
import platform
import sys
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from pwl import data, plots
from pwl.cli import device, paths, shape, source
from pwl.cli.kept import FOLDER, Kept, identity
from pwl.data.sets import DATA_SETS
from pwl.data.table import STREAM_BYTES
from pwl.errors import InputError
from pwl.files.text_table import aligned
from pwl.files.write import check_apart, check_writable, write_atomic
from pwl.learners.outcome import Outcome
from pwl.runtime.ranks import Communicator, Serial, ranks
from pwl.study import page
from pwl.study.baselines import CHOICES, COMPARED, COMPARED_ON_IMAGES, chosen
from pwl.study.compare import Settings, compare, data_folds
from pwl.study.page_data import live
from pwl.study.report import ALWAYS, check_ours, earlier, renewed, summarise, table_text, targets_lines, write_results
from pwl.study.verdict import verdict
from pwl.validate import whole
from pwl.version import VERSION

HELP = "compare algorithms on the same data, folds and starting networks"
MEANING = """E is the mean over the patterns of the squared error, summed over the targets in their raw units, or of the
cross-entropy for classes. The table gives the E of the network with the lowest validation error, as mean +- standard
deviation over the folds."""
DESCRIPTION = f"""Trains a network with each algorithm on each fold. All networks of a fold start from the same weights. Prints one
table, who wins, and whether that is significant. Writes it all to a folder: every run's record and network, pictures,
settings.json, and report.html, one page with all of this. Results of an earlier comparison in that folder are replaced, and
other files are left alone. Finished runs are kept there. After a crash or Ctrl-C, the same command with --resume goes on
without repeating them.

Beside the algorithms, ridge is ridge regression (for classes, logistic regression) and default is the default learner with one
network of each form. Neither needs validation data.

{MEANING}
{source.SCALES}"""
EXAMPLES = """examples:
  pwl compare
  pwl compare airfoil --algorithms molf,adact --folds 10 --jobs 2
  pwl compare houses.csv --target price --hidden 10 --hinges 9 --out houses
  pwl compare flowers.csv --target species --iterations 50
  pwl compare patients.csv --target score --group patient
  pwl compare cifar-10 --network vgg1 --algorithms adam,curved-adam --batch-size 128 --iterations 20 --folds 10
  pwl compare --data fashion-mnist --network vgg1 --algorithms sgd,curved-sgd --schedule cosine --flip --iterations 10
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    source.add_arguments(parser)
    shape.add_arguments(parser)
    group = parser.add_argument_group("comparison")
    device.add_arguments(group)
    group.add_argument(
        "--algorithms",
        metavar="A,B,...",
        help=f"from {', '.join(CHOICES)} (default: {','.join(COMPARED)}, or for images {','.join(COMPARED_ON_IMAGES)})",
    )
    group.add_argument(
        "--folds",
        type=int,
        default=5,
        metavar="K",
        help="number of folds: one part tests, one validates, the others train (default: %(default)s)",
    )
    group.add_argument(
        "--max-fail",
        type=int,
        metavar="N",
        help="end a run N iterations after the lowest validation error (default: never)",
    )
    group.add_argument(
        "--jobs", type=int, default=1, metavar="N", help="processes that share the runs (default: %(default)s)"
    )
    group.add_argument("--group", metavar="COLUMN", help="keep groups whole in the parts of each fold; the column is not an input")
    source.add_weights(group)
    group.add_argument("--resume", action="store_true", help="do only the runs that are not kept in --out")
    group.add_argument(
        "--out",
        type=paths.path,
        default=Path("pwl-compare"),
        metavar="FOLDER",
        help="folder of the results (default: %(default)s)",
    )


def run(options: argparse.Namespace) -> int:
    source.settle(options)
    device.settle(options)
    usual = COMPARED if options.network == "mlp" else COMPARED_ON_IMAGES
    names = list(dict.fromkeys(options.algorithms.split(","))) if options.algorithms else list(usual)
    learners, shaped = chosen(names), shape.shape(options)
    shape.check_used(shaped, learners)
    settings = Settings(
        **vars(shaped),
        iterations=shape.iterations(options),
        k=options.folds,
        seed=options.seed,
        max_fail=options.max_fail,
        device=options.device,
    )
    whole("--folds", settings.k, 3, also=" (one part tests, one validates, the others train)")
    whole("--jobs", options.jobs)
    comm = ranks()
    if comm.size > 1 and options.jobs > 1:
        raise InputError(f"--jobs {options.jobs} came with {comm.size} ranks, which share the runs already: leave --jobs out")
    table = source.opened(options, comm if is_large(options.data) else Serial())
    if not options.algorithms and table.comm.size > 1:  # baselines are not shared out
        names = [name for name in names if name in learners]
    if settings.k > table.count:
        raise InputError(
            f"--folds {settings.k} is more than the {table.count} patterns of {table.name}: each part needs a pattern"
        )
    print(f"{table.summary()}; {settings.k} folds, {shape.in_words(settings)}")
    asked = identity(table.summary(), table.x, table.t, settings, table.comm, table.weights, table.groups)
    kept = Kept(options.out / FOLDER, asked)
    done = comm.same(begun(options, kept, names) if comm.rank == 0 else None)
    if (left := table.count - 2 * math.ceil(table.count / settings.k)) < 2:
        raise InputError(f"--folds {settings.k} of {table.count} patterns leaves {left} to train on, wanted two: add patterns")
    jobs = comm if comm.size > table.comm.size else options.jobs
    outcomes = finished(table, names, settings, jobs, kept if comm.rank == 0 else None, done)
    total = len(names) * settings.k
    if outcomes:
        about = facts(table, names, settings, options, f"{len(outcomes)} of {total}")
        write(table, outcomes, settings, about, options.out, comm.rank)
    if len(outcomes) < total:
        return 130
    if comm.rank == 0:
        kept.clear()
    return 0


def is_large(name: str) -> bool:
    """Whether ranks share the patterns of each run, because the table is too large for one of them. Else they share the runs."""
    path = Path(name)
    return name not in DATA_SETS and (path.is_dir() or (path.is_file() and path.stat().st_size > STREAM_BYTES))


def begun(options: argparse.Namespace, kept: Kept, names: list[str]) -> dict[tuple[str, int], Outcome]:
    """The runs of an earlier comparison that this one goes on from. Raises InputError if the results can't be written."""
    check_folder(options)
    if options.resume:
        return kept.read(names)
    kept.begin()
    return {}


def check_folder(options: argparse.Namespace) -> None:
    """Raises InputError if the results can't be written, or would replace a file that is read or is not ours."""
    check_writable(options.out / "table.csv")
    check_ours(options.out)
    check_apart(Path(options.data), [options.out / name for name in (*ALWAYS, *earlier(options.out))])


def finished(
    table: source.Source,
    names: list[str],
    settings: Settings,
    jobs: int | Communicator,
    kept: Kept | None,
    done: dict[tuple[str, int], Outcome],
) -> list[Outcome]:
    """Does the runs that are not done. Ctrl-C ends them, and the outcomes so far are returned and kept, by rank 0 alone."""
    outcomes: list[Outcome] = []
    with progress(len(names) * settings.k * settings.iterations) as bar:

        def watch(name: str, fold: int, steps: int) -> None:
            bar.set_description(f"{name}, fold {fold + 1} of {settings.k}")
            bar.update(steps)

        try:
            for outcome in compare(
                table.x, table.t, names, settings, table.classes, jobs, watch, done, table.weights, table.comm, table.groups
            ):
                outcome.record.settings["data"] = table.name
                outcomes.append(outcome)
                if kept is not None and (outcome.name, outcome.fold) not in done:
                    kept.add(outcome)
        except KeyboardInterrupt:
            follows = "finished runs follow; --resume goes on after them" if outcomes else "no run was finished"
            print(f"pwl: interrupted; {follows}", file=sys.stderr)
    return outcomes


def write(
    table: source.Source, outcomes: list[Outcome], settings: Settings, about: Mapping[str, Any], folder: Path, rank: int
) -> None:
    """Prints the table, and writes everything to the folder, by rank 0 alone. Pictures are of the patterns that it has."""
    every = data_folds(table.t, settings, table.comm, table.groups)
    folds = [data.Fold(*map(table.own, fold)) for fold in every]
    rows, found = summarise(outcomes), verdict(outcomes, (len(every[0].train), len(every[0].test)))
    if found is not None:
        rows = [{**row, "p_against_best": found.p.get(row["algorithm"])} for row in rows]
    text, targets = table_text(rows), []
    if table.classes is None:
        targets = targets_lines(outcomes, table.x, table.t, folds, table.target_names, table.comm)
        text += "\n\n" + aligned(targets, range(1, len(targets[0])))
    if rank > 0:
        return
    said = [] if found is None else found.sentences()
    if said:
        text += "\n\n" + " ".join(said)
    names = {"inputs": table.schema.input_names if table.schema else None, "targets": table.target_names, "classes": table.classes}
    with renewed(folder, about) as room:
        links = write_results(room, rows, text, outcomes, table.schema)
        print(text)
        with note("drawing pictures"):
            pictures = plots.draw(outcomes, table.x, table.t, folds, room, names=names)
            report = page.Report(
                f"pwl compare: {table.name}",
                summary=about["data"],
                verdict=said,
                meaning=MEANING.replace("\n", " "),
                rows=rows,
                best="" if found is None else found.best,
                targets=targets,
                pictures=pictures,
                facts=in_words(about),
                links=links | {"pictures": [picture.path.name for picture in pictures]},
                live=live(outcomes),
            )
            write_atomic(room / "report.html", page.page(report))
    print(f"table, records, networks and pictures: {folder}; all of it on one page: {folder / 'report.html'}")


def facts(
    table: source.Source, names: list[str], settings: Settings, options: argparse.Namespace, finished: str
) -> dict[str, Any]:
    """The settings of a comparison, for those who read its results later."""
    shared = dataclasses.asdict(settings)
    part = {} if table.comm.size == 1 else {"ranks": table.comm.size, "patterns_in_pictures": len(table.x)}
    columns = {name: column for name in ("group", "weights") if (column := getattr(options, name))}
    return {
        "data": table.summary(),
        **part,
        **columns,
        "algorithms": names,
        "folds": shared.pop("k"),
        **shared,
        "runs_finished": finished,
        "date": datetime.now().astimezone().isoformat(timespec="seconds"),
        "versions": {"pwl": VERSION, "python": platform.python_version(), "numpy": np.__version__},
    }


def in_words(about: Mapping[str, Any]) -> dict[str, str]:
    """The facts but the data, as words by name."""

    def words(value: Any) -> str:
        if isinstance(value, dict):
            return ", ".join(f"{name} {version}" for name, version in value.items())
        return ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else ("none" if value is None else str(value))

    return {name.replace("_", " "): words(about[name]) for name in list(about)[1:]}


@contextlib.contextmanager
def note(words: str) -> Iterator[None]:
    """Shows some words on a terminal until the block ends."""
    if not sys.stderr.isatty():
        yield
        return
    print(f"{words} ...", end="\r", file=sys.stderr, flush=True)
    try:
        yield
    finally:
        print(" " * (len(words) + 4), end="\r", file=sys.stderr, flush=True)


def progress(total: int) -> tqdm:
    """A bar on standard error with the current run and the time left. It is silent if that is not a terminal."""
    return tqdm(total=total, unit="it", leave=False, disable=None)
