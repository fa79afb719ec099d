"""The state of a training run against iterations, as MATLAB's plottrainstate."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pwl.errors import InputError
from pwl.plots.figure import INK, panels
from pwl.plots.ticks import plain_ticks
from pwl.training.record import Record
from pwl.validate import is_number, kind

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Series of costs. Errors are left out as well, because they have pictures of their own.
LEFT_OUT = ("seconds", "multiplies", "own_multiplies", "passes", "objective")
FAILS = "validation fails"


def training_state(record: Record, *, figure: Figure | None = None) -> Figure:
    """Draws the series of a record against iterations: the norm of the gradient, mu, z, and whatever else its algorithm keeps.

    Series of positive numbers have logarithmic axes. With validation data, a last panel counts the iterations in a row without a
    new lowest validation error, of which `max_fail` end a run.

    Parameters
    ----------
    record : Record
    figure : matplotlib.figure.Figure, optional
        The figure to draw in, such as plt.figure() if a window is to show it. By default it is a new one.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InputError
        If it is not a record, if it has no such series, or if matplotlib is missing.
    """
    kind("record", record, Record, "a pwl.Record")
    series = {name: values for name, values in _numbers(record).items() if np.isfinite(values).any()}
    if "validation_error" in record:
        series[FAILS] = fails(record)
    if not series:
        raise InputError("the record holds errors only, which pwl.plots.errors draws")
    figure, axes = panels(len(series), 1, 6.4, 1.5, figure)
    for ax, (name, values) in zip(axes, series.items(), strict=True):
        ax.plot(np.arange(len(values)), values, color="black", linewidth=1.2, marker="o", markersize=2.2)
        ax.set_ylabel(name.replace("_", " "), fontsize=8)
        ax.set_xlim(0, max(len(values) - 1, 1))
        finite = values[np.isfinite(values)]
        if name != FAILS and finite.size and (finite > 0).all() and finite.max() >= 10 * finite.min():
            ax.set_yscale("log")
            plain_ticks(ax.yaxis)
    axes[-1].set_xlabel(f"iterations ({record.iterations}); {record.stop_reason}", fontsize=8, color=INK)
    return figure


def fails(record: Record) -> np.ndarray:
    """The number of iterations in a row, up to each, without a new lowest validation error."""
    lowest, count, found = np.inf, 0, []
    for value in record["validation_error"]:
        count = 0 if value < lowest else count + 1
        lowest = min(lowest, value)
        found.append(count)
    return np.array(found, dtype=float)


def _numbers(record: Record) -> dict[str, np.ndarray]:
    """The series that hold one number per iteration, but errors and costs."""
    found = {}
    for name, values in record.series.items():
        left_out = name in LEFT_OUT or name.endswith("error")
        if not left_out and all(value is None or is_number(value) for value in values):
            found[name] = np.array([np.nan if value is None else float(value) for value in values])
    return found
