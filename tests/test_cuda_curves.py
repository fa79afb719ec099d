"""Curves on the GPU engine equal the specification, as test_cuda.py says of the rest."""

from __future__ import annotations

import numpy as np
import pytest
from cuda_engine import DTYPES, SHAPES, on_device, same
from hypothesis import given, settings
from hypothesis import strategies as st
from test_kernels import cases, random_grid, random_nets, scatter_rounding

from pwl.kernels import Hinges
from pwl.kernels.reference import curves as reference

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("aligned")]


def assert_curves(gpu, n, grid, A, c):
    """Values and slopes are those of the specification, bit by bit; sums to their rounding. n is on the device."""
    there, ordinates = on_device(gpu, grid), gpu.array(A)
    o, slope = reference.value_slope(gpu.host(n), grid, A)
    found_o, found_slope = gpu.engine.value_slope(n, there, ordinates)
    same(gpu, found_o, o)
    same(gpu, found_slope, slope)
    same(gpu, gpu.engine.value(n, there, ordinates), o)
    same(
        gpu,
        gpu.engine.times_slope(n, there, ordinates, gpu.array(c)),
        reference.times_slope(gpu.host(n), grid, A, c.copy()),
    )
    assert_mixed(gpu, n, grid, A, outputs=1)
    assert_scatter(gpu, n, grid, c)


def assert_mixed(gpu, n, grid, A, outputs):
    """Curves below outputs: what is carried back has the specification's bits, sums agree to rounding."""
    rng, there, ordinates, nets = np.random.default_rng(3), on_device(gpu, grid), gpu.array(A), gpu.host(n)
    W, v = (
        rng.standard_normal((outputs, n.shape[1])).astype(A.dtype),
        rng.standard_normal((len(n), outputs)).astype(A.dtype),
    )
    weights, signals = gpu.array(W), gpu.array(v)
    if outputs == 1:
        same(gpu, gpu.engine.back(n, there, ordinates, signals, weights), reference.back(nets, grid, A, v, W))
        found = gpu.engine.scatter(n, there, gpu.array(v * W))
        again = gpu.engine.back_scatter(n, there, signals, weights)
        assert gpu.host(found).tobytes() == gpu.host(again).tobytes()
    else:
        found = gpu.host(gpu.engine.back(n, there, ordinates, signals, weights))
        rounding = 10 * np.finfo(A.dtype).eps * np.abs(v) @ np.abs(W) * np.abs(reference.value_slope(nets, grid, A)[1])
        assert_within(found, reference.back(nets, grid, A, v, W), rounding)
    mix = gpu.engine.mix
    np.testing.assert_array_equal(
        np.isnan(gpu.host(mix(n, there, ordinates, weights))), np.isnan(reference.mix(nets, grid, A, W))
    )
    nets = np.where(np.isfinite(nets), nets, grid.ns[:, 0])  # one that is not hides all others of its row
    # Of the terms of a curve.
    size = np.abs(A).max() * (1 + np.abs(nets - grid.ns[:, 0]) / np.diff(grid.ns, axis=1).min())
    rounding = 4 * (n.shape[1] + 8) * np.finfo(A.dtype).eps * size @ np.abs(W).T
    found = gpu.host(mix(gpu.array(nets), there, ordinates, weights))
    assert_within(found, reference.mix(nets, grid, A, W), rounding)


def assert_within(found, wanted, rounding):
    assert found.shape == wanted.shape and found.dtype == wanted.dtype
    usual = np.isfinite(wanted) & np.isfinite(rounding)
    np.testing.assert_array_equal(np.isnan(found), np.isnan(wanted))
    assert np.all(np.abs(found - wanted)[usual] <= rounding[usual])


def assert_scatter(gpu, n, grid, c):
    found = gpu.host(gpu.engine.scatter(n, on_device(gpu, grid), gpu.array(c)))
    again = gpu.host(gpu.engine.scatter(n, on_device(gpu, grid), gpu.array(c)))
    assert found.tobytes() == again.tobytes()
    n = gpu.host(n)
    wanted = reference.scatter(n, grid, c)
    assert found.dtype == wanted.dtype
    assert found.shape == wanted.shape
    finite = np.isfinite(wanted)
    np.testing.assert_array_equal(np.where(finite, 0, found), np.where(finite, 0, wanted))
    usual = np.where(np.isfinite(n), n, grid.ns[:, 0])  # nets that are not finite have no bound on their rounding
    np.testing.assert_allclose(found[finite], wanted[finite], rtol=0, atol=scatter_rounding(usual, grid, c))


