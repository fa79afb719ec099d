"""The results of a comparison, a row per algorithm, as text, CSV and JSON, and the folder that holds them."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pwl.data import Fold
from pwl.data.shares import everywhere
from pwl.errors import InputError
from pwl.files.plain import plain
from pwl.files.temporary import prefix, sweep
from pwl.files.text_table import aligned
from pwl.files.write import write_atomic
from pwl.learners import ensemble_file
from pwl.learners.ensemble import Ensemble
from pwl.learners.outcome import Outcome, by_name
from pwl.network import save as networks
from pwl.runtime.ranks import Communicator, Serial

LIST = "settings.json"  # in the folder of a comparison, its settings and the list of its files
ALWAYS = (LIST, "table.csv", "table.txt", "report.html")
Row = Mapping[str, Any]  # of the table, an algorithm's results by name

HEADS = {  # of the columns, by the series of errors that they are taken from
    "error": "training E",
    "validation_error": "validation E",
    "test_error": "test E",
    "classification_error": "training wrong",
    "validation_classification_error": "validation wrong",
    "test_classification_error": "test wrong",
}
COSTS = ("multiplies", "own_multiplies", "seconds")  # ridge regression and the default learner count no multiplies


def summarise(outcomes: Sequence[Outcome]) -> list[Row]:
    """A row per algorithm, with means and standard deviations of the best networks' errors over its folds.

    The deviation of a single fold is None.
    """
    rows: list[Row] = []
    for name, own in by_name(outcomes).items():
        row: dict[str, Any] = {"algorithm": name, "folds": len(own), "folds_wanted": own[0].record.settings["folds"]}
        for series in HEADS:
            if series in own[0].record:
                values = [outcome.at_best(series) for outcome in own]
                row[series] = float(np.mean(values))
                row[f"{series}_std"] = float(np.std(values, ddof=1)) if len(values) > 1 else None
        row["iterations"] = float(np.mean([outcome.record.iterations for outcome in own]))
        for series in COSTS:
            known = [outcome.record[series][-1] for outcome in own if series in outcome.record]
            row[series] = float(np.mean(known)) if known else None
        row["best_iteration"] = float(np.mean([outcome.record.best_iteration for outcome in own]))
        row["stopped"] = ", ".join(
            code if count == len(own) else f"{code} x{count}"
            for code, count in Counter(o.record.stop_code for o in own).most_common()
        )
        rows.append(row)
    return rows


def cells(rows: Sequence[Row], p: bool = False) -> list[list[str]]:
    """The cells of the table as text, with the heads in the first line. There is a column "folds" if not all folds ran.

    p: whether there is a column of p-values against the best, if they are known.
    """
    p = p and any(row.get("p_against_best") is not None for row in rows)
    shown = [series for series in HEADS if series in rows[0]]
    partial = any(row["folds"] < row["folds_wanted"] for row in rows)
    folds = ["folds"] if partial else []
    lines = [
        [
            "algorithm",
            *folds,
            *(HEADS[series] for series in shown),
            *(["p"] if p else []),
            "iterations",
            "multiplies",
            "seconds",
            "best",
            "stopped",
        ]
    ]
    for row in rows:
        lines.append(
            [
                row["algorithm"],
                *([f"{row['folds']} of {row['folds_wanted']}"] if partial else []),
                *(mean_std(row[series], row[f"{series}_std"]) for series in shown),
                *(["" if row["p_against_best"] is None else f"{row['p_against_best']:.2g}"] if p else []),
                f"{row['iterations']:.0f}",
                "-" if row["multiplies"] is None else f"{row['multiplies']:.2e}",
                f"{row['seconds']:.2f}",
                f"{row['best_iteration']:.0f}",
                row["stopped"],
            ]
        )
    return lines


def table_text(rows: Sequence[Row]) -> str:
    """The rows as an aligned table."""
    lines = cells(rows)
    return aligned(lines, range(1, len(lines[0]) - 1))


def mean_std(mean: float, std: float | None) -> str:
    """Four digits of the mean, and the deviation, if any, to the same decimals. Outside 1e-4 ... 1e6 as powers of ten."""
    if mean == 0 or not np.isfinite(mean):
        text, deviation = f"{mean:.3g}", f"{std or 0:.3g}"
    elif 1e-4 <= abs(mean) < 1e6 and (std or 0) < 1e6:
        decimals = max(0, 3 - int(np.floor(np.log10(abs(mean)))))
        text, deviation = f"{mean:.{decimals}f}", f"{std or 0:.{decimals}f}"
    else:
        text, deviation = f"{mean:.2e}", f"{std or 0:.1e}"
    return text if std is None else f"{text} +- {deviation}"


def target_errors(t: np.ndarray, y: np.ndarray) -> list[tuple[float, float]]:
    """Root mean squared error and R^2 of each column of predictions y (Nv, M) for the known ones of targets t (Nv, M).

    NaN where a column has no known target, and R^2 also where the known ones are alike.
    """
    known = ~np.isnan(t)
    found = []
    for own, a, b in zip(known.T, t.T, y.T, strict=True):
        mse = float(np.mean((b[own] - a[own]) ** 2)) if own.any() else np.nan
        variance = float(np.var(a[own])) if own.any() else 0.0
        found.append((mse**0.5, 1 - mse / variance if variance > 0 else np.nan))
    return found


def targets_lines(
    outcomes: Sequence[Outcome],
    x: np.ndarray,
    t: np.ndarray,
    folds: Sequence[Fold],
    names: Sequence[str],
    comm: Communicator = Serial(),
) -> list[list[str]]:
    """A table of the errors of each target, on the test patterns of all folds together, and of all ranks that share them.

    Heads come first.
    """
    several = len(names) > 1
    lines = [["algorithm", *(head for name in names for head in (f"{name}: test RMSE" if several else "test RMSE", "R^2"))]]
    for name, own in by_name(outcomes).items():
        rows = [folds[outcome.fold].test for outcome in own]
        y = np.concatenate([outcome.net.predict(x[part]) for outcome, part in zip(own, rows, strict=True)])
        found = target_errors(*(everywhere(comm, a) for a in (t[np.concatenate(rows)], y)))
        lines.append([name, *(word for rmse, r2 in found for word in (f"{rmse:.4g}", f"{r2:.4f}"))])
    return lines


def table_csv(rows: Sequence[Row]) -> str:
    """The rows as CSV, with a line of names."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def write_results(
    folder: Path, rows: Sequence[Row], text: str, outcomes: Sequence[Outcome], schema: Any = None
) -> dict[str, list[str]]:
    """Writes table.csv, table.txt, and records/<algorithm>-fold<n>.json and networks/<algorithm>-fold<n>.safetensors.

    Each is whole or not at all. schema: the columns of the table, so that networks know their names. Returns the names of the
    files by kind.
    """
    links = {"table": ["table.csv", "table.txt"], "settings": [LIST]}
    write_atomic(folder / "table.csv", table_csv(rows))
    write_atomic(folder / "table.txt", text + "\n")
    for outcome in outcomes:
        stem = f"{outcome.name}-fold{outcome.fold}"
        record, net = f"records/{stem}.json", f"networks/{stem}.safetensors"
        write_atomic(folder / record, json.dumps(plain(outcome.record.to_dict()), allow_nan=False) + "\n")
        (folder / net).parent.mkdir(exist_ok=True)
        if isinstance(outcome.net, Ensemble):
            ensemble_file.save(outcome.net, folder / net, outcome.record, schema)
        else:
            networks.save(outcome.net, folder / net, outcome.record, schema)
        links.setdefault(f"{outcome.name}: records", []).append(record)
        links.setdefault(f"{outcome.name}: networks", []).append(net)
    return links


