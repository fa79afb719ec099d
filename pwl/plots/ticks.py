"""Ticks of logarithmic axes as plain numbers, as long as these are short."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axis import Axis


def plain_ticks(axis: Axis) -> None:
    """Sets the ticks of a logarithmic axis and writes them as plain numbers.

    The ticks are 1, 2, 5, 10, ..., on a long axis 1, 10, 100, and on a short one evenly spaced. Long numbers are written as
    1e6, 3e6, and are few.
    """
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

    low, high = axis.get_view_interval()
    decades = np.log10(high) - np.log10(low)
    axis.set_minor_formatter(NullFormatter())  # labels of minor ticks would run into one another
    if low < 1e-3 or high > 1e5 or decades > 3:
        if decades < 2:
            axis.set_major_locator(LogLocator(subs=(1, 3)) if decades >= 0.7 else MaxNLocator(3))
            axis.set_major_formatter(FuncFormatter(lambda value, _: scientific(value)))
        return
    axis.set_major_locator(MaxNLocator(5) if decades < 0.7 else LogLocator(subs=(1, 2, 5) if decades < 2.2 else (1,)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def scientific(value: float) -> str:
    """A number such as 3000000 as 3e6."""
    power = int(np.floor(np.log10(value))) if value > 0 else 0
    return f"{value / 10.0**power:g}e{power}"
