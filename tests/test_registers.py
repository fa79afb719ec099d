"""Curve kernels on registers full of nets: rows of any length, both ways of looking up, processors with shorter registers."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from pathlib import Path

import llvmlite.binding
import numpy as np
import pytest
from test_kernels import random_grid, random_nets

from pwl.kernels import Hinges
from pwl.kernels.cpu import curves as cpu
from pwl.kernels.reference import curves as reference


@pytest.mark.core
@pytest.mark.parametrize("kind", ["uniform per unit", "general", "general per unit"])
@pytest.mark.parametrize("linear", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rows_that_fill_no_register_are_bitwise_equal(kind, linear, dtype, by_gather):
    """Rows shorter and longer than a register, a last register that is not full, hinges counted and halved."""
    for units, K, Nv in itertools.product((1, 3, 8, 15, 17, 33, 130), (2, 3, 25, 40, 41, 102), (1, 9)):
        rng = np.random.default_rng(units * K)
        grid = random_grid(rng, units, K, kind, linear, dtype)
        n, A = random_nets(rng, grid, Nv, True), rng.standard_normal((units, K)).astype(dtype)
        c = rng.standard_normal(n.shape).astype(dtype)
        o, slope = reference.value_slope(n, grid, A)
        np.testing.assert_array_equal(cpu.value(n, grid, A), o)
        np.testing.assert_array_equal(cpu.value_slope(n, grid, A), (o, slope))
        np.testing.assert_array_equal(cpu.times_slope(n, grid, A, c.copy()), c * slope)
        np.testing.assert_array_equal(cpu.scatter(n, grid, c), scatter_in_order(n, grid, c))


@pytest.fixture(params=[False, True])
def by_gather(request, monkeypatch):
    """Look-ups lane by lane, and by gather instructions."""
    monkeypatch.setattr(cpu, "fast", lambda dtype: request.param)


def scatter_in_order(n: np.ndarray, grid: Hinges, c: np.ndarray) -> np.ndarray:
    """The specification's sums, with the patterns of each hinge and side added one after the other."""
    m, u, _, _ = reference.locate(n, grid)
    units = np.broadcast_to(np.arange(n.shape[1]), n.shape)
    left, right = np.zeros_like(grid.ns), np.zeros_like(grid.ns)
    with np.errstate(invalid="ignore"):  # nets may be NaN or infinite
        np.add.at(left, (units, m), c - c * u)
        np.add.at(right, (units, m + 1), c * u)
        return left + right


def test_nothing_beyond_an_array_is_written():
    """Results end inside an array whose other numbers stay as they are."""
    rng = np.random.default_rng(0)
    for units, dtype in itertools.product((1, 5, 16, 19), (np.float32, np.float64)):
        grid = random_grid(rng, units, 4, "uniform", False, dtype)
        n, A = random_nets(rng, grid, 3, False), rng.standard_normal((units, 4)).astype(dtype)
        space = np.full(3 * units + 64, 7, dtype)
        cpu.value_into(n, grid, A, space[32 : 32 + n.size].reshape(n.shape))
        assert np.all(space[:32] == 7) and np.all(space[32 + n.size :] == 7)


def test_results_may_lie_scattered():
    """Arrays whose numbers do not stand side by side are filled, too."""
    rng = np.random.default_rng(0)
    grid = random_grid(rng, 3, 4, "general", False, np.float64)
    n, A = random_nets(rng, grid, 5, False), rng.standard_normal((3, 4))
    o, slope = np.zeros((5, 6))[:, ::2], np.zeros((3, 5)).T
    cpu.value_slope_into(n, grid, A, o, slope)
    np.testing.assert_array_equal((o, slope), reference.value_slope(n, grid, A))
    assert cpu.times_slope(n, grid, A, o) is o
    np.testing.assert_array_equal(o, reference.value(n, grid, A) * slope)


def test_hinges_and_ordinates_are_taken_in_the_type_of_the_nets():
    """As in a network whose weights were made float32."""
    rng = np.random.default_rng(0)
    grid = random_grid(rng, 3, 4, "general", False, np.float64)
    n, A = random_nets(rng, grid, 5, False).astype(np.float32), rng.standard_normal((3, 4))
    rounded = grid._replace(ns=grid.ns.astype(np.float32))
    found, wanted = cpu.value_slope(n, grid, A), reference.value_slope(n, rounded, A.astype(np.float32))
    assert found[0].dtype == found[1].dtype == np.float32
    np.testing.assert_array_equal(found, wanted)


@pytest.mark.slow  # kernels are compiled anew for each of them
@pytest.mark.parametrize("features", ["+sse4.2", "+avx2,+fma"])
def test_processors_with_shorter_registers_give_the_same_bits(features, tmp_path):
    """Compiled for them, this processor gives what it gives otherwise."""
    host = llvmlite.binding.get_host_cpu_features()
    if not all(host.get(name[1:]) for name in features.split(",")):
        pytest.skip("this processor can't run such code")
    place = os.environ | {"NUMBA_CPU_NAME": "x86-64", "NUMBA_CPU_FEATURES": features, "NUMBA_CACHE_DIR": str(tmp_path)}
    squares = Path(__file__).parent / "test_winograd.py"
    tests = f"{__file__}::test_rows_that_fill_no_register_are_bitwise_equal", f"{squares}::test_squares_are_the_specification"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=place)
    assert done.returncode == 0, done.stdout
