"""The GPU in one command: tests, curve kernels, iterations, convolutions, CNN steps, agreement with the CPU, Table 1.

Each figure is a cell of its own in results/gpu, with the device's name, driver and versions. What is there already is not
measured again, so that a run that was cut off goes on; a file that is deleted is measured anew. Every timing begins and ends
with an idle device, warmed up, jobs in turns, medians. Without a GPU it says so in one sentence and ends with status 2; nothing
is written then.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.gpu import agreement, cnn, conv, iteration, kernels, tables
from benchmarks.gpu.device import Device, gpu
from benchmarks.shared.cells import Cells
from pwl.errors import InputError
from pwl.files.write import write_atomic

ROOT = Path(__file__).parents[2]


def test_cells(device: Device, quick: bool) -> Iterator[tuple[str, Callable[[], dict[str, Any]]]]:
    yield "marked", tested


PARTS = {
    "tests": test_cells,
    "kernels": kernels.cells,
    "agreement": agreement.cells,
    "iteration": iteration.cells,
    "conv": conv.cells,
    "cnn": cnn.cells,
}
TABLE1 = "table1"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    names = (*PARTS, TABLE1)
    parser.add_argument("--parts", nargs="+", choices=names, default=list(PARTS), help="default: all but table1")
    parser.add_argument(
        "--folds",
        type=int,
        default=1,
        help="of table1, as many as the time allows: it is `benchmarks table1 --device cuda`",
    )


def run(out: Path, quick: bool, parts: list[str], folds: int) -> None:
    try:
        device = gpu()
    except InputError as missing:
        print(f"benchmarks gpu: {missing}", file=sys.stderr)
        raise SystemExit(2) from None
    cells = Cells(out / "gpu.jsonl")
    for part in parts:
        if part == TABLE1:
            from benchmarks.table1 import command as table1

            table1.run(out, quick, list(table1.DEPTHS), list(range(folds)), "cuda")
        else:
            measure(device, part, cells, quick)
    text = tables.text(by_part(cells))
    write_atomic(out / "gpu.md", text)
    print(text)


def measure(device: Device, part: str, cells: Cells, quick: bool) -> None:
    """The cells of a part that are not there yet; a key begins with the device's name and the part's."""
    for name, compute in PARTS[part](device, quick):
        key = f"{slug(device)}-{part}-{name}"
        cells.cell(key, lambda c=compute: {"part": part} | c() | {"device": device.facts})
        device.free()


def slug(device: Device) -> str:
    return re.sub(r"\W+", "-", device.facts["name"].lower())


def by_part(cells: Cells) -> dict[str, list[dict[str, Any]]]:
    """All cells by their part, devices side by side."""
    found: dict[str, list[dict[str, Any]]] = {}
    for result in cells.all().values():
        found.setdefault(result["part"], []).append(result)
    return found


def tested() -> dict[str, Any]:
    """Counts of the tests marked gpu; SystemExit with their output where one fails: figures of what is wrong are worth nothing."""
    begin = time.perf_counter()
    command = [sys.executable, "-m", "pytest", "-q", "-m", "gpu", "tests"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        print(done.stdout[-10_000:], done.stderr[-2_000:], file=sys.stderr)
        raise SystemExit(1)
    return counts(done.stdout) | {"seconds": time.perf_counter() - begin}


def counts(output: str) -> dict[str, int]:
    """How many tests passed and were skipped, by pytest's last line."""
    last = output.strip().splitlines()[-1]
    return {word: int((re.search(rf"(\d+) {word}", last) or [0, 0])[1]) for word in ("passed", "skipped")}
