"""Other programs on our problems. Each file has a function `run(problem, budget, setting) -> [(seconds, error), ...]`.

A file imports its program at the top, so that the import fails if the program is not installed. METHODS names the
methods of the program and the settings that the search tries for each. The keys "method", "start" and "threads" of a
setting belong to the benchmark itself. A file may also set TANH_ONLY, and SQUARED_ERROR_ONLY to True or to names of
methods.
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
    "jax_lm": "jax",
    "hessian_free": "hessianfree",
    "pyrenn_lm": "pyrenn",
}


class NotHere(Exception):
    """A rival can't run. The text gives the reason."""


def load(file: str) -> ModuleType:
    """The module of a rival. Raises NotHere if its program is not installed."""
    try:
        return importlib.import_module(f"benchmarks.peers.rivals.{file}")
    except ImportError as missing:
        raise NotHere(f"{FILES[file]} is not installed: {missing}") from missing


def program(file: str) -> str:
    """The package and its version."""
    try:
        return f"{FILES[file]} {version(FILES[file])}"
    except PackageNotFoundError:
        return FILES[file]
