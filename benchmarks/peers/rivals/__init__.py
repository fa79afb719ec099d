"""Other programs on our problems: one file each, all with `run(problem, budget, setting) -> [(seconds, error), ...]`.

A file imports its program at the top, so that importing it says whether it is installed. METHODS: what it offers, by name, and
the settings that the search tries for each; "method", "start" and "threads" in a setting are the benchmark's own. Optional:
SQUARED_ERROR_ONLY, True or the names of methods; TANH_ONLY.
"""

from __future__ import annotations

import importlib
from importlib.metadata import PackageNotFoundError, version
from types import ModuleType

FILES = {
    "own": "pwl",
    "scipy_least_squares": "scipy",
    "scipy_minimize": "scipy",
    "sklearn_mlp": "scikit-learn",
    "torch_optim": "torch",
    "torch_curves": "torch",
    "torch_lm": "torch-levenberg-marquardt",
    "hessian_free": "hessianfree",
    "pyrenn_lm": "pyrenn",
}


class NotHere(Exception):
    """A rival that can't run; the text says why."""


def load(file: str) -> ModuleType:
    """The rival's module; NotHere where its program is not installed."""
    try:
        return importlib.import_module(f"benchmarks.peers.rivals.{file}")
    except ImportError as missing:
        raise NotHere(f"{FILES[file]} is not installed: {missing}") from missing


def program(file: str) -> str:
    """Package and version."""
    try:
        return f"{FILES[file]} {version(FILES[file])}"
    except PackageNotFoundError:
        return FILES[file]
