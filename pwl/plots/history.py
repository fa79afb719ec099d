"""Error against iterations, multiplies and seconds. Each algorithm has one line, the median of its runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from pwl.errors import InputError
from pwl.plots.figure import INK, blank, nothing_finite, plain_look
from pwl.plots.labels import label_ends
from pwl.plots.style import Look, look
from pwl.plots.ticks import plain_ticks
from pwl.training.record import Record

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SERIES = {"error": "training", "validation_error": "validation", "test_error": "test"}
WRONG = {f"{series.removesuffix('error')}classification_error": name for series, name in SERIES.items()}
DASHES = {"training": "-", "validation": "--", "test": ":"}  # of the lines of one algorithm; several have looks of their own
SOLVED = "solved"  # stop code of what has no iterations, and is drawn as a level
LARGEST = 1e200  # errors from 1 / LARGEST to LARGEST are drawn: beyond, ticks of logarithmic axes overflow
AGAINST = {"iterations": "iterations", "multiplies": "multiplies so far", "seconds": "seconds"}


class Line(NamedTuple):
    """A line of a panel: its label, the records and the series it shows, a number for its look, and whether it is alone.

    alone: whether it is one of the lines of a single algorithm, which differ in their dashes by series.
    """

    label: str
    series: str
    records: Sequence[Record]
    number: int
    alone: bool = False

    @property
    def look(self) -> Look:
        return look(self.number)

    @property
    def linestyle(self) -> Any:
        return DASHES[(SERIES | WRONG)[self.series]] if self.alone else self.look.linestyle

    @property
    def level(self) -> bool:
        """Whether it has no iterations, and is drawn as a level."""
        return all(record.stop_code == SOLVED for record in self.records)


Given = Record | Sequence[Record] | Mapping[str, Record | Sequence[Record]]
Runs = dict[str, list[Record]]


def errors(records: Given, *, figure: Figure | None = None) -> Figure:
    """Draws the error against iterations, multiplies and seconds, on logarithmic axes.

    Each line is the median over the runs of one algorithm, and its band reaches from the lower to the upper quartile. A
    run that ended keeps its last error. For one algorithm, training, validation and test share a panel. Several have
    training above and validation below, and each its own colour, marker and dashes. What was solved without iterations,
    such as ridge regression, is a level.

    Parameters
    ----------
    records : Record, sequence of Record, or dict
        A single record, whose best iteration is marked. A list, in which runs of the same algorithm with the same
        settings share a line. Or a dictionary {name: a record or several}, with a line per name.
    figure : matplotlib.figure.Figure, optional
        The figure to draw in, such as plt.figure() if a window is to show it. By default it is a new one.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InputError
        If something other than records came, if no run has an iteration, or if matplotlib is missing.
    """
    runs, single = runs_of(records), only_record(records)
    rows = lines_of(runs)
    figure = blank(11, 0.5 + 3.1 * len(rows), figure)
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
    draw_levels(grid, rows)
    for axes in grid:
        axes[0].set_ylim(around([ax.dataLim.intervaly for ax in axes]))
        axes[0].set_yscale("log")
    ticks_and_labels(grid, rows)
    if single is not None:
        mark_best(grid[0], single)
    figure.align_xlabels()
    figure.suptitle(runs_in_words(runs) if single is None else best_in_words(single), fontsize=10, color=INK)
    return figure


def classification_errors(records: Given) -> Figure:
    """Draws the share of patterns in a wrong class against iterations, in per cent, with validation beside training.

    Parameters
    ----------
    records : Record, sequence of Record, or dict
        As for `errors`, of networks for classes.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InputError
        If something other than records came, if no run has an iteration, if the records are of regression, or if
        matplotlib is missing.
    """
    runs = runs_of(records)
    columns = lines_of(runs, WRONG)
    if not any(columns):
        raise InputError(
            "the records hold no classification error, because they are of a regression: use pwl.plots.errors"
        )
    figure = blank(5.5 * len(columns), 3.6)
    grid = figure.subplots(1, len(columns), sharey=True, squeeze=False)
    for lines, ax in zip(columns, grid[0], strict=True):
        plain_look(ax)
        draw_lines(ax, lines, "iterations")
        shown = WRONG[lines[0].series] + " " if len(columns) > 1 or len(lines) == 1 else ""
        ax.set(xlabel="iterations", ylabel=f"{shown}patterns wrong (%)")
        ax.yaxis.set_tick_params(labelleft=True)
    log_iterations(grid)
    draw_levels(grid, columns)
    tops = [ax.dataLim.intervaly[1] for ax in grid.flat]
    grid[0, 0].set_ylim(0, 1.05 * max([top for top in tops if np.isfinite(top)], default=1) or 1)
    ticks_and_labels(grid, columns)
    figure.suptitle(runs_in_words(runs), fontsize=10, color=INK)
    return figure


def only_record(records: Given) -> Record | None:
    """The record, if a single one came without a name."""
    if isinstance(records, Record):
        return records
    return records[0] if not isinstance(records, Mapping) and len(records) == 1 else None


def runs_of(records: Given) -> Runs:
    """The records by name, without those that have no iteration.

    Raises InputError if something other than records came, and if none has an iteration.
    """
    if isinstance(records, Mapping):
        wanted = "a pwl.Record or a list of them"
        every = {str(name): listed(own, f"records[{name!r}]", wanted) for name, own in records.items()}
    else:
        every = by_algorithm(
            listed(records, "records", "a pwl.Record, a list of them or a dictionary of either by name")
        )
    runs = {name: [one for one in own if one.iterations or one.stop_code == SOLVED] for name, own in every.items()}
    if not any(record.iterations for own in runs.values() for record in own):
        raise InputError("the records hold no iteration, so there is no error to draw: train for one iteration or more")
    return {name: own for name, own in runs.items() if own}


def listed(records: Any, name: str, wanted: str) -> list[Record]:
    """A record, or several, as a list. Raises InputError, which says what was wanted, for anything else."""
    own = [records] if isinstance(records, Record) else records
    came = f"an object of type {type(own).__name__}"
    if isinstance(own, Sequence):
        others = [type(one).__name__ for one in own if not isinstance(one, Record)]
        if not others:
            return list(own)
        came = f"a {type(own).__name__} with an object of type {others[0]} in it"
    raise InputError(f"{name} must be {wanted}, but {came} came")


def by_algorithm(records: Sequence[Record]) -> Runs:
    """Several runs sorted by algorithm and settings, under the algorithm's short name, numbered if it is not alone."""
    if len(records) == 1:
        return {"": list(records)}
    found: Runs = {}
    for record in records:
        found.setdefault(str(record.settings.get("algorithm", "")), []).append(record)
    short = [text.partition("(")[0] for text in found]
    names = [f"{name} {short[:i].count(name) + 1}" if short.count(name) > 1 else name for i, name in enumerate(short)]
    return dict(zip(names, found.values(), strict=True))


