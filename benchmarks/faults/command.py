"""Campaigns of damage: tables, files, options, calls and arrays of any kind, interrupts at every line, real kills. Seeded.

Allowed is sane output with status 0, or one sentence with status 2. After an interrupt or a kill the run resumes to the same
bits, and nothing is left behind. The table counts what was tried, what came of it, and what failed. The exit status is 1 if
something failed. Ctrl-C ends a campaign, and its counts so far are printed.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.faults import arrays, calls, files, interrupts, kills, options, tables
from benchmarks.faults.outcome import Tally
from pwl.files.text_table import aligned
from pwl.files.write import write_atomic

CAMPAIGNS = {  # by name, the campaign and its number of tries: quick, by default
    "tables": (tables.campaign, 60, 10000),
    "files": (files.campaign, 60, 3000),
    "options": (options.campaign, 30, 5000),
    "calls": (calls.campaign, 100, 10000),
    "arrays": (arrays.campaign, 60, 5000),
    "interrupts": (interrupts.campaign, 60, 6000),
    "kills": (kills.campaign, 4, 300),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--only", choices=CAMPAIGNS, help="one campaign (default: all)")
    parser.add_argument("--tries", type=int, metavar="N", help="tries of each campaign")
    parser.add_argument("--seed", type=int, default=0, help="default: %(default)s")


def run(out: Path, quick: bool, only: str | None = None, tries: int | None = None, seed: int = 0) -> None:
    lines, failures = [("campaign", "tries", "status 0", "sentences", "interrupted", "failed", "seconds")], []
    for name, (campaign, few, many) in CAMPAIGNS.items():
        if only in (None, name):
            begin, tally, here = time.perf_counter(), Tally(name), Path.cwd()
            with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
                os.chdir(folder)
                try:
                    campaign(tally, tries or (few if quick else many), seed)
                except KeyboardInterrupt:
                    print(f"{name} was interrupted", file=sys.stderr)
                finally:
                    os.chdir(here)
            lines.append((name, *map(str, tally.counts()), f"{time.perf_counter() - begin:.0f}"))
            failures += tally.failures
            print(aligned(lines[:1] + lines[-1:], right=range(1, 7)), flush=True)
            for failure in tally.failures[:20]:
                print(f"  {failure}")
    text = aligned(lines, right=range(1, 7)) + "\n" + "".join(f"{failure}\n" for failure in failures)
    write_atomic(out / "faults.txt", f"seed {seed}\n{text}")
    if failures:
        sys.exit(1)
