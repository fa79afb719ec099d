"""One iteration of AdAct, MOLF, HWO-MOLF and OWO-BP beside its bare matrix products, and its peak memory.

The bare products are the matrix products in the passes of the iteration. They are computed block by block on all cores,
into existing arrays. Products A'A are computed as in the engine. The time relative to the bare products shows the cost
of everything else. Memory is the peak of private memory, without mapped files, beyond the memory that the imports take.
It is measured in a process of its own.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable
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
from pwl.reductions.blocks import block_rows, even_rows
from pwl.runtime.threads import ordered_map

ALGORITHMS = {
    "AdAct": (pwl.AdAct(), True),
    "HWO-AdAct": (pwl.AdAct(direction="hwo"), True),
    "MOLF": (pwl.MOLF(), False),
    "HWO-MOLF": (pwl.MOLF(direction="hwo"), False),
    "OWO-BP": (pwl.OWOBP(), False),
}
N, NH, M, HINGES = 20, 100, 1, 25
FULL = [(Nv, name, "memory") for Nv in (1_000, 10_000, 100_000, 1_000_000) for name in ALGORITHMS]
FULL += [(1_000_000, "AdAct", "file"), (10_000_000, "AdAct", "file")]
QUICK = [(10_000, name, "memory") for name in ALGORITHMS]


def run(out: Path, quick: bool) -> None:
    cells, rows = Cells(out / "iteration.jsonl"), []
    for Nv, name, source in QUICK if quick else FULL:
        rows.append(cells.cell(f"{name}-{Nv}-{source}", lambda a=(Nv, name, source): apart("benchmarks.speed.iteration", *a)))
    text = table(rows)
    write_atomic(out / "iteration.md", text)
    print(text)


def measure(Nv: int, name: str, source: str) -> dict[str, Any]:
    algorithm, curves = ALGORITHMS[name]
    with tempfile.TemporaryDirectory() as folder:
        start = private()
        x, t = data(Nv, Path(folder), source)
        net = pwl.Network.mlp(N, NH, M, pwl.PiecewiseLinear("sigmoid", HINGES) if curves else "sigmoid")
        patterns = pwl.Patterns(x, t)
        peak = Peak(start)
        net = pwl.initialise(net, patterns)
        iteration = same_iteration(algorithm, net, patterns)
        before = patterns.passes
        iteration()
        passes = patterns.passes - before
        repeats = 3 if Nv >= 1_000_000 else 7
        memory = peak.stop()
        jobs = {"iteration": iteration, "bare products": bare(x, even_rows(block_rows(net), Nv), name)}
        seconds = in_turns(jobs, repeats)
    return {
        "algorithm": name, "patterns": Nv, "inputs": N, "hidden": NH, "outputs": M, "hinges": HINGES,
        "source": source, "passes": passes,
        "seconds": seconds, "ratio": seconds["iteration"] / seconds["bare products"],
        "peak_mib": memory, "data_mib": 0 if source == "file" else (x.nbytes + t.nbytes) / 2**20,
    }  # fmt: skip


def data(Nv: int, folder: Path, source: str) -> tuple[np.ndarray, np.ndarray]:
    """Random inputs and a smooth target, in memory or in memory-mapped files."""
    shapes = {"x": (Nv, N), "t": (Nv, M)}
    if source == "file":
        found = {k: np.lib.format.open_memmap(folder / f"{k}.npy", "w+", np.float64, s) for k, s in shapes.items()}
    else:
        found = {k: np.empty(s) for k, s in shapes.items()}
    x, t = found["x"], found["t"]
    for first in range(0, Nv, 100_000):
        rows = slice(first, min(first + 100_000, Nv))
        x[rows] = np.random.default_rng(first).standard_normal(x[rows].shape)
        t[rows] = np.sin(x[rows, :1]) + x[rows, 1:2] * x[rows, 2:3]
    return x, t


def bare(x: np.ndarray, rows: int, name: str) -> Callable[[], None]:
    """The matrix products of one iteration for each block, on existing arrays of the right shapes.

    Every pass has the nets X W'. MOLF steps have X D' and V'V. The others are the gradient delta'X, the outputs O w,
    and the B'B and B'T of OWO.
    """
    rng = np.random.default_rng(0)
    nets = {"AdAct": 5, "HWO-AdAct": 5, "MOLF": 3, "HWO-MOLF": 3, "OWO-BP": 3}[name]
    outputs = {"AdAct": 3, "HWO-AdAct": 3, "MOLF": 1, "HWO-MOLF": 1, "OWO-BP": 2}[name]
    W, w_o = rng.standard_normal((NH, N + 1)), rng.standard_normal((M, N + NH + 1))

    def block(first: int) -> None:
        work = free.pop() if free else Work()
        X = work.X[: len(x[first : first + rows])]
        size = len(X)
        for _ in range(nets + 1):  # one more along the direction
            np.matmul(X, W.T, out=work.n[:size])
        np.matmul(work.V[:size].T, X, out=work.G)
        for _ in range(outputs):
            np.matmul(work.B[:size], w_o.T, out=work.y[:size])
        if name != "OWO-BP":
            np.matmul(work.V[:size].T, work.V[:size], out=work.H)
        np.matmul(work.B[:size].T, work.B[:size], out=work.R)
        np.matmul(work.B[:size].T, work.y[:size], out=work.C)
        free.append(work)

    class Work:
        def __init__(self) -> None:
            self.X, self.V = rng.standard_normal((rows, N + 1)), rng.standard_normal((rows, NH))
            self.B, self.n = rng.standard_normal((rows, N + NH + 1)), np.empty((rows, NH))
            self.y, self.G, self.H = np.empty((rows, M)), np.empty((NH, N + 1)), np.empty((NH, NH))
            self.R, self.C = np.empty((N + NH + 1,) * 2), np.empty((N + NH + 1, M))

    free: list[Work] = []  # kept from one call to the next, as the engine keeps its memory
    starts = range(0, len(x), rows)

    def products() -> None:
        for _ in ordered_map(block, starts, len(starts)):
            pass

    return products


def table(rows: list[dict[str, Any]]) -> str:
    heads = ["algorithm", "patterns", "data", "passes", "seconds", "bare products", "ratio", "peak MiB", "of them data"]
    lines = markdown.head(heads)
    for row in rows:
        seconds = row["seconds"]
        cells = [
            row["algorithm"], str(row["patterns"]), row["source"], f"{row['passes']:.0f}", f"{seconds['iteration']:.4f}",
            f"{seconds['bare products']:.4f}", f"{row['ratio']:.2f}", f"{row['peak_mib']:.0f}", f"{row['data_mib']:.0f}",
        ]  # fmt: skip
        lines.append(markdown.row(cells))
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(json.dumps(measure(int(sys.argv[1]), sys.argv[2], sys.argv[3])))
