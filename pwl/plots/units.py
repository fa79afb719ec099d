"""The curves of hidden units in small panels: the learned curve, its start, and the histogram of its nets."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from pwl.activations import PiecewiseLinear
from pwl.errors import InputError
from pwl.network.network import Network
from pwl.network.passes import input_of
from pwl.plots.figure import INK, PALE, START, panels
from pwl.runtime.backend import Array, as_array, host, like
from pwl.validate import whole

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_PATTERNS = 20_000  # in the histograms: more would change nothing that can be seen


def curves(net: Network, x: Array, *, layer: int = 0, most: int = 20) -> Figure:
    """Draw the curves of one layer: in a panel per unit the curve, its hinges, its start, and a histogram of its nets.

    Parameters
    ----------
    net : Network
        With a layer of `pwl.PiecewiseLinear`.
    x : array (Nv, N) or (Nv, height, width, channels)
        Inputs as `net.predict` takes them, usually those of training.
    layer : int
        0 for the first layer of curves.
    most : int
        Number of units shown at most, from the first on.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InputError
        If the net has no such curves, for numbers that are too small, or if matplotlib is missing.
    """
    whole("layer", layer, 0)
    whole("most", most)
    index, activation = curve_layer(net, layer)
    n = nets(net, x, index)
    ns, A = host(net.layer_buffers[index]["ns"]), host(net.layer_parameters[index]["A"])
    start = activation.sample(ns)
    low, high = limits(ns, n)
    points = np.concatenate([low[:, None], ns, high[:, None]], axis=1)
    learned, before = (values(net, index, ordinates, points) for ordinates in (A, start))
    shown = min(len(A), most)
    figure, axes = panels(shown, 5, 2.1, 1.6)
    for k, ax in enumerate(axes):
        counts, edges = np.histogram(n[:, k], bins=40, range=(low[k], high[k]))
        ax.stairs(0.9 * counts / max(counts.max(), 1), edges, fill=True, color=PALE, transform=ax.get_xaxis_transform())
        ax.plot(points[k], learned[k], color="black", linewidth=1.6, label="learned")
        ax.plot(ns[k], A[k], "o", color="black", markersize=3.2, label="hinges")
        # The start is drawn on top, since it would be hidden by a curve that has not moved.
        ax.plot(points[k], before[k], "--", color=START, linewidth=1.2, label="start")
        ax.set_title(f"unit {k + 1}", fontsize=8, color=INK, pad=3)
        ax.set(xlim=(low[k], high[k]), ylim=padded(np.concatenate([learned[k], before[k]])))
        ax.locator_params(nbins=4)
        ax.tick_params(labelsize=7)
    count = f"{len(A)} hidden units" if shown == len(A) else f"the first {shown} of {len(A)} hidden units"
    key_and_head(figure, count + (f", layer {layer + 1} of curves" if len(curve_places(net)) > 1 else ""))
    return figure


def curve_places(net: Network) -> list[int]:
    """Places of the trained activations among net.layers."""
    return net.layout.layers(net.keys("activation"))


def curve_layer(net: Network, layer: int) -> tuple[int, PiecewiseLinear]:
    """Place of the layer-th trained activation among net.layers, and the activation."""
    places = curve_places(net)
    if layer >= len(places):
        had = f"{len(places)} layers of curves, counted from 0" if places else "fixed activations, no curves"
        raise InputError(f"layer {layer} of curves was wanted, but this network has {had}")
    activation = net.layers[places[layer]]
    if not isinstance(activation, PiecewiseLinear):
        raise InputError(f"pictures of curves are for pwl.PiecewiseLinear, but layer {places[layer]} is {activation!r}")
    return places[layer], activation


def nets(net: Network, x: Array, index: int) -> np.ndarray:
    """Nets (patterns, units) that layer `index` gets. The pixels of filters count as patterns."""
    pixels = math.prod(net.layout.shapes[index][:-1])
    x = host(as_array(x, "inputs x"))
    x = x[:: max(1, len(x) * pixels // MOST_PATTERNS)]
    n = input_of(net, index, like(x if net.preparation is None else net.preparation.transform_inputs(x), net.theta))
    return host(n).reshape(-1, n.shape[-1])


def limits(ns: np.ndarray, n: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Limits of each unit's panel: around its hinges and all but the outermost of its nets, with a little room."""
    low = np.minimum(ns[:, 0], np.quantile(n, 0.005, axis=0))
    high = np.maximum(ns[:, -1], np.quantile(n, 0.995, axis=0))
    room = 0.06 * (high - low)
    return low - room, high + room


def values(net: Network, index: int, A: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Values (units, P) of curves with ordinates A, each at its own row of points (units, P)."""
    layer, b = net.layers[index], net.layer_buffers[index]
    return host(layer.apply({"A": like(A, net.theta)}, b, like(np.ascontiguousarray(points.T), net.theta))).T


def padded(values: np.ndarray) -> tuple[float, float]:
    low, high = float(values.min()), float(values.max())
    room = 0.08 * (high - low) or 0.5
    return low - room, high + room


def key_and_head(figure: Figure, what: str) -> None:
    """Write the key below all panels and the heading above them."""
    from matplotlib.patches import Patch

    lines = {line.get_label(): line for line in figure.axes[0].get_lines()}
    handles: list[Any] = [(lines["learned"], lines["hinges"]), lines["start"], Patch(color=PALE)]
    figure.legend(
        handles, ["learned curve, hinges", "its start", "histogram of the nets"], loc="outside lower center", ncols=3,
        frameon=False, fontsize=8.5,
    )  # fmt: skip
    figure.suptitle(f"output against net, {what}", fontsize=10, color=INK)
