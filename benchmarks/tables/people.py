"""The default learner on people whom it has not seen, with and without their groups, beside other learners: ten folds.

Parkinsons has 5,875 recordings of 42 people. Each fold tests on four or five people, scikit-learn's GroupKFold. "PWLRegressor,
groups" is told whose the recordings are. The rivals take the Gaussian with the variance of their residuals on a fifth of the
training people, after a second fit without these. Cells are kept, so that a run that was ended goes on.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

import pwl
from benchmarks.shared import markdown
from benchmarks.shared.cells import Cells
from benchmarks.tables.command import PATIENCE
from benchmarks.tables.measures import FOLDS, fitted, measured, outputs
from benchmarks.tables.report import gaussian, mean_of
from benchmarks.tables.rivals import REGRESSORS, runs
from pwl.files.write import write_atomic
from pwl.learners import plan

FILE = Path("uci/parkinsons_updrs.data")  # the first column is the person's number
GROUPED, ALONE = "PWLRegressor, groups", "PWLRegressor"
LEARNERS = (GROUPED, ALONE, "Ridge", "HistGradientBoosting", "XGBoost", "CatBoost")
COLUMNS = ("rmse", "r2", "nll", "cover50", "cover90", "seconds")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--learners", nargs="+", metavar="NAME", choices=LEARNERS, help="some learners: " + ", ".join(LEARNERS))
    parser.add_argument("--folds", type=int, nargs="+", default=list(range(FOLDS)), help="folds, counted from 0 (default: all)")


def run(out: Path, quick: bool, learners: list[str] | None = None, folds: list[int] | None = None) -> None:
    plan.GUARD = PATIENCE  # so that errors do not depend on the load of the machine
    cells = Cells(out / "people.jsonl")
    for fold in [0] if quick else folds or range(FOLDS):
        for learner in LEARNERS[2:4] if quick else learners or LEARNERS:
            if runs(learner, "parkinsons"):
                cells.cell(f"{learner}/{fold}", lambda a=(learner, fold): measure(*a))
    text = table(cells.all())
    write_atomic(out / "people.md", text)
    print(text)


def recordings() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Inputs (Nv, N), the first target (Nv, 1) and the person of each recording (Nv,)."""
    x, t = pwl.data.load("parkinsons")
    return x, t[:, :1], np.loadtxt(pwl.data.data_home() / FILE, delimiter=",", skiprows=1, usecols=0, dtype=int)


def measure(learner: str, fold: int) -> dict[str, Any]:
    """One learner on one fold."""
    from sklearn.model_selection import GroupKFold, GroupShuffleSplit

    x, t, person = recordings()
    train, test = list(GroupKFold(FOLDS).split(x, t, person))[fold]
    if learner in (GROUPED, ALONE):
        own = {"groups": person[train]} if learner == GROUPED else {}
        model, cost = fitted(pwl.PWLRegressor(), x[train], t[train], **own)
        y, std = (a[:, None] for a in model.predict(x[test], return_std=True))
        return cost | {"forms": model.record_.settings["forms"]} | measured(t[test], y, std)
    model, cost = fitted(REGRESSORS[learner](), x[train], t[train])
    kept, out = next(GroupShuffleSplit(1, test_size=0.2, random_state=0).split(x[train], t[train], person[train]))
    other, _ = fitted(REGRESSORS[learner](), x[train][kept], t[train][kept])
    std = np.sqrt(np.mean((t[train][out] - outputs(other, x[train][out])) ** 2, axis=0))
    return cost | measured(t[test], outputs(model, x[test]), std)


def table(found: dict[str, dict[str, Any]]) -> str:
    """Means over the folds, beside RMSE its standard error. "gaussian" is the nll of the residuals' own variance.

    Only folds that our learner has run in both ways count, if there are any.
    """
    folds = [fold for fold in range(FOLDS) if all(f"{ours}/{fold}" in found for ours in (GROUPED, ALONE))] or range(FOLDS)
    lines = markdown.head(["learner", "folds", *COLUMNS[:3], "gaussian", *COLUMNS[3:]])
    for learner in LEARNERS:
        if own := [found[key] for fold in folds if (key := f"{learner}/{fold}") in found]:
            means = [mean_of(own, column, column == "rmse") for column in COLUMNS]
            means.insert(3, f"{gaussian(own):.4g}")
            lines.append(markdown.row([learner, str(len(own)), *means]))
    return "\n".join(lines) + "\n"
