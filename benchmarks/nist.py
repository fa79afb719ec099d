"""Least squares on NIST's 27 nonlinear problems: correct digits from both starts, by our solvers and SciPy's.

All solvers get the exact Jacobian and as many iterations as they need. A problem is solved if every parameter has 4
correct digits or more.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import scipy.optimize

import pwl
from benchmarks.nist_problems import MODELS, Problem, read
from benchmarks.shared import markdown
from benchmarks.shared.cells import Cells
from pwl.data.cache import data_home
from pwl.files.write import write_atomic
from pwl.plots.figure import panels, png
from pwl.solvers.least_squares import least_squares

SOLVED = 4


def run(out: Path, quick: bool) -> None:
    cells, rows = Cells(out / "nist.jsonl"), []
    for path in files()[: 5 if quick else None]:
        for start in (1, 2):
            for name, solve in SOLVERS.items():
                key = f"{path.stem}-{start}-{name.replace(' ', '-')}"
                rows.append(cells.cell(key, lambda p=path, s=start, f=solve, n=name: {"solver": n} | f(read(p), s)))
    write_atomic(out / "nist.md", table(rows))
    write_atomic(out / "nist_totals.md", totals(rows))
    write_atomic(out / "nist.png", picture(rows))
    print(table(rows))


def files() -> list[Path]:
    """NIST's files in the data folder. Raises InputError if one is missing."""
    folder = data_home() / "nist"
    found = [folder / f"{name}.dat" for name in sorted(MODELS)]
    missing = [path.name for path in found if not path.exists()]
    if missing:
        raise pwl.InputError(
            f"{missing[0]} is not in {folder}: get the nonlinear regression files of NIST's Statistical Reference Datasets"
        )
    return found


def fit(problem: Problem, start: int, solver: str = "qr") -> dict[str, Any]:
    """Our Levenberg-Marquardt."""
    found = least_squares(problem.residual, problem.jacobian, problem.starts[start - 1], solver=solver)
    return scored(problem, start, found.w, found.evaluations, found.converged, found.stop_reason)


def scipy_fit(problem: Problem, start: int, method: str) -> dict[str, Any]:
    try:
        found = scipy.optimize.least_squares(
            problem.residual, problem.starts[start - 1], jac=problem.jacobian, method=method,
            xtol=1e-15, ftol=1e-15, gtol=1e-15, max_nfev=20_000,
        )  # fmt: skip
    except (ValueError, np.linalg.LinAlgError) as failure:  # a trial point outside the model's domain
        return scored(problem, start, problem.starts[start - 1], 0, False, f"raised: {failure}")
    return scored(problem, start, found.x, int(found.nfev), bool(found.success), found.message)


SOLVERS: dict[str, Callable[[Problem, int], dict[str, Any]]] = {
    "pwl qr": lambda p, s: fit(p, s, "qr"),
    "pwl cholesky": lambda p, s: fit(p, s, "cholesky"),
    "scipy lm": lambda p, s: scipy_fit(p, s, "lm"),
    "scipy trf": lambda p, s: scipy_fit(p, s, "trf"),
}


def scored(problem: Problem, start: int, b: np.ndarray, evaluations: int, converged: bool, why: str) -> dict[str, Any]:
    return {
        "problem": problem.name, "start": start, "digits": problem.digits(b), "evaluations": evaluations, "converged": converged,
        "stopped": why, "sum_of_squares": float(np.sum(problem.residual(b) ** 2)), "certified": problem.sum_of_squares,
    }  # fmt: skip


def table(rows: list[dict[str, Any]]) -> str:
    """Digits of every problem, then the totals."""
    lines = markdown.head(["digits from start 1 / 2", *solvers(rows)])
    found = {(row["problem"], row["start"], row["solver"]): row for row in rows}
    for problem in dict.fromkeys(row["problem"] for row in rows):
        cells = (" / ".join(f"{found[problem, s, n]['digits']:.1f}" for s in (1, 2)) for n in solvers(rows))
        lines.append(markdown.row([problem, *cells]))
    return "\n".join(lines) + "\n\n" + totals(rows)


def totals(rows: list[dict[str, Any]]) -> str:
    """Totals per solver: problems solved, problems wrongly claimed as solved, and evaluations."""
    count = len({row["problem"] for row in rows})
    lines = markdown.head([f"NIST StRD, {count} problems", *solvers(rows)])
    for start in (1, 2):
        lines.append(
            line(f"solved from start {start}", rows, lambda r, s=start: r["start"] == s and r["digits"] >= SOLVED)
        )
    wrong = line("not solved, but said to have converged", rows, lambda r: r["digits"] < SOLVED and r["converged"])
    return "\n".join([*lines, wrong, line("evaluations, all", rows, lambda r: r["evaluations"])]) + "\n"


def solvers(rows: list[dict[str, Any]]) -> list[str]:
    return list(dict.fromkeys(row["solver"] for row in rows))


def line(title: str, rows: list[dict[str, Any]], count: Callable[[dict[str, Any]], float]) -> str:
    """A row of sums over the runs of each solver."""
    sums = (str(int(sum(count(row) for row in rows if row["solver"] == name))) for name in solvers(rows))
    return markdown.row([title, *sums])


def picture(rows: list[dict[str, Any]]) -> bytes:
    """The number of runs with at least this many correct digits, for each solver."""
    figure, (ax,) = panels(1, 1, 6, 4)
    for style, name in zip(("-", "--", ":", "-."), dict.fromkeys(row["solver"] for row in rows), strict=False):
        digits = np.sort([row["digits"] for row in rows if row["solver"] == name])[::-1]
        ax.step(digits, np.arange(1, len(digits) + 1), style, where="post", label=name)
    ax.set_xlabel("correct digits of the worst parameter, at least")
    ax.set_ylabel("runs")
    ax.legend(frameon=False)
    return png(figure)
