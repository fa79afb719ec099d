"""What a comparison found: one row an algorithm, as text, CSV and JSON."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pwl.compare import Outcome
from pwl.record import plain
from pwl.write import write_atomic

ERRORS = (
    "error",
    "validation_error",
    "test_error",
    "classification_error",
    "validation_classification_error",
    "test_classification_error",
)


def summarise(outcomes: Sequence[Outcome]) -> list[dict[str, Any]]:
    """One row an algorithm: mean and standard deviation over its folds of what the best networks reached."""
    rows = []
    for name in dict.fromkeys(outcome.name for outcome in outcomes):
        own = [outcome for outcome in outcomes if outcome.name == name]
        row: dict[str, Any] = {"algorithm": name, "folds": len(own)}
        for series in ERRORS:
            if series in own[0].record:
                values = np.array([outcome.at_best(series) for outcome in own])
                row[series], row[f"{series}_std"] = (
                    float(values.mean()),
                    float(values.std(ddof=1)) if len(values) > 1 else 0.0,
                )
        row["iterations"] = float(np.mean([outcome.record.iterations for outcome in own]))
        row["multiplies"] = float(np.mean([outcome.record["multiplies"][-1] for outcome in own]))
        row["own_multiplies"] = float(np.mean([outcome.record["own_multiplies"][-1] for outcome in own]))
        row["seconds"] = float(np.mean([outcome.record["seconds"][-1] for outcome in own]))
        row["best_iteration"] = float(np.mean([outcome.record.best_iteration for outcome in own]))
        row["stopped"] = ", ".join(
            code if count == len(own) else f"{code} x{count}"
            for code, count in Counter(o.record.stop_code for o in own).most_common()
        )
        rows.append(row)
    return rows


def table_text(rows: Sequence[dict[str, Any]]) -> str:
    """The rows as an aligned table."""
    shown = [series for series in ERRORS if series in rows[0]]
    heads = [
        "algorithm",
        *(HEADS[series] for series in shown),
        "iterations",
        "multiplies",
        "seconds",
        "best",
        "stopped",
    ]
    lines = [heads]
    for row in rows:
        lines.append(
            [
                row["algorithm"],
                *(mean_std(row[series], row[f"{series}_std"]) for series in shown),
                f"{row['iterations']:.0f}",
                f"{row['multiplies']:.2e}",
                f"{row['seconds']:.2f}",
                f"{row['best_iteration']:.0f}",
                row["stopped"],
            ]
        )
    widths = [max(len(line[i]) for line in lines) for i in range(len(heads))]
    return "\n".join(
        "  ".join(
            cell.ljust(w) if i in (0, len(heads) - 1) else cell.rjust(w)
            for i, (cell, w) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


HEADS = {
    "error": "training E",
    "validation_error": "validation E",
    "test_error": "test E",
    "classification_error": "training wrong",
    "validation_classification_error": "validation wrong",
    "test_classification_error": "test wrong",
}


def mean_std(mean: float, std: float) -> str:
    """Four digits of the mean, and the deviation to as many decimals."""
    if mean == 0 or not np.isfinite(mean):
        return f"{mean:.3g} +- {std:.3g}"
    decimals = max(0, 3 - int(np.floor(np.log10(abs(mean)))))
    return f"{mean:.{decimals}f} +- {std:.{decimals}f}"


def table_csv(rows: Sequence[dict[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def write_results(folder: Path, rows: Sequence[dict[str, Any]], outcomes: Sequence[Outcome]) -> None:
    """table.csv, table.txt and records/<algorithm>-fold<n>.json in a folder, each written whole or not at all."""
    write_atomic(folder / "table.csv", table_csv(rows))
    write_atomic(folder / "table.txt", table_text(rows) + "\n")
    for outcome in outcomes:
        path = folder / "records" / f"{outcome.name}-fold{outcome.fold}.json"
        write_atomic(path, json.dumps(plain(outcome.record.to_dict()), allow_nan=False) + "\n")
