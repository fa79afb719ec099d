"""`pwl compare`: several algorithms on the same data, folds and starting networks."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from pwl import page, plots
from pwl.cli import shape, source
from pwl.compare import CONTENDERS, Outcome, compare, data_folds, pick
from pwl.errors import InputError
from pwl.report import summarise, table_text, write_results
from pwl.write import write_atomic

HELP = "compare algorithms on the same data, folds and starting networks"
DESCRIPTION = """Trains a network of the same start with each algorithm on each fold. Prints one table, and writes it to a folder
with every run's record, pictures, and report.html, which holds all of it in one file.

Errors are squared errors summed over the targets, mean over the patterns, in the targets' raw units (cross-entropy for
classes), of the network with the lowest validation error: mean +- standard deviation over the folds."""
EXAMPLES = """examples:
  pwl compare
  pwl compare airfoil --algorithms molf,adact --folds 10 --jobs 2
  pwl compare houses.csv --target price --hidden 10 --hinges 9 --out houses
  pwl compare flowers.csv --target species --iterations 50
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    source.add_arguments(parser)
    shape.add_arguments(parser)
    group = parser.add_argument_group("comparison")
    group.add_argument(
        "--algorithms",
        default=",".join(CONTENDERS),
        metavar="A,B,...",
        help=f"of {', '.join(CONTENDERS)} (default: all)",
    )
    group.add_argument(
        "--folds",
        type=int,
        default=5,
        metavar="K",
        help="one part tests, one validates, the others train (default: %(default)s)",
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
    group.add_argument(
        "--out", type=Path, default=Path("pwl-compare"), metavar="FOLDER", help="results (default: %(default)s)"
    )


def run(options: argparse.Namespace) -> int:
    settings = shape.settings(options, options.folds, options.max_fail)
    names = list(dict.fromkeys(options.algorithms.split(",")))
    pick(names)
    if options.jobs < 1:
        raise InputError(f"--jobs must be 1 or more, not {options.jobs}")
    table = source.open_source(options)
    folds = data_folds(table.t, settings)
    shape.check_writable(options.out / "table.csv")
    print(f"{table.summary()}; {settings.k} folds, {options.hidden} hidden units")

    outcomes: list[Outcome] = []
    with progress(len(names) * settings.k * settings.iterations) as bar:

        def watch(name: str, fold: int, steps: int) -> None:
            bar.set_description(f"{name}, fold {fold + 1} of {settings.k}")
            bar.update(steps)

        try:
            for outcome in compare(table.x, table.t, names, settings, table.classes, options.jobs, watch):
                outcomes.append(outcome)
        except KeyboardInterrupt:
            print("pwl: interrupted; what is finished follows", file=sys.stderr)
    if not outcomes:
        return 130
    rows = summarise(outcomes)
    print(table_text(rows))
    write_results(options.out, rows, outcomes)
    pictures = plots.draw(
        outcomes, table.x, table.t, folds, options.out, names={"targets": table.target_names, "classes": table.classes}
    )
    report = options.out / "report.html"
    write_atomic(
        report, page.page(f"pwl compare: {table.name}", [table.summary(), *DESCRIPTION.split("\n\n")], rows, pictures)
    )
    print(f"table, records and pictures: {options.out}; all in one file: {report}")
    return 0 if len(outcomes) == len(names) * settings.k else 130


def progress(total: int) -> Any:
    """A bar on standard error that says what runs and how long is left; silent where that is no terminal."""
    from tqdm import tqdm

    return tqdm(total=total, unit="it", leave=False, disable=None)
