"""Grids of the GPU's kernels: as many blocks as the device runs at a time if there is enough work, and never more.

A block more than that would run by itself when all others have ended. Nothing is launched here, so no device is needed.
"""

from __future__ import annotations

import numpy as np
import pytest
from cuda_shim import device
from test_kernels import random_grid

from pwl.activations.fixed import FIXED
from pwl.kernels import Nets

UNITS, K = 200, 25


@pytest.fixture(scope="module")
def engine(compiled):
    if device.COMPILER is None:
        pytest.skip("no C++ compiler (g++ or c++) was found")
    return device.engine(compiled)


def calls(engine, rows, dtype):
    """Each kernel's function with arguments, by name."""
    rng = np.random.default_rng(0)
    grid = random_grid(rng, UNITS, K, "uniform", False, dtype)
    n, c = (device.array(rng.standard_normal((rows, UNITS)).astype(dtype)) for _ in range(2))
    A, v, w = (device.array(rng.standard_normal(shape).astype(dtype)) for shape in ((UNITS, K), (rows, 1), (1, UNITS)))
    made = Nets(device.array(rng.standard_normal((rows, 20)).astype(dtype)), device.array(np.ones((UNITS, 21), dtype)))
    grid = grid._replace(ns=device.array(grid.ns))
    return {
        "value": lambda: engine.value(n, grid, A),
        "value and slope": lambda: engine.value_slope(n, grid, A),
        "back": lambda: engine.back(n, grid, A, v, w),
        "mix": lambda: engine.mix(n, grid, A, w),
        "scatter": lambda: engine.scatter(n, grid, c),
        "back scatter": lambda: engine.back_scatter(n, grid, v, w),
        "mix of nets": lambda: engine.mix(made, grid, A, w),
        "back scatter of nets": lambda: engine.back_scatter(made, grid, v, w),
        "activation": lambda: engine.activation(n, FIXED["relu"].formula),
    }


@pytest.mark.parametrize("dtype", [np.float32, pytest.param(np.float64, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", calls(None, 1, np.float64))
def test_a_grid_is_one_wave(engine, name, dtype, monkeypatch):
    most, found = 40, {}  # blocks that the device runs at a time, whatever the kernel

    def launch(kernel, grid, block, *args, shared_bytes=0):
        found["grid"], found["asked"] = grid, found["resident"] == (block[0] * block[1], shared_bytes)

    def resident(kernel, threads, shared_bytes=0):
        found["resident"] = threads, shared_bytes
        return most

    for module in (engine.curves, engine.curve_sums, engine.net_sums, engine.activations):
        monkeypatch.setattr(module, "launch", launch)
        monkeypatch.setattr(module, "resident", resident)
    monkeypatch.setattr(engine.curve_sums, "joined", lambda partial: partial[0])
    monkeypatch.setattr(engine.net_sums, "joined", lambda partial: partial[0])
    for rows, least in ((6000, 0.8), (1, 0)):
        calls(engine, rows, dtype)[name]()
        blocks = found["grid"][0] * found["grid"][1]
        assert least * most <= blocks <= most
        assert found["asked"]  # for the block that is launched
    assert blocks <= 4  # one row: no more than tiles of its units


def test_resident_blocks_are_those_of_all_processors(engine, monkeypatch):
    kernel = engine.launch.kernel("curves", engine.curves.INSTANCES, "curve<float, 1, true, true>")
    assert engine.launch.resident(kernel, 256, 30 * 1024) == 3
    assert engine.launch.resident(kernel, 256) == 4
    monkeypatch.setattr(engine.launch, "processors", lambda: 132)
    assert engine.launch.resident(kernel, 64, 40 * 1024) == 2 * 132
