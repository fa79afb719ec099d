"""Training as a moving picture, with matplotlib's player in a notebook or on a page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from pwl.errors import InputError
from pwl.network.network import Network
from pwl.plots.figure import blank
from pwl.plots.units import curve_layer, curves, hinges
from pwl.validate import positive, shown

if TYPE_CHECKING:
    from matplotlib.animation import FuncAnimation
    from matplotlib.figure import Figure


def animate(
    frames: Sequence[Any],
    draw: Callable[[Any, Figure], Any] | None = None,
    *,
    figure: Figure | None = None,
    seconds: float = 0.3,
) -> FuncAnimation:
    """Draws frames one after another. A notebook shows the animation with a player: play, pause, and a step at a time.

    Parameters
    ----------
    frames : sequence
        What `draw` draws, one value per frame. Without `draw` they are networks, such as a callback of `pwl.train` collects, and
        the first layer of curves is drawn beside the curves of the first frame.
    draw : function of (frame, figure), optional
        Draws one frame in an empty figure.
    figure : matplotlib.figure.Figure, optional
        The figure to draw in, such as plt.figure() if a window is to show it. By default it is a new one.
    seconds : float
        Time that a frame is seen.

    Returns
    -------
    matplotlib.animation.FuncAnimation
        `to_jshtml()` gives the player for a page, and `save("training.gif")` writes a file.

    Raises
    ------
    InputError
        If there are no frames, if they are not networks and `draw` is missing, or if matplotlib is missing.
    """
    positive("seconds", seconds)
    if not isinstance(frames, Sequence) or not len(frames):
        raise InputError(f"frames must be a sequence of one frame or more, not {shown(frames)}")
    if draw is None:
        draw = first_curves(frames)
    canvas = blank(6, 4) if figure is None else figure
    from matplotlib.animation import FuncAnimation

    def shown_frame(number: int) -> list[Any]:
        canvas.clear()
        draw(frames[number], canvas)
        return []

    player = FuncAnimation(canvas, shown_frame, frames=len(frames), interval=1000 * seconds)
    canvas.canvas.draw()  # the first frame; a player that never drew one warns when it goes
    player._repr_html_ = player.to_jshtml  # type: ignore[method-assign] # whatever rcParams say
    return player


def first_curves(frames: Sequence[Any]) -> Callable[[Any, Figure], Any]:
    """The function that draws the curves of a network of the frames beside those of the first one."""
    first = frames[0]
    if not all(isinstance(frame, Network) for frame in frames):
        raise InputError("frames that are not networks need `draw`, a function of (frame, figure)")
    shown_units = min(8, len(hinges(first, curve_layer(first, 0))))

    def draw(net: Network, figure: Figure) -> None:
        rows = -(-shown_units // 4)
        axes = figure.subplots(rows, min(4, shown_units), squeeze=False, sharex=True, sharey=True)
        curves(net, before=first, ax=list(axes.flat)[:shown_units], most=shown_units)

    return draw
