"""What there is to be seen in the pictures of a comparison, in words, for those who do not see them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from pwl.network.input_curves import strengths
from pwl.network.network import Network
from pwl.plots.classes import counts
from pwl.plots.history import SERIES, WRONG
from pwl.plots.targets import correlation, mean_square
from pwl.plots.units import curve_layer, numbers
from pwl.runtime.backend import Array
from pwl.training.record import Record


def of_errors(records: Mapping[str, Sequence[Record]], wrong: bool = False) -> str:
    """The lowest and the highest median at the end of the runs, of each series that is drawn."""
    words = []
    for series, part in list((WRONG if wrong else SERIES).items())[: 2 if len(records) > 1 else 3]:
        ends = {
            name: float(np.median([record[series][-1] for record in own]))
            for name, own in records.items()
            if own and all(series in record and len(record) for record in own)
        }
        finite = {name: end for name, end in ends.items() if np.isfinite(end)}
        if not finite:
            continue
        (low, lowest), (high, highest) = (choose(finite.items(), key=lambda pair: pair[1]) for choose in (min, max))
        if len(finite) > 1:
            words.append(
                f"{part}: {low} lowest with {_value(lowest, wrong)}, {high} highest with {_value(highest, wrong)}"
            )
        else:
            words.append(f"{part}: {_value(lowest, wrong)}")
    what = "share of wrong patterns" if wrong else "error E"
    lines = f"A line for each of {len(records)} algorithms. " if len(records) > 1 else ""
    return f"{lines}Median {what} at the end of the runs; {'; '.join(words)}."


def of_curves(net: Network, x: Array) -> str:
    """Which curve has changed most from its start, and which least."""
    drawn = numbers(net, x, None, curve_layer(net, 0))
    units = len(drawn.points)
    words = (
        f"{units} small plots of a unit's output against its net"
        if units > 1
        else "A plot of a unit's output against its net"
    )
    if drawn.before is None:
        return f"{words}."
    moved = np.max(np.abs(drawn.learned - drawn.before), axis=1)
    if units == 1:
        return f"{words}. The curve has moved from its start by up to {moved[0]:.2g}."
    most, least = int(np.argmax(moved)), int(np.argmin(moved))
    return (
        f"{words}. The curve of unit {most + 1} has moved most from its start, by up to {moved[most]:.2g}, "
        f"that of unit {least + 1} least, by up to {moved[least]:.2g}."
    )


def of_input_curves(net: Network, names: Sequence[str] | None) -> str:
    """The three strongest inputs and their shares."""
    share = strengths(net)
    order = np.argsort(-share, kind="stable")[:3]
    listed = ", ".join(f"{names[j] if names else f'input {j + 1}'} ({share[j]:.0%})" for j in order)
    return f"A plot for each of {len(share)} inputs. The strongest: {listed}."


def of_predicted(t: np.ndarray, y: np.ndarray, names: Sequence[str]) -> str:
    """How closely predictions follow the targets, one target after another."""
    return "Points around the diagonal. " + " ".join(
        f"{name}: correlation {correlation(t[:, j], y[:, j]):.3f}, root mean squared error "
        f"{mean_square(t[:, j] - y[:, j]) ** 0.5:.3g}; true values go from {t[:, j].min():.3g} to {t[:, j].max():.3g}, predictions "
        f"from {y[:, j].min():.3g} to {y[:, j].max():.3g}."
        for j, name in enumerate(names)
    )


def of_residuals(t: np.ndarray, y: np.ndarray, names: Sequence[str]) -> str:
    """Where the middle of the residuals lies, and how wide they spread."""
    words = []
    for j, name in enumerate(names):
        low, middle, high = np.quantile(t[:, j] - y[:, j], [0.25, 0.5, 0.75])
        words.append(f"{name}: median {middle:.2g}, and half of the patterns lie between {low:.2g} and {high:.2g}.")
    return "A histogram of true minus predicted values. " + " ".join(words)


def of_confusion(t: np.ndarray, y: np.ndarray, names: Sequence[str]) -> str:
    """How many patterns are in a wrong class, and the most frequent mistake."""
    table = counts(t, y, len(names))
    wrong = int(np.sum(t != y))
    words = f"A table of true and predicted classes. {wrong} of {len(t)} patterns are wrong."
    off = table - np.diag(np.diag(table))
    i, j = divmod(int(np.argmax(off)), len(names))
    return words + (
        f" The most frequent mistake is {names[i]} taken for {names[j]}, {off[i, j]} times." if wrong else ""
    )


def _value(value: float, wrong: bool) -> str:
    return f"{100 * value:.2g} %" if wrong else f"{value:.4g}"
