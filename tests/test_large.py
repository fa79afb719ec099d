"""Files larger than the memory bound train within it: the private memory of a real process is watched or limited."""

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

how = ["--iterations", "1", "--algorithm", "molf", "--hidden", "10", "--out", sys.argv[2]]
pwl.cli.main(["train", *how])  # libraries loaded and kernels compiled
before = private()
peak = [before]
threading.Thread(target=watch, daemon=True).start()
assert pwl.cli.main(["train", sys.argv[1], *how]) == 0
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


# ---- both commands with 600 MB allowed, where the system counts private memory (since Linux 4.7)

ALLOWED = 600_000_000
ROWS = 1_128_000


def limited(folder, *line) -> str:
    """Standard error of a command of 600 MB."""
    import resource

    done = subprocess.run(
        [sys.executable, "-m", "pwl", *line], capture_output=True, text=True, check=False, cwd=folder,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_DATA, (ALLOWED, ALLOWED)),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stderr


def lines_of(path) -> int:
    with path.open("rb") as file:
        return sum(1 for _ in file)


def test_an_array_file_of_900_mb_is_trained_and_predicted_with_600(tmp_path):
    """The file is sparse on disk: only every hundredth block of it holds numbers."""
    a = np.lib.format.open_memmap(tmp_path / "a.npy", "w+", np.float64, (ROWS, 100))
    some = np.random.default_rng(0).standard_normal((1128, 100))
    some[:, -1] = np.sin(some[:, 0])
    for first in range(0, ROWS, 112_800):
        a[first : first + 1128] = some
    a.flush()
    del a
    assert (tmp_path / "a.npy").stat().st_size > 0.9e9
    limited(tmp_path, "train", "a.npy", "--hidden", "2", "--iterations", "1", "--algorithm", "molf", "--out", "net")
    assert f"over {ROWS} rows" in limited(tmp_path, "predict", "net", "a.npy", "--out", "p.csv")
    assert lines_of(tmp_path / "p.csv") == ROWS + 1


def test_a_text_file_of_300_mb_is_trained_and_predicted_with_600(tmp_path):
    some = np.round(np.random.default_rng(0).standard_normal((5000, 50)), 5)
    some[:, -1] = np.round(np.sin(some[:, 0]), 5)
    text, rows = "\n".join(",".join(map(repr, row)) for row in some.tolist()) + "\n", 0
    with (tmp_path / "a.csv").open("w") as file:
        while file.tell() < 300e6:
            file.write(text)
            rows += len(some)
    limited(tmp_path, "train", "a.csv", "--hidden", "2", "--iterations", "1", "--algorithm", "molf", "--out", "net")
    assert f"over {rows} rows" in limited(tmp_path, "predict", "net", "a.csv", "--out", "p.csv")
    assert lines_of(tmp_path / "p.csv") == rows + 1
