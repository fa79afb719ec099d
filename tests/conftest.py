"""What the tests share: where the data are, two cores wherever they run, and kernels compiled once for all processes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

if "PYTEST_XDIST_WORKER" in os.environ:  # each process has a core of its own; set before NumPy loads its BLAS
    os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="session")
def data_home() -> Path:
    """Folder of the data sets, PWL_DATA_HOME; tests that need real data are skipped where it is not set."""
    home = os.environ.get("PWL_DATA_HOME", "")
    if not home:
        pytest.skip("PWL_DATA_HOME is not set: it names the folder of the data sets")
    if not Path(home).is_dir():
        pytest.skip(f"PWL_DATA_HOME is {home}, which is not a folder")
    return Path(home)


@pytest.fixture
def two_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two threads for blocks of patterns, whatever the machine has and OMP_NUM_THREADS says."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1}, raising=False)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)


@pytest.fixture(scope="session")
def compiled(request: pytest.FixtureRequest) -> Path:
    """Folder of the CUDA kernels compiled as C++: pytest's cache, so that all processes and the next run share it."""
    cache = request.config.cache
    assert cache is not None
    return cache.mkdir("cuda_shim")