def random_case(seed, Nv, units, K, kind, linear, dtype, special=True):
    rng = np.random.default_rng(seed)
    grid = random_grid(rng, units, K, kind, linear, dtype)
    n = random_nets(rng, grid, Nv, special)
    return n, grid, rng.standard_normal((units, K)).astype(dtype), rng.standard_normal(n.shape).astype(dtype)


@settings(max_examples=60, deadline=None)
@given(case=cases())
def test_curves_equal_the_specification(gpu, case):
    n, *others = case
    assert_curves(gpu, gpu.array(n), *others)


@pytest.mark.parametrize("kind", ["uniform per unit", "general per unit"])
@pytest.mark.parametrize("linear", [True, False])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.slow
def test_curves_of_many_shapes(gpu, shape, dtype, linear, kind):
    """One row, one unit, rows and units that vectors and tiles don't divide, several tiles, NaN and infinite nets."""
    n, *others = random_case(0, *shape, 25, kind, linear, dtype)
    assert_curves(gpu, gpu.array(n), *others)


@pytest.mark.parametrize("kind", ["uniform", "general"])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("K", [2, 3, 60, 130, 200, 700])
def test_curves_of_few_and_many_hinges(gpu, K, dtype, kind):
    """Narrower vectors and fewer threads where tables and bins are large, and the specification where none fits."""
    n, *others = random_case(K, 40, 12, K, kind, False, dtype)
    assert_curves(gpu, gpu.array(n), *others)


@pytest.mark.parametrize("kind", ["uniform per unit", "general per unit"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_curves_below_several_outputs(gpu, dtype, kind):
    n, grid, A, _ = random_case(5, 17, 9, 6, kind, True, dtype)
    assert_mixed(gpu, gpu.array(n), grid, A, outputs=3)


@pytest.mark.parametrize("dtype", DTYPES)
def test_nets_at_any_address_and_in_any_order(gpu, dtype):
    n, grid, A, c = random_case(1, 33, 8, 7, "uniform per unit", True, dtype, special=False)
    aside = gpu.array(np.zeros(n.size + 1, dtype))[1:].reshape(n.shape)
    aside[...] = gpu.array(n)
    assert aside.data.ptr % 16 != 0
    assert_curves(gpu, aside, grid, A, c)
    turned = gpu.array(np.ascontiguousarray(n.T)).T
    assert not turned.flags.c_contiguous
    assert_curves(gpu, turned, grid, A, c)


def test_hinges_of_another_type_are_converted(gpu):
    n, grid, A, _ = random_case(2, 9, 4, 5, "general", False, np.float32)
    double = Hinges(grid.ns.astype(np.float64), False, False)
    found = gpu.engine.value(gpu.array(n), on_device(gpu, double), gpu.array(A.astype(np.float64)))
    same(gpu, found, reference.value(n, grid, A))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("units", [1, 3])
def test_all_nets_in_one_segment(gpu, dtype, units):
    """What would fight over two addresses is summed without a fight, and more exactly than one after another."""
    rng = np.random.default_rng(3)
    grid = random_grid(rng, units, 25, "uniform", False, dtype)
    n = (grid.ns[:, 12] + 0.4 * (grid.ns[:, 13] - grid.ns[:, 12]) + np.zeros((60_000 // units, 1))).astype(dtype)
    c = rng.uniform(0, 1, n.shape).astype(dtype)
    found = gpu.host(gpu.engine.scatter(gpu.array(n), on_device(gpu, grid), gpu.array(c)))
    exact = reference.scatter(n.astype(np.float64), grid._replace(ns=grid.ns.astype(np.float64)), c.astype(np.float64))
    assert np.all((found != 0) == (exact != 0))
    np.testing.assert_allclose(found, exact, rtol=125 * np.finfo(dtype).eps)  # 25 of them for the position's rounding


@settings(max_examples=300, deadline=None)
@given(rows=st.integers(0, 5000), units=st.integers(1, 5000), vector=st.sampled_from([1, 2, 4]))
def test_lines_hold_all_columns(gpu, rows, units, vector):
    lines = gpu.lines.lines_of(rows, units, vector)
    assert 1 <= lines.lanes <= 32
    assert lines.width % lines.vector == 0
    assert lines.width % units == 0  # whole rows
    assert lines.tiles == 1 or lines.width == units  # several rows only where they fit one tile
    assert (lines.tiles - 1) * lines.lanes * lines.vector < lines.width <= lines.tiles * lines.lanes * lines.vector
    assert lines.number * lines.width >= rows * units
