"""Other programs on the same net, data and start: seconds to an error, errors at given times, iterations, memory.

Nets have one hidden layer of 20 units without bypass (201 weights on Concrete). Data are standardised, and all patterns
train. Every rival runs in a process of its own, which imports, warms up and then trains for the budget. It starts from
our weights, which come from net control and one output step. Each setting of a rival is tried from start 0 on one
thread, which suits such small nets. The best setting is tried again with the same hidden weights and small output
weights, drawn as PyTorch draws them. The better of the two is tried on all cores. The variant with the lowest error
then runs from all starts. Errors are computed from the weights, off the clock, by the same lines for all rivals. The
lowest error so far counts, and figures are medians over the starts.

`lm-iteration` times iterations of Levenberg-Marquardt. `lm-large` measures their memory on 200,000 patterns. Both are
in lm.py.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

import pwl
from benchmarks.peers import lm, rivals
from benchmarks.peers.problems import LEVELS, PROBLEMS, TIMES, problem_of
from benchmarks.peers.process import apart
from benchmarks.peers.rivals.own import OUTPUT_STEPS
from benchmarks.peers.tables import picture, table
from benchmarks.shared.cells import Cells
from pwl.files.write import write_atomic

PARTS = (*PROBLEMS, "lm-iteration", "lm-large")
BUDGET, STARTS = 6.0, 3


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS), help="parts (default: all)")
    parser.add_argument(
        "--rivals", nargs="+", choices=rivals.FILES, default=list(rivals.FILES), help="rivals (default: all)"
    )
    parser.add_argument("--budget", type=float, default=BUDGET, help="seconds per run (default: %(default)s)")
    parser.add_argument("--starts", type=int, default=STARTS, help="starting weights (default: %(default)s)")


def run(
    out: Path, quick: bool, parts: list[str], rivals: list[str], budget: float = BUDGET, starts: int = STARTS
) -> None:
    cells, texts = Cells(out / "peers.jsonl"), []
    for part in parts:
        if part in PROBLEMS:
            limits = (min(budget, 1.0), 1) if quick else (budget, starts)
            texts.append(of_problem(cells, part, rivals, *limits, quick))
        else:
            name = part.replace("-", "_")
            texts.append(getattr(lm, name)(cells, quick))
            write_atomic(out / f"{name}.md", texts[-1])
        print(texts[-1])
    write_atomic(out / "peers.md", "\n".join(texts))


def of_problem(cells: Cells, name: str, files: list[str], budget: float, starts: int, quick: bool) -> str:
    """All rivals on one problem: search, runs from all starts, table and picture."""
    try:
        problem_of(name, 0)
    except pwl.InputError as absent:
        return f"**{name}**: not run ({absent})\n"
    rows, missing = {}, {}
    for file in files:
        try:
            methods = offers(file, name)
        except rivals.NotHere as reason:
            missing[file] = str(reason)
            continue
        for method, settings in methods.items():
            if isinstance(settings, str):
                missing[f"{file} {method}"] = settings
                continue
            try:
                rows[file, method] = best(
                    cells, name, file, method, settings[:1] if quick else settings, starts, budget
                )
            except rivals.NotHere as reason:
                missing[f"{file} {method}"] = str(reason)
    write_atomic(cells.path.with_suffix("") / f"{name}.png", picture(rows, name))
    return table(rows, missing, name, LEVELS[name], TIMES)


def best(
    cells: Cells, name: str, file: str, method: str, settings: list[dict[str, Any]], starts: int, budget: float
) -> list[dict[str, Any]]:
    """The cells of the setting with the lowest error from start 0, one per start."""

    def cell_of(label: str, setting: dict[str, Any], seed: int) -> dict[str, Any]:
        return one(cells, name, file, method, label, setting, seed, budget)

    tried = [(str(number), setting | {"threads": 1}) for number, setting in enumerate(settings)]
    first = [cell_of(*some, 0) for some in tried]

    def further(label: str, change: dict[str, Any]) -> int:
        tried.append((label, tried[place][1] | change))
        first.append(cell_of(*tried[-1], 0))
        return lowest_of(first)

    place = lowest_of(first)
    if not (file == "own" and method in OUTPUT_STEPS):
        place = further(f"{place}d", {"start": "drawn"})
    place = further(f"{tried[place][0]}t", {"threads": None})
    return [first[place], *(cell_of(*tried[place], seed) for seed in range(1, starts))]


def lowest_of(cells: list[dict[str, Any]]) -> int:
    return int(np.argmin([np.inf if c["lowest"] is None else c["lowest"] for c in cells]))


def offers(file: str, name: str) -> dict[str, list[dict[str, Any]] | str]:
    """A rival's methods, each with its settings or the reason why it can't run this problem.

    The answer comes from a process of its own.
    """
    return apart("benchmarks.peers.measure", ["offers", file, name])


def one(
    cells: Cells, name: str, file: str, method: str, label: str, setting: dict[str, Any], seed: int, budget: float
) -> dict[str, Any]:
    key = f"{name}/{file}-{method}-{label}-{seed}-{budget:g}"
    arguments = ["measure", file, name, json.dumps(setting | {"method": method}), str(seed), str(budget)]
    return cells.cell(key, lambda: apart("benchmarks.peers.measure", arguments, threads=setting.get("threads")))
