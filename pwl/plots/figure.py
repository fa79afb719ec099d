"""What all pictures share: a blank figure, its panels and their look, and a PNG or SVG file of it."""

from __future__ import annotations

import contextlib
import functools
import io
import math
import os
import re
import sys
from typing import TYPE_CHECKING, Literal

from pwl.errors import InputError
from pwl.validate import shown

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DPI = 110
INK, START, PALE = "0.15", "0.6", "0.8"  # greys: frames and text, starts of curves, backgrounds


def require_matplotlib() -> None:
    """Raises InputError if matplotlib is missing. Commands ask before they work for long."""
    try:
        _import_matplotlib()
    except ImportError:
        raise InputError("pictures need matplotlib: pip install matplotlib") from None


def _import_matplotlib() -> None:
    """Imports matplotlib, also if MPLBACKEND names a backend that it does not know. None is needed here."""
    if "matplotlib" in sys.modules:
        import matplotlib.figure

        return
    backend = os.environ.pop("MPLBACKEND", None)
    try:
        import matplotlib.figure
    finally:
        if backend is not None:
            os.environ["MPLBACKEND"] = backend
    if backend:
        with contextlib.suppress(ValueError):
            matplotlib.rcParams["backend"] = backend  # as matplotlib itself would have set it


def blank(width: float, height: float, figure: Figure | None = None) -> Figure:
    """An empty figure, `width` x `height` inches, that pyplot does not manage, or the given one. Notebooks show it."""
    require_matplotlib()
    if figure is not None:
        if not hasattr(figure, "set_size_inches"):
            raise InputError(f"figure must be a figure of matplotlib, not {shown(figure)}")
        figure.clear()
        figure.set_size_inches(width, height)
        figure.set_layout_engine("constrained")
        return figure
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    figure._repr_png_ = functools.partial(png, figure)  # type: ignore[attr-defined]
    return figure


def panels(
    count: int, columns: int, width: float, height: float, figure: Figure | None = None
) -> tuple[Figure, list[Axes]]:
    """A figure of `count` panels, each `width` x `height` inches, at most `columns` side by side, and their axes."""
    columns = min(columns, count)
    rows = math.ceil(count / columns)
    figure = blank(columns * width, rows * height + 0.6, figure)
    axes = list(figure.subplots(rows, columns, squeeze=False).flat)
    for spare in axes[count:]:
        spare.remove()
    for ax in axes[:count]:
        plain_look(ax)
    return figure, axes[:count]


def plain_look(ax: Axes) -> None:
    """Two spines, small grey ticks."""
    ax.spines[["top", "right"]].set_visible(False)
    ax.spines[["left", "bottom"]].set_color(INK)
    ax.tick_params(labelsize=8, colors=INK)


def nothing_finite(ax: Axes, axis: Literal["both", "x", "y"] = "both") -> None:
    """Writes "no finite values" into a panel that has nothing to show, and removes the ticks of one axis or both."""
    ax.tick_params(axis=axis, which="both", length=0, labelleft=False, labelbottom=axis == "y")
    ax.text(0.5, 0.5, "no finite values", fontsize=9, color=INK, ha="center", va="center", transform=ax.transAxes)


def png(figure: Figure, dpi: int = DPI) -> bytes:
    """The bytes of a PNG file of a figure.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
    dpi : int
        Pixels per inch.

    Returns
    -------
    bytes
    """
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=dpi)
    return stream.getvalue()


def svg(figure: Figure, name: str = "figure") -> str:
    """The text of an SVG file of a figure, with text as text and nothing behind it. The same figure gives the same text.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
    name : str
        Of the picture. Pictures of different names can stand on one page, since the ids in them differ.

    Returns
    -------
    str
    """
    import matplotlib

    stream = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": name}):
        figure.savefig(stream, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return re.sub(r'\b(id="|href="#|url\(#)(?=[a-zA-Z])', rf"\g<1>{name}-", stream.getvalue())
