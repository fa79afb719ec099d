"""The tables of `benchmarks table1`: accuracies beside the published ones, paired differences, and the ordering."""

from __future__ import annotations

from typing import Any

from benchmarks.shared import markdown
from benchmarks.shared.paired import in_words, mean_and_error, verdict

NAMES = {"adact": "AdAct", "relu": "ReLU", "leaky-relu": "leaky ReLU"}
WIDE = "relu-wide"  # ReLU with one filter more in every convolution
ALGORITHMS = {"sgd": "SGD of momentum 0.9", "adam": "Adam"}
RIVALS = ("relu", "leaky-relu")
PAPER = {
    1: {"adact": 67.8, "relu": 66.56, "leaky-relu": 66.45},
    2: {"adact": 74.2, "relu": 71.82, "leaky-relu": 73.09},
    3: {"adact": 75.53, "relu": 72.58, "leaky-relu": 73.3},
}

Results = dict[tuple[int, str, int], dict[str, Any]]
Done = dict[int, list[int]]


def table(results: Results, depths: list[int], folds: list[int]) -> str:
    """The whole text in Markdown, over the folds that are done."""
    done = finished(results, depths, folds, tuple(NAMES))
    parts = [heading(next(iter(results.values()))), means(results, done), differences(results, done)]
    if beside := finished(results, depths, folds, (*NAMES, WIDE)):
        parts.append(control(results, beside))
    parts.append(ordering(verdicts(results, done)))
    if missing := [str(depth) for depth in depths if depth not in done]:
        parts.append(f"No fold is done yet with VGG layers: {', '.join(missing)}.\n")
    return "\n".join([*parts, *unfinished(results)])


def finished(results: Results, depths: list[int], folds: list[int], activations: tuple[str, ...]) -> Done:
    """The folds of each depth in which these activations are done. Depths without any are left out."""
    found = {depth: [f for f in folds if all((depth, a, f) in results for a in activations)] for depth in depths}
    return {depth: own for depth, own in found.items() if own}


def heading(cell: dict[str, Any]) -> str:
    p = cell["protocol"]
    curves = "" if p["curve_rate"] is None else f" (curves {p['curve_rate']:g})"
    return (
        f"CIFAR-10, test accuracy in percent after the last epoch: mean ± standard error over folds out of {cell['folds']} "
        f"within the 50,000 training images (the test batch is not used), {p['patterns']} of which train and "
        f"{cell['test_patterns']} test in each. {ALGORITHMS[p['algorithm']]}, learning rate {p['learning_rate']:g}{curves}, "
        f"schedule {p['schedule']}, batches of {cell['batch_size']}, {p['epochs']} epochs, {augmentation(p)}; Glorot's "
        "normal start. Paper: 10 folds, its Table 1.\n"
    )


def augmentation(protocol: dict[str, Any]) -> str:
    changes = ["half of the images mirrored"] * protocol.get("flip", False)
    if shift := protocol.get("shift", 0):
        changes.append(f"shifts by up to {shift} pixels")
    return ", ".join(changes) or "images as they are"


def accuracies(results: Results, depth: int, activation: str, folds: list[int]) -> list[float]:
    return [results[depth, activation, fold]["test_accuracy"][-1] for fold in folds]


def means(results: Results, done: Done) -> str:
    """One line per depth, with our accuracy and the paper's for each activation, and the mean seconds per run."""
    heads = ["VGG layers", "folds", *(head for name in NAMES.values() for head in (name, "paper")), "seconds a run"]
    lines = markdown.head(heads)
    for depth, folds in done.items():
        figures = [
            text
            for activation in NAMES
            for text in (in_words(accuracies(results, depth, activation, folds)), f"{PAPER[depth][activation]:g}")
        ]
        seconds = [mean_of("seconds", results, depth, activation, folds) for activation in NAMES]
        lines.append(markdown.row([str(depth), str(len(folds)), *figures, " / ".join(seconds)]))
    return "\n".join(lines) + "\n"


def control(results: Results, done: Done) -> str:
    """One line per depth: the network with curves beside a wider one with ReLU, which has more parameters."""
    heads = ["VGG layers", "parameters: AdAct", "wider ReLU", "wider ReLU", "AdAct less wider ReLU", "AdAct is", "seconds a run"]
    lines = markdown.head(heads)
    for depth, folds in done.items():
        own = paired(results, depth, WIDE, folds)
        counts = [mean_of("parameters", results, depth, activation, folds) for activation in ("adact", WIDE)]
        accuracy, seconds = in_words(accuracies(results, depth, WIDE, folds)), mean_of("seconds", results, depth, WIDE, folds)
        lines.append(markdown.row([str(depth), *counts, accuracy, in_words(own, "+"), verdict(own), seconds]))
    return "\n".join(lines) + "\n"


