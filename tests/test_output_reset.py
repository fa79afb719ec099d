"""Output Reset: the closed minimum against brute force, its derivatives, and steps that never raise it, Eq. (84)."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import central
from scipy import optimize
from toys import iterate, spirals

import pwl
from pwl.losses import OutputReset

LOSS = OutputReset()


def brute(y, c):
    """The minimum over a and d of sum (t + a + d - y)^2, with d >= 0 for class c and <= 0 for the others, by least squares."""
    M = len(y)
    signs = np.where(np.arange(M) == c, 1.0, -1.0)
    X = np.column_stack([np.ones(M), np.diag(signs)])  # unknowns: a, and |d|
    bounds = ([-np.inf] + [0.0] * M, np.inf)
    found = optimize.lsq_linear(X, y - np.eye(M)[c], bounds, method="bvls", tol=1e-14)
    return 2 * found.cost


@pytest.mark.parametrize("M", [2, 3, 5, 9])
@pytest.mark.parametrize("scale", [0.3, 1.0, 20.0])
def test_the_closed_minimum_is_that_of_brute_force(M, scale):
    rng = np.random.default_rng(M)
    y, t = scale * rng.normal(size=(80, M)), rng.integers(0, M, 80)
    y[::7, 1] = y[::7, 0]  # ties
    wanted = [brute(row, c) for row, c in zip(y, t, strict=True)]
    np.testing.assert_allclose(LOSS.errors(y, t), wanted, rtol=1e-9, atol=1e-9 * scale**2)


def test_worked_numbers():
    # v = y - onehot: right by more than 1 costs nothing; (0, 0), class 0: v = (-1, 0), a = -1/2, both miss by 1/2;
    # (0, 2, 1), class 0: v = (-1, 2, 1): m = 1 gives a = 1/2 < 1, so m = 2: a = 2/3
    np.testing.assert_allclose(LOSS.errors(np.array([[5.0, 3.9, -7]]), np.array([0])), 0)
    np.testing.assert_allclose(LOSS.errors(np.array([[0.0, 0.0]]), np.array([0])), 0.5)
    y, t = np.array([[0.0, 2.0, 1.0]]), np.array([0])
    np.testing.assert_allclose(LOSS.d(y, t) / 2, [[5 / 3, -4 / 3, -1 / 3]])
    np.testing.assert_allclose(LOSS.errors(y, t), 42 / 9)


@settings(deadline=None, max_examples=60)
@given(st.integers(2, 6), st.integers(0, 2**31), st.floats(0.01, 50))
def test_it_is_at_most_squared_error_and_does_not_see_a_common_shift(M, seed, scale):
    rng = np.random.default_rng(seed)
    y, t = scale * rng.normal(size=(20, M)), rng.integers(0, M, 20)
    E = LOSS.errors(y, t)
    assert np.all(np.sum((np.eye(M)[t] - y) ** 2, axis=1) * (1 + 1e-12) >= E)
    np.testing.assert_allclose(LOSS.errors(y + 3.0, t), E, atol=1e-9 * (scale + 3) ** 2)
    np.testing.assert_allclose(LOSS.d(y, t).sum(axis=1), 0, atol=1e-9 * (scale + 3))
    leads = y[np.arange(20), t] - np.max(np.where(np.eye(M)[t] > 0, -np.inf, y), axis=1)
    np.testing.assert_array_equal(E == 0, leads >= 1)


def test_the_output_signal_is_the_derivative_and_two_bounds_the_curvature():
    rng = np.random.default_rng(0)
    y, u = rng.normal(size=(2, 300, 4))
    t = rng.integers(0, 4, 300)
    slope = central(lambda z: LOSS.errors(y + z * u, t))
    # Kinks of the slope are met now and then.
    np.testing.assert_allclose(-np.sum(LOSS.d(y, t) * u, axis=1), slope, atol=1e-4)
    assert np.median(np.abs(-np.sum(LOSS.d(y, t) * u, axis=1) - slope)) < 1e-9
    fixed = LOSS.errors(y, t) - np.sum(LOSS.d(y, t) * u, axis=1) + np.sum(u * u, axis=1)
    assert np.all(LOSS.errors(y + u, t) <= fixed + 1e-12)  # the error to the targets of y is a bound
    roots = sum(v[:, :, None] * v[:, None, :] for v in LOSS.roots(y, t))
    np.testing.assert_allclose(roots, np.broadcast_to(2 * np.eye(4), (300, 4, 4)))
    d = sum(r[:, None] * v for r, v in zip(LOSS.residuals(y, t).T, LOSS.roots(y, t), strict=True))
    np.testing.assert_allclose(d, LOSS.d(y, t), rtol=1e-14, atol=1e-15)


def network(activation="tanh", hidden=8):
    data = spirals(Nv=150)
    return pwl.initialise(pwl.Network.mlp(2, hidden, 3, activation, loss="output_reset"), data), pwl.Patterns(*data)


def test_gradients_are_those_of_quotients():
    rows = pwl.check(*(lambda net, patterns: (net, (patterns.x, patterns.t)))(*network()))
    assert {"G", "G_o", "J'J", "H_molf", "g_molf"} <= {row.quantity for row in rows}
    assert all(row.difference < 1e-3 for row in rows if np.isfinite(row.difference))


@pytest.mark.parametrize(
    "algorithm",
    [
        pwl.MOLF(safeguard=True), pwl.MOLF(direction="hwo", safeguard=True), pwl.AdAct(safeguard=True), pwl.LM(),
        pwl.LM(solver="cholesky"), pwl.VarPro(), pwl.VarPro(solver="qr"), pwl.MOLF.damped(ridge=0.0),
        pwl.AdAct.damped(ridge=0.0), pwl.CG(), pwl.SCG(), pwl.LBFGS(),
    ],
    ids=repr,
)  # fmt: skip
def test_no_step_raises_it(algorithm):
    activation = pwl.PiecewiseLinear("tanh", 9) if "AdAct" in repr(algorithm) else "tanh"
    net, patterns = network(activation)
    nets, _ = iterate(algorithm, net, patterns, 20)
    E = [pwl.evaluate(at, patterns).error for at in nets]
    assert all(after <= before * (1 + 1e-9) for before, after in itertools.pairwise(E))
    assert E[-1] < 0.9 * E[0]


@pytest.mark.parametrize("ridge", [0.0, 0.02])
def test_owo_never_raises_the_objective_and_ends_at_its_minimum(ridge):
    from toys import gradients_of

    net, patterns = network()
    penalties = pwl.Penalties(ridge=ridge)
    J = []
    for _ in range(200):
        J.append(pwl.evaluate(net, patterns).error + penalties.value(net))
        net, info = pwl.owo_step(net, patterns, penalties)
    assert all(after <= before * (1 + 1e-12) for before, after in itertools.pairwise(J))
    assert info.output_step == "5 bound steps"
    G = [
        penalties.add_gradient(at, gradients_of(at, patterns, ("head.W",)))["head.W"]
        for at in (net.with_head(0 * net.W_o), net)
    ]
    assert np.abs(G[1]).max() < 1e-4 * np.abs(G[0]).max()


def test_it_learns_classes_and_knows_no_probabilities(tmp_path):
    x, t = spirals(Nv=150)
    names = np.array(["a", "b", "c"])[t]
    preparation = pwl.Preparation.fit(x, names)
    net = pwl.Network.mlp(2, 15, 3, "tanh", loss="output_reset")
    net, record = pwl.train(net, preparation.transform(x, names), pwl.LM(), iterations=60)
    assert record["classification_error"][-1] < 0.1
    net.with_preparation(preparation).save(tmp_path / "net.safetensors")
    again = pwl.Network.load(tmp_path / "net.safetensors")
    assert np.mean(again.predict(x) == names) > 0.9
    with pytest.raises(pwl.InputError, match="without probabilities"):
        again.predict_proba(x)


def test_what_has_no_evidence_says_so():
    net, patterns = network()
    for algorithm in (pwl.BayesianLM(), pwl.MOLF.damped()):
        with pytest.raises(pwl.InputError, match="probability"):
            pwl.train(net, patterns, algorithm)
    with pytest.raises(pwl.InputError, match="output-reset wants integer labels"):
        pwl.initialise(net, (patterns.x, patterns.t + 0.5))
    with pytest.raises(pwl.InputError, match="one output per class"):
        pwl.Network.mlp(2, 3, 1, loss="output_reset")


def test_the_command_line_has_it(flowers, tmp_path, capsys):
    from pwl.cli import main

    out = tmp_path / "net.safetensors"
    common = ["train", str(flowers), "--out", str(out), "--loss", "output_reset", "--iterations", "3"]
    assert main([*common, "--target", "species", "--algorithm", "hwo-molf"]) == 0
    assert pwl.Network.load(out).loss.name == "output_reset"
    assert main(["predict", str(out), str(flowers)]) == 0 and {"rose", "tulip"} & set(capsys.readouterr().out.split())
    assert main(["predict", str(out), str(flowers), "--probabilities"]) == 2
    assert "without probabilities" in capsys.readouterr().err
    assert main([*common, "--target", "length", "--algorithm", "lm"]) == 2
    assert "numbers want squared_error" in capsys.readouterr().err
