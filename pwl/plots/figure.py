"""What all pictures share: a blank figure, its panels, their look, its bytes."""

from __future__ import annotations

import functools
import io
import math
from typing import Any

from pwl.errors import InputError

DPI = 110
INK, START, PALE = "0.15", "0.6", "0.87"  # greys: frames and text, what came before, what lies behind


def require_matplotlib() -> None:
    """InputError where matplotlib is missing: commands ask before they work for long."""
    try:
        import matplotlib.figure  # noqa: F401
    except ImportError:
        raise InputError("pictures need matplotlib: pip install matplotlib") from None


def blank(width: float, height: float) -> Any:
    """Figure of so many inches, outside pyplot; notebooks show it."""
    require_matplotlib()
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    figure._repr_png_ = functools.partial(png, figure)  # type: ignore[attr-defined]
    return figure


def panels(count: int, columns: int, width: float, height: float) -> tuple[Any, list[Any]]:
    """Figure of `count` panels, each `width` x `height` inches, at most `columns` side by side; and its axes."""
    columns = min(columns, count)
    rows = math.ceil(count / columns)
    figure = blank(columns * width, rows * height + 0.6)
    axes = list(figure.subplots(rows, columns, squeeze=False).flat)
    for spare in axes[count:]:
        spare.remove()
    for ax in axes[:count]:
        plain_look(ax)
    return figure, axes[:count]


def plain_look(ax: Any) -> None:
    """Two spines, small grey ticks."""
    ax.spines[["top", "right"]].set_visible(False)
    ax.spines[["left", "bottom"]].set_color(INK)
    ax.tick_params(labelsize=8, colors=INK)


def nothing_finite(ax: Any, axis: str = "both") -> None:
    """A panel that has nothing to show says so, without ticks at its axes, or at one of them."""
    ax.tick_params(axis=axis, which="both", length=0, labelleft=False, labelbottom=axis == "y")
    ax.text(0.5, 0.5, "no finite values", fontsize=9, color=INK, ha="center", va="center", transform=ax.transAxes)


def png(figure: Any, dpi: int = DPI) -> bytes:
    """A figure as the bytes of a PNG file."""
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=dpi)
    return stream.getvalue()
