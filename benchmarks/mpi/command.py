"""Ranks by MPI: AdAct on 10,000,000 patterns of a file beside threads, memory a rank, and times to expect at many ranks.

The file has 20 inputs and a target. A rank has one thread. Runs take turns, and the better of each kind counts, as other
processes may use the machine. Predicted times are those of the counted messages by the measured latency and bandwidth, and of
the measured seconds per pattern.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.mpi.program import INPUTS, counted_memory
from benchmarks.shared import markdown
from benchmarks.shared.cells import Cells
from pwl.data.scratch import rows_a_block
from pwl.files.write import write_atomic
from pwl.runtime.ranks import WHOLE

PATTERNS = 10_000_000
TURNS = 3
MANY = 1_000_000_000  # patterns of the predictions
RANKS = (1, 64, 1024)
NETWORKS = {"measured": None, "100 Gbit/s": (2e-6, 1.0e10), "10 Gbit/s": (2e-5, 1.1e9)}  # seconds a message, bytes a second


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--file", type=Path, help="where the file of patterns is, or is to be kept (default: it is temporary)")


def run(out: Path, quick: bool, file: Path | None = None) -> None:
    cells = Cells(out / "mpi.jsonl")
    with tempfile.TemporaryDirectory(prefix="pwl-mpi-") as folder:
        path = file or Path(folder) / "patterns.npy"
        times = [
            cells.cell(f"{kind}-{count}-{turn}", lambda k=kind, c=count: launched(k, c, "iterations", made(path, quick)))
            | {"kind": kind, "count": count}
            for turn in range(1 if quick else TURNS)
            for kind, count in (("threads", 2), ("ranks", 2), ("ranks", 1))
        ]
    messages = cells.cell("messages", lambda: launched("ranks", 2, "messages", ""))
    n = 256 if quick else 2048
    measured = {P: cells.cell(f"memory-{P}", lambda P=P: launched("ranks", P, "memory", n))["sums"] for P in (2, 3, 4)}
    counted = {P: counted_memory(P, n) for P in (2, 3, 4, 16, 64)}
    costs = cells.cell("costs", lambda: launched("ranks", 2, "costs", 4000 if quick else 40_000))["algorithms"]
    tables = (
        time_table(times), memory_table(measured, counted), message_table(messages), cost_table(costs),
        prediction_table(costs, messages),
    )  # fmt: skip
    text = "\n".join("\n".join(lines) + "\n" for lines in tables)
    write_atomic(out / "mpi.md", text)
    print(text)


def made(path: Path, quick: bool) -> Path:
    """A file of patterns, made block by block."""
    if not path.exists():
        Nv, rng = 100_000 if quick else PATTERNS, np.random.default_rng(0)
        a = np.lib.format.open_memmap(path, "w+", np.float64, (Nv, INPUTS + 1))
        weights, step = rng.standard_normal((INPUTS, 1)), rows_a_block(INPUTS)
        for first in range(0, Nv, step):
            x = rng.standard_normal((min(step, Nv - first), INPUTS))
            a[first : first + len(x)] = np.hstack([x, np.sin(x @ weights / 3) + 0.1 * rng.standard_normal((len(x), 1))])
        a.flush()
    return path


def launched(kind: str, count: int, name: str, argument: Any) -> dict[str, Any]:
    """A program's result, on `count` ranks of one thread, or in one process of `count` threads."""
    command = [sys.executable, "-m", "benchmarks.mpi.program", name, str(argument)]
    beside = Path(sys.executable).parent / "mpiexec"
    if kind == "ranks" and count > 1:
        command = [str(beside) if beside.exists() else str(shutil.which("mpiexec")), "-n", str(count), *command]
    environment = os.environ | {"OMP_NUM_THREADS": str(1 if kind == "ranks" else count)}
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    return json.loads(done.stdout.splitlines()[-1])


