"""Regression by parts, as MATLAB's plotregression and ploterrhist: training, validation, test, and all together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from pwl.errors import InputError
from pwl.learners.ensemble import Ensemble
from pwl.network.network import Network
from pwl.plots.figure import INK, nothing_finite, panels, plain_look
from pwl.plots.style import look
from pwl.plots.targets import LARGEST, MOST_POINTS, MOST_SHAPES, TITLE, both_range, columns, correlation
from pwl.validate import kind, shown

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ALL = "all"
BINS = 20  # as ploterrhist


def regression(net: Any, parts: Mapping[str, Any], *, figure: Figure | None = None) -> Figure:
    """Draws predictions against targets for each part and for all patterns, with the fitted line and the correlation R.

    A panel shows the diagonal (dotted), on which predictions are right, and the least-squares line y = a t + b (solid). Several
    targets share a panel, as in MATLAB.

    Parameters
    ----------
    net : Network or Ensemble
        Of a regression.
    parts : mapping of str to (x, t)
        Patterns by the name of their part, such as {"training": (x, t), "test": (x_test, t_test)}, in the units that
        `net.predict` takes and gives. If there are several parts, one more panel has all of them.
    figure : matplotlib.figure.Figure, optional
        The figure to draw in, such as plt.figure() if a window is to show it. By default it is a new one.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InputError
        If there are no parts, if patterns do not fit the net, or if matplotlib is missing.
    """
    pairs = _pairs(net, parts)
    if len(pairs) > 1:
        t, y = (np.concatenate(both) for both in zip(*pairs.values(), strict=True))
        pairs[ALL] = (t, y)
    figure, axes = panels(len(pairs), 2, 3.6, 3.6, figure)
    for ax, (name, (t, y)) in zip(axes, pairs.items(), strict=True):
        few = slice(None, None, max(1, len(t) // MOST_POINTS))
        ax.set(aspect="equal", xlabel="target", ylabel="output")
        ax.set_title(f"{name}: R = {correlation(t, y):.5f}", **TITLE)
        limits = both_range(t, y)
        if limits is None:
            nothing_finite(ax)
            continue
        ax.plot(
            t[few],
            y[few],
            "o",
            color="0.45",
            markersize=3,
            markerfacecolor="none",
            label="patterns",
            rasterized=len(t) > MOST_SHAPES,
        )
        ax.plot(limits, limits, ":", color=INK, linewidth=1.2, label="y = t")
        if t.size and np.ptp(t) > 0:
            a, b = line_of(t, y)
            ends = np.array(limits)
            ax.plot(
                ends,
                a * ends + b,
                color=look(1).colour,
                linewidth=1.5,
                label=f"y = {a:.3g} t {'+' if b >= 0 else '-'} {abs(b):.2g}",
            )
        ax.set(xlim=limits, ylim=limits)
        ax.locator_params(nbins=5)
        ax.legend(frameon=False, fontsize=7.5, loc="upper left")
    return figure


def error_histogram(net: Any, parts: Mapping[str, Any], *, bins: int = BINS, figure: Figure | None = None) -> Figure:
    """Draws a histogram of the errors t - y, with the share of each part in every bar.

    Parameters
    ----------
    net, parts, figure
        As for `regression`.
    bins : int
        Number of bars.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InputError
        As for `regression`.
    """
    pairs = _pairs(net, parts)
    errors = {name: t - y for name, (t, y) in pairs.items()}
    drawable = {name: e[np.abs(e) < LARGEST] for name, e in errors.items()}
    figure, (ax,) = panels(1, 1, 6.4, 3.6, figure)
    ax.set(xlabel="error, target - output", ylabel="patterns")
    every = np.concatenate(list(drawable.values()))
    if not every.size:
        nothing_finite(ax)
        return figure
    edges = np.histogram_bin_edges(every, bins)
    bottom = np.zeros(len(edges) - 1)
    greys = np.linspace(0.45, 0.85, len(drawable))
    hatches = ("", "////", "....", "xxxx")
    for number, (name, e) in enumerate(drawable.items()):
        counts = np.histogram(e, edges)[0]
        ax.bar(
            edges[:-1], counts, np.diff(edges), bottom, align="edge", color=str(greys[number]), edgecolor="white", linewidth=0.5,
            hatch=hatches[number % len(hatches)], label=name,
        )  # fmt: skip
        bottom += counts
    ax.axvline(0, color="black", linewidth=1.2, label="zero error")
    ax.legend(frameon=False, fontsize=8)
    plain_look(ax)
    return figure


def line_of(t: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """Slope a and offset b of the least-squares line y = a t + b."""
    middle = t.mean()
    a = float(np.sum((t - middle) * (y - y.mean())) / np.sum((t - middle) ** 2))
    return a, float(y.mean() - a * middle)


def _pairs(net: Any, parts: Mapping[str, Any]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Known targets and their predictions of each part, (Nv M,) if all are known."""
    if not isinstance(parts, Mapping) or not parts:
        raise InputError(
            f'parts must be a dictionary such as {{"training": (x, t), "test": (x_test, t_test)}}, not {shown(parts)}'
        )
    kind("net", net, (Network, Ensemble), "a pwl.Network or a pwl.Ensemble")
    if net.loss.classes:
        raise InputError(
            "this picture is for numbers, but the net gives classes: use pwl.plots.confusion or pwl.plots.roc"
        )
    found = {}
    for name, part in parts.items():
        if not isinstance(part, (tuple, list)) or len(part) not in (2, 3):
            raise InputError(f"the part {name!r} must be (x, t), not {shown(part)}")
        t, y, _ = columns(part[1], net.predict(part[0]), None)
        known = ~np.isnan(t)
        found[str(name)] = (t[known], y[known])
    return found
