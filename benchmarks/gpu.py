"""The GPU in one command: tests, curve kernels, iterations, convolutions, CNN steps, agreement with the CPU, Table 1.

Each figure is a cell of its own in results/gpu, with the device's name, driver and versions. What is there already is not
measured again, so that a run that was cut off goes on; a file that is deleted is measured anew. Every timing begins and ends
with an idle device, warmed up, jobs in turns, medians. Without a GPU it says so in one sentence and ends with status 2; nothing
is written then.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks import gpu_agreement, gpu_cnn, gpu_conv, gpu_iteration, gpu_kernels, gpu_tables
from benchmarks.cells import cell
from benchmarks.gpu_device import Device, gpu
from pwl.errors import InputError
from pwl.files.write import write_atomic

ROOT = Path(__file__).parent.parent


def test_cells(device: Device, quick: bool) -> Iterator[tuple[str, Callable[[], dict[str, Any]]]]:
    yield "marked", tested


PARTS = {
    "tests": test_cells,
    "kernels": gpu_kernels.cells,
    "agreement": gpu_agreement.cells,
    "iteration": gpu_iteration.cells,
    "conv": gpu_conv.cells,
    "cnn": gpu_cnn.cells,
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
    for part in parts:
        if part == TABLE1:
            from benchmarks import table1

            table1.run(out, quick, list(table1.DEPTHS), list(range(folds)), "cuda")
        else:
            measure(device, part, out / "gpu", quick)
    text = gpu_tables.text(read(out / "gpu"))
    write_atomic(out / "gpu.md", text)
    print(text)


def measure(device: Device, part: str, folder: Path, quick: bool) -> None:
    """The cells of a part that are not there yet; a file's name begins with the device's and the part's."""
    for name, compute in PARTS[part](device, quick):
        cell(
            folder / f"{slug(device)}-{part}-{name}.json",
            lambda c=compute: {"part": part} | c() | {"device": device.facts},
        )
        device.free()


def slug(device: Device) -> str:
    return re.sub(r"\W+", "-", device.facts["name"].lower())


def read(folder: Path) -> dict[str, list[dict[str, Any]]]:
    """All cells by their part, devices side by side."""
    found: dict[str, list[dict[str, Any]]] = {}
    for path in sorted(folder.glob("*.json")):
        result = json.loads(path.read_text())
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
