"""The GPU engine on a GPU, or its own modules on a device that is none, for the tests of its kernels."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
from cuda_shim import device

from pwl import kernels
from pwl.errors import InputError
from pwl.kernels import Hinges
from pwl.runtime.backend import namespace_named

DTYPES = [np.float32, np.float64]
SHAPES = [
    (1, 1),
    (7, 1),
    (128, 1),
    (900, 1),
    pytest.param((3000, 1), marks=pytest.mark.slow),
    (5, 3),
    (8, 3),
    (9, 10),
    (64, 16),
    (2, 33),
    (3, 100),
    (2, 130),
    (3, 132),
    (2, 257),
    (3, 500),
]


def on_cupy() -> SimpleNamespace:
    """The GPU engine, and copies to and from the device; skips where there is none."""
    try:
        cupy = namespace_named("cuda")
    except InputError as reason:
        pytest.skip(str(reason))
    return _gpu(kernels.engine(cupy.zeros(1)), cupy.asarray, cupy.asnumpy)


def on_shim(folder: Path) -> SimpleNamespace:
    """The same on a device that is none; skips where there is no compiler for it."""
    if device.COMPILER is None:
        pytest.skip("no C++ compiler (g++ or c++) was found")
    return _gpu(device.engine(folder), device.array, np.asarray)


def _gpu(engine: ModuleType, array: Callable, host: Callable) -> SimpleNamespace:
    """The engine, its modules by name, and copies to and from its device."""
    modules = {name: module for name, module in vars(engine).items() if isinstance(module, ModuleType)}
    return SimpleNamespace(engine=engine, **modules, array=array, host=host)


def same(gpu, found, wanted):
    """Equal bit by bit, but for the signs of zeros; NaN where NaN is wanted."""
    found = gpu.host(found)
    assert found.dtype == wanted.dtype
    np.testing.assert_array_equal(found, wanted)


def on_device(gpu, grid: Hinges) -> Hinges:
    return grid._replace(ns=gpu.array(grid.ns))


def whole_numbers(rng: np.random.Generator, shape: tuple[int, ...], dtype: type) -> np.ndarray:
    """Few different numbers, so that many are equal and sums are exact in any order."""
    return rng.integers(-3, 4, shape).astype(dtype)
