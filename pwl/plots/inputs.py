"""The curves that a network has learned on its inputs, in small panels with the histograms of the inputs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pwl.network.input_curves import curved, curves_of, strengths
from pwl.network.network import Network
from pwl.plots.figure import INK, PALE, START, panels
from pwl.plots.units import MOST_PATTERNS, padded
from pwl.runtime.backend import Array, host, like
from pwl.validate import whole

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.figure import Figure

POINTS = 200  # per curve


def input_curves(
    net: Network,
    x: Array,
    *,
    names: Sequence[str] | None = None,
    most: int = 20,
    figure: Figure | None = None,
) -> Figure:
    """Draws the curves of each input: thin lines in the nets of the hidden units, a thick line in the outputs past them.

    The strongest inputs come first. The thick line is the additive part of the network, summed over its outputs.

    Parameters
    ----------
    net : Network
        With curves on its inputs.
    x : array (Nv, N)
        Inputs as `net.predict` takes them, usually those of training. Their histograms stand behind the curves.
    names : sequence of str, optional
        Names of the inputs.
    most : int
        Number of inputs shown at most.
    figure : matplotlib.figure.Figure, optional
        The figure to draw in, such as plt.figure() if a window is to show it. By default it is a new one.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InputError
        If the net has no curves on its inputs, or if matplotlib is missing.
    """
    whole("most", most)
    layer, share = curved(net), strengths(net)
    x = host(x)[:: max(1, len(x) // MOST_PATTERNS)]
    prepared = host(like(x if net.preparation is None else net.preparation.transform_inputs(x), net.theta))
    order = np.argsort(-share, kind="stable")[:most]
    figure, axes = panels(len(order), 4, max(2.3, 5 / min(4, len(order))), 1.8, figure)
    for ax, j in zip(axes, order, strict=True):
        points = np.linspace(*_limits(prepared[:, j]), POINTS)
        nets, past = (curves - curves.mean(axis=0) for curves in curves_of(net, int(j), points))
        total = np.sum(past, axis=1)
        counts, edges = np.histogram(prepared[:, j], bins=40, range=(points[0], points[-1]))
        ax.stairs(0.9 * counts / max(counts.max(), 1), edges, fill=True, color=PALE, transform=ax.get_xaxis_transform())
        ax.plot(points, nets, color=START, linewidth=0.6)
        if net.bypass:
            ax.plot(points, total, color="black", linewidth=1.8)
        hinges = _hinges(net, int(j), points[0], points[-1])
        ax.plot(hinges, np.interp(hinges, points, total), "o", color="black", markersize=3)
        name = names[j] if names else f"input {j + 1}"
        kind = "" if (layer.counts or ())[j] else ", straight"
        ax.set_title(f"{name} ({share[j]:.0%}{kind})", fontsize=8, color=INK, pad=3)
        ax.set(xlim=(points[0], points[-1]), ylim=padded(np.concatenate([nets.ravel(), total])))
        ax.locator_params(nbins=4)
        ax.tick_params(labelsize=7)
    figure.suptitle(
        "curves of the inputs: thin in the hidden units, thick past them; shares in brackets", fontsize=10, color=INK
    )
    return figure


def _limits(column: np.ndarray) -> tuple[float, float]:
    """All but the outermost values of an input, with a little room."""
    low, high = np.quantile(column, (0.005, 0.995))
    room = 0.05 * (high - low) or 0.5
    return float(low - room), float(high + room)


def _hinges(net: Network, j: int, low: float, high: float) -> np.ndarray:
    """The hinges of input j within limits."""
    layer = curved(net)
    if j not in layer.geometry.inputs:
        return np.zeros(0)
    ns = host(net.layer_buffers[0]["ns"])[layer.geometry.inputs.index(j)]
    return ns[(ns >= low) & (ns <= high)]
