"""J'J of a layer with curves on its inputs by products of hats equals that of the rows of J, Eq. (109)."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pwl
from pwl.kernels import cpu, reference
from pwl.kernels.hinges import pair_geometry
from pwl.kernels.reference.input_curves import Places
from pwl.reductions import jacobian, outer
from pwl.reductions.patterns import Patterns
from pwl.reductions.reduce import reduce


@settings(deadline=None)  # because of the compilation
@given(st.integers(0, 2**32 - 1), st.lists(st.integers(2, 6), min_size=1, max_size=5), st.integers(1, 20), st.integers(1, 40),
       st.sampled_from([np.float32, np.float64]))  # fmt: skip
def test_the_kernel_equals_the_specification_and_the_sum(seed, sizes, patterns, columns, dtype):
    rng = np.random.default_rng(seed)
    begin = np.cumsum(sizes) - sizes
    at = begin + np.stack([rng.integers(0, size - 1, patterns) for size in sizes], axis=1)
    places = Places(at, rng.uniform(-0.5, 1.5, at.shape).astype(dtype))
    c = rng.normal(size=(patterns, columns)).astype(dtype)
    found, wanted = (engine.input_products(places, tuple(sizes), c) for engine in (cpu, reference))
    assert found.shape == wanted.shape == (pair_geometry(tuple(sizes)).rows, columns) and found.dtype == dtype
    tolerance = 40 * np.finfo(dtype).eps * np.sum(np.abs(c)) * 3
    np.testing.assert_allclose(found, wanted, rtol=0, atol=tolerance)
    j, i = len(sizes) - 1, 0  # one place by hand
    row = pair_geometry(tuple(sizes)).base[j, i] + (begin[j] + 1) * sizes[i] + begin[i]
    left, right = (hat_of(places, k, m) for k, m in ((j, begin[j] + 1), (i, begin[i])))
    np.testing.assert_allclose(found[row], (left * right) @ c, rtol=0, atol=tolerance)


def hat_of(places, k, m):
    """The hat at hinge m of input k, for each pattern."""
    at, u = places.at[:, k], places.u[:, k]
    return np.where(at == m, 1 - u, np.where(at == m - 1, u, 0))


def problem(seed=0, patterns=150, inputs=4, outputs=1, **options):
    """A network whose last input is straight, and patterns of which some lie far outside the hinges."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(patterns, inputs))
    x[:, -1] = rng.integers(0, 2, patterns)
    x[:, 1] = rng.integers(0, 3, patterns)  # fewer hinges than others
    t = np.sin(x.sum(axis=1, keepdims=True)) + rng.normal(size=(patterns, outputs))
    net = pwl.initialise(pwl.Network.mlp(inputs, 6, outputs, "tanh", seed=seed, input_hinges=9, **options), (x, t))
    theta = np.array(net.theta)
    x[:2] = [[40.0] * inputs, [-9.0] * inputs]
    return net.with_theta((theta + 0.3 * rng.normal(size=theta.shape)).astype(theta.dtype)), x, t


def both(net, patterns):
    keys = net.keys("map", "head")
    assert outer.applies(net, keys, 10_000)
    N = reduce(jacobian.normal_equations(net, keys), net, patterns)
    return outer.joined(net, reduce(outer.products(net, keys), net, patterns)), N


@pytest.mark.parametrize("bypass", [True, False])
@pytest.mark.parametrize("outputs", [1, 3])
@pytest.mark.parametrize("weighted", [False, True])
def test_the_products_are_those_of_the_rows(bypass, outputs, weighted):
    net, x, t = problem(outputs=outputs, bypass=bypass)
    w = np.random.default_rng(1).random(len(x)) if weighted else None
    found, wanted = both(net, Patterns(x, t, w))
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-12 * np.abs(wanted).max())
    np.testing.assert_allclose(found, found.T, rtol=0, atol=1e-14 * np.abs(wanted).max())


