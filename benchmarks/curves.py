"""AdAct beside MOLF with the fixed activation from which AdAct's curves start, at equal weights W, data and iterations.

There are five data sets and five seeds. Networks have 20 hidden units and train for 100 iterations. The seed draws 8
parts of the data for training, 1 for validation and 1 for testing. Training E is the lowest of the run. Test E is that
of the network with the lowest validation E. Inputs and targets are standardised, so that predicting the mean gives an
error of 1 per target. There are two pairs: the published step (direction G) from ReLU, and the HWO direction from the
sigmoid.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

import pwl
from benchmarks.shared import markdown
from benchmarks.shared.cells import Cells
from pwl.files.write import write_atomic

SETS = ("concrete", "twod", "white-wine", "airfoil", "california")
PAIRS = {"gradient-relu": ("gradient", "relu"), "hwo-sigmoid": ("hwo", "sigmoid")}
HINGES = (25, 13, 9, 5)
SEEDS = range(5)


def run(out: Path, quick: bool) -> None:
    sets, seeds = (SETS[:1], range(2)) if quick else (SETS, SEEDS)
    cells, results = Cells(out / "curves.jsonl"), {}
    for name in sets:
        try:
            pwl.data.load(name)
        except pwl.InputError as missing:
            print(f"{name}: not run ({missing})")
            continue
        for pair in PAIRS:
            for hinges in (0, *HINGES):
                case = name, pair, hinges
                results[case] = [
                    cells.cell(f"{name}-{pair}-{hinges}/{seed}", lambda c=case, s=seed: train_one(*c, s))
                    for seed in seeds
                ]
    text = table(results, [name for name in sets if (name, "gradient-relu", 0) in results])
    write_atomic(out / "curves.md", text)
    print(text)


def train_one(name: str, pair: str, hinges: int, seed: int) -> dict[str, Any]:
    """One run. With hinges = 0 it is MOLF with the fixed activation."""
    direction, start = PAIRS[pair]
    x, t = pwl.data.load(name)
    fold = pwl.data.folds(len(x), 10, seed)[0]
    preparation = pwl.Preparation.fit(x[fold.train], t[fold.train])
    parts = [preparation.transform(x[rows], t[rows]) for rows in fold]
    activation = pwl.PiecewiseLinear(start, hinges) if hinges else start
    algorithm = pwl.AdAct(direction=direction) if hinges else pwl.MOLF(direction=direction)
    net = pwl.Network.mlp(x.shape[1], 20, t.shape[1], activation, seed=seed)
    _, record = pwl.train(net, parts[0], algorithm, iterations=100, validation=parts[1], test=parts[2], max_fail=100)
    best = record.best_iteration
    return {
        "data": name, "pair": pair, "hinges": hinges, "seed": seed, "iterations": record.iterations, "best_iteration": best,
        "lowest_training_error": min(record["error"]), "validation_error": record["validation_error"][best],
        "test_error": record["test_error"][best], "stopped": record.stop_code,
    }  # fmt: skip


def table(results: dict[Any, list[dict[str, Any]]], sets: list[str]) -> str:
    """Two Markdown tables of medians over the seeds, one of the lowest training E and one of test E.

    They also count how often AdAct is lower than MOLF.
    """
    titles = {
        "lowest_training_error": "Lowest training E",
        "test_error": "Test E of the network with the lowest validation E",
    }
    heads = ["data", "start, direction", "MOLF, fixed", *(f"AdAct, {hinges} hinges" for hinges in HINGES)]
    parts = []
    for series, title in titles.items():
        n_seeds = len(next(iter(results.values())))
        lines = [f"**{title}**, median over {n_seeds} seeds", "", *markdown.head(heads)]
        lower = np.zeros(len(HINGES), dtype=int)
        for name in sets:
            for pair, (direction, start) in PAIRS.items():
                medians = np.array([median(results[name, pair, hinges], series) for hinges in (0, *HINGES)])
                lower += medians[1:] < medians[0]
                cells = [f"**{value:.4f}**" if value == medians.min() else f"{value:.4f}" for value in medians]
                lines.append(markdown.row([name, f"{start}, {direction}", *cells]))
        lines.append(markdown.row(["lower than MOLF", "", "", *(f"{count} of {2 * len(sets)}" for count in lower)]))
        parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"


def median(cells: list[dict[str, Any]], series: str) -> float:
    return float(np.median([c[series] for c in cells]))
