"""Test errors of several forms of AdAct beside HWO-MOLF, LM and variable projection of the same width.

There are ten data sets with ten folds each: 8 parts train, 1 validates and 1 tests. Large sets are cut to 4000
patterns, which are drawn once. Every network has 20 hidden units, trains for 100 iterations and begins with the same
weights. Inputs are standardised, and targets are scaled by one common factor. The result of a run is the test error of
the network with the lowest validation error. p comes from Wilcoxon's two-sided signed-rank test against HWO-MOLF over
the folds of a set.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import pwl
from benchmarks.mlp.command import SETS
from benchmarks.shared import markdown
from benchmarks.shared.cells import Cells
from pwl.files.write import write_atomic

FOLDS, UNITS, ITERATIONS, MOST = 10, 20, 100, 4000
BASE = "HWO-MOLF"
Form = tuple[Any, Any]  # activation, algorithm


def curves(hinges: Any, start: str = "sigmoid", **options: Any) -> pwl.PiecewiseLinear:
    return pwl.PiecewiseLinear(start, hinges, **options)


def adact(**options: Any) -> pwl.AdAct:
    return pwl.AdAct(direction="hwo", **options)


FORMS: dict[str, Callable[[], Form]] = {
    BASE: lambda: ("sigmoid", pwl.MOLF(direction="hwo")),
    "HWO-MOLF, tanh": lambda: ("tanh", pwl.MOLF(direction="hwo")),
    "LM": lambda: ("sigmoid", pwl.LM(solver="cholesky", schedule="gain")),
    "variable projection": lambda: ("sigmoid", pwl.VarPro()),
    "auto": lambda: (curves("auto"), adact()),
    "auto, from tanh": lambda: (curves("auto", "tanh"), adact()),
    "auto, from tanh, linear outside": lambda: (curves("auto", "tanh", outside="linear"), adact()),
    "auto, from ReLU": lambda: (curves("auto", "relu"), adact()),
    "5 hinges": lambda: (curves(5), adact()),
    "9 hinges": lambda: (curves(9), adact()),
    "25 hinges": lambda: (curves(25), adact()),
    "9 hinges, factor per unit": lambda: (curves(9), adact(curve_factor="unit")),
    "9 hinges over the nets": lambda: (curves(9, span="nets"), adact()),
    "25 hinges, penalty 1e-3": lambda: (curves(25), adact(curve_penalty=1e-3)),
}


def run(out: Path, quick: bool) -> None:
    sets, folds, names = (SETS[:2], 2, [BASE, "LM", "auto", "9 hinges"]) if quick else (SETS, FOLDS, list(FORMS))
    cells = Cells(out / "auto.jsonl")
    results: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for data in sets:
        try:
            pwl.data.load(data)
        except pwl.InputError as missing:
            print(f"{data}: not run ({missing})")
            continue
        for name in names:
            word = name.replace(", ", "-").replace(" ", "-")
            results[data, name] = [
                cells.cell(f"{data}-{word}/{fold}", lambda d=data, n=name, f=fold: train_one(d, n, f))
                for fold in range(folds)
            ]
    text = table(results, [data for data in sets if (data, BASE) in results], names)
    write_atomic(out / "auto.md", text)
    print(text)


def train_one(data: str, name: str, fold: int) -> dict[str, Any]:
    x, t = sample(*pwl.data.load(data))
    rows = pwl.data.folds(len(x), FOLDS)[fold]
    preparation = pwl.Preparation.fit(x[rows.train], t[rows.train], targets="common")
    train, validation, test = (preparation.transform(x[part], t[part]) for part in rows)
    activation, algorithm = FORMS[name]()
    net = pwl.Network.mlp(x.shape[1], UNITS, t.shape[1], activation, seed=fold)
    _, record = pwl.train(
        net, train, algorithm, iterations=ITERATIONS, validation=validation, test=test, max_fail=ITERATIONS
    )
    best = record.best_iteration
    return {
        "data": data, "form": name, "fold": fold, "iterations": record.iterations, "best_iteration": best,
        "error": record["error"][best], "validation_error": record["validation_error"][best],
        "test_error": record["test_error"][best], "seconds": record["seconds"][-1], "stopped": record.stop_code,
    }  # fmt: skip


def sample(x: np.ndarray, t: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """At most `MOST` patterns, the same in every call."""
    if len(x) > MOST:
        kept = np.sort(np.random.default_rng(7).permutation(len(x))[:MOST])
        x, t = x[kept], t[kept]
    return x, t.reshape(len(x), -1)


def table(results: dict[tuple[str, str], list[dict[str, Any]]], sets: list[str], names: list[str]) -> str:
    """A Markdown table of mean test errors relative to HWO-MOLF's, their geometric mean, and counts of lower errors."""
    heads = ["form", *sets, "geometric mean", f"lower than {BASE}", "p < 0.05: lower / higher", "lower than LM"]
    lines = markdown.head(heads)
    for name in names:
        errors = [series(results[data, name], "test_error") for data in sets]
        base, lm = ([series(results[data, other], "test_error") for data in sets] for other in (BASE, "LM"))
        ratios = np.array([e.mean() / b.mean() for e, b in zip(errors, base, strict=True)])
        sure = [sign(e, b) for e, b in zip(errors, base, strict=True)]
        counts = f"{sure.count(-1)} / {sure.count(1)}"
        against_lm = sum(e.mean() < other.mean() for e, other in zip(errors, lm, strict=True))
        mean, lower = f"{np.exp(np.log(ratios).mean()):.3f}", f"{(ratios < 1).sum()}"
        lines.append(markdown.row([name, *(f"{r:.3f}" for r in ratios), mean, lower, counts, f"{against_lm}"]))
    return "\n".join(lines) + "\n"


def sign(a: np.ndarray, b: np.ndarray) -> int:
    """-1 if a is lower than b at the level 0.05, 1 if it is higher, and 0 if neither is certain."""
    from scipy.stats import wilcoxon

    if np.array_equal(a, b) or wilcoxon(a, b).pvalue >= 0.05:
        return 0
    return int(np.sign(np.median(a - b)))


def series(cells: list[dict[str, Any]], name: str) -> np.ndarray:
    return np.array([c[name] for c in cells])
