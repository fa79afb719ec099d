"""Numbers of four bytes beside float64: data in float32 with sums in float64, and whole networks in float32.

E is compared with the float64 run in two ways. After 50 iterations each run has followed its own trajectory, which
shows how chaotic the iteration is. Step by step, every step begins at the float64 run's network, which shows the cost
of float32 in one step. "rounded x" is the float64 run on inputs that were rounded to float32 before, a loss that no
arithmetic can undo. Timed runs take turns.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np

import pwl
from benchmarks.shared import markdown
from benchmarks.shared.cells import Cells
from benchmarks.shared.timing import in_turns
from pwl.files.write import write_atomic

SETS = ("concrete", "california")
ALGORITHMS = {
    "AdAct": (pwl.AdAct(), pwl.PiecewiseLinear("relu", 13)),
    "HWO-MOLF": (pwl.MOLF(direction="hwo"), "sigmoid"),
    "OWO-BP": (pwl.OWOBP(), "sigmoid"),
}
ITERATIONS = 50


def run(out: Path, quick: bool) -> None:
    cells, rows = Cells(out / "precision.jsonl"), []
    for name in SETS[:1] if quick else SETS:
        try:
            pwl.data.load(name)
        except pwl.InputError as missing:
            print(f"{name}: not run ({missing})")
            continue
        for algorithm in ALGORITHMS:
            rows.append(cells.cell(f"{name}-{algorithm}", lambda n=name, a=algorithm: measure(n, a)))
    text = table(rows)
    write_atomic(out / "precision.md", text)
    print(text)


def measure(name: str, chosen: str) -> dict[str, Any]:
    algorithm, activation = ALGORITHMS[chosen]
    x, t = pwl.data.load(name)
    x, t = pwl.Preparation.fit(x, t).transform(x, t)
    data = {
        "float64": (x, t),
        "rounded x": (x.astype(np.float32).astype(np.float64), t),
        "float32 data": (x.astype(np.float32), t.astype(np.float32)),
        "float32 net": (x.astype(np.float32), t.astype(np.float32)),
    }
    dtypes = {kind: np.float32 if kind == "float32 net" else np.float64 for kind in data}
    nets = {kind: pwl.Network.mlp(x.shape[1], 20, t.shape[1], activation, seed=0, dtype=dtypes[kind]) for kind in data}
    last = {k: pwl.train(nets[k], data[k], algorithm, iterations=ITERATIONS)[1]["error"][-1] for k in data}
    start = {kind: pwl.initialise(nets[kind], data[kind]) for kind in data}
    seconds = in_turns({k: (lambda k=k: pwl.train(start[k], data[k], algorithm, iterations=5)) for k in data})
    steps = step_by_step(start["float64"], data, dtypes, algorithm)
    return {
        "data": name, "algorithm": chosen, "iterations": ITERATIONS, "error": last["float64"],
        "after": {k: abs(e / last["float64"] - 1) for k, e in last.items() if k != "float64"},
        "step": steps, "seconds": {k: s / 5 for k, s in seconds.items()},
    }  # fmt: skip


def step_by_step(net: pwl.Network, data: Any, dtypes: Any, algorithm: Any) -> dict[str, float]:
    """The largest relative difference of E after one step, over steps from all networks of the float64 run."""
    worst = dict.fromkeys((k for k in data if k != "float64"), 0.0)
    states = {kind: algorithm.init(net, pwl.Patterns(*data[kind]), 0) for kind in data}
    for _ in range(ITERATIONS):
        after = {}
        for kind in data:
            at = net.to(np) if dtypes[kind] is np.float64 else in_single(net)
            after[kind] = algorithm.step(at, pwl.Patterns(*data[kind]), states[kind]).net
        errors = {kind: pwl.evaluate(after[kind], data[kind]).error for kind in data}
        worst = {kind: max(value, abs(errors[kind] / errors["float64"] - 1)) for kind, value in worst.items()}
        net = after["float64"]
    return worst


def in_single(net: pwl.Network) -> pwl.Network:
    buffers = {key: b.astype(np.float32) for key, b in net.buffers.items()}
    return dataclasses.replace(net, theta=net.theta.astype(np.float32), buffers=buffers)


def table(rows: list[dict[str, Any]]) -> str:
    kinds = ("rounded x", "float32 data", "float32 net")
    heads = ["data", "algorithm", *(f"{k}: after {ITERATIONS}" for k in kinds), *(f"{k}: one step" for k in kinds)]
    heads += ["ms, float64", "ms, float32 data", "ms, float32 net"]
    lines = markdown.head(heads)
    for row in rows:
        cells = [row["data"], row["algorithm"], *(f"{row[part][k]:.0e}" for part in ("after", "step") for k in kinds)]
        cells += [f"{1000 * row['seconds'][k]:.1f}" for k in ("float64", "float32 data", "float32 net")]
        lines.append(markdown.row(cells))
    return "\n".join(lines) + "\n"
