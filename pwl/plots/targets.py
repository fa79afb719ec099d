"""Pictures of regression, with a panel per target: predicted against true values, and histograms of the residuals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pwl.errors import InputError
from pwl.learners.ensemble import Ensemble
from pwl.network.network import Network
from pwl.plots.figure import INK, nothing_finite, panels
from pwl.runtime.backend import Array, as_array, host
from pwl.validate import kind, shown

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_TARGETS = 6
MOST_POINTS = 20_000
MOST_SHAPES = 3_000  # more points are pixels in an SVG file, which would be large otherwise
LARGEST = 1e300  # larger numbers are not drawn, because the coordinates of a picture overflow
TITLE: dict[str, Any] = {"fontsize": 9, "color": INK}


def predicted(net: Network | Ensemble, x: Array, t: Array, *, names: Sequence[str] | None = None) -> Figure:
    """Draws a net's predictions against the targets: see `predicted_of`.

    Parameters
    ----------
    net : Network or Ensemble
        Of a regression.
    x : array (Nv, N) or (Nv, height, width, channels)
        Inputs as `net.predict` takes them.
    t : array (Nv, M) or (Nv,)
        Targets in the units of the predictions.
    names : sequence of str, optional
        Of the targets.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InputError
        If the inputs do not fit the net, the targets do not fit the predictions, or matplotlib is missing.
    """
    return predicted_of(t, kind("net", net, (Network, Ensemble), "a pwl.Network or a pwl.Ensemble").predict(x), names=names)


def residuals(net: Network | Ensemble, x: Array, t: Array, *, names: Sequence[str] | None = None) -> Figure:
    """Draws histograms of the targets minus a net's predictions: see `residuals_of`.

    Parameters
    ----------
    net, x, t, names
        As for `predicted`.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InputError
        As for `predicted`.
    """
    return residuals_of(t, kind("net", net, (Network, Ensemble), "a pwl.Network or a pwl.Ensemble").predict(x), names=names)


def values(net: Any, x: Array, t: Array) -> tuple[np.ndarray, np.ndarray]:
    """The targets t and a network's or an ensemble's predictions for x, on the host."""
    return host(t), host(net.predict(x))


@np.errstate(over="ignore", invalid="ignore")
def predicted_of(t: Array, y: Array, *, names: Sequence[str] | None = None) -> Figure:
    """Draws predictions against targets, with the diagonal, the correlation R and the mean squared error E.

    There is a panel per target, for the first six.

    Parameters
    ----------
    t, y : arrays (Nv, M) or (Nv,)
        Targets and predictions in the same units.
    names : sequence of str, optional
        Of the targets.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InputError
        If the shapes differ, if there are more or fewer names than targets, or if matplotlib is missing.
    """
    t, y, names = columns(t, y, names)
    figure, axes = panels(min(t.shape[1], MOST_TARGETS), 3, 3.4, 3.4)
    few = slice(None, None, max(1, len(t) // MOST_POINTS))
    for j, ax in enumerate(axes):
        true, found = known_pairs(t[:, j], y[:, j])
        ax.set(aspect="equal", xlabel="true", ylabel="predicted")
        ax.set_title(f"{names[j]}\nR = {correlation(true, found):.4f}, E = {mean_square(true - found):.4g}", **TITLE)
        limits = both_range(true, found)
        if limits is None:
            nothing_finite(ax)
            continue
        ax.plot(limits, limits, color="0.5", linewidth=0.9, label="diagonal")
        ax.plot(
            true[few], found[few], "o", color="black", markersize=3, alpha=0.35, markeredgewidth=0, label="patterns",
            rasterized=len(t) > MOST_SHAPES,
        )  # fmt: skip
        ax.set(xlim=limits, ylim=limits)
        ax.locator_params(nbins=5)
    head(figure, t, y)
    return figure


@np.errstate(over="ignore", invalid="ignore")
def residuals_of(t: Array, y: Array, *, names: Sequence[str] | None = None) -> Figure:
    """Draws histograms of the residuals t - y, with their mean and standard deviation.

    There is a panel per target, for the first six. If a few residuals lie far out, the panel gives their number and does
    not stretch to show them.

    Parameters
    ----------
    t, y, names
        As for `predicted_of`.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InputError
        As for `predicted_of`.
    """
    t, y, names = columns(t, y, names)
    figure, axes = panels(min(t.shape[1], MOST_TARGETS), 3, 3.4, 2.7)
    for j, ax in enumerate(axes):
        true, found = known_pairs(t[:, j], y[:, j])
        rest = true - found
        mean = float(rest.mean()) if rest.size else float("nan")
        deviation = mean_square(rest - mean) ** 0.5
        ax.set(xlabel="true - predicted", ylabel="patterns")
        ax.set_title(f"{names[j]}\nmean {mean:.3g}, standard deviation {deviation:.3g}", **TITLE)
        drawable = rest[np.abs(rest) < LARGEST]
        if not drawable.size:
            nothing_finite(ax)
            continue
        size = np.abs(drawable)
        reach = min(float(size.max()), 1.5 * float(np.quantile(size, 0.99))) or 1.0
        ax.hist(drawable, bins=41, range=(-reach, reach), color="0.7", edgecolor="white", linewidth=0.4)
        ax.axvline(0, color="black", linewidth=1)
        ax.set_xlim(-reach, reach)
        ax.locator_params(nbins=5)
        beyond = len(rest) - int(np.sum(size <= reach))
        if beyond:
            ax.text(0.99, 0.97, f"{beyond} beyond", fontsize=8, ha="right", va="top", transform=ax.transAxes)
    head(figure, t, y)
    return figure


def columns(t: Array, y: Array, names: Sequence[str] | None) -> tuple[np.ndarray, np.ndarray, Sequence[str]]:
    """Targets and predictions as (Nv, M) host arrays, and a name per target."""
    t, y = host(as_array(t, "targets t")), host(as_array(y, "predictions y"))
    for name, a in (("targets t", t), ("predictions y", y)):
        if a.dtype.kind not in "fiub":
            raise InputError(f"{name} must be real numbers, but an array of {a.dtype} came")
    t, y = t.astype(float), y.astype(float)
    t, y = (a[:, None] if a.ndim == 1 else a for a in (t, y))
    if t.shape != y.shape or not len(t):
        raise InputError(
            f"targets {t.shape} and predictions {y.shape} came, wanted the same shape and a pattern or more"
        )
    if names is None:
        names = [f"target {j + 1}" for j in range(t.shape[1])] if t.shape[1] > 1 else ["target"]
    if not isinstance(names, (list, tuple)):
        raise InputError(f"names must be a list of a name per target, not {shown(names)}")
    if len(names) != t.shape[1]:
        raise InputError(f"{len(names)} names came for {t.shape[1]} targets: give one name per target")
    return t, y, names


def known_pairs(t: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The targets that are not NaN, and their predictions."""
    known = ~np.isnan(t)
    return t[known], y[known]


