"""Draws curves.png, the README's picture: the curves of a small network on Concrete, and the ReLU they started from.

    python docs/images/make_curves.py

Eight hidden units, 100 iterations of AdAct on all patterns, a few seconds. Every unit of the network is shown.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

import pwl

LEARNED, START, NETS, INK = "#0a5ca8", "#d9560b", "#dcdfe3", "0.2"
LOW, HIGH = -3.0, 4.0  # the hinges lie between -2.5 and 3.5
UNITS, COLUMNS = 8, 4


def trained(iterations: int) -> tuple[np.ndarray, pwl.Network, pwl.Network]:
    """Inputs x (Nv, N), the network as it starts, and the network that AdAct made of it."""
    x, t = pwl.data.load("concrete")
    x, t = pwl.Preparation.fit(x, t).transform(x, t)
    net = pwl.Network.mlp(x.shape[1], UNITS, t.shape[1], pwl.PiecewiseLinear("relu", hinges=13), seed=0)
    start = pwl.initialise(net, (x, t))
    net, _ = pwl.train(start, (x, t), pwl.AdAct(direction="hwo"), iterations=iterations)
    return x, start, net


def draw(x: np.ndarray, start: pwl.Network, net: pwl.Network) -> Figure:
    """A panel per unit: its curve, where the curve started, and a histogram of the unit's nets."""
    n = np.column_stack([np.ones(len(x)), x]) @ net.W.T  # nets (Nv, Nh), n = X W'
    ns = net.buffers["1.ns"]  # hinges (Nh, K); the ordinates A are (Nh, K), too
    figure = Figure(figsize=(9.6, 4.6), layout="constrained")
    axes = figure.subplots(UNITS // COLUMNS, COLUMNS, sharex=True, sharey=True)
    for k, ax in enumerate(axes.flat):
        counts, edges = np.histogram(n[:, k], bins=42, range=(LOW, HIGH))
        ax.stairs(0.5 * counts / counts.max(), edges, fill=True, color=NETS, transform=ax.get_xaxis_transform())
        ax.plot(*with_ends(ns[k], start.A[k]), "--", color=START, linewidth=1.8)
        ax.plot(*with_ends(ns[k], net.A[k]), color=LEARNED, linewidth=1.8)
        ax.plot(ns[k], net.A[k], "o", color=LEARNED, markersize=4)
        look(ax, f"unit {k + 1}")
    key(figure, axes)
    return figure


def with_ends(ns: np.ndarray, A: np.ndarray) -> tuple[list[float], list[float]]:
    """Points of a curve from LOW to HIGH: its hinges, and the constant ends."""
    return [LOW, *ns, HIGH], [A[0], *A, A[-1]]


def look(ax: Axes, title: str) -> None:
    ax.set_title(title, fontsize=10, color=INK, pad=3)
    ax.spines[["top", "right"]].set_visible(False)
    ax.tick_params(labelsize=9, colors=INK)
    ax.set_xlim(LOW, HIGH)


def key(figure: Figure, axes: np.ndarray) -> None:
    for ax in axes[-1]:
        ax.set_xlabel("net n", fontsize=10, color=INK)
    for ax in axes[:, 0]:
        ax.set_ylabel("output o", fontsize=10, color=INK)
    handles = {
        "learned curve, with its hinges": Line2D([], [], color=LEARNED, linewidth=1.8, marker="o", markersize=4),
        "where it started: ReLU": Line2D([], [], color=START, linewidth=1.8, linestyle="--"),
        "histogram of the nets": Patch(color=NETS),
    }
    figure.legend(handles.values(), handles, loc="outside lower center", ncols=3, frameon=False, fontsize=10)


def main(path: Path, iterations: int = 100) -> None:
    draw(*trained(iterations)).savefig(path, dpi=120, metadata={"Software": None})


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("curves.png"))
