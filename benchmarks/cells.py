"""Results in small files: one JSON a cell of a table, so that a long table can be built over several runs."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from pwl.files.write import write_atomic
from pwl.training.record import plain


def cell(path: Path, compute: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """The result in `path`, computed and written first where the file is not there yet."""
    if path.exists():
        return json.loads(path.read_text())
    print(f"  {path.name}", flush=True)
    result = plain(compute()) | {"machine": machine()}
    write_atomic(path, json.dumps(result, indent=1) + "\n")
    return result


def machine() -> dict[str, str]:
    """Processor, cores and versions, to stand beside a figure."""
    found = {"processor": processor(), "cores": str(len(os.sched_getaffinity(0))), "python": platform.python_version()}
    found["vectors"] = vectors()
    for package in ("pwl", "numpy", "scipy", "numba", "torch", "cupy-cuda12x", "cupy-cuda13x"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def vectors() -> str:
    """The widest vector instructions that NumPy found, which decide how long exp and tanh take: X86_V3 is AVX2, X86_V4 AVX-512."""
    return (np.show_config(mode="dicts").get("SIMD Extensions", {}).get("found") or ["none"])[-1]


def processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next(
        (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.processor()
    )
