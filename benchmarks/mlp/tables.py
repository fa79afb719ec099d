"""The tables and pictures of `benchmarks mlp`: one of each per data set, and ranks over the sets."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.mlp import published, ranks
from benchmarks.shared import markdown
from benchmarks.shared.styles import COLOURS, DASHES, MARKERS
from pwl.plots.figure import INK, panels, png
from pwl.plots.ticks import plain_ticks

COLUMNS = {
    "training E, last": ("final", "error"), "test E, last": ("final", "test_error"),
    "training E, best": ("best", "error"), "test E, best": ("best", "test_error"),
}  # fmt: skip
AGAINST = {
    "iterations": "iterations", "multiplies": "multiplies, literature's formulas",
    "own_multiplies": "multiplies, as spent here", "seconds": "seconds",
}  # fmt: skip

Cell = dict[str, Any]
Results = dict[tuple[str, str, int], Cell]


def tables(results: Results, sets: list[str], names: list[str], folds: list[int]) -> str:
    """The whole text in Markdown."""
    cells = list(results.values())
    timings = sorted({c["timing"] for c in cells})
    parts = [
        f"Mean and standard deviation over {len(folds)} folds of 10; E in raw units, summed over outputs. \"last\" is after the "
        "last iteration, \"best\" at the lowest validation error. Published: training / test E. Seconds are of a whole run: "
        f"{'; '.join(timings)}.\n"
    ]  # fmt: skip
    parts += [of_set(results, data, names, folds) for data in sets]
    parts += [ranking(results, sets, names, folds, title) for title in COLUMNS if sets and names]
    parts.append("**Published** (training / test E)\n\n" + published.table())
    rows = [f"| {data} | not run: not at hand ({what}) |" for data, what in published.NOT_AT_HAND.items()]
    parts.append("\n".join(["| data | |", "| --- | --- |", *rows]) + "\n")
    return "\n".join(parts)


def ranking(results: Results, sets: list[str], names: list[str], folds: list[int], title: str) -> str:
    """Ranks by the means in one of the columns."""
    errors = np.array(
        [[mean_and_deviation(results, data, name, folds, *COLUMNS[title])[0] for name in names] for data in sets]
    )
    head = f"**Ranks by mean {title}**; against: data sets with a lower error, Wilcoxon's p (Holm's)\n\n"
    return head + ranks.table(errors, sets, names, ("hwo-molf", "lm"))


def of_set(results: Results, data: str, names: list[str], folds: list[int]) -> str:
    """The table of one data set, with one line per algorithm. The lowest mean of each column is bold."""
    means = {
        title: [mean_and_deviation(results, data, name, folds, *where) for name in names]
        for title, where in COLUMNS.items()
    }
    heads = ["algorithm", *means, "published", "iterations", "seconds", "stopped"]
    lines = [f"**{data}**", "", *markdown.head(heads)]
    for place, name in enumerate(names):
        own = [results[data, name, fold] for fold in folds]
        cells = [name]
        for column in means.values():
            mean, deviation = column[place]
            lowest = mean == np.nanmin([m for m, _ in column])
            text = f"{mean:.4g} ± {deviation:.2g}"
            cells.append(f"**{text}**" if lowest else text)
        pair = published.figures(data, name)
        cells.append("" if pair is None else f"{pair[0]:g} / {pair[1]:g}")
        cells.append(f"{np.mean([c['iterations'] for c in own]):.0f}")
        cells.append(f"{np.mean([c['final']['seconds'] for c in own]):.2f}")
        cells.append(", ".join(sorted({c["stop"] for c in own})))
        lines.append(markdown.row(cells))
    return "\n".join(lines) + "\n"


def mean_and_deviation(
    results: Results, data: str, name: str, folds: list[int], at: str, series: str
) -> tuple[float, float]:
    values = np.array([results[data, name, fold][at][series] for fold in folds], dtype=float)
    return float(values.mean()), float(values.std(ddof=1)) if len(values) > 1 else 0.0


def picture(by_name: dict[str, list[Cell]], data: str) -> bytes:
    """Training and test E against iterations, multiplies and seconds, as means over the folds."""
    figure, axes = panels(2 * len(AGAINST), len(AGAINST), 3.6, 3.2)
    for row, series in enumerate(("error", "test_error")):
        for column, (against, label) in enumerate(AGAINST.items()):
            ax = axes[row * len(AGAINST) + column]
            for number, (name, cells) in enumerate(by_name.items()):
                x, y = mean_line(cells, series, against)
                ax.loglog(
                    x, y, DASHES[number // 3 % len(DASHES)], marker=MARKERS[number % len(MARKERS)], label=name,
                    color=COLOURS[number % len(COLOURS)], linewidth=1.2, markersize=4.5, markerfacecolor="white",
                    markevery=(0.02 + 0.015 * number, 0.2),
                )  # fmt: skip
            ax.set_xlabel(label if row else "", fontsize=8)
            if not column:
                ax.set_ylabel("training E" if series == "error" else "test E")
            for axis in (ax.xaxis, ax.yaxis):
                plain_ticks(axis)
            ax.grid(True, which="major", color="0.92", linewidth=0.7)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=6, frameon=False, fontsize=8, handlelength=4)
    figure.suptitle(f"{data}: means over {len(next(iter(by_name.values())))} folds", fontsize=10, color=INK)
    return png(figure)


def mean_line(cells: list[Cell], series: str, against: str) -> tuple[np.ndarray, np.ndarray]:
    """Means over the folds at the same iterations. A run that has ended keeps its last error and cost."""
    at = np.unique(np.concatenate([c["at"] for c in cells]))
    at = at[at > 0]
    ys = [np.interp(at, c["at"], np.array(c["series"][series], dtype=float)) for c in cells]
    if against == "iterations":
        return at, np.mean(ys, axis=0)
    return np.mean([np.interp(at, c["at"], c["series"][against]) for c in cells], axis=0), np.mean(ys, axis=0)
