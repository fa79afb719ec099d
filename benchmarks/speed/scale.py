"""Growth of an AdAct iteration with patterns, inputs, hidden units, outputs and hinges: exponents, memory, passes.

One size varies at a time. The others stay at 100,000 patterns, 20 inputs, 50 hidden units, 1 output and 25 hinges. The
exponent is the least-squares slope of log seconds against log size. Memory is the peak of private memory beyond data
and imports. Each size has a process of its own.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

import pwl
from benchmarks.shared import markdown
from benchmarks.shared.apart import apart
from benchmarks.shared.cells import Cells
from benchmarks.shared.jobs import same_iteration
from benchmarks.shared.memory import Peak, private
from benchmarks.shared.timing import in_turns
from pwl.files.write import write_atomic
from pwl.plots.figure import panels, png

BASE = {"patterns": 100_000, "inputs": 20, "hidden": 50, "outputs": 1, "hinges": 25}
SIZES = {
    "patterns": (50_000, 100_000, 200_000, 400_000, 800_000),
    "inputs": (10, 20, 40, 80, 160),
    "hidden": (12, 25, 50, 100, 200),
    "outputs": (1, 2, 4, 8, 16),
    "hinges": (5, 10, 25, 50, 100),
}


def run(out: Path, quick: bool) -> None:
    cells, rows = Cells(out / "scale.jsonl"), []
    for name, sizes in SIZES.items():
        for size in sizes[:2] if quick else sizes:
            setting = BASE | {name: size} | ({"patterns": 20_000} if quick and name != "patterns" else {})
            rows.append(cells.cell(f"{name}-{size}", lambda s=setting, n=name: measured(s) | {"varied": n}))
    text = table(rows)
    write_atomic(out / "scale.md", text)
    write_atomic(out / "scale.png", picture(rows))
    print(text)


def measured(setting: dict[str, int]) -> dict[str, Any]:
    """`measure` in a process of its own."""
    return apart("benchmarks.speed.scale", json.dumps(setting))


def measure(setting: dict[str, int]) -> dict[str, Any]:
    Nv, N, Nh, M, K = setting.values()
    rng = np.random.default_rng(0)
    x, t = rng.standard_normal((Nv, N)), rng.standard_normal((Nv, M))
    start = private()
    algorithm, patterns = pwl.AdAct(), pwl.Patterns(x, t)
    net = pwl.initialise(pwl.Network.mlp(N, Nh, M, pwl.PiecewiseLinear("sigmoid", K)), patterns)
    iteration = same_iteration(algorithm, net, patterns)
    peak = Peak(start)
    before = patterns.passes
    iteration()
    passes, memory = patterns.passes - before, peak.stop()
    return setting | {"seconds": in_turns({"": iteration}, 7)[""], "passes": passes, "peak_mib": memory}


def exponent(rows: list[dict[str, Any]], name: str) -> float:
    """The slope of log seconds against the log of a size."""
    own = [row for row in rows if row["varied"] == name]
    return float(np.polyfit(np.log([row[name] for row in own]), np.log([row["seconds"] for row in own]), 1)[0])


def table(rows: list[dict[str, Any]]) -> str:
    lines = markdown.head(["varied", "sizes", "milliseconds", "exponent", "peak MiB", "passes"])
    for name in dict.fromkeys(row["varied"] for row in rows):
        own = [row for row in rows if row["varied"] == name]
        cells = [
            name,
            ", ".join(str(row[name]) for row in own),
            ", ".join(f"{1000 * row['seconds']:.0f}" for row in own),
            f"{exponent(rows, name):.2f}",
            ", ".join(f"{row['peak_mib']:.0f}" for row in own),
            f"{own[0]['passes']:.0f}",
        ]
        lines.append(markdown.row(cells))
    return "\n".join(lines) + "\n"


def picture(rows: list[dict[str, Any]]) -> bytes:
    """Seconds against each size relative to its middle value, on logarithmic axes."""
    figure, (ax,) = panels(1, 1, 6, 4.5)
    for marker, name in zip("os^Dv", dict.fromkeys(row["varied"] for row in rows), strict=False):
        own = [row for row in rows if row["varied"] == name]
        label = f"{name}, exponent {exponent(rows, name):.2f}"
        ax.loglog([row[name] / BASE[name] for row in own], [row["seconds"] for row in own], f"{marker}-", label=label)
    ax.set_xlabel("size over its middle value")
    ax.set_ylabel("seconds an iteration")
    ax.legend(frameon=False)
    return png(figure)


if __name__ == "__main__":
    print(json.dumps(measure(json.loads(sys.argv[1]))))
