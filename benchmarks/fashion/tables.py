"""The tables of `benchmarks fashion`: final rows, AdAct's distance from the best rivals, and the rates that were tried."""

from __future__ import annotations

from typing import Any

from benchmarks.shared import markdown
from benchmarks.shared.paired import in_words, mean_and_error

NAMES = {
    "adact": "AdAct, no rate", "adact-plain": "AdAct, no rate, directions as in Adam",
    "adact-falling": "AdAct of 0.1.0: the same, and factors may fall",
    "schedule-free": "Schedule-Free AdamW (PyTorch)", "sgd": "SGD", "adam": "Adam", "sgd-one-cycle": "SGD, one-cycle",
    "adam-one-cycle": "Adam, one-cycle",
}  # fmt: skip
TARGET = 0.5  # points that AdAct may be below the best

Cell = dict[str, Any]


def table(rows: dict[str, list[Cell]], tried: dict[str, dict[float, Cell]]) -> str:
    """The whole text in Markdown.

    rows: by method, one cell per seed. tried: by method and learning rate, from the first seed.
    """
    return "\n".join([heading(rows), finals(rows), distances(rows), tuning(tried)])


def heading(rows: dict[str, list[Cell]]) -> str:
    cell, seeds = rows["adact"][0], len(rows["adact"])
    return (
        f"Fashion-MNIST, {cell['patterns']} training images, {cell['epochs']} epochs in batches of {cell['batch_size']}, net "
        f"{cell['network']} of {cell['parameters']} parameters, curves of 13 hinges from ReLU. Accuracies in percent of the "
        f"network with the lowest validation error, mean ± standard error over {seeds} starts; the rates were chosen by "
        "validation accuracy.\n"
    )


def finals(rows: dict[str, list[Cell]]) -> str:
    """One line per method. The last column is AdAct's test accuracy minus the row's, paired by seed."""
    heads = ["method", "learning rate", "seconds a run", "validation", "test", "AdAct less this"]
    lines = markdown.head(heads)
    for method, cells in rows.items():
        rate, seconds = cells[0]["rate"], mean_and_error([c["seconds"] for c in cells])[0]
        accuracies = [in_words([c[part] for c in cells]) for part in ("validation_accuracy", "test_accuracy")]
        apart = "" if method == "adact" else in_words(differences(rows, method), "+")
        lines.append(markdown.row([NAMES[method], "" if rate is None else f"{rate:g}", f"{seconds:.0f}", *accuracies, apart]))
    return "\n".join(lines) + "\n"


def differences(rows: dict[str, list[Cell]], method: str) -> list[float]:
    """AdAct's test accuracy minus the method's, seed by seed."""
    return [a["test_accuracy"] - b["test_accuracy"] for a, b in zip(rows["adact"], rows[method], strict=True)]


def distances(rows: dict[str, list[Cell]]) -> str:
    """AdAct's distance in mean test accuracy from the best rival at a constant rate, and from the best of all."""
    every = [method for method in rows if not method.startswith("adact")]
    constant = [method for method in every if not method.endswith("one-cycle")]
    return (
        f"Against the best at a constant rate, {distance(rows, constant)}; against the best of all, {distance(rows, every)}. "
        f"The aim is {TARGET:g} points at most below.\n"
    )


def distance(rows: dict[str, list[Cell]], rivals: list[str]) -> str:
    best = max(rivals, key=lambda method: mean_and_error([c["test_accuracy"] for c in rows[method]])[0])
    mean = mean_and_error(differences(rows, best))[0]
    reached = "reached" if mean >= -TARGET else "missed"
    return f"{NAMES[best]}, AdAct is {abs(mean):.2f} points {'above' if mean > 0 else 'below'} ({reached})"


def tuning(tried: dict[str, dict[float, Cell]]) -> str:
    """Validation accuracy at each rate from the first start. The highest one is bold, and the final row uses its rate."""
    lines = ["**What tuning tried**: learning rate: validation accuracy, from the first start", ""]
    for method, cells in tried.items():
        highest = max(cell["validation_accuracy"] for cell in cells.values())
        shown = [
            f"{rate:g}: " + (f"**{accuracy:.2f}**" if accuracy == highest else f"{accuracy:.2f}") + note
            for rate, cell in cells.items()
            for accuracy, note in [(cell["validation_accuracy"], diverged(cell))]
        ]
        lines.append(f"- {NAMES[method]}: {'; '.join(shown)}")
    return "\n".join(lines) + "\n"


def diverged(cell: Cell) -> str:
    """A note on a run that did not reach its last epoch."""
    return "" if cell["stop"] == "iterations" else f" (stopped: {cell['stop']})"
