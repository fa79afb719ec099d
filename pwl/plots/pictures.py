"""All pictures of a comparison, written to a folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from pwl.network import Network
from pwl.plots.classes import class_names, confusion_of, numbers
from pwl.plots.figure import DPI, png, require_matplotlib
from pwl.plots.history import errors
from pwl.plots.targets import predicted_of, residuals_of, values
from pwl.plots.units import curves
from pwl.write import write_atomic

if TYPE_CHECKING:
    from pwl.compare import Outcome
    from pwl.data import Fold


Pair = Callable[[Network, Any, Any], tuple[np.ndarray, np.ndarray]]


class Picture(NamedTuple):
    """A PNG file and what it shows."""

    path: Path
    caption: str


def draw(
    outcomes: Sequence[Outcome],
    x: Any,
    t: Any,
    folds: Sequence[Fold],
    folder: Path,
    *,
    names: Mapping[str, Sequence[str] | None] | None = None,
    dpi: int = DPI,
) -> list[Picture]:
    """Writes the pictures of a comparison to a folder as PNG files, each whole or not at all, and lists them.

    x, t, folds: what the comparison ran on. names: {"targets": names of the targets, "classes": of the classes}.
    First the errors of all algorithms, then for each its curves (of its first fold), and its predictions for the test
    patterns of all folds together.

    Raises InputError where matplotlib is missing or the folder can't be written.
    """
    require_matplotlib()
    names = names or {}
    pictures: list[Picture] = []

    def add(name: str, figure: Any, caption: str) -> None:
        path = folder / f"{name}.png"
        write_atomic(path, png(figure, dpi))
        pictures.append(Picture(path, caption))

    by_name: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        by_name.setdefault(outcome.name, []).append(outcome)
    if any(outcome.record.iterations for outcome in outcomes):
        caption = "Error against iterations, multiplies and seconds."
        add("errors", errors({name: [o.record for o in own] for name, own in by_name.items()}), caption)
    for name, own in by_name.items():
        first = own[0]
        if first.net.keys("activation"):
            caption = f"{name}: curves of the hidden units, fold {first.fold}."
            add(f"curves-{name}", curves(first.net, x[folds[first.fold].train]), caption)
        classes = first.net.loss.classes
        true, found = on_test(own, x, t, folds, numbers if classes else values)
        of_all = "test patterns of all folds" if len(own) > 1 else "test patterns"
        if classes:
            figure = confusion_of(true, found, names=names.get("classes") or class_names(first.net))
            add(f"confusion-{name}", figure, f"{name}: confusion matrix, {of_all}.")
            continue
        of_targets = names.get("targets")
        figure = predicted_of(true, found, names=of_targets)
        add(f"predicted-{name}", figure, f"{name}: predicted against true values, {of_all}.")
        add(f"residuals-{name}", residuals_of(true, found, names=of_targets), f"{name}: residuals, {of_all}.")
    return pictures


def on_test(outcomes: Sequence[Outcome], x: Any, t: Any, folds: Sequence[Fold], pair: Pair) -> list[np.ndarray]:
    """True and predicted, as pair(net, x, t) gives them, of the outcomes' test patterns, one fold after the other."""
    rows = [folds[outcome.fold].test for outcome in outcomes]
    found = [pair(outcome.net, x[own], t[own]) for outcome, own in zip(outcomes, rows, strict=True)]
    return [np.concatenate(parts) for parts in zip(*found, strict=True)]
