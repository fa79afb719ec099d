"""The GPU engine on a GPU, or its own modules on a device that is none, for the tests of its kernels."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

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
    zero = cupy.zeros((1, 1, 1, 1))
    return SimpleNamespace(
        curves=kernels.engine(zero),
        pooling=kernels.engine(zero),
        convolution=kernels.engine(zero),
        sums=kernels.engine(zero),
        softmax=kernels.engine(zero),
        updates=kernels.engine(zero),
        array=cupy.asarray,
        host=cupy.asnumpy,
    )


def on_shim(folder: Path) -> SimpleNamespace:
    """The GPU engine's own modules on a device that is none."""
    if device.COMPILER is None:
        pytest.skip("no C++ compiler (g++ or c++) was found")
    return SimpleNamespace(**vars(device.engines(folder)), array=device.array, host=np.asarray)


def same(gpu, found, wanted):
    """Equal bit by bit, but for the signs of zeros; NaN where NaN is wanted."""
    found = gpu.host(found)
    assert found.dtype == wanted.dtype
    np.testing.assert_array_equal(found, wanted)


def on_device(gpu, grid: Hinges) -> Hinges:
    return grid._replace(ns=gpu.array(grid.ns))
