"""The GPU in one command: tests, curve kernels, iterations, convolutions, CNN steps, agreement with the CPU, Table 1.

Every figure is a cell in results/gpu.jsonl, with the name, driver and versions of the device. A figure that is there
already is not measured again, so that an interrupted run goes on. To measure a figure again, remove its line. Times are
medians of warmed-up jobs that take turns, and every timing begins and ends with an idle device. If there is no GPU, the
command says so in one sentence, writes nothing and ends with status 2.
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
    parser.add_argument(
        "--parts", nargs="+", choices=names, default=list(PARTS), help="parts to run (default: all but table1)"
    )
    parser.add_argument(
        "--folds",
        type=int,
        default=1,
        help="folds of table1, which runs as `benchmarks table1 --device cuda` (default: %(default)s)",
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
    """Computes the missing cells of a part. A key begins with the names of the device and the part."""
    for name, compute in PARTS[part](device, quick):
        key = f"{slug(device)}-{part}-{name}"
        cells.cell(key, lambda c=compute: {"part": part} | c() | {"device": device.facts})
        device.free()


def slug(device: Device) -> str:
    return re.sub(r"\W+", "-", device.facts["name"].lower())


def by_part(cells: Cells) -> dict[str, list[dict[str, Any]]]:
    """All cells grouped by part. A part may hold cells of several devices."""
    found: dict[str, list[dict[str, Any]]] = {}
    for result in cells.all().values():
        found.setdefault(result["part"], []).append(result)
    return found


def tested() -> dict[str, Any]:
    """Counts of the tests marked gpu.

    If one fails, the output is printed and SystemExit raised, because figures of wrong code are worth nothing.
    """
    begin = time.perf_counter()
    command = [sys.executable, "-m", "pytest", "-q", "-m", "gpu", "tests"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        print(done.stdout[-10_000:], done.stderr[-2_000:], file=sys.stderr)
        raise SystemExit(1)
    return counts(done.stdout) | {"seconds": time.perf_counter() - begin}


def counts(output: str) -> dict[str, int]:
    """The numbers of passed and skipped tests in pytest's last line."""
    last = output.strip().splitlines()[-1]
    return {word: int((re.search(rf"(\d+) {word}", last) or [0, 0])[1]) for word in ("passed", "skipped")}
