"""Tables of MLPs: every algorithm on ten data sets, ten folds each, from the same starting weights.

8 parts of the data train, 1 validates, 1 tests. Inputs are standardised, targets scaled by one common factor; errors are in raw
units, summed over outputs. 20 sigmoid hidden units with bypass (Twod 27, Mattrn 30, as published), from which curves start, too
(13 hinges); names with "tanh" start from that, and "auto" curves have few knots that grow. Adam and SGD run in minibatches of 32
patterns, of 128 where there are more than 2,500; an iteration is an epoch: of four learning rates the one with the lowest
validation error counts, and the seconds are those of its run alone.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import pwl
from benchmarks.mlp import published
from benchmarks.mlp.tables import picture, ranking, tables
from benchmarks.shared.cells import Cells
from pwl.data.rows import Rows
from pwl.files.write import write_atomic
from pwl.learners.named import CONTENDERS, Contender, Shape, network, rescale
from pwl.runtime.threads import workers
from pwl.study.compare import environment, warm

SETS = (
    "concrete", "twod", "mattrn", "white-wine", "red-wine", "abalone", "airfoil", "california", "parkinsons", "fm",
)  # fmt: skip
ALGORITHMS = (
    "hwo-adact", "adact", "molf", "hwo-molf", "owo-bp", "cg", "scg", "lm", "varpro", "bayesian-lm", "lbfgs",
    "hwo-adact auto tanh", "hwo-molf tanh", "lm tanh", "varpro tanh", "adam",
)  # fmt: skip
RATES = {"adam": (0.001, 0.003, 0.01, 0.03), "sgd": (0.003, 0.01, 0.03, 0.1)}
FOLDS, ITERATIONS, POINTS, FEW = 10, 100, 50, 2500
SERIES = ("error", "validation_error", "test_error", "seconds", "multiplies", "own_multiplies")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS), help="data sets (default: all)")
    parser.add_argument("--names", nargs="+", default=list(ALGORITHMS), help="algorithms (default: all that there are)")
    parser.add_argument(
        "--folds", type=int, nargs="+", default=list(range(FOLDS)), help="folds from 0 on (default: all)"
    )
    parser.add_argument("--iterations", type=int, default=ITERATIONS, help="of each run (default: %(default)s)")
    parser.add_argument("--jobs", type=int, default=1, help="processes side by side (default: %(default)s)")


def run(
    out: Path,
    quick: bool,
    sets: list[str],
    names: list[str],
    folds: list[int],
    iterations: int = ITERATIONS,
    jobs: int = 1,
) -> None:
    """Builds the cells that are missing, then the table of all cells of the selection, and the pictures."""
    if quick:
        sets, folds, iterations = sets[:2], folds[:2], min(iterations, 20)
    missing = [name for name in names if not known(name)]
    if missing:
        print(f"not run, there is no such algorithm: {', '.join(missing)}")
    names = [name for name in names if known(name)]
    sets = [data for data in sets if at_hand(data)]
    tasks = [
        Task(out / "mlp.jsonl", data, name, fold, iterations, jobs) for fold in folds for data in sets for name in names
    ]
    results = dict(zip([(task.data, task.name, task.fold) for task in tasks], spread(tasks, jobs), strict=True))
    text = tables(results, sets, names, folds)
    title = "mlp" if iterations == ITERATIONS else f"mlp_{iterations}"
    write_atomic(out / f"{title}.md", text)
    write_atomic(out / f"{title}_ranks.md", ranking(results, sets, names, folds, "test E, best"))
    for data in sets:
        own = {name: [results[data, name, fold] for fold in folds] for name in names}
        write_atomic(out / title / f"{data}.png", picture(own, data))
    print(text)


def known(name: str) -> bool:
    """Whether there is such an algorithm: words after it say where it starts from."""
    return name.split()[0] in CONTENDERS


def start(name: str, data: str) -> Shape:
    """Sigmoids and, for curves, 13 hinges, as in the published tables; "tanh" and "auto" in a name say otherwise."""
    words = name.split()[1:]
    hinges = "auto" if "auto" in words else 13
    return Shape((published.HIDDEN.get(data, 20),), "tanh" if "tanh" in words else "sigmoid", hinges)


def at_hand(data: str) -> bool:
    try:
        pwl.data.load(data)
    except pwl.InputError as missing:
        print(f"{data}: not run ({missing})")
        return False
    return True


class Task(NamedTuple):
    """A cell of the table, and the file that keeps it."""

    file: Path
    data: str
    name: str
    fold: int
    iterations: int
    jobs: int

    @property
    def key(self) -> str:
        return f"{self.data}-{self.name.replace(' ', '-')}-{self.iterations}-{self.fold}"


def spread(tasks: list[Task], jobs: int) -> list[dict[str, Any]]:
    """The cells of the tasks; those that are not there yet are computed, by so many processes, each on its share of the cores."""
    if not tasks:
        return []
    cells = Cells(tasks[0].file)
    absent = [task for task in tasks if task.key not in cells]
    if absent and jobs > 1:
        context = multiprocessing.get_context("spawn")
        with contextlib.ExitStack() as stack:
            pool = stack.enter_context(ProcessPoolExecutor(min(jobs, len(absent)), context, initializer=warm))
            with environment(max(1, workers() // jobs)):
                found = [pool.submit(one, task) for task in absent]  # starts the processes
            for future in found:
                future.result()
    elif absent:
        warm()
    return [one(task, cells) for task in tasks]


def one(task: Task, cells: Cells | None = None) -> dict[str, Any]:
    """A task's cell. A process of its own opens the file itself."""
    cells = cells or Cells(task.file)
    return cells.cell(task.key, lambda: train_one(*task[1:]))


