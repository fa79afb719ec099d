"""Real processes that are killed: SIGKILL, SIGTERM, SIGHUP or SIGINT at any instant, then the same command with --resume."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

import pwl
from benchmarks.faults.outcome import Tally

PACKAGE = str(Path(pwl.__file__).parent)
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
LINE = ["train", "t.csv", "--hidden", "4", "--iterations", "60", "--max-fail", "60", "--checkpoint-seconds", "0"]


def campaign(tally: Tally, tries: int, seed: int) -> None:
    """Each try is one signal. A run gets two at most, goes on to its end, and must have the net of a whole run."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(80, 3))
    Path("t.csv").write_text("a,b,t\n" + "".join(f"{a},{b},{np.sin(a) + b * c}\n" for a, b, c in x))
    whole = {}
    for algorithm in ("lm", "hwo-adact", "scg"):
        begin = time.perf_counter()
        assert _process([*LINE, "--algorithm", algorithm, "--out", f"{algorithm}.safetensors"]).wait() == 0
        whole[algorithm] = (pwl.Network.load(f"{algorithm}.safetensors").theta, time.perf_counter() - begin)
    number = sent = 0
    while sent < tries and number < 3 * tries:
        algorithm, signal_sent = list(whole)[number % 3], SIGNALS[number % 4]
        theta, seconds = whole[algorithm]
        fault, signals = _killed(algorithm, signal_sent, rng.uniform(0.0, 1.0, 2) * seconds, theta)
        if fault:
            tally.failed(f"run {number}: {algorithm}, {signal_sent.name}", fault)
        for _ in range(signals):
            tally.passed("interrupted")
        number, sent = number + 1, sent + signals


def _process(line: list[str]) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "pwl", *line], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True
    )


def _killed(algorithm: str, number: int, waits: np.ndarray, theta: np.ndarray) -> tuple[str | None, int]:
    """What went wrong, and the number of signals that reached a running process."""
    net, kept = Path("n.safetensors"), Path("n.safetensors.checkpoint")
    for path in (net, kept):
        path.unlink(missing_ok=True)
    line, sent = [*LINE, "--algorithm", algorithm, "--out", str(net)], 0
    for wait in (*waits.tolist(), None):
        process = _process([*line, "--resume"] if kept.exists() else line)
        try:
            process.wait(wait)
        except subprocess.TimeoutExpired:
            process.send_signal(number)
            process.wait(60)
            sent += 1
        except BaseException:
            process.kill()
            raise
        said = process.stderr.read().decode() if process.stderr else ""
        if process.stderr:
            process.stderr.close()
        if "Traceback" in said and PACKAGE in said:  # an interrupt may come while Python itself is starting
            return said[-300:], sent
        if wait is None and process.returncode != 0:
            return f"status {process.returncode}: {said[-300:]}", sent
    if not np.array_equal(pwl.Network.load(net).theta, theta):
        return "resumed to other bits", sent
    left = sorted(name for name in os.listdir() if name[0] == ".")
    return f"left behind: {left}" if left else None, sent
