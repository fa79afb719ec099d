"""The curves of hidden units in small panels: the learned curve, its hinges, an earlier curve, and the histogram of its nets."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from pwl.activations import APL, PiecewiseLinear
from pwl.errors import InputError
from pwl.network.network import Network
from pwl.network.passes import input_of
from pwl.plots.figure import INK, PALE, START, panels
from pwl.runtime.backend import Array, as_array, host, like
from pwl.validate import kind, whole
from pwl.validate import shown as in_words

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_PATTERNS = 20_000  # in the histograms: more would change nothing that can be seen
POINTS = 201  # of a curve that bends between its hinges
SPAN = (-2.5, 3.5)  # of nets under net control, where neither hinges nor patterns say more
KEY_WIDTH = 5.0  # inches that the key takes, so that one or two panels are not narrower than it


class Drawn(NamedTuple):
    """The numbers in the panels of one layer, a row per unit.

    points: the nets (units, P) at which curves are drawn. learned, before: the curves there, before is None if it is not known.
    ns, at_ns: hinges and values there (units, H). n: nets of the patterns (patterns, units), or None.
    """

    points: np.ndarray
    learned: np.ndarray
    before: np.ndarray | None
    ns: np.ndarray
    at_ns: np.ndarray
    n: np.ndarray | None


def curves(
    net: Network,
    x: Array | None = None,
    *,
    before: Network | None = None,
    ax: Axes | Sequence[Axes] | None = None,
    layer: int = 0,
    most: int = 20,
) -> Figure:
    """Draws the curves of one layer: in a panel per unit the curve, its hinges, its start, and a histogram of its nets.

    Parameters
    ----------
    net : Network
        With a layer of trained activations of any kind.
    x : array (Nv, N) or (Nv, height, width, channels), optional
        Inputs as `net.predict` takes them, usually those of training. Without them there are no histograms.
    before : Network, optional
        The same network at an earlier time, whose curves are dashed. By default they are those that a
        `pwl.PiecewiseLinear` starts with.
    ax : matplotlib Axes, or a sequence of them, optional
        Panels to draw in, one per unit. By default there is a new figure.
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
        If the net has no such curves, if `before` is another kind of network, for fewer axes than units, for numbers that are
        too small, or if matplotlib is missing.
    """
    whole("layer", layer, 0)
    whole("most", most)
    index = curve_layer(net, layer)
    drawn = numbers(net, x, before, index)
    units = len(drawn.points)
    shown = min(units, most)
    if ax is None:
        columns = min(shown, 5)
        figure, axes = panels(shown, 5, max(2.1, KEY_WIDTH / columns), 1.6 if shown > 2 else 2.4)
    else:
        axes = given_axes(ax, shown)
        figure = axes[0].figure  # type: ignore[assignment] # of the user's axes, perhaps a SubFigure
    for k, panel in enumerate(axes):
        draw_unit(panel, drawn, k)
        panel.set_title(f"unit {k + 1}", fontsize=8, color=INK, pad=3)
    if ax is None:
        count = (
            f"{units} hidden unit{'s' * (units > 1)}"
            if shown == units
            else f"the first {shown} of {units} hidden units"
        )
        key_and_head(figure, count + (f", layer {layer + 1} of curves" if len(curve_places(net)) > 1 else ""))
    return figure


def numbers(net: Network, x: Array | None, before: Network | None, index: int) -> Drawn:
    """The numbers that are drawn of the activations of layer `index`."""
    n = None if x is None else nets(net, x, index)
    ns, activation = hinges(net, index), net.layers[index]
    low, high = limits(ns, n)
    if isinstance(activation, PiecewiseLinear):
        points = np.concatenate([low[:, None], ns, high[:, None]], axis=1)
    else:
        points = np.linspace(low, high, POINTS, axis=1)
    at_points = values(net, index, points)
    earlier = None
    if before is not None:
        if before.layers != net.layers or before.input_shape != net.input_shape:
            raise InputError("`before` must be the same network at an earlier time, but its layers are others")
        earlier = values(before, index, points)
    elif isinstance(activation, PiecewiseLinear):
        key = net.layout.of_layer(index)[0].key
        earlier = values(net.with_parts({key: like(activation.sample(ns), net.theta)}), index, points)
    return Drawn(points, at_points, earlier, ns, values(net, index, ns), n)


def draw_unit(ax: Axes, drawn: Drawn, k: int) -> None:
    """Draws the curve of unit k. A start is drawn on top, since it would be hidden by a curve that has not moved."""
    points, learned = drawn.points[k], drawn.learned[k]
    if drawn.n is not None:
        counts, edges = np.histogram(drawn.n[:, k], bins=40, range=(points[0], points[-1]))
        ax.stairs(0.9 * counts / max(counts.max(), 1), edges, fill=True, color=PALE, transform=ax.get_xaxis_transform())
    ax.plot(points, learned, color="black", linewidth=1.6, label="learned")
    ax.plot(drawn.ns[k], drawn.at_ns[k], "o", color="black", markersize=3.2, label="hinges")
    if drawn.before is not None:
        ax.plot(points, drawn.before[k], "--", color=START, linewidth=1.2, label="start")
        learned = np.concatenate([learned, drawn.before[k]])
    ax.set(xlim=(points[0], points[-1]), ylim=padded(learned))
    ax.locator_params(nbins=4)
    ax.tick_params(labelsize=7)


def given_axes(ax: Any, shown: int) -> list[Axes]:
    """The axes to draw in, as many as units are shown."""
    axes = list(np.ravel(np.asarray(ax, dtype=object)))
    if len(axes) < shown or not all(hasattr(each, "plot") for each in axes):
        raise InputError(
            f"{shown} curves need as many matplotlib Axes, but {in_words(ax)} came: give more of them, or most={len(axes)}"
        )
    return axes[:shown]


def curve_places(net: Network) -> list[int]:
    """Places of the trained activations among net.layers. Raises InputError for anything but a network."""
    kind("net", net, Network, "a pwl.Network, such as ensemble.nets[0]")
    return net.layout.layers(net.keys("activation"))


def curve_layer(net: Network, layer: int) -> int:
    """Place of the layer-th trained activation among net.layers."""
    places = curve_places(net)
    if layer >= len(places):
        had = f"{len(places)} layers of curves, counted from 0" if places else "fixed activations, no curves"
        raise InputError(f"layer {layer} of curves was wanted, but this network has {had}")
    return places[layer]


def hinges(net: Network, index: int) -> np.ndarray:
    """Positions (units, H) of the hinges of layer `index`, sorted. Activations without hinges have H = 0."""
    activation, p, b = net.layer(index)
    if isinstance(activation, APL):  # Eq. (44): ReLU bends at 0, and each further term at its own b
        own = host(p["b"])
        return np.sort(np.concatenate([np.zeros((len(own), 1)), own], axis=1), axis=1)
    if "ns" in b:
        return np.array(host(b["ns"]))
    return np.zeros((net.layout.shapes[index + 1][-1], 0))


def nets(net: Network, x: Array, index: int) -> np.ndarray:
    """Nets (patterns, units) that layer `index` gets. The pixels of filters count as patterns."""
    pixels = math.prod(net.layout.shapes[index][:-1])
    x = host(as_array(x, "inputs x"))
    x = x[:: max(1, len(x) * pixels // MOST_PATTERNS)]
    n = input_of(net, index, like(x if net.preparation is None else net.preparation.transform_inputs(x), net.theta))
    return host(n).reshape(-1, n.shape[-1])


def limits(ns: np.ndarray, n: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Limits of each unit's panel: around its hinges and all but the outermost of its nets, with a little room."""
    ends = [ns] if ns.shape[1] else []
    if n is not None:
        ends.append(np.quantile(n, (0.005, 0.995), axis=0).T)
    reach = np.concatenate(ends or [np.tile(SPAN, (len(ns), 1))], axis=1)
    low, high = reach.min(axis=1), reach.max(axis=1)
    room = np.where(high > low, 0.06 * (high - low), 0.5)
    return low - room, high + room


def values(net: Network, index: int, points: np.ndarray) -> np.ndarray:
    """Values (units, P) of the activations of layer `index`, each at its own row of points (units, P)."""
    if not points.shape[1]:
        return points
    layer, p, b = net.layer(index)
    return host(layer.apply(p, b, like(np.ascontiguousarray(points.T), net.theta))).T


def padded(values: np.ndarray) -> tuple[float, float]:
    low, high = float(values.min()), float(values.max())
    room = 0.08 * (high - low) or 0.5
    return low - room, high + room


def key_and_head(figure: Figure, what: str) -> None:
    """Writes the key below all panels and the heading above them."""
    from matplotlib.patches import Patch

    lines = {str(line.get_label()): line for line in figure.axes[0].get_lines()}
    key: dict[str, Any] = {"learned curve, hinges": (lines["learned"], lines["hinges"])}
    if "start" in lines:
        key["its start"] = lines["start"]
    if figure.axes[0].patches:
        key["histogram of the nets"] = Patch(color=PALE)
    figure.legend(
        list(key.values()), list(key), loc="outside lower center", ncols=3, frameon=False, fontsize=8.5
    )  # fmt: skip
    figure.suptitle(f"output against net, {what}", fontsize=10, color=INK)
