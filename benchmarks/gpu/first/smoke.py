"""What is there, does every kernel run, does a step read anything back, and where does its time go.

usage: python -m benchmarks.gpu.first.smoke [PATTERN...]

Each check is caught by itself and has a line of its own. A pattern is a regular expression; only checks whose names
match one of the patterns are run. The status is 1 if a check failed. SMOKE_XP=numpy runs the same lines on the CPU, and
SMOKE_PROFILE=0 leaves out the profiles.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from benchmarks.gpu.first.checks import Check, passes

COMMAND_SECONDS = 60  # the most that a command of pwl may take


def main(patterns: list[str]) -> int:
    """Runs the checks and prints how many passed. Returns the exit status."""
    begin, found = time.perf_counter(), []
    for group in (libraries, kernels, steps, commands):
        found += [passes(check) for check in checks_of(group) if wanted(check.name, patterns)]
    print(f"{sum(found)} passed, {len(found) - sum(found)} failed, {time.perf_counter() - begin:.0f} s")
    return 0 if all(found) else 1


def checks_of(group: Callable[[], Iterator[Check]]) -> list[Check]:
    """The checks of a group. If its modules can't be imported or there is no device, it is one check, which fails."""
    try:
        return list(group())
    except Exception as failure:
        return [Check(f"{group.__name__}: all", partial(fail, failure))]


def wanted(name: str, patterns: list[str]) -> bool:
    return not patterns or name.endswith(": all") or any(re.search(pattern, name) for pattern in patterns)


def libraries() -> Iterator[Check]:
    """Checks of what is installed. They import one library each, so that a line names the one that is broken."""
    yield Check("numba", numba_versions)
    yield Check("cupy", cupy_versions)
    yield Check("pwl", pwl_version)


def kernels() -> Iterator[Check]:
    from benchmarks.gpu.first import smoke_kernels
    from benchmarks.gpu.first.target import target

    return smoke_kernels.checks(target())


def steps() -> Iterator[Check]:
    from benchmarks.gpu.first import smoke_steps
    from benchmarks.gpu.first.target import target

    return smoke_steps.checks(target())


def commands() -> Iterator[Check]:
    from benchmarks.gpu.first.target import is_dry_run

    device = "cpu" if is_dry_run() else "cuda"
    yield Check("pwl train", in_a_folder(partial(train, device)))
    yield Check("pwl check", in_a_folder(partial(check, device)))


def fail(reason: Exception) -> str:
    raise reason


def numba_versions() -> str:
    import numba
    import numpy

    return f"numba {numba.__version__}, numpy {numpy.__version__}"


def cupy_versions() -> str:
    """Versions and the device's facts, after a product that cuBLAS computes: it shows a missing library at once."""
    from benchmarks.gpu.first.target import is_dry_run

    if is_dry_run():
        return "dry run"
    import cupy
    from cupy_backends.cuda.libs import cublas, nvrtc

    ones = cupy.ones((8, 8))
    (ones @ ones).sum()
    runtime, handle = cupy.cuda.runtime, cupy.cuda.device.get_cublas_handle()
    properties = runtime.getDeviceProperties(0)
    facts = (
        f"{cupy.__version__} on {properties['name'].decode()}",
        f"{properties['multiProcessorCount']} multiprocessors",
        f"{properties['totalGlobalMem'] / 2**30:.0f} GiB",
        f"L2 {properties['l2CacheSize'] / 2**20:.0f} MiB",
        f"runtime {runtime.runtimeGetVersion()}",
        f"driver {runtime.driverGetVersion()}",
        f"NVRTC {nvrtc.getVersion()}",
        f"cuBLAS {cublas.getVersion(handle)}",
    )
    return ", ".join(facts)


def pwl_version() -> str:
    import pwl

    return pwl.__version__


def in_a_folder(job: Callable[[Path], str]) -> Callable[[], str]:
    """The job in a folder of its own, which is removed afterwards."""

    def run() -> str:
        with tempfile.TemporaryDirectory() as folder:
            return job(Path(folder))

    return run


def train(device: str, folder: Path) -> str:
    """`pwl train` on a small table."""
    import numpy as np

    x = np.random.default_rng(0).standard_normal((500, 3))
    rows = np.column_stack([x, np.sin(x[:, 0]) + x[:, 1]])
    table, net = folder / "table.csv", folder / "net.safetensors"
    np.savetxt(table, rows, delimiter=",", header="a,b,c,target", comments="")
    options = ("--target", "target", "--iterations", "5", "--out", str(net), "--device", device)
    return last_line("train", str(table), *options)


def check(device: str, folder: Path) -> str:
    """`pwl check`, which compares the device's results with difference quotients."""
    return last_line("check", "--device", device)


def last_line(*arguments: str) -> str:
    """The last line that a command of pwl prints. Raises ChildProcessError with its messages if it fails."""
    command = [sys.executable, "-m", "pwl", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=COMMAND_SECONDS, check=False)
    if done.returncode:
        raise ChildProcessError(f"status {done.returncode}: {done.stdout[-200:]}{done.stderr[-350:]}")
    return (done.stdout.strip().splitlines() or [""])[-1]


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
