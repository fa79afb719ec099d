"""Variable projection: the eliminated system, the output weights at their optimum, and what it reaches."""

from __future__ import annotations

import array_api_strict
import numpy as np
import pytest
from toys import basis, curve_network, problem, random_network, spirals, take_step, waves

import pwl
from pwl.algorithms.all_weights import trained
from pwl.algorithms.varpro import ELIMINATE, output_correction
from pwl.reductions.jacobian import body_size, system
from pwl.runtime.backend import host

SOLVERS = ("qr", "cholesky")


@pytest.mark.parametrize("outputs", [1, 3])
@pytest.mark.parametrize("ridge", [0.0, 0.1])
def test_elimination_leaves_the_full_solution_with_undamped_output_weights(outputs, ridge):
    """The body's part of (J'J + D) e = g with D on the body alone, however the system was reduced."""
    net = random_network(pwl.PiecewiseLinear("tanh", 5), 4, outputs=outputs)
    patterns, keys = problem(net, 80, weights=True), trained(net, True)
    A, g = system(net, patterns, keys, "cholesky")
    n, Nu = body_size(net, keys), net.n_basis
    extra = np.tile(np.r_[0, np.full(Nu - 1, ridge)], outputs)
    d = np.r_[np.full(n, 0.05), extra]
    wanted = np.linalg.solve(A + np.diag(d), g - np.r_[np.zeros(n), extra * net.W_o.ravel()])[:n]
    for solver in SOLVERS:
        found = ELIMINATE[solver](net, patterns, keys, pwl.Penalties(ridge=ridge).on_head(net)).damped(np.full(n, 0.05))
        np.testing.assert_allclose(found, wanted, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("ridge", [0.0, 0.1])
def test_output_weights_end_at_their_least_squares_solution(solver, ridge):
    net = random_network("tanh", 4)
    patterns = problem(net, 80, weights=True)
    B, w = basis(net, patterns.x), patterns.weights
    I_1 = np.diag(np.r_[0, np.ones(net.n_basis - 1)])
    R, C = (B.T * w) @ B / w.sum(), (B.T * w) @ patterns.t / w.sum()
    found = output_correction(net, patterns, solver, pwl.Penalties(ridge=ridge).on_head(net))
    np.testing.assert_allclose(found.W_o, np.linalg.solve(R + ridge * I_1, C).T, rtol=1e-8, atol=1e-10)
    np.testing.assert_array_equal(found.W, net.W)


@pytest.mark.parametrize("solver", SOLVERS)
def test_dependent_basis_functions_do_no_harm(solver):
    """Two equal units: the output weights are not unique, and E still cannot rise."""
    x, t = waves(100, M=1)
    W = np.random.default_rng(0).normal(size=(3, 4))
    net = pwl.Network.mlp(3, 4, 1, "tanh", W=np.concatenate([W, W[:1]]))
    _, record = pwl.train(net, (x, t), pwl.VarPro(solver=solver), iterations=15)
    assert np.all(np.diff(record["error"]) < 0) and np.all(np.isfinite(record["error"]))


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("train_curves", [False, True])
def test_it_falls_faster_than_lm(solver, train_curves):
    x, t = waves(300)
    net = curve_network() if train_curves else pwl.Network.mlp(3, 5, 2, "tanh")
    E = {}
    for algorithm in (
        pwl.VarPro(solver=solver, train_curves=train_curves),
        pwl.LM(schedule="gain", train_curves=train_curves),
    ):
        _, record = pwl.train(net, (x, t), algorithm, iterations=12)
        assert np.all(np.diff(record["error"]) < 0)
        E[type(algorithm)] = record["error"][-1]
    assert E[pwl.VarPro] < E[pwl.LM]


def test_qr_keeps_the_digits_of_small_errors():
    """A target that the net can meet exactly: triangles go on where J'J has no digits left."""
    x = np.linspace(-1, 1, 400)[:, None]
    t = np.sinc(10 * x / np.pi)
    net = pwl.Network.mlp(1, 20, 1, "tanh", bypass=False)
    E = {s: min(pwl.train(net, (x, t), pwl.VarPro(solver=s), iterations=60)[1]["error"]) for s in SOLVERS}
    assert E["qr"] < 1e-11 and E["qr"] < 0.1 * E["cholesky"]


def test_strict_arrays_give_the_same_step():
    net = random_network("tanh", 3)
    patterns = problem(net, weights=True)
    for solver in SOLVERS:
        algorithm = pwl.VarPro(mu=0.1, solver=solver)
        wanted, found = (take_step(algorithm, n, patterns)[0] for n in (net, net.to(array_api_strict)))
        assert type(found.theta) is not np.ndarray
        np.testing.assert_allclose(host(found.theta), wanted.theta, rtol=1e-6, atol=1e-8)


def test_cross_entropy_is_refused():
    net = pwl.Network.mlp(2, 4, 3, "tanh", loss="cross_entropy")
    with pytest.raises(pwl.InputError, match="use pwl.LM"):
        pwl.train(net, spirals(), pwl.VarPro())


def test_at_a_minimum_it_stops_with_a_reason():
    x, t = waves(30, N=1, M=1)
    _, record = pwl.train(pwl.Network.mlp(1, 1, 1, "tanh"), (x, t), pwl.VarPro(), iterations=500)
    assert record.stop_code == "mu_max" and record["gradient_norm"][-1] < 1e-7
