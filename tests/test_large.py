"""Files larger than the memory bound train within it: the private memory of a real process is watched."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform != "linux", reason="reads /proc/self/status")]

# Mapped pages of a file belong to the system, which takes them back at need: only private (anonymous) pages count.
SCRIPT = """
import sys, threading, time
import pwl.cli

def private():
    return next(int(l.split()[1]) for l in open("/proc/self/status") if l.startswith("RssAnon")) / 1024

def watch():
    while True:
        peak[0] = max(peak[0], private())
        time.sleep(0.005)

pwl.cli.main(["train", "--iterations", "1", "--out", sys.argv[2]])  # libraries loaded and kernels compiled
before = private()
peak = [before]
threading.Thread(target=watch, daemon=True).start()
assert pwl.cli.main(["train", sys.argv[1], "--iterations", "1", "--out", sys.argv[2]]) == 0
print("grown", peak[0] - before)
"""


def grown(path, folder) -> float:
    """MiB of private memory that training on a file takes beyond a process that has trained on a small one."""
    command = [sys.executable, "-c", SCRIPT, str(path), str(folder / "net")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
    assert done.returncode == 0, done.stderr
    return float(done.stdout.split("grown")[1])


def test_array_file(tmp_path):
    """480 MiB of patterns: less than half of that is ever private, work arrays and row numbers included."""
    a = np.lib.format.open_memmap(tmp_path / "a.npy", "w+", np.float64, (3_150_000, 20))
    rng = np.random.default_rng(0)
    for first in range(0, len(a), 450_000):
        a[first : first + 450_000] = rng.standard_normal((450_000, 20))
    a.flush()
    del a
    assert grown(tmp_path / "a.npy", tmp_path) < 240


def test_text_file(tmp_path):
    """A 160 MB table, above the size from which text is streamed."""
    rows = np.round(np.random.default_rng(0).standard_normal((20_000, 20)), 5).tolist()
    text = "\n".join(",".join(map(repr, row)) for row in rows) + "\n"
    with (tmp_path / "a.csv").open("w") as file:
        while file.tell() < 160e6:
            file.write(text)
    assert grown(tmp_path / "a.csv", tmp_path) < 120
