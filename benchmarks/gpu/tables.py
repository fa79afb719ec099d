"""The tables of `benchmarks gpu`, with one section per device."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from benchmarks.gpu import activated, conv, input_curves, nets
from benchmarks.gpu.agreement import MANY_STEPS, ONE_STEP
from benchmarks.gpu.kernels import ARRAYS
from benchmarks.shared import markdown

Cell = dict[str, Any]


def text(cells: dict[str, list[Cell]]) -> str:
    """The whole text in Markdown. cells: the cells of each part, by its name."""
    devices = list(dict.fromkeys(words(cell["device"]) for part in cells.values() for cell in part))
    return "\n".join(line for device in devices for line in section(device, cells))


def section(device: str, cells: dict[str, list[Cell]]) -> Iterator[str]:
    yield f"## {device}\n"
    for part, (title, table) in TABLES.items():
        own = [cell for cell in cells.get(part, ()) if words(cell["device"]) == device]
        if own:
            yield f"**{title}**\n"
            yield written(*table(own))


def words(facts: dict[str, str]) -> str:
    """A device in one line."""
    return ", ".join([facts["name"], *(f"{name} {value}" for name, value in facts.items() if name != "name")])


def written(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return "".join(f"{line}\n" for line in (*markdown.head(heads), *map(markdown.row, rows)))


Table = tuple[Sequence[str], list[Sequence[str]]]


def tests(cells: list[Cell]) -> Table:
    return ("passed", "skipped", "seconds"), [
        (str(cell["passed"]), str(cell["skipped"]), f"{cell['seconds']:.0f}") for cell in cells
    ]


def kernels(cells: list[Cell]) -> Table:
    """Milliseconds, and the share of the copy's bandwidth."""
    others = ("torch value + slope", "torch scatter")
    rows = []
    for cell in sorted(cells, key=lambda c: (-c["units"], c["kind"] != "spread")):
        ms = {name: 1000 * seconds for name, seconds in cell["seconds"].items()}
        ours = [f"{ms[name]:.3g} ({cell['share'][name]:.0%})" for name in ARRAYS if name != "copy"]
        bandwidth = cell["gigabytes"]["copy"] / cell["seconds"]["copy"]
        rows.append(
            [f"{cell['patterns']} x {cell['units']} {cell['dtype']}", cell["kind"], f"{ms['copy']:.3g} ({bandwidth:.0f} GB/s)"]
            + ours + [f"{ms[name]:.3g}" if name in ms else "not run" for name in others]
        )  # fmt: skip
    return ("nets", "they lie", "copy", *(name for name in ARRAYS if name != "copy"), *others), rows


def iteration(cells: list[Cell]) -> Table:
    heads = ("algorithm", "patterns", "hidden units", "passes", "seconds", "bare products", "ratio")
    return heads, [
        (
            cell["algorithm"], str(cell["patterns"]), str(cell["hidden"]), f"{cell['passes']:.0f}",
            f"{cell['seconds']['iteration']:.4f}", f"{cell['seconds']['bare products']:.4f}", f"{cell['ratio']:.2f}",
        )
        for cell in cells
    ]  # fmt: skip


def cnn(cells: list[Cell]) -> Table:
    """Milliseconds per step. PyTorch's are those of its faster format."""
    relu = {cell["blocks"]: cell["seconds"]["ours"] for cell in cells if cell["activation"] == "relu"}
    rows = []
    for cell in sorted(cells, key=lambda c: (c["blocks"], c["activation"] != "relu")):
        ours, others = cell["seconds"]["ours"], [v for name, v in cell["seconds"].items() if name != "ours"]
        rows.append([
            f"vgg{cell['blocks']}, batch {cell['patterns']}", cell["activation"], f"{1000 * ours:.2f}",
            f"{1000 * min(others):.2f}" if others else "not run", f"{ours / min(others):.2f}" if others else "",
            f"{ours / relu[cell['blocks']]:.2f}" if cell["blocks"] in relu else "", f"{cell['patterns'] / ours:.0f}",
            f"{cell['patterns'] / min(others):.0f}" if others else "",
        ])  # fmt: skip
    heads = ("network", "activations", "ours, ms", "PyTorch, ms", "ours / PyTorch", "ours / our ReLU")
    return (*heads, "images a second", "PyTorch's"), rows


def agreement(cells: list[Cell]) -> Table:
    """Relative distances. Those that are too large are bold."""

    def shown(value: float, most: float) -> str:
        return f"{value:.1e}" if value <= most else f"**{value:.1e}**"

    return ("algorithm", "one step", "20 iterations"), [
        (cell["algorithm"], shown(cell["one_step"], ONE_STEP), shown(cell["many_steps"], MANY_STEPS)) for cell in cells
    ]


TABLES: dict[str, tuple[str, Callable[[list[Cell]], Table]]] = {
    "tests": ("Tests marked gpu", tests),
    "kernels": (
        "Curves: milliseconds (share of a device copy's bandwidth, bytes read and written counted on both sides)",
        kernels,
    ),
    "nets": ("Curves of nets that kernels make: milliseconds", nets.table),
    "iteration": ("An iteration beside its bare matrix products, float64", iteration),
    "conv": ("Convolutions, float32", conv.table),
    "activated": ("Convolutions with nets, values and slopes, float32, milliseconds", activated.table),
    "input_curves": ("Curves on inputs, milliseconds", input_curves.table),
    "cnn": ("A training step, float32", cnn),
    "agreement": ("CPU and GPU apart, float64, relative to theta", agreement),
}
