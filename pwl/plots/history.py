"""Error against iterations, multiplies and seconds: one line an algorithm, the median of its runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from pwl.errors import InputError
from pwl.plots.figure import INK, blank, nothing_finite, plain_look
from pwl.plots.labels import label_ends
from pwl.plots.ticks import plain_ticks
from pwl.training.record import Record

SERIES = {"error": "training", "validation_error": "validation", "test_error": "test"}
WRONG = {f"{series.removesuffix('error')}classification_error": name for series, name in SERIES.items()}
DASHES = {"training": "-", "validation": "--", "test": ":"}
LARGEST = 1e200  # error that is drawn; beyond, and below its inverse, ticks of logarithmic axes overflow
AGAINST = {"iterations": "iterations", "multiplies": "multiplies so far", "seconds": "seconds"}
COLOURS = ("#000000", "#0072b2", "#d55e00", "#009e73", "#aa4499", "#8c6d1f", "#56b4e9", "#777777")
MARKERS = "os^DvPX<"


class Line(NamedTuple):
    """A line of a panel: its label, the series it shows of the records; its number gives marker and colour."""

    label: str
    series: str
    records: Sequence[Record]
    number: int


Runs = dict[str, list[Record]]


def errors(records: Record | Mapping[str, Record | Sequence[Record]]) -> Any:
    """Figure of the error against iterations, multiplies and seconds, on logarithmic axes.

    records: of one run; or {name: a record, or those of several folds}. Each line is the median over the folds, its
    band reaches from the lower to the upper quartile; a run that ended keeps its last error. One algorithm: training,
    validation and test share a panel; the best iteration of a single record is marked. Several: training above (solid),
    validation below (dashed).

    Raises InputError where no run has an iteration, or matplotlib is missing.
    """
    runs = runs_of(records)
    rows = lines_of(runs)
    figure = blank(11, 0.5 + 3.1 * len(rows))
    grid = figure.subplots(len(rows), len(AGAINST), sharey="row", sharex="col", squeeze=False)
    for lines, axes in zip(rows, grid, strict=True):
        for ax, against in zip(axes, AGAINST, strict=True):
            plain_look(ax)
            draw_lines(ax, lines, against)
        shown = SERIES[lines[0].series] + " " if len(rows) > 1 or len(lines) == 1 else ""
        axes[0].set_ylabel(f"{shown}error E")
    for ax, label in zip(grid[-1], AGAINST.values(), strict=True):
        ax.set_xlabel(label)
    log_iterations(grid)
    for axes in grid:
        axes[0].set_ylim(around([ax.dataLim.intervaly for ax in axes]))
        axes[0].set_yscale("log")
    ticks_and_labels(grid, rows)
    if isinstance(records, Record):
        mark_best(grid[0], records)
    figure.align_xlabels()
    figure.suptitle(heading(records, runs), fontsize=10, color=INK)
    return figure


def classification_errors(records: Record | Mapping[str, Record | Sequence[Record]]) -> Any:
    """Figure of the share of patterns in a wrong class against iterations, in per cent: training, and validation beside
    it. records and lines: as for `errors`.

    Raises InputError where no run has an iteration, for records of regression, or where matplotlib is missing.
    """
    runs = runs_of(records)
    columns = lines_of(runs, WRONG)
    if not any(columns):
        raise InputError("the records hold no classification error: they are of a regression")
    figure = blank(5.5 * len(columns), 3.6)
    grid = figure.subplots(1, len(columns), sharey=True, squeeze=False)
    for lines, ax in zip(columns, grid[0], strict=True):
        plain_look(ax)
        draw_lines(ax, lines, "iterations")
        shown = WRONG[lines[0].series] + " " if len(columns) > 1 or len(lines) == 1 else ""
        ax.set(xlabel="iterations", ylabel=f"{shown}patterns wrong (%)")
        ax.yaxis.set_tick_params(labelleft=True)
    log_iterations(grid)
    tops = [ax.dataLim.intervaly[1] for ax in grid.flat]
    grid[0, 0].set_ylim(0, 1.05 * max([top for top in tops if np.isfinite(top)], default=1) or 1)
    ticks_and_labels(grid, columns)
    figure.suptitle(folds_in_words(runs), fontsize=10, color=INK)
    return figure


def runs_of(records: Record | Mapping[str, Record | Sequence[Record]]) -> Runs:
    """The records by name that have an iteration or more. Raises InputError where there are none."""
    named = {"": records} if isinstance(records, Record) else records
    every = {name: [own] if isinstance(own, Record) else list(own) for name, own in named.items()}
    runs = {name: [record for record in own if record.iterations] for name, own in every.items()}
    if not any(runs.values()):
        raise InputError("the records hold no iteration, so there is no error to draw: train for one iteration or more")
    return {name: own for name, own in runs.items() if own}


def lines_of(runs: Runs, named: Mapping[str, str] = SERIES) -> list[list[Line]]:
    """The lines of each row of panels; named: the series, of training, validation and test, and what each is called."""
    if len(runs) == 1:
        (own,) = runs.values()
        return [lines] if (lines := [Line(named[s], s, own, i) for i, s in enumerate(named) if s in own[0]]) else []
    rows = []
    for series in list(named)[:2]:
        if any(series in own[0] for own in runs.values()):
            rows.append([Line(n, series, own, i) for i, (n, own) in enumerate(runs.items()) if series in own[0]])
    return rows


def draw_lines(ax: Any, lines: Sequence[Line], against: str) -> None:
    """Median lines with their bands; markers lie at other places on every line."""
    for line in lines:
        x, low, middle, high = quartiles(line.records, line.series, against)
        if not x.size:
            continue
        colour, marker = COLOURS[line.number % len(COLOURS)], MARKERS[line.number % len(MARKERS)]
        if len(line.records) > 1:
            ax.fill_between(x, low, high, color=colour, alpha=0.12, linewidth=0)
        ax.plot(
            x, middle, DASHES[(SERIES | WRONG)[line.series]], label=line.label, color=colour, linewidth=1.3,
            marker=marker, markersize=4.5, markerfacecolor="white", markeredgewidth=0.9,
            markevery=(0.02 + 0.03 * line.number, 0.19),
        )  # fmt: skip


def quartiles(records: Sequence[Record], series: str, against: str) -> tuple[np.ndarray, ...]:
    """x, and the lower quartile, median and upper quartile over the records of the error at x.

    x: all places where a record has a value, from where half of them have begun. Between its iterations an error
    follows the straight line of the picture, linear in the logarithms; before its first and after its last it stays.
    Classification errors are per cent, and linear. Values that can't be drawn, such as NaN, are left out.
    """
    percent = series in WRONG
    runs = []
    for record in records:
        spent = list(range(len(record))) if against == "iterations" else record[against]
        x, y = np.array(spent, dtype=float), np.array(record[series], dtype=float)
        shown = (x > 0) & (x < LARGEST)  # logarithms; iteration 0 has spent seconds, but no multiplies
        shown &= np.isfinite(y) if percent else (y > 1 / LARGEST) & (y < LARGEST)
        runs.append((np.log(x[shown]), 100 * y[shown] if percent else np.log(y[shown])))
    runs = [(x, y) for x, y in runs if x.size]
    if not runs:
        return (np.empty(0),) * 4
    places = np.unique(np.concatenate([x for x, _ in runs]))
    places = places[places >= np.median([x[0] for x, _ in runs])]
    found = np.array([np.interp(places, x, y) for x, y in runs])
    found = found if percent else np.exp(found)
    return np.exp(places), *np.quantile(found, [0.25, 0.5, 0.75], axis=0)


def log_iterations(grid: Any) -> None:
    """The x axis of each column logarithmic, its limits close to the lines."""
    for column in grid.T:
        column[0].set_xlim(around([ax.dataLim.intervalx for ax in column]))
        column[0].set_xscale("log")


def ticks_and_labels(grid: Any, rows: Sequence[Sequence[Line]]) -> None:
    """When the limits are final: ticks that can be read, a grid, names beside the ends of the lines."""
    for lines, ax in zip([lines for lines in rows for _ in range(grid.size // len(rows))], grid.flat, strict=True):
        for axis in (ax.xaxis, ax.yaxis):
            if axis.get_scale() == "log":
                plain_ticks(axis)
        if not ax.get_lines():
            nothing_finite(ax, axis="y")
            continue
        ax.grid(True, which="major", color="0.92", linewidth=0.7)
        ax.set_axisbelow(True)
        label_ends(ax, [line.label for line in lines])


def around(intervals: Sequence[np.ndarray]) -> tuple[float, float]:
    """Limits of a logarithmic axis with a little room around the intervals; 1 to 10 where none is finite."""
    drawn = [interval for interval in intervals if np.isfinite(interval).all()]
    if not drawn:
        return 1.0, 10.0
    low, high = np.log(np.min(drawn)), np.log(np.max(drawn))
    room = max(0.04 * (high - low), 0.02)
    return float(np.exp(low - room)), float(np.exp(high + room))


def mark_best(axes: Any, record: Record) -> None:
    """A vertical line where the network was best; none at iteration 0, which lies outside logarithmic axes."""
    if record.best_iteration:
        for ax, against in zip(axes, AGAINST, strict=True):
            x = record.best_iteration if against == "iterations" else record[against][record.best_iteration]
            ax.axvline(x, color="0.5", linewidth=0.8, linestyle=(0, (1, 2)), zorder=0, label="best")


def heading(records: Any, runs: Runs) -> str:
    if isinstance(records, Record):
        series = next(name for name in ("validation_error", "error") if name in records)
        best = records.best_iteration
        return f"best in iteration {best} (dotted): {SERIES[series]} error {records[series][best]:.4g}"
    return folds_in_words(runs)


def folds_in_words(runs: Runs) -> str:
    """The name of one algorithm, and what line and band are of several folds."""
    folds = max(len(own) for own in runs.values())
    name = next(iter(runs)) if len(runs) == 1 else ""
    how = f"median of {folds} folds, band: quartiles" if folds > 1 else ""
    return ": ".join(part for part in (name, how) if part)
