"""Error against iterations, multiplies and seconds: one line an algorithm, the median of its runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from pwl.errors import InputError
from pwl.plots.figure import INK, blank, plain_look
from pwl.plots.labels import label_ends
from pwl.plots.ticks import plain_ticks
from pwl.record import Record

SERIES = {"error": "training", "validation_error": "validation", "test_error": "test"}
DASHES = {"error": "-", "validation_error": "--", "test_error": ":"}
AGAINST = {"iterations": "iterations", "multiplies": "multiplies so far", "seconds": "seconds"}
COLOURS = ("#000000", "#0072b2", "#d55e00", "#009e73", "#aa4499", "#8c6d1f", "#56b4e9", "#777777")
MARKERS = "os^DvPX<"


class Line(NamedTuple):
    """A line of a panel: its label, the series it shows of the records; its number gives marker and colour."""

    label: str
    series: str
    records: Sequence[Record]
    number: int


def errors(records: Record | Mapping[str, Record | Sequence[Record]]) -> Any:
    """Figure of the error against iterations, multiplies and seconds, on logarithmic axes.

    records: of one run; or {name: a record, or those of several folds}. Each line is the median over the folds, its
    band reaches from the lower to the upper quartile; a run that ended keeps its last error. One algorithm: training,
    validation and test share a panel; the best iteration of a single record is marked. Several: training above (solid),
    validation below (dashed).

    Raises InputError where no run has an iteration, or matplotlib is missing.
    """
    named = {"": records} if isinstance(records, Record) else records
    runs = {name: [own] if isinstance(own, Record) else list(own) for name, own in named.items()}
    runs = {name: own for name, own in runs.items() if own and all(record.iterations for record in own)}
    if not runs:
        raise InputError("the records hold no iteration, so there is no error to draw: train for one iteration or more")
    rows = lines_of(runs)
    figure = blank(11, 0.5 + 3.1 * len(rows))
    grid = figure.subplots(len(rows), len(AGAINST), sharey=True, sharex="col", squeeze=False)
    for lines, axes in zip(rows, grid, strict=True):
        for ax, against in zip(axes, AGAINST, strict=True):
            plain_look(ax)
            draw_lines(ax, lines, against)
        shown = SERIES[lines[0].series] + " " if len(rows) > 1 or len(lines) == 1 else ""
        axes[0].set_ylabel(f"{shown}error E")
    for ax, label in zip(grid[-1], AGAINST.values(), strict=True):
        ax.set_xlabel(label)
    finish(grid)
    for lines, axes in zip(rows, grid, strict=True):
        for ax in axes:
            label_ends(ax, [line.label for line in lines])
    if isinstance(records, Record):
        mark_best(grid[0], records)
    figure.align_xlabels()
    figure.suptitle(heading(records, runs), fontsize=10, color=INK)
    return figure


def lines_of(runs: Mapping[str, Sequence[Record]]) -> list[list[Line]]:
    """The lines of each row of panels."""
    if len(runs) == 1:
        (own,) = runs.values()
        return [[Line(label, s, own, i) for i, (s, label) in enumerate(SERIES.items()) if s in own[0]]]
    rows = []
    for series in ("error", "validation_error"):
        if any(series in own[0] for own in runs.values()):
            rows.append([Line(n, series, own, i) for i, (n, own) in enumerate(runs.items()) if series in own[0]])
    return rows


def draw_lines(ax: Any, lines: Sequence[Line], against: str) -> None:
    """Median lines with their bands; markers lie at other places on every line."""
    for line in lines:
        x, low, middle, high = quartiles(line.records, line.series, against)
        colour, marker = COLOURS[line.number % len(COLOURS)], MARKERS[line.number % len(MARKERS)]
        if len(line.records) > 1:
            ax.fill_between(x, low, high, color=colour, alpha=0.12, linewidth=0)
        ax.plot(
            x, middle, DASHES[line.series], label=line.label, color=colour, linewidth=1.3,
            marker=marker, markersize=4.5, markerfacecolor="white", markeredgewidth=0.9,
            markevery=(0.02 + 0.03 * line.number, 0.19),
        )  # fmt: skip


def quartiles(records: Sequence[Record], series: str, against: str) -> tuple[np.ndarray, ...]:
    """x, and the lower quartile, median and upper quartile over the records of the error at x.

    x: all places where a record has a value, from where half of them have begun. Between its iterations an error
    follows the straight line of the picture, linear in the logarithms; before its first and after its last it stays.
    """
    runs = []
    for record in records:
        spent = list(range(len(record))) if against == "iterations" else record[against]
        x, y = np.array(spent, dtype=float), np.array(record[series], dtype=float)
        shown = (x > 0) & (y > 0)  # logarithms; iteration 0 has spent seconds, but no multiplies
        runs.append((np.log(x[shown]), np.log(y[shown])))
    runs = [(x, y) for x, y in runs if x.size]
    if not runs:
        return (np.empty(0),) * 4
    places = np.unique(np.concatenate([x for x, _ in runs]))
    places = places[places >= np.median([x[0] for x, _ in runs])]
    found = np.exp([np.interp(places, x, y) for x, y in runs])
    return np.exp(places), *np.quantile(found, [0.25, 0.5, 0.75], axis=0)


def finish(grid: Any) -> None:
    """Limits close to the lines, and ticks that can be read."""
    for column in grid.T:
        column[0].set_xlim(around([ax.dataLim.intervalx for ax in column]))
        column[0].set_xscale("log")
    grid[0, 0].set_ylim(around([ax.dataLim.intervaly for ax in grid.flat]))
    grid[0, 0].set_yscale("log")
    for ax in grid.flat:
        ax.grid(True, which="major", color="0.92", linewidth=0.7)
        ax.set_axisbelow(True)
        plain_ticks(ax.xaxis)
        plain_ticks(ax.yaxis)


def around(intervals: Sequence[np.ndarray]) -> tuple[float, float]:
    """Limits of a logarithmic axis with a little room around the intervals."""
    low, high = np.min(intervals), np.max(intervals)
    room = max((high / low) ** 0.04, 1.02)
    return low / room, high * room


def mark_best(axes: Any, record: Record) -> None:
    """A vertical line where the network was best; none at iteration 0, which lies outside logarithmic axes."""
    if record.best_iteration:
        for ax, against in zip(axes, AGAINST, strict=True):
            x = record.best_iteration if against == "iterations" else record[against][record.best_iteration]
            ax.axvline(x, color="0.5", linewidth=0.8, linestyle=(0, (1, 2)), zorder=0, label="best")


def heading(records: Any, runs: Mapping[str, Sequence[Record]]) -> str:
    if isinstance(records, Record):
        series = next(name for name in ("validation_error", "error") if name in records)
        best = records.best_iteration
        return f"best in iteration {best} (dotted): {SERIES[series]} error {records[series][best]:.4g}"
    folds = max(len(own) for own in runs.values())
    name = next(iter(runs)) if len(runs) == 1 else ""
    how = f"median of {folds} folds, band: quartiles" if folds > 1 else ""
    return ": ".join(part for part in (name, how) if part)
