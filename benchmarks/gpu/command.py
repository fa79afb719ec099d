"""The GPU in one command: tests, curve kernels, iterations, convolutions, CNN steps, agreement with the CPU, Table 1.

Every figure is a cell in results/gpu.jsonl, with the name, driver and versions of the device. A figure that is there
already is not measured again, so that an interrupted run goes on. To measure a figure again, remove its line. Times are
medians of warmed-up jobs that take turns, and every timing begins and ends with an idle device. A cell that fails, tests
included, is named at the end, where the status is 1 then; the others go on. If there is no GPU, the command says so in one
sentence, writes nothing and ends with status 2.
"""

from __future__ import annotations

import argparse
import math
import re
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.gpu import activated, agreement, cnn, conv, input_curves, iteration, kernels, nets, tables
from benchmarks.gpu.device import Device, gpu
from benchmarks.shared.cells import Cells
from pwl.errors import InputError
from pwl.files.write import write_atomic

ROOT = Path(__file__).parents[2]
TESTS = ("test_cuda*.py", "test_device*.py", "test_prefetch.py", "test_preparation.py")  # files with tests marked gpu
TEST_SECONDS = 900.0  # limit of all tests


def test_cells(device: Device, quick: bool) -> Iterator[tuple[str, Callable[[], dict[str, Any]]]]:
    yield "marked", tested


PARTS = {
    "tests": test_cells,
    "kernels": kernels.cells,
    "nets": nets.cells,
    "agreement": agreement.cells,
    "iteration": iteration.cells,
    "conv": conv.cells,
    "activated": activated.cells,
    "input_curves": input_curves.cells,
    "cnn": cnn.cells,
}
TABLE1 = "table1"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    names = (*PARTS, TABLE1)
    parser.add_argument(
        "--parts", nargs="+", choices=names, default=list(PARTS), help="parts to run (default: all but table1)"
    )
    words = "folds of table1, which runs as `benchmarks table1 --device cuda` (default: %(default)s)"
    parser.add_argument("--folds", type=int, default=1, help=words)
    parser.add_argument(
        "--seconds", type=float, default=math.inf, help="no cell is begun after this time (default: all are measured)"
    )


def run(out: Path, quick: bool, parts: list[str], folds: int, seconds: float = math.inf) -> None:
    try:
        device = gpu()
    except InputError as missing:
        print(f"benchmarks gpu: {missing}", file=sys.stderr)
        raise SystemExit(2) from None
    cells, failed, end = Cells(out / "gpu.jsonl"), [], time.monotonic() + seconds
    for part in parts:
        if part == TABLE1:
            from benchmarks.table1 import command as table1

            table1.run(out, quick, list(table1.DEPTHS), list(range(folds)), "cuda")
        else:
            failed += measure(device, part, cells, quick, end)
    text = tables.text(by_part(cells))
    write_atomic(out / "gpu.md", text)
    print(text)
    if failed:
        print(f"benchmarks gpu: {len(failed)} failed: {', '.join(failed)}", file=sys.stderr)
        raise SystemExit(1)


def measure(device: Device, part: str, cells: Cells, quick: bool, end: float) -> list[str]:
    """Computes the missing cells of a part until the clock shows `end`. Returns the keys of those that failed."""
    failed = []
    for name, compute in PARTS[part](device, quick):
        if time.monotonic() > end:
            print(f"no time for {part}/{name}")
        elif not measured(device, cells, part, name, compute):
            failed.append(key_of(device, part, name))
    return failed


def key_of(device: Device, part: str, name: str) -> str:
    """The key of a cell, which begins with the names of the device and the part."""
    return f"{slug(device)}-{part}-{name}"


def measured(device: Device, cells: Cells, part: str, name: str, compute: Callable[[], dict[str, Any]], **facts: Any) -> bool:
    """Measures a cell if it is missing, with facts to keep beside it. A failure is printed, and the result is False."""
    key = key_of(device, part, name)
    try:
        cells.cell(key, lambda: {"part": part} | compute() | {"device": device.facts} | facts)
    except Exception as failure:
        print(f"FAIL {key}: {type(failure).__name__}: {failure}", flush=True)
        traceback.print_exc(limit=-8, file=sys.stdout)
        return False
    finally:
        device.free()
    return True


def slug(device: Device) -> str:
    """The device's name for keys. With TF32 on, its figures are others."""
    return re.sub(r"\W+", "-", device.facts["name"].lower()) + ("-tf32" if device.tf32 else "")


def by_part(cells: Cells) -> dict[str, list[dict[str, Any]]]:
    """All cells grouped by part. A part may hold cells of several devices."""
    found: dict[str, list[dict[str, Any]]] = {}
    for result in cells.all().values():
        found.setdefault(result["part"], []).append(result)
    return found


def tested() -> dict[str, Any]:
    """Counts of the tests marked gpu. If one fails, or they take too long, the output is printed and RuntimeError raised."""
    begin = time.perf_counter()
    files = sorted(str(file) for pattern in TESTS for file in (ROOT / "tests").glob(pattern))
    command = [sys.executable, "-m", "pytest", "-q", "-m", "gpu", *files]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=TEST_SECONDS)
    except subprocess.TimeoutExpired as late:
        print(_text(late.stdout)[-10_000:], file=sys.stderr)
        raise RuntimeError(f"the tests marked gpu took more than {TEST_SECONDS:.0f} s") from None
    if done.returncode:
        print(done.stdout[-10_000:], done.stderr[-2_000:], file=sys.stderr)
        raise RuntimeError("tests marked gpu failed")
    return counts(done.stdout) | {"seconds": time.perf_counter() - begin}


def _text(output: bytes | str | None) -> str:
    """The output of a process that was cut off, of which Python gives the bytes."""
    return output.decode(errors="replace") if isinstance(output, bytes) else output or ""


def counts(output: str) -> dict[str, int]:
    """The numbers of passed and skipped tests in pytest's last line."""
    last = output.strip().splitlines()[-1]
    return {word: int((re.search(rf"(\d+) {word}", last) or [0, 0])[1]) for word in ("passed", "skipped")}