def both_range(t: np.ndarray, y: np.ndarray) -> tuple[float, float] | None:
    """Limits around all pairs that can be drawn; None if there are none."""
    both = np.concatenate([t, y])[np.tile((np.abs(t) < LARGEST) & (np.abs(y) < LARGEST), 2)]
    if not both.size:
        return None
    low, high = float(both.min()), float(both.max())
    room = 0.04 * (high - low) or 0.5
    return low - room, high + room


def mean_square(a: np.ndarray) -> float:
    """Infinite if squares overflow, NaN if there are NaN or no numbers."""
    return float(np.mean(a**2)) if a.size else float("nan")


def correlation(t: np.ndarray, y: np.ndarray) -> float:
    """Pearson's R; NaN if either array is constant or not finite."""
    if not t.size or not np.isfinite([t, y]).all() or np.ptp(t) == 0 or np.ptp(y) == 0:
        return float("nan")
    return float(np.corrcoef(t / np.abs(t).max(), y / np.abs(y).max())[0, 1])


def head(figure: Figure, t: np.ndarray, y: np.ndarray) -> None:
    """Writes the heading above all panels: patterns, error over all targets, and the number of targets shown."""
    M = t.shape[1]
    heading = f"{len(t)} patterns"
    if M > 1:
        with_targets = ~np.isnan(t).all(axis=1)
        E = float(np.nansum((t - y) ** 2) / max(np.sum(with_targets), 1))
        heading += f", E = {E:.4g} over all {M} targets"
    if M > MOST_TARGETS:
        heading += f", the first {MOST_TARGETS} are shown"
    figure.suptitle(heading, fontsize=10, color=INK)