def test_several_blocks_unknown_targets_and_single_precision():
    net, x, t = problem(patterns=400, outputs=2)
    t[::3, 0] = np.nan
    patterns = Patterns(x, t, block_bytes=200_000)
    net = patterns.suited(net)
    found, wanted = both(net, patterns)
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-12 * np.abs(wanted).max())
    net, x, t = problem(dtype=np.float32)
    found, wanted = both(net, Patterns(x[2:], t[2:]))
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, wanted, rtol=0, atol=2e-5 * np.abs(wanted).max())


def test_levenberg_marquardt_takes_them_and_the_same_steps(monkeypatch):
    net, x, t = problem()
    patterns = Patterns(x, t)
    calls = []
    joined = outer.joined
    monkeypatch.setattr(outer, "PUT", 0)
    monkeypatch.setattr(outer, "joined", lambda *given: calls.append(1) or joined(*given))
    found, _ = pwl.train(net, patterns, pwl.LM(solver="cholesky"), iterations=4)
    assert calls
    monkeypatch.setattr(outer, "applies", lambda *_: False)
    wanted, _ = pwl.train(net, patterns, pwl.LM(solver="cholesky"), iterations=4)
    np.testing.assert_allclose(found.theta, wanted.theta, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize(
    ("options", "keys"),
    [({"loss": "cross_entropy", "n_outputs": 2}, ("map", "head")), ({"n_hidden": (6, 3)}, ("map", "head")),
     ({"input_hinges": None}, ("map", "head")), ({"n_hidden": 200, "input_hinges": 2}, ("map", "head")), ({}, ("map",))],
)  # fmt: skip
def test_other_networks_and_weights_keep_the_rows(options, keys):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 4))
    settings = {"n_hidden": 6, "n_outputs": 1, "activation": "tanh", "input_hinges": 9} | options
    classes = settings.get("loss") == "cross_entropy"
    t = (x[:, 0] > 0).astype(int) if classes else x[:, :1]
    net = pwl.initialise(pwl.Network.mlp(4, settings.pop("n_hidden"), settings.pop("n_outputs"), **settings), (x, t))
    assert not outer.applies(net, net.keys(*keys), 10_000)
    curved = pwl.initialise(pwl.Network.mlp(4, 6, 1, pwl.PiecewiseLinear("tanh", 5), input_hinges=9), (x, x[:, :1]))
    assert outer.applies(curved, curved.keys("map", "head"), 10_000) and not outer.applies(curved, curved.keys("map", "head"), 100)
    assert not outer.applies(curved, curved.keys("map", "activation", "head"), 10_000)


def test_without_compiled_kernels_rows_are_kept(monkeypatch):
    net, _, _ = problem()
    keys = net.keys("map", "head")
    assert outer.applies(net, keys, 10_000)
    monkeypatch.setattr("pwl.kernels._cpu", lambda: reference)
    assert not outer.applies(net, keys, 10_000)


def test_check_looks_at_both_forms(monkeypatch):
    net, x, t = problem()
    rows = {row.quantity: row for row in pwl.check(net, (x, t))}
    assert rows["J'J"].passed and rows["J'r"].passed
    joined = outer.joined
    monkeypatch.setattr(outer, "joined", lambda *given: 1.01 * joined(*given))
    rows = {row.quantity: row for row in pwl.check(net, (x, t))}
    assert rows["J'J"].failed and rows["J'r"].failed


def test_a_layer_of_ones_own_need_not_know_of_what_is_saved(monkeypatch):
    monkeypatch.setattr(pwl.layers.Dense, "direct_sums", lambda self, b, x, W: x @ W.T, raising=False)
    x = np.random.default_rng(0).normal(size=(20, 2))
    net, _ = pwl.train(pwl.Network.mlp(2, 3, 1, "tanh"), (x, x[:, :1]), pwl.CG(), iterations=2)
    assert net.predict(x).shape == (20, 1)
