"""Cells of `python -m benchmarks gpu` in a wanted order, each caught by itself, until the time is over.

usage: python -m benchmarks.gpu.first.cells [--quick] SECONDS FOLDER PATTERN...

A pattern is a regular expression for "part/name", and cells are measured in the order of the patterns. They are kept in
FOLDER/gpu.jsonl, each with the commit and the facts of its device, and FOLDER/gpu.md gets the tables. A cell that is
there already is not measured again. No cell is begun after SECONDS. The status is 1 if a cell failed. SMOKE_XP=numpy
runs the small cells on the CPU.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.gpu import command, tables
from benchmarks.gpu.device import Device
from benchmarks.gpu.first.target import is_dry_run, target
from benchmarks.shared.cells import Cells
from pwl.files.write import write_atomic


class Job(NamedTuple):
    """A cell that can be measured."""

    part: str
    name: str
    compute: Callable[[], dict[str, Any]]


def main(arguments: list[str] | None = None) -> int:
    """Measures the wanted cells that are missing. Returns the exit status."""
    options = parser().parse_args(arguments)
    begin, device = time.perf_counter(), target()
    cells, said = Cells(options.folder / "gpu.jsonl"), commit()
    failed = 0
    for job in ordered(jobs(device, options.quick or is_dry_run()), options.patterns):
        if time.perf_counter() - begin > options.seconds:
            print(f"no time for {job.part}/{job.name}")
            continue
        failed += not measured(device, cells, job, said)
        write_tables(cells)  # after each cell, because a limit may end the next one
    print(write_tables(cells))
    return 1 if failed else 0


def parser() -> argparse.ArgumentParser:
    found = argparse.ArgumentParser(
        prog="python -m benchmarks.gpu.first.cells", description=(__doc__ or "").splitlines()[0]
    )
    found.add_argument("--quick", action="store_true", help="small sizes; a dry run has them always")
    found.add_argument("seconds", type=float, help="no cell is begun after this time")
    found.add_argument("folder", type=Path, help="folder of gpu.jsonl and gpu.md")
    found.add_argument("patterns", nargs="+", metavar="PATTERN", help='regular expression for "part/name"')
    return found


def jobs(device: Device, quick: bool) -> list[Job]:
    """All cells except those of the tests, which have a step of their own."""
    parts = {part: cells for part, cells in command.PARTS.items() if part != "tests"}
    return [Job(part, name, compute) for part, cells in parts.items() for name, compute in cells(device, quick)]


def ordered(jobs: list[Job], patterns: list[str]) -> Iterator[Job]:
    """The jobs that match the first pattern, then those that match the second, and so on, each job once."""
    left = jobs
    for pattern in patterns:
        found = [job for job in jobs if re.search(pattern, f"{job.part}/{job.name}")]
        if not found:
            print(f"no cell matches {pattern}")
        yield from (job for job in found if job in left)
        left = [job for job in left if job not in found]


def measured(device: Device, cells: Cells, job: Job, said: str) -> bool:
    """Measures a cell if it is missing, and says how long it took."""
    begin = time.perf_counter()
    done = command.measured(device, cells, job.part, job.name, job.compute, commit=said)
    if done:
        print(f"     {command.key_of(device, job.part, job.name)} {time.perf_counter() - begin:.1f} s", flush=True)
    return done


def write_tables(cells: Cells) -> str:
    """The tables of all cells, which are also kept in gpu.md beside them."""
    text = tables.text(command.by_part(cells))
    write_atomic(cells.path.with_name("gpu.md"), text)
    return text


def commit() -> str:
    """The commit of the code, with -dirty behind it if files were changed.

    In a copy without a history it is what pack.sh noted.
    """
    command_line = ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        return subprocess.run(command_line, cwd=command.ROOT, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        noted = Path(os.environ.get("PWL_GPU", command.ROOT / ".gpu")) / "commit"
        return noted.read_text().strip() if noted.exists() else "unknown"


if __name__ == "__main__":
    raise SystemExit(main())
