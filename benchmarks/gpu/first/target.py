"""The device that the checks and cells run on: the GPU, or the CPU in a dry run (SMOKE_XP=numpy)."""

from __future__ import annotations

import os

import numpy as np

from benchmarks.gpu.device import Device, gpu


def is_dry_run() -> bool:
    """Whether the CPU takes the place of the GPU, on smaller sizes."""
    return os.environ.get("SMOKE_XP") == "numpy"


def target() -> Device:
    """The GPU, or the CPU in a dry run. Raises InputError if there is no GPU to use."""
    return Device(np, lambda: None, lambda: None, {"name": "dry run"}) if is_dry_run() else gpu()
