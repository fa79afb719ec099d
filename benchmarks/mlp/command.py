"""Tables of MLPs: every algorithm on ten data sets, with ten folds each, from the same starting weights.

8 parts of the data train, 1 validates and 1 tests. Inputs are standardised, and targets are scaled by one common
factor. Errors are in raw units, summed over outputs. Networks have 20 sigmoid hidden units with bypass, but 27 for Twod
and 30 for Mattrn, as published. Curves have 13 hinges and start from the sigmoid, too. Names with "tanh" start from
tanh instead, "auto" curves begin with few knots and grow, and "inputs" puts curves on the inputs as well. Adam and SGD
run in minibatches of 32 patterns, or of 128 if a set has more than 2,500. An iteration of theirs is an epoch. They try
four learning rates, and the run with the lowest validation error counts. The seconds are those of that run alone.
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
from pwl.learners.named import LEARNERS, Learner, Shape, network, rescale
from pwl.runtime.threads import workers
from pwl.study.compare import warm
from pwl.study.processes import environment

SETS = (
    "concrete", "twod", "mattrn", "white-wine", "red-wine", "abalone", "airfoil", "california", "parkinsons", "fm",
)  # fmt: skip
ALGORITHMS = (
    "hwo-adact", "adact", "molf", "hwo-molf", "owo-bp", "cg", "scg", "lm", "varpro", "bayesian-lm", "lbfgs",
    "hwo-adact auto tanh", "hwo-molf tanh", "lm tanh", "varpro tanh", "adam",
    "adact-damped auto tanh", "adact-damped auto tanh inputs", "molf-damped tanh inputs", "hwo-molf tanh inputs", "scg tanh inputs",
    "cg tanh inputs", "lm tanh inputs",
)  # fmt: skip
RATES = {"adam": (0.001, 0.003, 0.01, 0.03), "sgd": (0.003, 0.01, 0.03, 0.1)}
FOLDS, ITERATIONS, POINTS, FEW = 10, 100, 50, 2500
SERIES = ("error", "validation_error", "test_error", "seconds", "multiplies", "own_multiplies")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS), help="data sets (default: all)")
    parser.add_argument("--names", nargs="+", default=list(ALGORITHMS), help="algorithms (default: all)")
    parser.add_argument(
        "--folds", type=int, nargs="+", default=list(range(FOLDS)), help="folds, counted from 0 (default: all)"
    )
    parser.add_argument("--iterations", type=int, default=ITERATIONS, help="iterations per run (default: %(default)s)")
    parser.add_argument("--title", help="name of the tables and of the folder of pictures (default: mlp, and the iterations)")
    parser.add_argument("--jobs", type=int, default=1, help="processes side by side (default: %(default)s)")


def run(
    out: Path,
    quick: bool,
    sets: list[str],
    names: list[str],
    folds: list[int],
    iterations: int = ITERATIONS,
    jobs: int = 1,
    title: str | None = None,
) -> None:
    """Computes the missing cells of the selection, then writes its tables and pictures."""
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
    title = title or ("mlp" if iterations == ITERATIONS else f"mlp_{iterations}")
    write_atomic(out / f"{title}.md", text)
    write_atomic(out / f"{title}_ranks.md", ranking(results, sets, names, folds, "test E, best"))
    for data in sets:
        own = {name: [results[data, name, fold] for fold in folds] for name in names}
        write_atomic(out / title / f"{data}.png", picture(own, data))
    print(text)


def known(name: str) -> bool:
    """Whether the first word of a name is an algorithm. Further words tell how it starts."""
    return name.split()[0] in LEARNERS


def start(name: str, data: str) -> Shape:
    """The hidden units, activation and hinges for a name on a data set.

    They are sigmoids and, for curves, 13 hinges, as in the published tables, unless the name says "tanh" or "auto". Inputs have
    curves if it says "inputs".
    """
    words = name.split()[1:]
    hinges, inputs = "auto" if "auto" in words else 13, "auto" if "inputs" in words else None
    return Shape((published.HIDDEN.get(data, 20),), "tanh" if "tanh" in words else "sigmoid", hinges, input_hinges=inputs)


def at_hand(data: str) -> bool:
    try:
        pwl.data.load(data)
    except pwl.InputError as missing:
        print(f"{data}: not run ({missing})")
        return False
    return True


class Task(NamedTuple):
    """A cell of the table, with the file that keeps it."""

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
    """The cells of the tasks. Missing cells are computed by `jobs` processes, each on its share of the cores."""
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
    """The cell of a task. A process of its own passes no cells and opens the file itself."""
    cells = cells or Cells(task.file)
    return cells.cell(task.key, lambda: train_one(*task[1:]))


def train_one(data: str, name: str, fold: int, iterations: int, jobs: int = 1) -> dict[str, Any]:
    """One algorithm on one fold. Of several settings, the one with the lowest validation error counts."""
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


def candidates(name: str, data: str) -> list[Learner]:
    """The contender, once per learning rate to be tried."""
    contender = LEARNERS[name.split()[0]]
    if name not in RATES:
        return [contender]
    contender = dataclasses.replace(contender, batch_size=32 if len(pwl.data.load(data)[0]) <= FEW else 128)
    return [
        dataclasses.replace(contender, algorithm=dataclasses.replace(contender.algorithm, learning_rate=rate))
        for rate in RATES[name]
    ]


def train_with(data: str, contender: Learner, shape: Shape, fold: int, iterations: int) -> pwl.Record:
    """The record of a run, with errors in raw units. The number of the fold is the seed of the starting weights."""
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
    """About POINTS of the iterations 0 to length - 1, even on a logarithmic axis, and the best one."""
    last = length - 1
    few = np.unique(np.round(np.geomspace(1, last, POINTS)).astype(int)) if last else []
    return sorted({0, best, last, *map(int, few)})


def rounded(values: list[Any]) -> list[Any]:
    """Values with six digits, which are enough for pictures."""
    return [None if value is None else float(f"{value:.6g}") for value in values]
