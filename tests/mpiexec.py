"""Programs under mpiexec, for tests. They are skipped where mpi4py or mpiexec is missing: pip install 'pwl[mpi]'."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import pytest

BESIDE = Path(sys.executable).parent / "mpiexec"
MPIEXEC = str(BESIDE) if BESIDE.exists() else shutil.which("mpiexec")
needs_mpi = pytest.mark.skipif(
    MPIEXEC is None or find_spec("mpi4py") is None, reason="mpi4py or mpiexec is missing: pip install 'pwl[mpi]'"
)
SECONDS = 300  # after which a program hangs


def command(ranks: int, *arguments: object) -> list[str]:
    return [str(MPIEXEC), "-n", str(ranks), sys.executable, *map(str, arguments)]


def environment() -> dict[str, str]:
    """One thread a rank, and this package and these tests on the path."""
    here = Path(__file__).parent
    paths = [str(here.parent), str(here), os.environ.get("PYTHONPATH", "")]
    return os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths)), "OMP_NUM_THREADS": "1"}


def run(ranks: int, *arguments: object, **options) -> subprocess.CompletedProcess[str]:
    """What a Python program printed on that many ranks."""
    done = command(ranks, *arguments)
    return subprocess.run(done, capture_output=True, text=True, timeout=SECONDS, env=environment(), check=False, **options)


def program(ranks: int, *arguments: object) -> subprocess.CompletedProcess[str]:
    return run(ranks, Path(__file__).parent / "mpi_program.py", *arguments)


def interrupted(files: list[Path], ranks: int, *arguments: object) -> tuple[int, str]:
    """What a program returned and printed that got Ctrl-C when these files were there. It is killed if it does not end."""
    with subprocess.Popen(
        command(ranks, *arguments), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment()
    ) as running:
        try:
            while not all(file.exists() for file in files):
                assert running.poll() is None
                time.sleep(0.05)
            running.send_signal(signal.SIGINT)
            printed, _ = running.communicate(timeout=SECONDS)
        finally:
            running.kill()
    return running.returncode, printed
