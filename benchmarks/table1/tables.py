"""The tables of `benchmarks table1`: accuracies beside the published ones, paired differences, and the ordering."""

from __future__ import annotations

from typing import Any

from benchmarks.shared.paired import in_words, mean_and_error, verdict

NAMES = {"adact": "AdAct", "relu": "ReLU", "leaky-relu": "leaky ReLU"}
ALGORITHMS = {"sgd": "SGD of momentum 0.9", "adam": "Adam"}
RIVALS = ("relu", "leaky-relu")
PAPER = {
    1: {"adact": 67.8, "relu": 66.56, "leaky-relu": 66.45},
    2: {"adact": 74.2, "relu": 71.82, "leaky-relu": 73.09},
    3: {"adact": 75.53, "relu": 72.58, "leaky-relu": 73.3},
}

Results = dict[tuple[int, str, int], dict[str, Any]]


def table(results: Results, depths: list[int], folds: list[int]) -> str:
    """The whole text in Markdown."""
    return "\n".join(
        [heading(next(iter(results.values())), folds), means(results, depths, folds),
         differences(results, depths, folds), ordering(verdicts(results, depths, folds)), *unfinished(results)]
    )  # fmt: skip


def heading(cell: dict[str, Any], folds: list[int]) -> str:
    p = cell["protocol"]
    curves = "" if p["curve_rate"] is None else f" (curves {p['curve_rate']:g})"
    return (
        f"CIFAR-10, test accuracy in percent after the last epoch: mean ± standard error over {len(folds)} of {cell['folds']} "
        f"folds within the 50,000 training images (the test batch is not used), {p['patterns']} of which train and "
        f"{cell['test_patterns']} test in each. {ALGORITHMS[p['algorithm']]}, learning rate {p['learning_rate']:g}{curves}, "
        f"schedule {p['schedule']}, batches of {cell['batch_size']}, {p['epochs']} epochs; Glorot's normal start. "
        "Paper: 10 folds, its Table 1.\n"
    )


def accuracies(results: Results, depth: int, activation: str, folds: list[int]) -> list[float]:
    return [results[depth, activation, fold]["test_accuracy"][-1] for fold in folds]


def means(results: Results, depths: list[int], folds: list[int]) -> str:
    """One line per depth, with our accuracy and the paper's for each activation, and the mean seconds per run."""
    heads = ["VGG layers", *(head for name in NAMES.values() for head in (name, "paper")), "seconds a run"]
    lines = [row(heads), row(["---"] * len(heads))]
    for depth in depths:
        figures = [
            text
            for activation in NAMES
            for text in (in_words(accuracies(results, depth, activation, folds)), f"{PAPER[depth][activation]:g}")
        ]
        seconds = [
            f"{mean_and_error([results[depth, activation, fold]['seconds'] for fold in folds])[0]:.0f}"
            for activation in NAMES
        ]
        lines.append(row([str(depth), *figures, " / ".join(seconds)]))
    return "\n".join(lines) + "\n"


def paired(results: Results, depth: int, rival: str, folds: list[int]) -> list[float]:
    """AdAct's accuracy minus the rival's, fold by fold."""
    ours, other = (accuracies(results, depth, activation, folds) for activation in ("adact", rival))
    return [a - b for a, b in zip(ours, other, strict=True)]


def differences(results: Results, depths: list[int], folds: list[int]) -> str:
    """One line per depth and rival, with the verdict."""
    heads = ["VGG layers", "AdAct less", "points", "paper", "AdAct is"]
    lines = [row(heads), row(["---"] * len(heads))]
    for depth in depths:
        for rival in RIVALS:
            own = paired(results, depth, rival, folds)
            published = PAPER[depth]["adact"] - PAPER[depth][rival]
            lines.append(row([str(depth), NAMES[rival], in_words(own, "+"), f"{published:+.2f}", verdict(own)]))
    return "\n".join(lines) + "\n"


def verdicts(results: Results, depths: list[int], folds: list[int]) -> list[str]:
    return [verdict(paired(results, depth, rival, folds)) for depth in depths for rival in RIVALS]


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
        f"- {NAMES[activation]}, {depth} VGG layers, fold {fold}: stopped ({cell['stop']}) after {len(cell['error']) - 1} epochs\n"
        for (depth, activation, fold), cell in results.items()
        if cell["stop"] != "iterations"
    ]


def row(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"
