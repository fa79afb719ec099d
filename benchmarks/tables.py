"""The default learners beside scikit-learn's on tables: errors, likelihood, coverage of intervals, seconds, ten folds.

Folds are scikit-learn's KFold(10, shuffle, seed 0), of classes StratifiedKFold. Every learner has its defaults, with inputs
standardised where it needs that. The interval of a learner without deviations is the Gaussian with its training residuals'
variance. For sets of several targets the first one counts. A table of fewer folds says so.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import pwl
from benchmarks.shared.cells import Cells
from pwl.files.write import write_atomic

FOLDS = 10
SETS = ("concrete", "airfoil", "abalone", "red-wine", "white-wine", "parkinsons", "twod", "california")
CLASSES = ("iris", "wine", "breast_cancer", "digits")
QUANTILES = {"50": 0.67448975, "90": 1.64485363}  # of the normal distribution, both sides


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--only", nargs="+", metavar="SET", help="some sets: " + ", ".join((*SETS, *CLASSES)))
    parser.add_argument("--folds", type=int, default=FOLDS, help="the first so many folds (default: %(default)s)")


def run(out: Path, quick: bool, only: list[str] | None = None, folds: int = FOLDS) -> None:
    cells = Cells(out / "tables.jsonl")
    if quick:
        only, folds = ["concrete", "iris"], 2
    for name in only or (*SETS, *CLASSES):
        measured, learners = (regression, REGRESSORS) if name in SETS else (classification, CLASSIFIERS)
        for fold in range(min(folds, FOLDS)):
            for learner in learners:
                cells.cell(f"{name}/{learner}/{fold}", lambda f=measured, a=(name, learner, fold): f(*a))
    text = table(cells, SETS, REGRESSORS, ("rmse", "r2", "nll", "cover50", "cover90", "seconds")) + "\n"
    text += table(cells, CLASSES, CLASSIFIERS, ("accuracy", "log_loss", "seconds"))
    write_atomic(out / "tables.md", text)
    print(text)


def scaled(model: Any) -> Any:
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), model)


def ridge() -> Any:
    from sklearn.linear_model import Ridge

    return scaled(Ridge())


def boosting() -> Any:
    from sklearn.ensemble import HistGradientBoostingRegressor

    return HistGradientBoostingRegressor(random_state=0)


def mlp() -> Any:
    from sklearn.compose import TransformedTargetRegressor
    from sklearn.neural_network import MLPRegressor
    from sklearn.preprocessing import StandardScaler

    return TransformedTargetRegressor(scaled(MLPRegressor(random_state=0)), transformer=StandardScaler())


def logistic() -> Any:
    from sklearn.linear_model import LogisticRegression

    return scaled(LogisticRegression())


def boosting_classifier() -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier

    return HistGradientBoostingClassifier(random_state=0)


REGRESSORS: dict[str, Callable[[], Any]] = {
    "PWLRegressor": lambda: pwl.PWLRegressor(), "Ridge": ridge, "HistGradientBoosting": boosting, "MLPRegressor": mlp,
}  # fmt: skip
CLASSIFIERS: dict[str, Callable[[], Any]] = {
    "PWLClassifier": lambda: pwl.PWLClassifier(), "LogisticRegression": logistic, "HistGradientBoosting": boosting_classifier,
}  # fmt: skip


def regression(name: str, learner: str, fold: int) -> dict[str, Any]:
    """One learner on one fold of one set."""
    from sklearn.model_selection import KFold

    x, t = (np.asarray(a, dtype=np.float64) for a in pwl.data.load(name))
    t = t.reshape(len(x), -1)[:, 0]
    train, test = list(KFold(FOLDS, shuffle=True, random_state=0).split(x))[fold]
    model, begin = REGRESSORS[learner](), time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(x[train], t[train])
    seconds = time.perf_counter() - begin
    if learner == "PWLRegressor":
        y, std = model.predict(x[test], return_std=True)
    else:
        y = model.predict(x[test])
        std = np.full(len(y), np.std(t[train] - model.predict(x[train])))
    r = t[test] - y
    own = {"choice": model.record_.settings["inputs"]} if learner == "PWLRegressor" else {}
    return own | {
        "rmse": float(np.sqrt(np.mean(r**2))), "r2": float(1 - np.sum(r**2) / np.sum((t[test] - t[test].mean()) ** 2)),
        "nll": float(np.mean(0.5 * (r / std) ** 2 + np.log(std) + 0.5 * np.log(2 * np.pi))), "seconds": seconds,
        **{f"cover{share}": float(np.mean(np.abs(r) < q * std)) for share, q in QUANTILES.items()},
    }  # fmt: skip


def classification(name: str, learner: str, fold: int) -> dict[str, Any]:
    """One learner on one fold of one of scikit-learn's sets of classes."""
    from sklearn import datasets
    from sklearn.metrics import log_loss
    from sklearn.model_selection import StratifiedKFold

    x, t = getattr(datasets, f"load_{name}")(return_X_y=True)
    train, test = list(StratifiedKFold(FOLDS, shuffle=True, random_state=0).split(x, t))[fold]
    model, begin = CLASSIFIERS[learner](), time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(x[train], t[train])
    seconds, p = time.perf_counter() - begin, model.predict_proba(x[test])
    return {
        "accuracy": float(np.mean(model.predict(x[test]) == t[test])),
        "log_loss": float(log_loss(t[test], p, labels=np.unique(t))), "seconds": seconds,
    }  # fmt: skip


def table(cells: Cells, sets: tuple[str, ...], learners: Any, columns: tuple[str, ...]) -> str:
    """Means over the folds, and beside the first column the standard error of the mean."""
    lines = ["| set | folds | learner | " + " | ".join(columns) + " |", "|" + " --- |" * (3 + len(columns))]
    found = cells.all()
    for name in sets:
        for learner in learners:
            rows = [found[key] for fold in range(FOLDS) if (key := f"{name}/{learner}/{fold}") in found]
            if not rows:
                continue
            means = [f"{np.mean([row[column] for row in rows]):.4g}" for column in columns]
            if len(rows) > 1:
                means[0] += f" +- {np.std([row[columns[0]] for row in rows], ddof=1) / len(rows) ** 0.5:.2g}"
            lines.append(f"| {name} | {len(rows)} | {learner} | " + " | ".join(means) + " |")
    return "\n".join(lines) + "\n"