def check_ours(folder: Path) -> None:
    """Raises InputError if a file in the folder has the name of a result, but no earlier comparison wrote it."""
    ours = earlier(folder)
    for name in ALWAYS:
        if (folder / name).exists() and name not in ours:
            raise InputError(
                f"{folder / name} is not from an earlier comparison, and would be lost: move it, or choose another --out"
            )


def earlier(folder: Path) -> list[str]:
    """The files that the last comparison left in a folder, according to its own list."""
    try:
        files = json.loads((folder / LIST).read_text())["files"]
        return [name for name in files if (folder / name).resolve().is_relative_to(folder.resolve())]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return []


@contextlib.contextmanager
def renewed(folder: Path, settings: Mapping[str, Any]) -> Iterator[Path]:
    """A temporary folder to write results into.

    At the end the results replace the files that the last comparison left in `folder`, and no others. settings.json lists
    the settings and the files.
    """
    folder.mkdir(parents=True, exist_ok=True)
    sweep(folder, ".pwl-compare")
    with tempfile.TemporaryDirectory(prefix=prefix(".pwl-compare"), dir=folder) as name:
        room = Path(name)
        try:
            yield room
        finally:  # also if a picture fails, because the folder holds hours of work
            files = sorted(path.relative_to(room).as_posix() for path in room.rglob("*") if path.is_file())
            write_atomic(room / LIST, json.dumps(plain({**settings, "files": [LIST, *files]}), indent=1) + "\n")
            for old in earlier(folder):
                (folder / old).unlink(missing_ok=True)
            for new in (LIST, *files):
                (folder / new).parent.mkdir(exist_ok=True)
                os.replace(room / new, folder / new)
