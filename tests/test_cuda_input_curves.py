"""Curves on inputs on the GPU engine equal the specification, as test_cuda.py says of the rest."""

from __future__ import annotations

import numpy as np
import pytest
from cuda_engine import DTYPES, on_device
from hypothesis import given, settings
from hypothesis import strategies as st

from pwl.kernels.hinges import Hinges, Rises, input_geometry
from pwl.kernels.reference import input_curves as reference

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("aligned")]


def problem(seed, patterns, inputs, K, dtype):
    """Inputs among hinges, of which every input has a number of its own, K at most."""
    rng = np.random.default_rng(seed)
    counts = (*(int(rng.integers(2, K + 1)) for _ in range(inputs - 1)), K)
    ns = np.full((inputs, K), np.inf, dtype)
    for j, count in enumerate(counts):
        ns[j, :count] = np.cumsum(rng.uniform(0.1, 1, count)) - 1
    return rng, counts, Hinges(ns, False, False), rng.uniform(-2, max(2, K / 2), (patterns, inputs)).astype(dtype)


def normal(rng, shape, dtype):
    return rng.standard_normal(shape).astype(dtype)


def assert_kernels(gpu, seed, patterns, inputs, units, K, dtype):
    rng, counts, grid, x = problem(seed, patterns, inputs, K, dtype)
    there = gpu.engine.input_places(gpu.array(x), on_device(gpu, grid))
    places = reference.input_places(x, grid)
    np.testing.assert_array_equal(gpu.host(there.at), places.at)
    np.testing.assert_array_equal(gpu.host(there.u), places.u)
    assert gpu.host(there.u).dtype == dtype
    n, c, A = normal(rng, (patterns, units), dtype), normal(rng, (patterns, units), dtype), normal(rng, (inputs * K, units), dtype)
    w = rng.uniform(0, 2, patterns).astype(dtype)
    double = reference.Places(places.at, places.u.astype(np.float64))
    eps = np.finfo(dtype).eps
    found = gpu.engine.add_input_curves(gpu.array(n), there, gpu.array(A))
    wanted = reference.add_input_curves(n.astype(np.float64), double, A.astype(np.float64))
    close(gpu, found, wanted, dtype, eps * (2 * inputs + 3) * (np.abs(n) + inputs * np.abs(A).max(initial=0)))
    found = gpu.engine.input_scatter(there, inputs * K, gpu.array(c))
    wanted = reference.input_scatter(double, inputs * K, c.astype(np.float64))
    sizes = reference.input_scatter(double, inputs * K, np.abs(c).astype(np.float64))
    close(gpu, found, wanted, dtype, eps * ((patterns + 3) * sizes + np.abs(c).sum(axis=0)))
    again = gpu.engine.input_scatter(there, inputs * K, gpu.array(c))
    assert gpu.host(again).tobytes() == gpu.host(found).tobytes()
    for weights in (None, w):
        found = gpu.engine.input_pairs(there, inputs * K, None if weights is None else gpu.array(weights))
        wanted = reference.input_pairs(double, inputs * K, weights)
        total = patterns if weights is None else weights.sum()  # 1 - u of a weight is rounded by a share of the weight
        close(gpu, found, wanted, dtype, eps * ((patterns + 4) * wanted + 2 * total))
        if K < 100:  # where the reference does not do the work
            np.testing.assert_array_equal(gpu.host(found), gpu.host(found).T)
    assert_rises(gpu, rng, counts, units, dtype)


def assert_rises(gpu, rng, counts, units, dtype):
    geometry = input_geometry(counts)
    ns = np.sort(normal(rng, (len(counts), geometry.most + 3), dtype), axis=1)
    own = Rises(geometry, ns, normal(rng, geometry.rises, dtype), rng.uniform(0.5, 2, geometry.rises).astype(dtype))
    there = Rises(geometry, *(gpu.array(a) for a in own[1:]))
    double = Rises(geometry, *(a.astype(np.float64) for a in own[1:]))
    sizes = Rises(geometry, np.abs(double.ns), -np.abs(double.mean), double.scale)  # adds all terms
    rounding = np.finfo(dtype).eps * (geometry.most + 8)
    W, G = normal(rng, (units, 4 + len(counts) + geometry.rises), dtype)[:, 3:], normal(rng, (geometry.hinges, units), dtype)
    found = gpu.engine.input_ordinates(gpu.array(W), there)
    wanted = reference.input_ordinates(W.astype(np.float64), double)
    close(gpu, found, wanted, dtype, 2 * rounding * reference.input_ordinates(np.abs(W).astype(np.float64), sizes))
    found = gpu.engine.input_rises(gpu.array(G), there)
    wanted = reference.input_rises(G.astype(np.float64), double)
    close(gpu, found, wanted, dtype, 2 * rounding * reference.input_rises(np.abs(G).astype(np.float64), sizes))


def close(gpu, found, wanted, dtype, rounding):
    found = gpu.host(found)
    assert found.dtype == dtype and found.shape == wanted.shape
    assert np.all(np.abs(found - wanted) <= rounding)


