"""Ticks of logarithmic axes as plain numbers where those are short."""

from __future__ import annotations

from typing import Any

import numpy as np


def plain_ticks(axis: Any) -> None:
    """1, 2, 5, 10, ..., on a long axis 1, 10, 100, on a short one evenly spaced; no change where numbers are long."""
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

    low, high = axis.get_view_interval()
    decades = np.log10(high) - np.log10(low)
    if low < 1e-3 or high > 1e5 or decades > 3:
        return
    axis.set_major_locator(MaxNLocator(5) if decades < 0.7 else LogLocator(subs=(1, 2, 5) if decades < 2.2 else (1,)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())