def mean_of(name: str, results: Results, depth: int, activation: str, folds: list[int]) -> str:
    return f"{mean_and_error([results[depth, activation, fold][name] for fold in folds])[0]:.0f}"


def paired(results: Results, depth: int, rival: str, folds: list[int]) -> list[float]:
    """AdAct's accuracy minus the rival's, fold by fold."""
    ours, other = (accuracies(results, depth, activation, folds) for activation in ("adact", rival))
    return [a - b for a, b in zip(ours, other, strict=True)]


def differences(results: Results, done: Done) -> str:
    """One line per depth and rival, with the verdict."""
    heads = ["VGG layers", "AdAct less", "points", "paper", "AdAct is"]
    lines = markdown.head(heads)
    for depth, folds in done.items():
        for rival in RIVALS:
            own = paired(results, depth, rival, folds)
            published = PAPER[depth]["adact"] - PAPER[depth][rival]
            lines.append(markdown.row([str(depth), NAMES[rival], in_words(own, "+"), f"{published:+.2f}", verdict(own)]))
    return "\n".join(lines) + "\n"


def verdicts(results: Results, done: Done) -> list[str]:
    return [verdict(paired(results, depth, rival, folds)) for depth, folds in done.items() for rival in RIVALS]


def ordering(found: list[str]) -> str:
    """Whether the paper's ordering holds, which has AdAct above both rivals at every depth.

    It holds if all verdicts are "higher", and it does not hold if any is "lower".
    """
    counts = {word: found.count(word) for word in ("higher", "lower", "undecided")}
    holds = "holds" if counts["higher"] == len(found) else "does not hold" if counts["lower"] else "is undecided"
    return (
        'Differences are paired by fold; "higher" and "lower": Student\'s two-sided 95 % interval of their mean leaves 0 out. '
        f"The paper's ordering, AdAct above both at every depth, {holds}: {counts['higher']} of {len(found)} higher, "
        f"{counts['lower']} lower, {counts['undecided']} undecided.\n"
    )


def unfinished(results: Results) -> list[str]:
    """One line per run that did not reach its last epoch."""
    return [
        f"- {NAMES.get(activation, 'wider ReLU')}, {depth} VGG layers, fold {fold}: "
        f"stopped ({cell['stop']}) after {len(cell['error']) - 1} epochs\n"
        for (depth, activation, fold), cell in results.items()
        if cell["stop"] != "iterations"
    ]


def recipe(candidates: dict[Any, list[dict[str, Any]]]) -> str:
    """The candidates for the recipe of --standard by protocol, with a cell per activation. The highest mean is chosen."""
    cells = next(iter(candidates.values()))
    p = cells[0]["protocol"]
    names = [NAMES[cell["activation"]] for cell in cells]
    heads = ["learning rate", "images", *names, "mean", "seconds a run"]
    figures = {own: [cell["test_accuracy"][-1] for cell in cells] for own, cells in candidates.items()}
    best = max(figures, key=lambda own: sum(figures[own]))
    lines = markdown.head(heads)
    for own, cells in candidates.items():
        mean = f"{sum(figures[own]) / len(cells):.2f}"
        seconds = " / ".join(f"{cell['seconds']:.0f}" for cell in cells)
        lines.append(
            markdown.row(
                [f"{own.learning_rate:g}", augmentation(cells[0]["protocol"]), *(f"{a:.2f}" for a in figures[own]),
                 f"**{mean}**" if own == best else mean, seconds]
            )
        )  # fmt: skip
    return (
        f"The choice of the recipe of `--standard`: {cells[0]['depth']} VGG layers, fold {cells[0]['fold']}, which is not "
        f"reported, {p['patterns']} training images, {p['epochs']} epochs of {ALGORITHMS[p['algorithm']]}, schedule "
        f"{p['schedule']}, batches of {p['batch_size']}. Accuracy in percent on the fold's test part. The highest mean is "
        "chosen.\n\n"
        + "\n".join(lines)
        + "\n"
    )
