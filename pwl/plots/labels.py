"""Labels at the ends of lines, moved apart so that none covers another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

FONT = 8.5


def label_ends(ax: Any, labels: Sequence[str]) -> None:
    """Writes the label and the marker of each line beside the panel, and joins them to the line's end.

    Lines with other labels are left out. Call it when the limits are final.
    """
    lines = [line for line in ax.get_lines() if line.get_label() in labels and len(line.get_xdata())]
    if not lines or not any(labels):
        return
    to_axes = ax.transScale + ax.transLimits
    ends = np.array([to_axes.transform((line.get_xdata()[-1], line.get_ydata()[-1])) for line in lines])
    inches = ax.get_figure().get_figheight() / ax.get_subplotspec().get_gridspec().nrows - 0.7
    beside = {"transform": ax.transAxes, "clip_on": False}
    for line, (x, y), height in zip(lines, ends, spread(ends[:, 1], 1.35 * FONT / 72 / inches), strict=True):
        ax.plot([x, 1.02, 1.05], [y, height, height], color="0.6", linewidth=0.6, zorder=1, **beside)
        key = {"color": line.get_color(), "marker": line.get_marker(), "markersize": line.get_markersize()}
        ax.plot([1.05], [height], markerfacecolor="white", markeredgewidth=0.9, linestyle="none", **key, **beside)
        ax.text(
            1.085, height, line.get_label(), fontsize=FONT, color=line.get_color(), va="center", transform=ax.transAxes
        )


def spread(heights: np.ndarray, gap: float) -> np.ndarray:
    """Heights in [0, 1] that are at least `gap` apart, in the same order and as near as possible to those given.

    Nearness is the sum of squares.
    """
    from scipy.optimize import isotonic_regression  # here, because it would double the time to import pwl

    order = np.argsort(heights, kind="stable")
    steps = gap * np.arange(len(heights))
    start = isotonic_regression(heights[order] - steps).x
    placed = np.empty(len(heights))
    placed[order] = np.clip(start, 0, max(0.0, 1 - steps[-1])) + steps
    return placed
