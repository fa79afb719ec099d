"""Curves on inputs: the layer equals a dense product of the functions 1, x and rises, in value, gradient, tangent and J."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pwl
from pwl.kernels import cpu, reference
from pwl.kernels.hinges import Hinges, Rises, input_geometry
from pwl.layers import CurvedDense
from pwl.network import passes
from pwl.reductions.correlations import basis_correlations, input_autocorrelation, with_inputs
from pwl.reductions.reduce import reduce

ENGINES = [reference, cpu]


def data(Nv=150, seed=0):
    """Inputs (Nv, 5): two smooth, one of two values, one of three, one of four; and targets (Nv, 2)."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((Nv, 5))
    for j, values in ((2, 2), (3, 3), (4, 4)):
        x[:, j] = np.arange(Nv) % values
    return x, np.stack([np.sin(2 * x[:, 0]) + x[:, 3], x[:, 1] ** 2 - x[:, 4]], axis=1)


def moved(net, seed=1):
    """The network with other parameters, so that no rise has weight 0."""
    return net.with_theta(net.theta + np.random.default_rng(seed).standard_normal(net.theta.shape))


def started(hinges=6, hidden=7, outputs=2, **options):
    x, t = data()
    t = t[:, :outputs]
    net = pwl.Network.mlp(5, hidden, outputs, "tanh", input_hinges=hinges, **options)
    return moved(pwl.initialise(net, (x, t))), x, t


def by_hand(net, x):
    """[1, x, rises] of mean 0 and standard deviation 1 over x, from the hinges alone."""
    layer, ns, parts = net.layers[0], net.buffers["0.ns"], [np.ones((len(x), 1)), x]
    seen = data()[0]
    for row, j in enumerate(layer.geometry.inputs):
        for m in range(layer.counts[j] - 1):
            low, high = ns[row, m : m + 2]
            r, all_ = (np.clip((a[:, j] - low) / (high - low), 0, 1) for a in (x, seen))
            parts.append(((r - all_.mean()) / all_.std())[:, None])
    return np.hstack(parts)


def test_counts_leave_inputs_of_few_values_straight():
    net, _, _ = started(6)
    assert net.layers[0].counts == (6, 6, 0, 3, 4)
    assert net.W.shape == (7, 1 + 5 + 5 + 5 + 2 + 3)
    assert net.W_o.shape == (2, 1 + 5 + 15 + 7)


def test_nets_are_a_dense_product_of_the_functions():
    net, x, _ = started()
    far = np.vstack([x, 3 * x[:20], np.full((1, 5), 1e3)])
    D = by_hand(net, far)
    layer, p, b = net.layer(0)
    np.testing.assert_allclose(layer.inputs(b, far), D, rtol=0, atol=1e-12)
    np.testing.assert_allclose(layer.apply(p, b, far), D @ net.W.T, rtol=1e-12, atol=1e-12)
    W = np.random.default_rng(2).standard_normal(net.W.shape)
    np.testing.assert_allclose(
        layer.tangent(p, b, layer.keep(p, b, far), {"W": W}, None), D @ W.T, rtol=1e-12, atol=1e-11
    )


def test_gradient_and_columns_are_those_of_the_functions():
    net, x, _ = started()
    layer, p, b = net.layer(0)
    g, D = np.random.default_rng(3).standard_normal((len(x), 7)), by_hand(net, x)
    saved = layer.keep(p, b, x)
    G = layer.gradient(p, b, saved, g)["W"]
    np.testing.assert_allclose(G, g.T @ D, rtol=0, atol=1e-11)
    columns = layer.columns(p, b, saved, g)["W"]
    np.testing.assert_allclose(columns, g.T[:, None, :] * D.T[None], rtol=0, atol=1e-12)
    np.testing.assert_allclose(columns.sum(axis=2), G, rtol=0, atol=1e-11)


@pytest.mark.parametrize("weights", [False, True])
def test_correlations_are_those_of_the_whole_basis(weights):
    net, x, t = started()
    w = np.random.default_rng(4).uniform(0, 2, len(x)) if weights else np.ones(len(x))
    patterns = pwl.Patterns(x, t, w if weights else None, block_bytes=1 << 20)
    D = by_hand(net, x)
    B = np.hstack([D, np.tanh(D @ net.W.T)])
    R, C, _ = reduce(basis_correlations(), net, patterns)
    np.testing.assert_allclose(R, (B.T * w) @ B / w.sum(), rtol=0, atol=1e-12)
    np.testing.assert_allclose(C, (B.T * w) @ t / w.sum(), rtol=0, atol=1e-12)
    known = reduce(basis_correlations(known=True), net, patterns).R
    np.testing.assert_array_equal(known, R[:, D.shape[1] :])
    R_i = reduce(input_autocorrelation(0), net, patterns)
    np.testing.assert_allclose(R_i, R[: D.shape[1], : D.shape[1]], rtol=0, atol=1e-13)
    np.testing.assert_allclose(with_inputs(known, R_i), R, rtol=0, atol=1e-13)
    np.testing.assert_allclose(passes.outputs(net, x), B @ net.W_o.T, rtol=1e-12, atol=1e-11)


@pytest.mark.parametrize("loss", ["squared_error", "cross_entropy"])
@pytest.mark.parametrize("hidden", [6, (5, 4)])
def test_a_check_by_difference_quotients_passes(loss, hidden):
    x, t = data()
    t = t if loss == "squared_error" else np.arange(len(x)) % 3
    net = pwl.Network.mlp(5, hidden, 2 if loss == "squared_error" else 3, "tanh", input_hinges=5, loss=loss)
    rows = pwl.check(net, (x, t))
    assert rows and not [row for row in rows if not row.passed]


