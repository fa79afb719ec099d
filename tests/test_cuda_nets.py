"""Curves on the GPU engine for nets that its kernels make themselves equal the specification."""

from __future__ import annotations

import numpy as np
import pytest
from cuda_engine import DTYPES, on_device
from test_cuda_curves import assert_within
from test_kernels import random_grid, scatter_rounding

from pwl.kernels import Nets
from pwl.kernels.reference import curves as reference

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("aligned")]

# patterns, inputs, units: rows that warps do and don't divide, several tiles, units and inputs that packs don't divide
SHAPES = [(1, 1, 1), (5, 2, 3), (70, 20, 20), (33, 20, 200), (300, 3, 4), (17, 32, 33), (9, 7, 130), (600, 5, 8)]


def case(seed, Nv, N, units, K, linear, dtype, kind="uniform per unit"):
    rng = np.random.default_rng(seed)
    grid = random_grid(rng, units, K, kind, linear, dtype)
    x, W = rng.standard_normal((Nv, N)), rng.standard_normal((units, N + 1)) / N**0.5
    return (
        grid,
        *(a.astype(dtype) for a in (x, W, rng.standard_normal((units, K)), rng.standard_normal((Nv, 1)))),
        rng.standard_normal((1, units)).astype(dtype),
    )


def exact(grid, *arrays):
    """The same numbers in float64."""
    return grid._replace(ns=grid.ns.astype(np.float64)), *(a.astype(np.float64) for a in arrays)


def left_to_kernels(gpu, x, W):
    n = gpu.engine.nets(gpu.array(x), gpu.array(W))
    assert isinstance(n, Nets)
    return n


def rounding_of_nets(x, W, eps):
    """Bound (Nv, units) on the rounding of nets, whatever the order of their sums."""
    return 2 * (x.shape[1] + 1) * eps * (np.abs(W[:, 0]) + np.abs(x) @ np.abs(W[:, 1:]).T)


def assert_nets(gpu, grid, x, W, A, v, W_oh):
    eps, n = np.finfo(x.dtype).eps, left_to_kernels(gpu, x, W)
    grid64, x64, W64, A64, v64, W_oh64 = exact(grid, x, W, A, v, W_oh)
    nets = np.concatenate([np.ones((len(x), 1)), x64], axis=1) @ W64.T
    steepest = np.max(np.abs(np.diff(A64, axis=1) / np.diff(grid64.ns, axis=1)), axis=1)
    moved = rounding_of_nets(x64, W64, eps)
    size = np.abs(A64).max() * (1 + np.abs(nets - grid64.ns[:, 0]) / np.diff(grid64.ns, axis=1).min())
    each = moved * steepest + 4 * (W.shape[0] + 8) * eps * size
    y = gpu.engine.mix(n, on_device(gpu, grid), gpu.array(A), gpu.array(W_oh))
    wanted = reference.mix(nets, grid64, A64, W_oh64)
    assert_within(gpu.host(y), wanted.astype(x.dtype), each @ np.abs(W_oh64).T)
    found = gpu.host(gpu.engine.back_scatter(n, on_device(gpu, grid), gpu.array(v), gpu.array(W_oh)))
    again = gpu.host(gpu.engine.back_scatter(n, on_device(gpu, grid), gpu.array(v), gpu.array(W_oh)))
    assert found.tobytes() == again.tobytes()
    c = v64 * W_oh64
    bound = scatter_rounding(nets.astype(x.dtype), grid, c)
    shifted = np.sum(np.abs(c) * moved, axis=0) / np.diff(grid64.ns, axis=1).min(axis=1)
    assert found.shape == A.shape and found.dtype == x.dtype
    assert np.all(np.abs(found - reference.scatter(nets, grid64, c)) <= bound + 2 * shifted[:, None])


@pytest.mark.parametrize("linear", [True, False])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_nets_that_kernels_make(gpu, shape, dtype, linear):
    assert_nets(gpu, *case(0, *shape, 25, linear, dtype))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("K", [2, 40, 60, 700])
def test_few_and_many_hinges(gpu, K, dtype):
    assert_nets(gpu, *case(K, 40, 6, 12, K, False, dtype))


@pytest.mark.parametrize("dtype", DTYPES)
def test_hinges_that_are_searched_need_the_nets(gpu, dtype):
    assert_nets(gpu, *case(3, 40, 6, 12, 9, True, dtype, kind="general per unit"))


def test_many_inputs_and_no_patterns_are_made_at_once(gpu):
    for Nv, N in ((3, 33), (0, 4)):
        made = gpu.engine.nets(gpu.array(np.ones((Nv, N))), gpu.array(np.ones((2, N + 1))))
        assert not isinstance(made, Nets)
        np.testing.assert_array_equal(gpu.host(made), np.full((Nv, 2), N + 1.0))


def test_a_net_that_is_nan_shows(gpu):
    grid, x, W, A, v, W_oh = case(1, 20, 4, 8, 25, False, np.float64)
    x[7, 2] = np.nan
    n = left_to_kernels(gpu, x, W)
    y = gpu.host(gpu.engine.mix(n, on_device(gpu, grid), gpu.array(A), gpu.array(W_oh)))
    np.testing.assert_array_equal(np.flatnonzero(np.isnan(y)), [7])
    G_a = gpu.host(gpu.engine.back_scatter(n, on_device(gpu, grid), gpu.array(v), gpu.array(W_oh)))
    assert np.all(np.isnan(G_a[:, :2])) and np.all(np.isfinite(G_a[:, 2:]))


@pytest.mark.parametrize("name", ["value", "value_slope", "times_slope", "back", "scatter"])
def test_other_functions_make_the_nets(gpu, name):
    """What a caller asks beyond sums: the same results as for the array."""
    grid, x, W, A, v, W_oh = case(2, 20, 4, 8, 25, False, np.float64)
    n, there = left_to_kernels(gpu, x, W), on_device(gpu, grid)
    more = {
        "value": lambda: (gpu.array(A),),
        "value_slope": lambda: (gpu.array(A),),
        "times_slope": lambda: (gpu.array(A), gpu.array(v * W_oh)),
        "back": lambda: (gpu.array(A), gpu.array(v), gpu.array(W_oh)),
        "scatter": lambda: (gpu.array(v * W_oh),),
    }[name]
    made = gpu.array(np.concatenate([np.ones((20, 1)), x], axis=1) @ W.T)
    f = getattr(gpu.engine, name)
    found, wanted = f(n, there, *more()), f(made, there, *more())
    for a, b in zip(*(r if isinstance(r, tuple) else (r,) for r in (found, wanted)), strict=True):
        np.testing.assert_allclose(gpu.host(a), gpu.host(b), rtol=1e-9, atol=1e-12)
