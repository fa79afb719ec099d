"""Curve kernels for nets whose patterns lie side by side: the bits of the other kernels, and the same sums but for rounding."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from test_kernels import random_grid, random_nets

import pwl
from pwl.kernels.cpu import curves as cpu
from pwl.kernels.cpu import unit_curves
from pwl.kernels.reference import curves as reference
from pwl.reductions.blocks import laid_out
from pwl.runtime.backend import side_by_side

F = np.asfortranarray


@pytest.mark.parametrize("kind", ["uniform per unit", "general", "general per unit"])
@pytest.mark.parametrize("linear", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("every", [4, pytest.param(1, marks=pytest.mark.slow)])  # a fourth of the sizes has every length
def test_all_kernels_equal_the_specification(kind, linear, dtype, by_gather, every):
    """Curves that fit the registers and others, patterns that fill no register, hinges counted and halved."""
    eps = np.finfo(dtype).eps
    sizes = itertools.product((2, 17), (2, 3, 25, 32, 33, 65, 102), (2, 37, 64))
    for units, K, Nv in itertools.islice(sizes, 0, None, every):
        rng = np.random.default_rng(units * K)
        grid = random_grid(rng, units, K, kind, linear, dtype)
        n, A = random_nets(rng, grid, Nv, True), rng.standard_normal((units, K)).astype(dtype)
        c = rng.standard_normal(n.shape).astype(dtype)
        o, slope = reference.value_slope(n, grid, A)
        assert side_by_side(F(n)) and not side_by_side(n)
        np.testing.assert_array_equal(cpu.value(F(n), grid, A), o)
        np.testing.assert_array_equal(cpu.value_slope(F(n), grid, A), (o, slope))
        for g in (F(c), c.copy()):
            assert cpu.times_slope(F(n), grid, A, g) is g
            np.testing.assert_array_equal(g, c * slope)
        v, W = c[:, :1], A[:, :1].T
        np.testing.assert_array_equal(cpu.back(F(n), grid, A, v, W), v * W * slope)
        n = random_nets(rng, grid, Nv, False)
        u = reference.locate(n, grid)[1]
        G_a, largest = reference.scatter(n, grid, c), np.abs(c).sum(axis=0)[:, None] * (1 + np.abs(u).max())
        assert np.all(np.abs(cpu.scatter(F(n), grid, F(c)) - G_a) <= 4 * Nv * eps * largest)
        assert np.all(np.abs(cpu.scatter(F(n), grid, c) - G_a) <= 4 * Nv * eps * largest)
        G_a, largest = reference.back_scatter(n, grid, v, W), np.abs(v * W).sum(axis=0)[:, None] * (1 + np.abs(u).max())
        assert np.all(np.abs(cpu.back_scatter(F(n), grid, v, W) - G_a) <= 4 * Nv * eps * largest)
        y, o = reference.mix(n, grid, A, W), reference.value(n, grid, A)
        assert np.all(np.abs(cpu.mix(F(n), grid, A, W) - y) <= 4 * units * eps * (np.abs(o) @ np.abs(W.T)))


@pytest.fixture(params=[False, True])
def by_gather(request, monkeypatch):
    """Look-ups lane by lane, and by gather instructions."""
    monkeypatch.setattr(unit_curves, "fast", lambda dtype: request.param)


@pytest.mark.parametrize("hidden", [30, (30, 20)])
@pytest.mark.parametrize("outputs", [1, 3])
def test_large_tables_train_as_small_ones(hidden, outputs):
    """Blocks whose patterns lie side by side give the sums of one block, in which they do not."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((1500, 6))
    t = np.stack([np.sin(x[:, 0]), x[:, 1] * x[:, 2], x[:, 3]], axis=1)[:, :outputs]
    net = pwl.initialise(pwl.Network.mlp(6, hidden, outputs, pwl.PiecewiseLinear("sigmoid", 9)), (x, t))
    assert side_by_side(laid_out(net, x))
    whole, in_blocks = (pwl.AdAct(), pwl.Patterns(x, t)), (pwl.AdAct(), pwl.Patterns(x, t, block_bytes=1 << 20))
    found = [pwl.train(net, patterns, algorithm, iterations=2)[0].predict(x) for algorithm, patterns in (whole, in_blocks)]
    np.testing.assert_allclose(found[1], found[0], rtol=0, atol=1e-8)
