"""Regression: predicted against true values, and the histogram of what is left, one panel a target."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pwl.backend import host
from pwl.errors import InputError
from pwl.network import Network
from pwl.plots.figure import INK, panels

MOST_TARGETS = 6
MOST_POINTS = 20_000


def predicted(net: Network, x: Any, t: Any, *, names: Sequence[str] | None = None) -> Any:
    """Figure of the net's predictions for x (Nv, N) against the targets t (Nv, M): see `predicted_of`."""
    return predicted_of(t, net.predict(x), names=names)


def residuals(net: Network, x: Any, t: Any, *, names: Sequence[str] | None = None) -> Any:
    """Figure of the histogram of the targets t (Nv, M) less the net's predictions for x (Nv, N): see `residuals_of`."""
    return residuals_of(t, net.predict(x), names=names)


def values(net: Network, x: Any, t: Any) -> tuple[np.ndarray, np.ndarray]:
    """The targets t, and what the net predicts for x."""
    return host(t), host(net.predict(x))


def predicted_of(t: Any, y: Any, *, names: Sequence[str] | None = None) -> Any:
    """Figure of predictions y against targets t, both (Nv, M) or (Nv,), one panel a target (the first six) with the
    diagonal, the correlation R and the mean squared error E. names: of the targets.

    Raises InputError where the shapes differ, or matplotlib is missing.
    """
    t, y, names = columns(t, y, names)
    figure, axes = panels(min(t.shape[1], MOST_TARGETS), 3, 3.4, 3.4)
    few = slice(None, None, max(1, len(t) // MOST_POINTS))
    for j, ax in enumerate(axes):
        low, high = both_range(t[:, j], y[:, j])
        ax.plot([low, high], [low, high], color="0.5", linewidth=0.9, label="diagonal")
        ax.plot(t[few, j], y[few, j], "o", color="black", markersize=3, alpha=0.35, markeredgewidth=0, label="patterns")
        ax.set(xlim=(low, high), ylim=(low, high), aspect="equal", xlabel="true", ylabel="predicted")
        ax.locator_params(nbins=5)
        squared = float(np.mean((t[:, j] - y[:, j]) ** 2))
        ax.set_title(f"{names[j]}\nR = {correlation(t[:, j], y[:, j]):.4f}, E = {squared:.4g}", fontsize=9, color=INK)
    finish(figure, t, y)
    return figure


def residuals_of(t: Any, y: Any, *, names: Sequence[str] | None = None) -> Any:
    """Figure of the histogram of t - y, both (Nv, M) or (Nv,), one panel a target (the first six), with mean and
    standard deviation. Where a few residuals lie far out, their number is given instead of a wide empty panel.

    Raises InputError where the shapes differ, or matplotlib is missing.
    """
    t, y, names = columns(t, y, names)
    figure, axes = panels(min(t.shape[1], MOST_TARGETS), 3, 3.4, 2.7)
    for j, ax in enumerate(axes):
        rest = t[:, j] - y[:, j]
        reach = min(float(np.abs(rest).max()), 1.5 * float(np.quantile(np.abs(rest), 0.99))) or 1.0
        ax.hist(rest, bins=41, range=(-reach, reach), color="0.7", edgecolor="white", linewidth=0.4)
        ax.axvline(0, color="black", linewidth=1)
        ax.set(xlabel="true - predicted", ylabel="patterns", xlim=(-reach, reach))
        ax.locator_params(nbins=5)
        ax.set_title(f"{names[j]}\nmean {rest.mean():.3g}, standard deviation {rest.std():.3g}", fontsize=9, color=INK)
        beyond = int(np.sum(np.abs(rest) > reach))
        if beyond:
            ax.text(0.99, 0.97, f"{beyond} beyond", fontsize=8, ha="right", va="top", transform=ax.transAxes)
    finish(figure, t, y)
    return figure


def columns(t: Any, y: Any, names: Sequence[str] | None) -> tuple[np.ndarray, np.ndarray, Sequence[str]]:
    """Targets and predictions as (Nv, M) host arrays, and a name for each target."""
    t, y = np.asarray(host(t), dtype=float), np.asarray(host(y), dtype=float)
    t, y = (a[:, None] if a.ndim == 1 else a for a in (t, y))
    if t.shape != y.shape or not len(t):
        raise InputError(
            f"targets {t.shape} and predictions {y.shape} came, wanted the same shape and a pattern or more"
        )
    if names is None:
        names = [f"target {j + 1}" for j in range(t.shape[1])] if t.shape[1] > 1 else ["target"]
    if len(names) != t.shape[1]:
        raise InputError(f"{len(names)} names came for {t.shape[1]} targets: give one name a target")
    return t, y, names


def both_range(t: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    low, high = float(min(t.min(), y.min())), float(max(t.max(), y.max()))
    room = 0.04 * (high - low) or 0.5
    return low - room, high + room


def correlation(t: np.ndarray, y: np.ndarray) -> float:
    """Pearson's R; NaN where either is constant."""
    return float(np.corrcoef(t, y)[0, 1]) if np.ptp(t) > 0 and np.ptp(y) > 0 else float("nan")


def finish(figure: Any, t: np.ndarray, y: np.ndarray) -> None:
    M = t.shape[1]
    heading = f"{len(t)} patterns"
    if M > 1:
        heading += f", E = {np.mean(np.sum((t - y) ** 2, axis=1)):.4g} over all {M} targets"
    if M > MOST_TARGETS:
        heading += f", the first {MOST_TARGETS} of them shown"
    figure.suptitle(heading, fontsize=10, color=INK)