def lines_of(runs: Runs, named: Mapping[str, str] = SERIES) -> list[list[Line]]:
    """The lines of each row of panels. named: the series of training, validation and test, with the name of each."""
    if len(runs) == 1:
        (own,) = runs.values()
        return [lines] if (lines := [Line(named[s], s, own, i, alone=True) for i, s in enumerate(named) if s in own[0]]) else []
    rows = []
    for series in list(named)[:2]:
        if any(series in own[0] for own in runs.values()):
            rows.append([Line(n, series, own, i) for i, (n, own) in enumerate(runs.items()) if series in own[0]])
    return rows


def draw_lines(ax: Axes, lines: Sequence[Line], against: str) -> None:
    """Draws medians with their bands. Each line has its markers at places of its own."""
    for line in lines:
        if line.level:
            continue
        x, low, middle, high = quartiles(line.records, line.series, against)
        if not x.size:
            continue
        if len(line.records) > 1:
            ax.fill_between(x, low, high, color=line.look.colour, alpha=0.12, linewidth=0)
        ax.plot(
            x, middle, linestyle=line.linestyle, label=line.label, color=line.look.colour, linewidth=1.3,
            marker=line.look.marker, markersize=4.5, markerfacecolor="white", markeredgewidth=0.9,
            markevery=(0.02 + 0.03 * (line.number % 6), 0.19),
        )  # fmt: skip


def draw_levels(grid: np.ndarray, rows: Sequence[Sequence[Line]]) -> None:
    """Draws the medians of what has no iterations from side to side. Call it when the x limits are final."""
    for lines, ax in zip([lines for lines in rows for _ in range(grid.size // len(rows))], grid.flat, strict=True):
        for line in lines:
            if line.level:
                middle = float(np.median([record[line.series][0] for record in line.records]))
                middle *= 100 if line.series in WRONG else 1
                ax.plot(
                    ax.get_xlim(), [middle, middle], linestyle=line.linestyle, label=line.label, color=line.look.colour,
                    linewidth=1.1, marker=line.look.marker, markersize=4.5, markerfacecolor="white", markevery=[0],
                )  # fmt: skip


def quartiles(records: Sequence[Record], series: str, against: str) -> tuple[np.ndarray, ...]:
    """Places x, and the lower quartile, median and upper quartile of the records' errors there.

    x holds all places at which a record has a value, from the place at which half of the records have begun. Between
    iterations an error follows the straight line of the picture, linear in the logarithms. Before its first and after
    its last iteration it stays as it is. Classification errors are in per cent, and linear. Values that can't be drawn,
    such as NaN, are left out.
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


def log_iterations(grid: np.ndarray) -> None:
    """Makes the x axis of each column logarithmic, with limits close to the lines."""
    for column in grid.T:
        column[0].set_xlim(around([ax.dataLim.intervalx for ax in column]))
        column[0].set_xscale("log")


def ticks_and_labels(grid: np.ndarray, rows: Sequence[Sequence[Line]]) -> None:
    """Sets readable ticks, a grid, and names beside the ends of the lines. Call it when the limits are final."""
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
    """Limits of a logarithmic axis with a little room around the intervals; 1 to 10 if none is finite."""
    drawn = [interval for interval in intervals if np.isfinite(interval).all()]
    if not drawn:
        return 1.0, 10.0
    low, high = np.log(np.min(drawn)), np.log(np.max(drawn))
    room = max(0.04 * (high - low), 0.02)
    return float(np.exp(low - room)), float(np.exp(high + room))


def mark_best(axes: Sequence[Axes], record: Record) -> None:
    """Draws a vertical line at the best iteration, unless that is 0, which lies outside logarithmic axes."""
    if record.best_iteration:
        for ax, against in zip(axes, AGAINST, strict=True):
            x = record.best_iteration if against == "iterations" else record[against][record.best_iteration]
            ax.axvline(x, color="0.5", linewidth=0.8, linestyle=(0, (1, 2)), zorder=0, label="best")


def best_in_words(record: Record) -> str:
    """The best iteration and its error."""
    series = next(name for name in ("validation_error", "error") if name in record)
    best = record.best_iteration
    return f"best in iteration {best} (dotted): {SERIES[series]} error {record[series][best]:.4g}"


def runs_in_words(runs: Runs) -> str:
    """The name of a single algorithm, and the meaning of line and band if there are several runs of one."""
    most = max(len(own) for own in runs.values())
    name = next(iter(runs)) if len(runs) == 1 else ""
    how = f"median of {most} runs, band: quartiles" if most > 1 else ""
    return ": ".join(part for part in (name, how) if part)
