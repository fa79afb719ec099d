"""All pictures of a comparison, written to a folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from pwl.backend import host
from pwl.plots.classes import confusion_of
from pwl.plots.figure import png, require_matplotlib
from pwl.plots.history import errors
from pwl.plots.targets import predicted_of, residuals_of
from pwl.plots.units import curves
from pwl.write import write_atomic

if TYPE_CHECKING:
    from pwl.compare import Outcome
    from pwl.data import Fold


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
    targets: Sequence[str] | None = None,
    classes: Sequence[str] | None = None,
    dpi: int = 110,
) -> list[Picture]:
    """Writes the pictures of a comparison to a folder as PNG files, each whole or not at all, and lists them.

    x, t, folds: what the comparison ran on. targets, classes: their names. First the errors of all algorithms, then
    for each its curves (of its first fold), and its predictions for the test patterns of all folds together.

    Raises InputError where matplotlib is missing or the folder can't be written.
    """
    require_matplotlib()
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
        true, found = on_test(own, x, t, folds)
        of_all = "test patterns of all folds" if len(own) > 1 else "test patterns"
        if first.net.loss.classes:
            add(f"confusion-{name}", confusion_of(true, found, names=classes), f"{name}: confusion matrix, {of_all}.")
            continue
        add(f"predicted-{name}", predicted_of(true, found, names=targets), f"{name}: predicted and true values, {of_all}.")
        add(f"residuals-{name}", residuals_of(true, found, names=targets), f"{name}: what is left, {of_all}.")
    return pictures


def on_test(outcomes: Sequence[Outcome], x: Any, t: Any, folds: Sequence[Fold]) -> tuple[np.ndarray, np.ndarray]:
    """Targets and predictions of the test patterns of the outcomes' folds, one fold after the other."""
    rows = [folds[outcome.fold].test for outcome in outcomes]
    found = [host(outcome.net.predict(x[own])) for outcome, own in zip(outcomes, rows, strict=True)]
    return np.concatenate([t[own] for own in rows]), np.concatenate(found)
