"""`pwl compare`: several algorithms on the same data, folds and starting networks."""

from __future__ import annotations

import argparse
from pathlib import Path

from pwl import data
from pwl.compare import CONTENDERS, Settings, compare, pick
from pwl.errors import InputError
from pwl.report import summarise, table_text, write_results

HELP = "compare algorithms on the same data, folds and starting networks"
DESCRIPTION = """Trains a net of the same start with each algorithm on each fold, prints one table and writes it, with every
run's record, to a folder. Errors are mean squared errors summed over the targets, in their raw units (cross-entropy for
classes), of the network with the lowest validation error: mean +- standard deviation over the folds."""
EXAMPLES = """examples:
  pwl compare
  pwl compare --hidden 10 --iterations 50 --algorithms hwo-molf,hwo-adact
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    default = Settings()
    parser.add_argument(
        "data", nargs="?", default="concrete", help="a named data set (default: concrete, which comes with the package)"
    )
    parser.add_argument("--algorithms", default=",".join(CONTENDERS), metavar="A,B,...", help="which of %(default)s")
    parser.add_argument(
        "--hidden", default="20", metavar="N[,N...]", help="units of the hidden layer, or layers (default: %(default)s)"
    )
    parser.add_argument(
        "--start", default=default.start, help="activation, from which curves start, too (default: %(default)s)"
    )
    parser.add_argument(
        "--hinges", type=int, default=default.hinges, help="hinges of each curve (default: %(default)s)"
    )
    parser.add_argument(
        "--iterations", type=int, default=default.iterations, help="iterations of each run (default: %(default)s)"
    )
    parser.add_argument(
        "--max-fail",
        type=int,
        default=None,
        help="end a run after so many iterations without a new lowest validation error",
    )
    parser.add_argument(
        "--folds",
        type=int,
        default=default.k,
        help="folds: one tests, one validates, the others train (default: %(default)s)",
    )
    parser.add_argument(
        "--seed", type=int, default=default.seed, help="of folds and starting weights (default: %(default)s)"
    )
    parser.add_argument(
        "--out", type=Path, default=Path("pwl-compare"), help="folder for table and records (default: %(default)s)"
    )


def run(options: argparse.Namespace) -> int:
    settings = Settings(
        hidden=whole_numbers(options.hidden, "--hidden"),
        start=options.start,
        hinges=options.hinges,
        iterations=options.iterations,
        k=options.folds,
        seed=options.seed,
        max_fail=options.max_fail,
    )
    names = options.algorithms.split(",")
    pick(names)
    x, t = data.load(options.data)
    print(f"{options.data}: {len(x)} patterns, {x.shape[1]} inputs; {settings.k} folds, {options.hidden} hidden units")
    outcomes = list(compare(x, t, names, settings))
    rows = summarise(outcomes)
    print(table_text(rows))
    write_results(options.out, rows, outcomes)
    print(f"table and records: {options.out}")
    return 0


def whole_numbers(text: str, option: str) -> tuple[int, ...]:
    """Whole numbers from "20" or "20,10"."""
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise InputError(
            f"{option} wants whole numbers with commas between them, such as 20 or 20,10, not {text!r}"
        ) from None
