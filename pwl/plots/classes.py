"""Pictures of classification: the confusion matrix."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from pwl.errors import InputError
from pwl.learners.ensemble import Ensemble
from pwl.network.network import Network
from pwl.network.predict import class_numbers
from pwl.plots.figure import INK, blank
from pwl.runtime.backend import Array, as_array, host
from pwl.validate import kind, shown

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_WRITTEN = 20  # the counts are written into the cells for up to this many classes


def confusion(net: Network | Ensemble, x: Array, t: Array, *, names: Sequence[str] | None = None) -> Figure:
    """Draws the confusion matrix of a net: see `confusion_of`.

    Parameters
    ----------
    net : Network or Ensemble
        For classes.
    x : array (Nv, N) or (Nv, height, width, channels)
        Inputs as `net.predict` takes them.
    t : array (Nv,)
        Labels.
    names : sequence of str, optional
        Of the classes. By default these are the net's own labels, or the numbers of its classes.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InputError
        If the labels do not fit the net, or matplotlib is missing.
    """
    true, found = numbers(net, x, t)
    return confusion_of(true, found, names=class_names(net) if names is None else names)


def numbers(net: Network | Ensemble, x: Array, t: Array) -> tuple[np.ndarray, np.ndarray]:
    """Class numbers (Nv,) of the labels t, and the class numbers (Nv,) that the net predicts for x."""
    kind("net", net, (Network, Ensemble), "a pwl.Network or a pwl.Ensemble")
    t = as_array(t, "labels t")
    true = t if net.preparation is None else net.preparation.transform_targets(t)
    found = net.class_numbers(x) if isinstance(net, Ensemble) else class_numbers(net, x)
    return host(true), host(found)


def class_names(net: Network | Ensemble) -> list[str]:
    """Names of the classes from the net's preparation, or their numbers if it has none."""
    known = None if net.preparation is None else net.preparation.classes
    return [str(label) for label in known or range(net.n_outputs)]


def counts(t: np.ndarray, y: np.ndarray, n: int) -> np.ndarray:
    """(n, n) numbers of patterns of class t (row) that were taken for class y (column)."""
    return np.bincount(n * t.astype(np.int64) + y, minlength=n * n).reshape(n, n)


def confusion_of(t: Array, y: Array, *, names: Sequence[str] | None = None) -> Figure:
    """Draws the confusion matrix of class numbers t and predicted class numbers y.

    Rows are the true classes, and the shade of a cell is its share of the row. The percentages after the rows and above
    the columns show how much of each is right.

    Parameters
    ----------
    t, y : int arrays (Nv,)
        True and predicted class numbers, from 0.
    names : sequence of str, optional
        Of the classes, in the order of their numbers. By default these are the numbers.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InputError
        If t or y are not class numbers, if there are more classes than names, or if matplotlib is missing.
    """
    t, y = host(as_array(t, "classes t")), host(as_array(y, "classes y"))
    if t.shape != y.shape or t.ndim != 1 or not len(t) or t.dtype.kind not in "iu" or y.dtype.kind not in "iu":
        raise InputError(
            f"class numbers (Nv,) were wanted for t and y, but {t.dtype} {t.shape} and {y.dtype} {y.shape} came"
        )
    if names is not None and not isinstance(names, (list, tuple)):
        raise InputError(f"names must be a list of a name per class, not {shown(names)}")
    names = list(names or ()) or [str(c) for c in range(int(max(t.max(), y.max())) + 1)]
    n = len(names)
    if min(t.min(), y.min()) < 0 or max(t.max(), y.max()) >= n:
        raise InputError(f"class numbers from {min(t.min(), y.min())} to {max(t.max(), y.max())} came for {n} classes")
    table = counts(t, y, n)
    share = table / np.maximum(table.sum(axis=1, keepdims=True), 1)
    size = min(3.0 + 0.5 * n, 11.0)
    figure = blank(size + 0.6, size)
    ax = figure.subplots()
    ax.imshow(share, cmap="Greys", vmin=0, vmax=1)
    ax.set_xticks(range(n), names, rotation=90 if n * max(map(len, names)) > 9 * size else 0)
    ax.set_yticks(range(n), names)
    ax.set(xlabel="predicted", ylabel="true", xlim=(-0.5, n - 0.5), ylim=(n - 0.5, -0.5))
    ax.spines[:].set_color("0.6")
    ax.tick_params(length=0, labelsize=9 if n <= MOST_WRITTEN else 6)
    if n <= MOST_WRITTEN:
        write_counts(ax, table, share)
    wrong = int(np.sum(t != y))
    ax.set_title(f"{wrong} of {len(t)} patterns wrong ({100 * wrong / len(t):.2f} %)", fontsize=10, color=INK, pad=24)
    return figure


def write_counts(ax: Axes, table: np.ndarray, share: np.ndarray) -> None:
    """Writes the counts into the cells, and the right share of each row after it and of each column above it."""
    n = len(table)
    for i in range(n):
        for j in range(n):
            ax.text(
                j, i, table[i, j], ha="center", va="center", fontsize=9, color="white" if share[i, j] > 0.5 else "black"
            )
    for k in range(n):
        ax.text(n - 0.4, k, percent(table[k, k], table[k].sum()), va="center", fontsize=8, color=INK)
        ax.text(k, -0.55, percent(table[k, k], table[:, k].sum()), ha="center", va="bottom", fontsize=8, color=INK)
    ax.text(n - 0.4, -0.55, "right", va="bottom", fontsize=8, style="italic", color=INK)


def percent(part: int, whole: int) -> str:
    """The share of a part in per cent, or "none" of nothing."""
    return f"{100 * part / whole:.1f} %" if whole else "none"