def time_table(times: list[dict[str, Any]]) -> Iterator[str]:
    yield "| | seconds an iteration | of 2 threads' | of them in sums | reading, seconds | peak memory a process, MiB |"
    yield "|" + " --- |" * 6
    best = {}
    for row in sorted(times, key=lambda row: -row["seconds"]):
        best[row["kind"], row["count"]] = row
    of = best["threads", 2]["seconds"]
    for (kind, count), row in sorted(best.items()):
        name = f"{count} {kind if count > 1 else kind[:-1]}"
        yield (
            f"| {name} | {row['seconds']:.2f} | {row['seconds'] / of:.2f} | {row['sums']:.3f} | {row['reading']:.1f} "
            f"| {row['peak_mib']:.0f} |"
        )


def memory_table(measured: dict[int, float], counted: dict[int, float]) -> Iterator[str]:
    yield from markdown.head(["ranks", "measured, in sums", "counted, in sums", "whole sums of all ranks"])
    for P, count in counted.items():
        yield f"| {P} | {f'{measured[P]:.1f}' if P in measured else ''} | {count:.2f} | {P} |"


def message_table(messages: dict[str, Any]) -> Iterator[str]:
    yield f"One message: {1e6 * messages['latency']:.1f} us; {messages['bandwidth'] / 1e9:.1f} GB/s."
    yield ""
    yield from markdown.head(["numbers in a sum, 2 ranks", "milliseconds"])
    for size, seconds in messages["sums"].items():
        yield f"| {int(size):,} | {1000 * seconds:.3f} |"


def cost_table(costs: dict[str, Any]) -> Iterator[str]:
    yield from markdown.head(["algorithm", "steps", "calls a step", "kilobytes a step", "microseconds a pattern"])
    for name, cost in costs.items():
        size = sum(n for _, n in cost["messages"]) / cost["steps"] / 1000
        calls = len(cost["messages"]) / cost["steps"]
        yield f"| {name} | {cost['steps']} | {calls:.0f} | {size:.1f} | {1e6 * cost['seconds_a_pattern']:.2f} |"


def seconds_of(kind: str, size: float, P: int, latency: float, bandwidth: float) -> float:
    """Seconds of a collective call of P ranks by a model of what MPI does. size: bytes that a rank brings."""
    rounds = math.ceil(math.log2(P)) if P > 1 else 0
    if kind == "gathered":  # by doubling: the bytes of all others arrive
        return rounds * latency + (P - 1) * size / bandwidth
    if kind == "slices":  # a slice from each of the others
        return (P - 1) * (latency + size / P / bandwidth)
    if kind == "dealt":
        return (P - 1) * latency + size / bandwidth
    return rounds * (latency + size / bandwidth)  # up or down a tree


def predicted(cost: dict[str, Any], P: int, latency: float, bandwidth: float) -> tuple[float, float]:
    """Seconds of a pass and of its messages in an iteration on MANY patterns."""
    steps = cost["steps"]
    batches = MANY / 1000 / steps if steps > 1 else 1  # a batch has 1,000 patterns at any number of ranks
    sums = sum(sliced(kind, size, P, latency, bandwidth) for kind, size in cost["messages"]) * batches
    return MANY / P * cost["seconds_a_pattern"], sums if P > 1 else 0.0


def sliced(kind: str, size: float, P: int, latency: float, bandwidth: float) -> float:
    """`seconds_of` for messages that were counted on 2 ranks: what is gathered after slices are slices of P ranks, too."""
    if kind == "gathered" and size > 8 * WHOLE:
        return seconds_of("slices", 2 * size, P, latency, bandwidth)
    return seconds_of(kind, size, P, latency, bandwidth)


def prediction_table(costs: dict[str, Any], messages: dict[str, Any]) -> Iterator[str]:
    yield f"Seconds an iteration on {MANY:,} patterns, one thread a rank, and the seconds of them in messages."
    yield ""
    yield from markdown.head(["algorithm", "1 rank", *(f"{name}, {P:,} ranks" for name in NETWORKS for P in RANKS[1:])])
    for name, cost in costs.items():
        found = [f"{sum(predicted(cost, 1, 0.0, 1.0)):.0f}"]
        for network in NETWORKS.values():
            for P in RANKS[1:]:
                own, sums = predicted(cost, P, *(network or (messages["latency"], messages["bandwidth"])))
                found.append(f"{own + sums:.3g} ({sums:.2g})")
        yield markdown.row([name, *found])
