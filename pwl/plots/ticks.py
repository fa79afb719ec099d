"""Ticks of logarithmic axes as plain numbers where those are short."""

from __future__ import annotations

from typing import Any

import numpy as np


def plain_ticks(axis: Any) -> None:
    """1, 2, 5, 10, ..., on a long axis 1, 10, 100, on a short one evenly spaced; long numbers as 1e6, 3e6, few of them."""
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

    low, high = axis.get_view_interval()
    decades = np.log10(high) - np.log10(low)
    axis.set_minor_formatter(NullFormatter())  # its labels would run into one another
    if low < 1e-3 or high > 1e5 or decades > 3:
        if decades < 2:
            axis.set_major_locator(LogLocator(subs=(1, 3)) if decades >= 0.7 else MaxNLocator(3))
            axis.set_major_formatter(FuncFormatter(lambda value, _: scientific(value)))
        return
    axis.set_major_locator(MaxNLocator(5) if decades < 0.7 else LogLocator(subs=(1, 2, 5) if decades < 2.2 else (1,)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def scientific(value: float) -> str:
    """3000000 as 3e6."""
    power = int(np.floor(np.log10(value))) if value > 0 else 0
    return f"{value / 10.0**power:g}e{power}"
