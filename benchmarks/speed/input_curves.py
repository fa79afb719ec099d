"""One iteration of AdAct and MOLF with curves on the inputs beside the same iteration without them.

Both iterations take turns in one process. The multiplies of their products are counted as well: a net takes one for the threshold
and one for each input, or two for each input that has a curve.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pwl
from benchmarks.shared import markdown
from benchmarks.shared.apart import apart
from benchmarks.shared.cells import Cells
from benchmarks.shared.jobs import same_iteration
from benchmarks.shared.timing import in_turns
from benchmarks.speed.iteration import HINGES, NH, M, N, data
from pwl.files.write import write_atomic

ALGORITHMS = {"AdAct": (pwl.AdAct(), pwl.PiecewiseLinear("sigmoid", HINGES)), "MOLF": (pwl.MOLF(), "sigmoid")}
NETS = {"AdAct": 6, "MOLF": 4}  # products of the inputs with weights, those of the direction among them
INPUT_HINGES = 8
FULL, QUICK = (100_000, 1_000_000), (10_000,)


def run(out: Path, quick: bool) -> None:
    cells, rows = Cells(out / "input_curves.jsonl"), []
    for Nv in QUICK if quick else FULL:
        for name in ALGORITHMS:
            rows.append(cells.cell(f"{name}-{Nv}", lambda a=(Nv, name): apart("benchmarks.speed.input_curves", *a)))
    text = table(rows)
    write_atomic(out / "input_curves.md", text)
    print(text)


def measure(Nv: int, name: str) -> dict[str, Any]:
    algorithm, activation = ALGORITHMS[name]
    x, t = data(Nv, Path(), "memory")
    jobs = {}
    for job, hinges in (("without", None), ("with", INPUT_HINGES)):
        patterns = pwl.Patterns(x, t)
        net = pwl.initialise(pwl.Network.mlp(N, NH, M, activation, input_hinges=hinges), patterns)
        jobs[job] = same_iteration(algorithm, net, patterns)
    seconds = in_turns(jobs, 5 if Nv >= 1_000_000 else 9)
    products = {"without": multiplies(name, N + 1), "with": multiplies(name, 2 * N + 1)}
    return {
        "algorithm": name, "patterns": Nv, "inputs": N, "hidden": NH, "outputs": M, "input_hinges": INPUT_HINGES,
        "seconds": seconds, "ratio": seconds["with"] / seconds["without"], "multiplies": products,
    }  # fmt: skip


def multiplies(name: str, each: int) -> int:
    """Multiplies per pattern of the products, where the inputs of a net take `each`.

    Those with the inputs are the nets, the gradient and the inputs' part of B'B. V'V and the units' part of B'B are halves.
    """
    return (NETS[name] + 2) * NH * each + NH * (NH + 1)


def table(rows: list[dict[str, Any]]) -> str:
    heads = ["algorithm", "patterns", "seconds without", "seconds with curves", "ratio", "ratio of multiplies"]
    lines = markdown.head(heads)
    for row in rows:
        seconds, products = row["seconds"], row["multiplies"]
        cells = [
            row["algorithm"], str(row["patterns"]), f"{seconds['without']:.4f}", f"{seconds['with']:.4f}",
            f"{row['ratio']:.2f}", f"{products['with'] / products['without']:.2f}",
        ]  # fmt: skip
        lines.append(markdown.row(cells))
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(json.dumps(measure(int(sys.argv[1]), sys.argv[2])))