def train_one(data: str, name: str, fold: int, iterations: int, jobs: int = 1) -> dict[str, Any]:
    """One algorithm on one fold; of several settings the one with the lowest validation error."""
    runs = [train_with(data, contender, start(name, data), fold, iterations) for contender in candidates(name, data)]
    scores = [record["validation_error"][record.best_iteration] for record in runs]
    record = runs[int(np.nanargmin(scores))]
    best, shown = record.best_iteration, thinned(len(record), record.best_iteration)
    return {
        "algorithm": name, "data": data, "fold": fold, "folds": FOLDS, "settings": record.settings,
        "searched": len(runs), "iterations": record.iterations, "stop": record.stop_code, "best_iteration": best,
        "final": {part: record[part][-1] for part in SERIES}, "best": {part: record[part][best] for part in SERIES},
        "timing": f"{jobs} processes side by side, {workers()} threads each",
        "at": shown, "series": {part: rounded([record[part][i] for i in shown]) for part in SERIES},
    }  # fmt: skip


def candidates(name: str, data: str) -> list[Contender]:
    """The contender, once for each learning rate that is tried."""
    contender = CONTENDERS[name.split()[0]]
    if name not in RATES:
        return [contender]
    contender = dataclasses.replace(contender, batch_size=32 if len(pwl.data.load(data)[0]) <= FEW else 128)
    return [
        dataclasses.replace(contender, algorithm=dataclasses.replace(contender.algorithm, learning_rate=rate))
        for rate in RATES[name]
    ]


def train_with(data: str, contender: Contender, shape: Shape, fold: int, iterations: int) -> pwl.Record:
    """The record of a run, errors in raw units. The fold's number is the seed of the starting weights."""
    x, t = pwl.data.load(data)
    rows = pwl.data.folds(len(x), FOLDS, 0)[fold]
    preparation = pwl.Preparation.fit(Rows(x, rows.train), Rows(t, rows.train), targets="common")
    parts = {part: pwl.Patterns.prepared(x, t, preparation, own) for part, own in rows._asdict().items()}
    net = network(contender, shape, x.shape[1:], preparation, seed=fold)
    _, record = pwl.train(
        net, parts["train"], contender.algorithm, iterations=iterations, validation=parts["validation"],
        test=parts["test"], max_fail=iterations + 1, batch_size=contender.batch(parts["train"]), seed=fold,
    )  # fmt: skip
    rescale(record, preparation)
    return record


def thinned(length: int, best: int) -> list[int]:
    """About POINTS of the iterations 0 to length - 1, dense at the beginning, as on a logarithmic axis; and the best."""
    last = length - 1
    few = np.unique(np.round(np.geomspace(1, last, POINTS)).astype(int)) if last else []
    return sorted({0, best, last, *map(int, few)})


def rounded(values: list[Any]) -> list[Any]:
    """Six digits: enough for pictures."""
    return [None if value is None else float(f"{value:.6g}") for value in values]
