"""What a step sees: E along its direction with the parabola that gives z, and its Hessian."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from pwl.algorithms.learning_factors import along_line
from pwl.errors import InputError
from pwl.network.network import Network
from pwl.plots.figure import INK, panels
from pwl.reductions.curvature import line_curvature
from pwl.reductions.gradients import error, gradients
from pwl.reductions.patterns import Patterns
from pwl.reductions.reduce import reduce
from pwl.runtime.backend import Array, as_array, host
from pwl.validate import shown, whole

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FROM, TO = -0.5, 2.5  # limits of z, as multiples of g / h
MOST_WRITTEN = 9  # the elements are written into the cells of a matrix up to this size


def line_search(
    net: Network, data: Any, direction: Mapping[str, Array], *, ax: Axes | None = None, points: int = 61
) -> Figure:
    """Draws E along a direction, the parabola that touches it at z = 0, and the z = g / h of its minimum, Eq. (20).

    Where the outputs are linear in the parameters of the direction, as in the curves' ordinates, the two are the same line.

    Parameters
    ----------
    net : Network
    data : (x, t), (x, t, weights) or pwl.Patterns
    direction : dict of str to array
        A direction by slot key, such as info.D or info.G_a of a step from this network.
    ax : matplotlib Axes, optional
        A panel to draw in. By default there is a new figure.
    points : int
        Number of points of either line.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InputError
        If data, network and direction do not fit, if E does not change along the direction, or if matplotlib is missing.
    """
    whole("points", points, 3)
    net, patterns = Patterns.fitting(net, data)
    net.check_initialised()
    check_direction(net, direction)
    scores, G = reduce(gradients(tuple(direction)), net, patterns)
    E, h = float(scores[0]), float(reduce(line_curvature(direction), net, patterns))
    g = float(sum(np.sum(host(G[key]) * host(d)) for key, d in direction.items()))
    if h == 0 or g == 0:
        raise InputError("E does not change along this direction, so there is no line to draw: give another one")
    z = np.linspace(FROM, TO, points) * g / h
    found = [float(reduce(error(), net.moved(along_line(s, direction)), patterns)[0]) for s in z]
    figure, panel = one_panel(ax)
    panel.plot(z, found, color="black", linewidth=1.6, label="E along the direction")
    panel.plot(z, E - g * z + h * z * z / 2, "--", color="#d55e00", linewidth=1.4, label="parabola from E, g and h")
    panel.plot([0.0], [E], "o", color="black", markersize=4, label="here, z = 0")
    panel.plot([g / h], [E - g * g / h / 2], "v", color="#d55e00", markersize=6, label=f"z = g / h = {g / h:.4g}")
    panel.set(xlabel="z", ylabel="E")
    panel.legend(frameon=False, fontsize=8)
    return figure


def hessian(H: Array, *, ax: Axes | None = None) -> Figure:
    """Draws a symmetric matrix such as info.H_molf: blue elements are positive, red ones negative.

    Parameters
    ----------
    H : array (n, n)
    ax : matplotlib Axes, optional
        A panel to draw in. By default there is a new figure.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InputError
        If H is not a square matrix of finite numbers, or if matplotlib is missing.
    """
    A = host(as_array(H, "H"))
    if A.ndim != 2 or A.shape[0] != A.shape[1] or not A.size or not np.all(np.isfinite(A)):
        raise InputError(f"H must be a square matrix of finite numbers, not {shown(H)}")
    n, largest = len(A), float(np.max(np.abs(A))) or 1.0
    figure, panel = one_panel(ax, 4.2, 3.4)
    image = panel.imshow(A, cmap="RdBu", vmin=-largest, vmax=largest)
    figure.colorbar(image, ax=panel, shrink=0.85)
    places, step = np.arange(n), max(1, n // 10)
    panel.set_xticks(places[::step], [str(k + 1) for k in places[::step]])
    panel.set_yticks(places[::step], [str(k + 1) for k in places[::step]])
    if n <= MOST_WRITTEN:
        for i, j in np.ndindex(n, n):
            colour = "white" if abs(A[i, j]) > 0.6 * largest else INK
            panel.text(j, i, f"{A[i, j]:.2g}", ha="center", va="center", fontsize=8, color=colour)
    d = np.linalg.eigvalsh((A + A.T) / 2)
    condition = f"condition number {d[-1] / d[0]:.2g}" if d[0] > 1e-15 * d[-1] else "singular"
    panel.set_title(f"{n} x {n}, {condition}", fontsize=9, color=INK)
    return figure


def check_direction(net: Network, direction: Any) -> None:
    """Raises InputError unless the direction has parts of this network."""
    if not isinstance(direction, Mapping) or not direction:
        raise InputError(
            f'a direction is a dictionary by slot key, such as {{"1.A": G_a}}, but {shown(direction)} came'
        )
    for key, d in direction.items():
        if key not in net.parts:
            raise InputError(f"this network has no {key!r}, but {', '.join(net.parts)}")
        if tuple(np.shape(d)) != net.parts[key].shape:
            raise InputError(f"the direction of {key!r} must have shape {net.parts[key].shape}, not {np.shape(d)}")


def one_panel(ax: Axes | None, width: float = 5.2, height: float = 3.2) -> tuple[Any, Axes]:
    """The figure and the panel to draw in."""
    if ax is not None:
        if not hasattr(ax, "figure"):
            raise InputError(f"ax must be axes of matplotlib, not {shown(ax)}")
        return ax.figure, ax
    figure, (panel,) = panels(1, 1, width, height)
    return figure, panel
