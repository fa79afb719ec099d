"""The curves of hidden units, small multiples: what each learned, where it started, and the nets it sees."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from pwl.errors import InputError
from pwl.network.network import Network
from pwl.plots.figure import INK, PALE, START, panels
from pwl.runtime.backend import host, like

MOST_PATTERNS = 20_000  # of the histograms: more change nothing to see


def curves(net: Network, x: Any, *, layer: int = 0, most: int = 20) -> Any:
    """Figure of the curves of one layer, a panel a unit: the curve, its hinges, its start, the histogram of its nets.

    x: (Nv, N) inputs as `net.predict` takes them, usually the training inputs. layer: 0 for the first layer of curves.
    most: how many units at most; the first are shown.

    Raises InputError where the net has no such curves, or matplotlib is missing.
    """
    index = curve_layer(net, layer)
    n = nets(net, x, index)
    ns, A = host(net.layer_buffers[index]["ns"]), host(net.layer_parameters[index]["A"])
    start = net.layers[index].sample(ns)
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
        ax.plot(points[k], before[k], "--", color=START, linewidth=1.2, label="start")  # above: curves may have stayed
        ax.set_title(f"unit {k + 1}", fontsize=8, color=INK, pad=3)
        ax.set(xlim=(low[k], high[k]), ylim=padded(np.concatenate([learned[k], before[k]])))
        ax.locator_params(nbins=4)
        ax.tick_params(labelsize=7)
    count = f"{len(A)} hidden units" if shown == len(A) else f"the first {shown} of {len(A)} hidden units"
    key_and_head(figure, count + (f", layer {layer + 1} of curves" if len(net.keys("activation")) > 1 else ""))
    return figure


def curve_layer(net: Network, layer: int) -> int:
    """Place among net.layers of the layer-th layer of curves."""
    keys = net.keys("activation")
    if not 0 <= layer < len(keys):
        had = f"{len(keys)} layers of curves, counted from 0" if keys else "fixed activations, no curves"
        raise InputError(f"layer {layer} of curves was asked for, but this network has {had}")
    index = int(keys[layer].split(".")[0])
    if f"{index}.A" not in net.parts:
        raise InputError(f"pictures of curves are for pwl.PiecewiseLinear, and layer {index} is {net.layers[index]!r}")
    return index


def nets(net: Network, x: Any, index: int) -> np.ndarray:
    """Nets (patterns, units) that come to layer `index`; pixels of filters count as patterns."""
    pixels = math.prod(net.layout.shapes[index][:-1])
    x = host(x)[:: max(1, len(x) * pixels // MOST_PATTERNS)]
    n = net.input_of(index, like(x if net.preparation is None else net.preparation.transform_inputs(x), net.theta))
    return host(n).reshape(-1, n.shape[-1])


def limits(ns: np.ndarray, n: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where each unit's panel begins and ends: the hinges and all but the outermost of its nets, and a little room."""
    low = np.minimum(ns[:, 0], np.quantile(n, 0.005, axis=0))
    high = np.maximum(ns[:, -1], np.quantile(n, 0.995, axis=0))
    room = 0.06 * (high - low)
    return low - room, high + room


def values(net: Network, index: int, A: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Curves with ordinates A at points (units, P) of their own: (units, P)."""
    layer, b = net.layers[index], net.layer_buffers[index]
    return host(layer.apply({"A": like(A, net.theta)}, b, like(np.ascontiguousarray(points.T), net.theta))).T


def padded(values: np.ndarray) -> tuple[float, float]:
    low, high = float(values.min()), float(values.max())
    room = 0.08 * (high - low) or 0.5
    return low - room, high + room


def key_and_head(figure: Any, what: str) -> None:
    """The key below all panels, the heading above."""
    from matplotlib.patches import Patch

    lines = {line.get_label(): line for line in figure.axes[0].get_lines()}
    handles = [(lines["learned"], lines["hinges"]), lines["start"], Patch(color=PALE)]
    figure.legend(
        handles, ["learned curve, hinges", "its start", "histogram of the nets"], loc="outside lower center", ncols=3,
        frameon=False, fontsize=8.5,
    )  # fmt: skip
    figure.suptitle(f"output against net, {what}", fontsize=10, color=INK)
