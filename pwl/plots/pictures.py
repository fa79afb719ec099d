"""All pictures of a comparison, written to a folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from pwl.files.write import write_atomic
from pwl.learners.outcome import Outcome, by_name
from pwl.network.network import Network
from pwl.plots import alternatives
from pwl.plots.classes import class_names, confusion_of, numbers
from pwl.plots.figure import require_matplotlib, svg
from pwl.plots.history import classification_errors, errors
from pwl.plots.inputs import input_curves
from pwl.plots.targets import columns, predicted_of, residuals_of, values
from pwl.plots.units import curves
from pwl.runtime.backend import Array

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from pwl.data import Fold

Drawn = tuple[str, "Figure", str, str]  # a picture before it is written: name of its file, figure, caption, alternative text
Names = Mapping[str, Sequence[str] | None]
Pair = Callable[[Any, Array, Array], tuple[np.ndarray, np.ndarray]]


class Picture(NamedTuple):
    """The path of an SVG file, a caption that says what it shows, and a text for those who do not see it.

    of: the algorithm that it belongs to, or nothing.
    """

    path: Path
    caption: str
    alternative: str = ""
    of: str = ""


def draw(
    outcomes: Sequence[Outcome],
    x: Array,
    t: Array,
    folds: Sequence[Fold],
    folder: Path,
    *,
    names: Names | None = None,
) -> list[Picture]:
    """Writes the pictures of a comparison to a folder as SVG files, each whole or not at all.

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
    runs = by_name(outcomes)
    figures = [("", of_errors(runs))]
    for name, own in runs.items():
        figures += [(name, of_curves(name, own[0], x, folds, names)), (name, of_predictions(name, own, x, t, folds, names))]
    pictures = []
    for name, drawn in figures:
        for stem, figure, caption, alternative in drawn:  # one at a time in memory
            pictures.append(Picture(folder / f"{stem}.svg", caption, alternative, name))
            write_atomic(pictures[-1].path, svg(figure, stem))
    return pictures


def of_errors(runs: Mapping[str, Sequence[Outcome]]) -> Iterator[Drawn]:
    """The errors of all algorithms, if any run had an iteration."""
    records = {name: [outcome.record for outcome in own] for name, own in runs.items()}
    ran = [record for own in records.values() for record in own if record.iterations]
    if ran:
        caption = "Error against iterations, multiplies and seconds."
        yield "errors", errors(records), caption, alternatives.of_errors(records)
    if any("classification_error" in record for record in ran):
        caption = "Patterns in a wrong class against iterations."
        yield "classification-errors", classification_errors(records), caption, alternatives.of_errors(records, wrong=True)


def of_curves(name: str, first: Outcome, x: Array, folds: Sequence[Fold], names: Names) -> Iterator[Drawn]:
    """The curves of an algorithm's first fold, of its units and of its inputs, if it has any."""
    net = first.net
    if not isinstance(net, Network):
        return
    train = x[folds[first.fold].train]
    if net.keys("activation"):
        caption = f"{name}: curves of the hidden units, fold {first.fold}."
        yield f"curves-{name}", curves(net, train), caption, alternatives.of_curves(net, train)
    if net.layers and net.layers[0].reads_inputs:
        figure = input_curves(net, train, names=names.get("inputs"))
        caption = f"{name}: curves of the inputs, fold {first.fold}."
        yield f"input-curves-{name}", figure, caption, alternatives.of_input_curves(net, names.get("inputs"))


def of_predictions(
    name: str, own: Sequence[Outcome], x: Array, t: Array, folds: Sequence[Fold], names: Names
) -> Iterator[Drawn]:
    """An algorithm's predictions for the test patterns of all folds."""
    net, of_all = own[0].net, "test patterns of all folds" if len(own) > 1 else "test patterns"
    true, found = on_test(own, x, t, folds, numbers if net.loss.classes else values)
    if net.loss.classes:
        classes = names.get("classes") or class_names(net)
        figure, alternative = confusion_of(true, found, names=classes), alternatives.of_confusion(true, found, classes)
        yield f"confusion-{name}", figure, f"{name}: confusion matrix, {of_all}.", alternative
        return
    true, found, targets = columns(true, found, names.get("targets"))
    figure, alternative = predicted_of(true, found, names=targets), alternatives.of_predicted(true, found, targets)
    yield f"predicted-{name}", figure, f"{name}: predicted against true values, {of_all}.", alternative
    figure, alternative = residuals_of(true, found, names=targets), alternatives.of_residuals(true, found, targets)
    yield f"residuals-{name}", figure, f"{name}: residuals, {of_all}.", alternative


def on_test(outcomes: Sequence[Outcome], x: Array, t: Array, folds: Sequence[Fold], pair: Pair) -> list[np.ndarray]:
    """True and predicted values of the outcomes' test patterns, fold after fold. pair(net, x, t) gives those of a fold."""
    rows = [folds[outcome.fold].test for outcome in outcomes]
    found = [pair(outcome.net, x[own], t[own]) for outcome, own in zip(outcomes, rows, strict=True)]
    return [np.concatenate(parts) for parts in zip(*found, strict=True)]
