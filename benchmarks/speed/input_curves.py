"""One iteration of AdAct and MOLF with curves on the inputs beside the same iteration without them.

Both iterations take turns in one process. The multiplies of their products are counted as well: a net takes one for the threshold
and one for each input, or two for each input that has a curve.

An iteration of LM with such curves stands beside the symmetric product J'J of a matrix that is there, and its solution by Cholesky.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from scipy import linalg

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
LM_SIZES, LM_INPUTS, LM_UNITS = (1_030, 5_000), 8, 14  # patterns, inputs and units, as of the default learner


def run(out: Path, quick: bool) -> None:
    cells = Cells(out / "input_curves.jsonl")

    def cell(Nv: int, name: str) -> dict[str, Any]:
        return cells.cell(f"{name}-{Nv}", lambda: apart("benchmarks.speed.input_curves", Nv, name))

    rows = [cell(Nv, name) for Nv in (QUICK if quick else FULL) for name in ALGORITHMS]
    text = f"{table(rows)}\n{lm_table([cell(Nv, 'LM') for Nv in (LM_SIZES[:1] if quick else LM_SIZES)])}"
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


def measure_lm(Nv: int) -> dict[str, Any]:
    """An iteration of LM, and what it can't do without: J'J, a Cholesky factor and the solution with it."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((Nv, LM_INPUTS))
    patterns = pwl.Patterns(x, np.sin(x.sum(axis=1, keepdims=True)) + 0.1 * rng.standard_normal((Nv, 1)))
    net = pwl.initialise(pwl.Network.mlp(LM_INPUTS, LM_UNITS, 1, "tanh", input_hinges=INPUT_HINGES), patterns)
    P = len(net.theta)
    J, r, slack = rng.standard_normal((Nv, P)), rng.standard_normal(P), Nv * np.eye(P, order="F")

    def bare() -> None:
        linalg.cho_solve(linalg.cho_factor(linalg.blas.dsyrk(1.0, J.T, c=slack, beta=1.0), overwrite_a=True, check_finite=False), r)

    # with this damping the first trial succeeds, so that there is one solution in the iteration, as in the bare one
    seconds = in_turns({"LM": same_iteration(pwl.LM(solver="cholesky", mu=10.0), net, patterns), "bare": bare}, 9)
    return {"algorithm": "LM", "patterns": Nv, "weights": P, "seconds": seconds, "ratio": seconds["LM"] / seconds["bare"]}


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


def lm_table(rows: list[dict[str, Any]]) -> str:
    lines = markdown.head(["algorithm", "patterns", "weights", "seconds with curves", "J'J and Cholesky", "ratio"])
    for row in rows:
        seconds = [f"{row['seconds'][name]:.4f}" for name in ("LM", "bare")]
        lines.append(markdown.row(["LM", str(row["patterns"]), str(row["weights"]), *seconds, f"{row['ratio']:.2f}"]))
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    Nv, name = int(sys.argv[1]), sys.argv[2]
    print(json.dumps(measure_lm(Nv) if name == "LM" else measure(Nv, name)))
