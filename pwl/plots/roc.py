"""Receiver operating characteristics, as MATLAB's plotroc: for each class, how many of it are found at how many false alarms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pwl.errors import InputError
from pwl.learners.ensemble import Ensemble
from pwl.network.network import Network
from pwl.plots.classes import class_names
from pwl.plots.figure import INK, panels
from pwl.plots.style import look
from pwl.runtime.backend import Array, as_array, host
from pwl.validate import kind

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def roc(net: Any, x: Array, t: Array, *, names: Sequence[str] | None = None, figure: Figure | None = None) -> Figure:
    """Draws the receiver operating characteristic of each class against all others, and names the area under it.

    Parameters
    ----------
    net : Network or Ensemble
        For classes with probabilities.
    x : array (Nv, N) or (Nv, height, width, channels)
        Inputs as `net.predict` takes them.
    t : array (Nv,)
        Labels.
    names : sequence of str, optional
        Of the classes. By default these are the net's own labels, or the numbers of its classes.
    figure : matplotlib.figure.Figure, optional
        The figure to draw in, such as plt.figure() if a window is to show it. By default it is a new one.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InputError
        If the net has no probabilities, if the labels do not fit, or if matplotlib is missing.
    """
    kind("net", net, (Network, Ensemble), "a pwl.Network or a pwl.Ensemble")
    p, t = host(net.predict_proba(x)), as_array(t, "labels t")
    true = host(t if net.preparation is None else net.preparation.transform_targets(t))
    if true.shape != (len(p),):
        raise InputError(f"a label per pattern, ({len(p)},), was wanted, but labels of shape {true.shape} came")
    names = list(names or class_names(net))
    figure, (ax,) = panels(1, 1, 4.6, 4.6, figure)
    ax.plot([0, 1], [0, 1], ":", color=INK, linewidth=1, label="chance")
    for c, name in enumerate(names):
        if not 0 < np.sum(true == c) < len(true):
            continue  # a class that is not there, or is alone, has no curve
        false_alarms, found = characteristic(p[:, c], true == c)
        one = look(c)
        area = float(np.trapezoid(found, false_alarms))
        ax.plot(
            false_alarms,
            found,
            color=one.colour,
            linestyle=one.linestyle,
            linewidth=1.5,
            label=f"{name}, area {area:.4f}",
        )
    ax.set(
        xlabel="false positive rate",
        ylabel="true positive rate",
        xlim=(-0.01, 1.01),
        ylim=(-0.01, 1.01),
        aspect="equal",
    )
    ax.legend(frameon=False, fontsize=8, loc="lower right")
    return figure


def characteristic(scores: np.ndarray, positive: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rates of false and of true positives, from (0, 0) to (1, 1), as the threshold passes all scores (Nv,). Ties pass at once."""
    order = np.argsort(-scores, kind="stable")
    last = np.flatnonzero(np.append(np.diff(scores[order]) != 0, True))
    true = np.cumsum(positive[order])[last]
    false = last + 1 - true
    return np.append(0.0, false / max(false[-1], 1)), np.append(0.0, true / max(true[-1], 1))