@settings(max_examples=40, deadline=None)
@given(
    patterns=st.integers(0, 140),
    inputs=st.integers(1, 6),
    units=st.integers(1, 70),
    K=st.integers(2, 9),
    dtype=st.sampled_from(DTYPES),
    seed=st.integers(0, 99),
)
def test_kernels_equal_the_specification(gpu, patterns, inputs, units, K, dtype, seed):
    assert_kernels(gpu, seed, patterns, inputs, units, K, dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("patterns", "inputs", "units", "K"),
    [(700, 1, 1, 3), (300, 30, 2, 9), (70, 33, 40, 9), (40, 3, 130, 40), (20, 2, 3, 130), (9, 2, 5, 500), (5, 1, 2, 13_000)],
    ids=str,
)
@pytest.mark.slow
def test_few_and_many_of_everything(gpu, patterns, inputs, units, K, dtype):
    """Some inputs at a time, fewer threads, narrower rows, and the specification where one input's hinges do not fit."""
    if K > 1000:
        rng, _, grid, x = problem(0, patterns, inputs, K, dtype)
        there, places = gpu.engine.input_places(gpu.array(x), on_device(gpu, grid)), reference.input_places(x, grid)
        np.testing.assert_array_equal(gpu.host(there.at), places.at)
        A = normal(rng, (inputs * K, units), dtype)
        found = gpu.engine.add_input_curves(gpu.array(np.zeros((patterns, units), dtype)), there, gpu.array(A))
        np.testing.assert_allclose(gpu.host(found), reference.add_input_curves(0 * x @ A[:inputs], places, A), rtol=1e-5)
        c = gpu.array(normal(rng, (patterns, units), dtype))
        found = gpu.engine.input_scatter(there, inputs * K, c)
        np.testing.assert_allclose(gpu.host(found), reference.input_scatter(places, inputs * K, gpu.host(c)), rtol=1e-5, atol=1e-6)
    else:
        assert_kernels(gpu, 1, patterns, inputs, units, K, dtype)


@pytest.mark.parametrize("dtype", DTYPES)
def test_two_inputs_by_hand(gpu, dtype):
    """Hinges 0, 1, 3 and 0, 2: inputs 2 and 0.5 lie half way and a quarter of the way along their segments."""
    ns = np.array([[0, 1, 3], [0, 2, np.inf]], dtype)
    places = gpu.engine.input_places(gpu.array(np.array([[2, 0.5]], dtype)), on_device(gpu, Hinges(ns, False, False)))
    np.testing.assert_array_equal(gpu.host(places.at), [[1, 3]])
    np.testing.assert_array_equal(gpu.host(places.u), [[0.5, 0.25]])
    A = gpu.array(np.array([[9], [2], [4], [8], [16], [9]], dtype))
    n = gpu.engine.add_input_curves(gpu.array(np.ones((1, 1), dtype)), places, A)
    np.testing.assert_array_equal(gpu.host(n), [[1 + 3 + 10]])
    G = gpu.engine.input_scatter(places, 6, gpu.array(np.full((1, 1), 8, dtype)))
    np.testing.assert_array_equal(gpu.host(G)[:, 0], [0, 4, 4, 6, 2, 0])
    P = gpu.host(gpu.engine.input_pairs(places, 6, gpu.array(np.full(1, 16, dtype))))
    hats = np.array([0, 0.5, 0.5, 0.75, 0.25, 0])
    np.testing.assert_array_equal(P, 16 * np.outer(hats, hats))


def test_not_a_number_shows(gpu):
    x = gpu.array(np.array([[0.2, np.nan], [0.3, 0.4]]))
    places = gpu.engine.input_places(x, on_device(gpu, Hinges(np.array([[0.0, 1.0]] * 2), False, False)))
    found = gpu.host(gpu.engine.add_input_curves(gpu.array(np.zeros((2, 1))), places, gpu.array(np.ones((4, 1)))))
    assert np.isnan(found[0, 0])
    assert found[1, 0] == pytest.approx(2)


@pytest.mark.parametrize("linear", [False, True])
def test_far_inputs(gpu, linear):
    grid = Hinges(np.array([[0.0, 1.0, 3.0]]), False, linear)
    x = np.array([[-5.0], [0.0], [3.0], [1e300], [np.inf], [-np.inf]])
    found, wanted = gpu.engine.input_places(gpu.array(x), on_device(gpu, grid)), reference.input_places(x, grid)
    np.testing.assert_array_equal(gpu.host(found.at), wanted.at)
    np.testing.assert_array_equal(gpu.host(found.u), wanted.u)


@pytest.mark.parametrize("dtype", DTYPES)
def test_grids_are_one_wave(gpu, dtype, monkeypatch):
    """As many blocks as the device runs at a time, here 40, or fewer if there is less to do."""
    grids, module = [], gpu.input_curves
    monkeypatch.setattr(module, "resident", lambda *given: 40)
    monkeypatch.setattr(module, "launch", lambda kernel, grid, *rest, **more: grids.append(grid))
    monkeypatch.setattr(module, "joined", lambda partial: partial[0])
    for rows, least in ((40_000, 0.7), (1, 0)):
        places = reference.Places(gpu.array(np.zeros((rows, 8), np.int32)), gpu.array(np.zeros((rows, 8), dtype)))
        n, A = gpu.array(np.zeros((rows, 50), dtype)), gpu.array(np.zeros((72, 50), dtype))
        gpu.engine.input_places(places.u, Hinges(gpu.array(np.zeros((8, 9), dtype)), False, False))
        gpu.engine.add_input_curves(n, places, A)
        gpu.engine.input_scatter(places, 72, n)
        gpu.engine.input_pairs(places, 72, None)
        blocks = [across * down for across, down in grids]
        assert all(least * 40 <= count <= 40 for count in blocks)
        grids.clear()
    assert max(blocks) <= 4
