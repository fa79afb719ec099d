"""The default learners beside other programs' on tables: errors, likelihood, coverage of intervals, seconds, ten folds.

Every learner has its defaults, with inputs standardised where it needs that. The default learner waits ten times as long as
elsewhere before its clock ends a fit, so that errors do not depend on the load of the machine. A table of fewer folds says so.
Cells are kept, so that a run that was ended goes on.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks.shared.cells import Cells
from benchmarks.tables import report
from benchmarks.tables.measures import FOLDS, classification, regression
from benchmarks.tables.rivals import CLASSIFIERS, REGRESSORS, runs
from pwl.files.write import write_atomic
from pwl.learners import plan

PATIENCE = 50.0  # times the seconds of the plan
SETS = ("concrete", "airfoil", "abalone", "red-wine", "white-wine", "parkinsons", "twod", "california")
CLASSES = ("iris", "wine", "breast_cancer", "digits")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    sets = (*SETS, *CLASSES)
    parser.add_argument("--only", nargs="+", metavar="SET", choices=sets, help="some sets: " + ", ".join(sets))
    names = {**REGRESSORS, **CLASSIFIERS}
    parser.add_argument("--learners", nargs="+", metavar="NAME", choices=names, help="some learners: " + ", ".join(names))
    parser.add_argument("--folds", type=int, nargs="+", default=list(range(FOLDS)), help="folds, counted from 0 (default: all)")


def run(
    out: Path, quick: bool, only: list[str] | None = None, learners: list[str] | None = None, folds: list[int] | None = None
) -> None:
    plan.GUARD = PATIENCE
    cells = Cells(out / "tables.jsonl")
    if quick:
        only, folds = ["concrete", "iris"], [0, 1]
    for name in only or (*SETS, *CLASSES):
        measure, rivals = (regression, REGRESSORS) if name in SETS else (classification, CLASSIFIERS)
        for fold in range(FOLDS) if folds is None else folds:
            for learner in rivals:
                if runs(learner, name) and (learners is None or learner in learners):
                    cells.cell(f"{name}/{learner}/{fold}", lambda f=measure, a=(name, learner, fold): f(*a))
    found = cells.all()
    text = report.text(found, SETS, CLASSES)
    write_atomic(out / "tables.md", text)
    write_atomic(out / "tables_ranks.md", report.ranking(found, SETS))
    picture = report.picture(found, SETS)
    if picture is not None:
        write_atomic(out / "tables.png", picture)
    print(text)