@pytest.mark.parametrize("engine", ENGINES)
@settings(max_examples=25, deadline=None)
@given(
    patterns=st.integers(1, 140),
    inputs=st.integers(1, 5),
    units=st.integers(1, 40),
    K=st.integers(2, 7),
    seed=st.integers(0, 99),
)
def test_kernels_equal_products_with_hats(engine, patterns, inputs, units, K, seed):
    rng = np.random.default_rng(seed)
    counts = (*(int(rng.integers(2, K + 1)) for _ in range(inputs - 1)), K)
    ns = np.full((inputs, K), np.inf)
    for j, count in enumerate(counts):
        ns[j, :count] = np.cumsum(rng.uniform(0.1, 1, count)) - 1
    x = rng.standard_normal((patterns, inputs))
    H = np.zeros((patterns, inputs * K))
    for j, count in enumerate(counts):
        for m in range(count):
            H[:, j * K + m] = np.interp(x[:, j], ns[j, :count], np.eye(count)[m])
    places = engine.input_places(x, Hinges(ns, False, False))
    n, A, w = (
        rng.standard_normal((patterns, units)),
        rng.standard_normal((inputs * K, units)),
        rng.uniform(0, 2, patterns),
    )
    close = {"rtol": 1e-11, "atol": 1e-11}
    np.testing.assert_allclose(engine.add_input_curves(n.copy(), places, A), n + H @ A, **close)
    np.testing.assert_allclose(engine.input_scatter(places, inputs * K, n), H.T @ n, **close)
    np.testing.assert_allclose(engine.input_pairs(places, inputs * K, w), (H.T * w) @ H, **close)
    geometry = input_geometry(counts)
    tails = engine.input_tails(ns)
    rises = Rises(geometry, tails, rng.standard_normal(geometry.rises), rng.uniform(0.5, 2, geometry.rises))
    W, G = rng.standard_normal((units, 1 + inputs + geometry.rises)), rng.standard_normal((geometry.hinges, units))
    T = engine.input_ordinates(np.eye(W.shape[1]), rises)
    np.testing.assert_allclose(engine.input_ordinates(W, rises), T @ W.T, **close)
    np.testing.assert_allclose(engine.input_rises(G, rises), T.T @ G, **close)
    x *= 3
    r = [np.interp(x[:, j], ns[j, m : m + 2], [0, 1]) for j, count in enumerate(counts) for m in range(count - 1)]
    D = np.column_stack([np.ones(patterns), x, (np.column_stack(r) - rises.mean) / rises.scale])
    places = engine.input_places(x, Hinges(tails, False, True))
    np.testing.assert_allclose(engine.add_input_curves(None, places, T), D, **close)
    np.testing.assert_allclose(engine.input_rises(engine.input_scatter(places, geometry.hinges, n), rises), D.T @ n, **close)


@pytest.mark.parametrize("engine", ENGINES)
def test_tails_are_as_long_as_the_hinges_reach(engine):
    ns = np.array([[0, 1, 3, np.inf], [-1, 0, 2, 7]])
    np.testing.assert_array_equal(engine.input_tails(ns), [[-3, 0, 1, 3, 6, 9], [-9, -1, 0, 2, 7, 15]])


def test_not_a_number_shows_in_every_kernel():
    x = np.array([[0.2, np.nan], [0.3, 0.4]])
    for engine in ENGINES:
        places = engine.input_places(x, Hinges(np.array([[0.0, 1.0]] * 2), False, False))
        found = engine.add_input_curves(np.zeros((2, 1)), places, np.ones((4, 1)))
        assert np.isnan(found[0, 0]) and found[1, 0] == pytest.approx(2)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_straight_start_is_the_plain_network(dtype):
    x, t = data()
    x[:, 0] *= 100  # of another scale
    same = {"seed": 3, "dtype": dtype, "bypass": False}
    plain, bent = (pwl.initialise(pwl.Network.mlp(5, 8, 2, "tanh", input_hinges=h, **same), (x, t)) for h in (None, 7))
    np.testing.assert_array_equal(bent.W[:, 6:], 0)
    np.testing.assert_allclose(bent.W[:, :6], plain.W, rtol=1e-5 if dtype == np.float32 else 1e-13)
    same_outputs = bent.with_head(plain.W_o)  # those of `initialise` are solved anew, from sums that are rounded otherwise
    np.testing.assert_allclose(same_outputs.predict(x), plain.predict(x), rtol=0, atol=1e-3 if dtype == np.float32 else 1e-11)
    E = pwl.evaluate(plain, (x, t)).error
    assert pwl.evaluate(bent, (x, t)).error == pytest.approx(E, rel=1e-4 if dtype == np.float32 else 1e-11)


def test_far_inputs_follow_the_straight_part_alone():
    net, x, _ = started()
    layer, p, b = net.layer(0)
    far = np.repeat(x[:1], 3, axis=0)
    far[:, 0] = [50, 51, 1e6]
    n = layer.apply(p, b, far)
    np.testing.assert_allclose(n[1] - n[0], net.W[:, 1], rtol=1e-9)
    np.testing.assert_allclose((n[2] - n[0]) / (1e6 - 50), net.W[:, 1], rtol=1e-9)


def test_curves_are_for_the_first_layer():
    with pytest.raises(pwl.InputError, match="must be the first layer"):
        pwl.Network.from_layers(
            [pwl.layers.Dense(3), CurvedDense(2), "tanh", pwl.layers.Dense(1)], (4,), loss="squared_error"
        )
    with pytest.raises(pwl.InputError, match="takes vectors"):
        pwl.Network.from_layers([CurvedDense(2), "tanh", pwl.layers.Dense(2)], (4, 4, 1))
