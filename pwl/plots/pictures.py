"""All pictures of a comparison, written to a folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from pwl.files.write import write_atomic
from pwl.network.network import Network
from pwl.plots.classes import class_names, confusion_of, numbers
from pwl.plots.figure import DPI, png, require_matplotlib
from pwl.plots.history import classification_errors, errors
from pwl.plots.inputs import input_curves
from pwl.plots.targets import predicted_of, residuals_of, values
from pwl.plots.units import curves
from pwl.runtime.backend import Array

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from pwl.data import Fold
    from pwl.learners.outcome import Outcome

Drawn = tuple[str, "Figure", str]  # a picture before it is written: name of its file, figure, caption
Names = Mapping[str, Sequence[str] | None]
Pair = Callable[[Network, Array, Array], tuple[np.ndarray, np.ndarray]]


class Picture(NamedTuple):
    """The path of a PNG file, and a caption that says what it shows."""

    path: Path
    caption: str


def draw(
    outcomes: Sequence[Outcome],
    x: Array,
    t: Array,
    folds: Sequence[Fold],
    folder: Path,
    *,
    names: Names | None = None,
    dpi: int = DPI,
) -> list[Picture]:
    """Write the pictures of a comparison to a folder as PNG files, each whole or not at all.

    The first picture shows the errors of all algorithms, and for classes the second shows the patterns in a wrong
    class. Then come the curves of each algorithm, on its first fold, and its predictions for the test patterns of all
    folds together.

    Parameters
    ----------
    outcomes : sequence of Outcome
        The runs of `pwl.study.compare.compare`.
    x : array (Nv, N) or (Nv, height, width, channels)
        Inputs of the comparison.
    t : array (Nv, M) or (Nv,)
        Its targets or class numbers.
    folds : sequence of Fold
        Its folds.
    folder : Path
    names : dict, optional
        {"inputs": names of the inputs, "targets": of the targets, "classes": of the classes}.
    dpi : int
        Pixels per inch.

    Returns
    -------
    list of Picture
        In the order above.

    Raises
    ------
    InputError
        If matplotlib is missing or the folder can't be written.
    """
    require_matplotlib()
    names = names or {}
    by_name: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        by_name.setdefault(outcome.name, []).append(outcome)
    figures = [of_errors(by_name)]
    for name, own in by_name.items():
        figures += [of_curves(name, own[0], x, folds, names), of_predictions(name, own, x, t, folds, names)]
    pictures = []
    for stem, figure, caption in chain.from_iterable(figures):  # one at a time in memory
        pictures.append(Picture(folder / f"{stem}.png", caption))
        write_atomic(pictures[-1].path, png(figure, dpi))
    return pictures


def of_errors(by_name: Mapping[str, Sequence[Outcome]]) -> Iterator[Drawn]:
    """The errors of all algorithms, if any run had an iteration."""
    records = {name: [outcome.record for outcome in own] for name, own in by_name.items()}
    ran = [record for own in records.values() for record in own if record.iterations]
    if ran:
        yield "errors", errors(records), "Error against iterations, multiplies and seconds."
    if any("classification_error" in record for record in ran):
        yield "classification-errors", classification_errors(records), "Patterns in a wrong class against iterations."


def of_curves(name: str, first: Outcome, x: Array, folds: Sequence[Fold], names: Names) -> Iterator[Drawn]:
    """The curves of an algorithm's first fold, of its units and of its inputs, if it has any."""
    if first.net.keys("activation"):
        figure = curves(first.net, x[folds[first.fold].train])
        yield f"curves-{name}", figure, f"{name}: curves of the hidden units, fold {first.fold}."
    if first.net.layers and first.net.layers[0].reads_inputs:
        figure = input_curves(first.net, x[folds[first.fold].train], names=names.get("inputs"))
        yield f"input-curves-{name}", figure, f"{name}: curves of the inputs, fold {first.fold}."


def of_predictions(
    name: str, own: Sequence[Outcome], x: Array, t: Array, folds: Sequence[Fold], names: Names
) -> Iterator[Drawn]:
    """An algorithm's predictions for the test patterns of all folds."""
    net, of_all = own[0].net, "test patterns of all folds" if len(own) > 1 else "test patterns"
    true, found = on_test(own, x, t, folds, numbers if net.loss.classes else values)
    if net.loss.classes:
        figure = confusion_of(true, found, names=names.get("classes") or class_names(net))
        yield f"confusion-{name}", figure, f"{name}: confusion matrix, {of_all}."
        return
    targets = names.get("targets")
    figure = predicted_of(true, found, names=targets)
    yield f"predicted-{name}", figure, f"{name}: predicted against true values, {of_all}."
    yield f"residuals-{name}", residuals_of(true, found, names=targets), f"{name}: residuals, {of_all}."


def on_test(outcomes: Sequence[Outcome], x: Array, t: Array, folds: Sequence[Fold], pair: Pair) -> list[np.ndarray]:
    """True and predicted values of the outcomes' test patterns, fold after fold. pair(net, x, t) gives those of a fold."""
    rows = [folds[outcome.fold].test for outcome in outcomes]
    found = [pair(outcome.net, x[own], t[own]) for outcome, own in zip(outcomes, rows, strict=True)]
    return [np.concatenate(parts) for parts in zip(*found, strict=True)]
