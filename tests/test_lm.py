"""Levenberg-Marquardt on networks: the rows against finite differences, both solvers, SciPy's minimum, memory, records."""

from __future__ import annotations

import dataclasses
import tracemalloc

import array_api_strict
import numpy as np
import pytest
import scipy.optimize
from oracles import gauss_newton, unit_elements
from toys import (
    LOSSES,
    activations,
    block_rows,
    curve_network,
    gradients_of,
    outputs,
    problem,
    random_network,
    reduce,
    take_step,
    waves,
)

import pwl
from pwl.algorithms.all_weights import trained
from pwl.algorithms.lm import along, penalised
from pwl.algorithms.penalties import Penalties
from pwl.network.layout import HEAD
from pwl.reductions.gradients import error
from pwl.reductions.jacobian import system
from pwl.runtime.backend import host
from pwl.runtime.threads import workers
from pwl.solvers.levenberg_marquardt import Normal, Triangular


def brute_force(net, patterns, keys):
    """J'SJ / 2 and J'd / 2 of all weights of the keys."""
    A, g = gauss_newton(net, patterns, unit_elements(net, keys))
    return A / 2, g / 2


@pytest.mark.parametrize("weights", [False, True])
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("hidden", [4, (4, 3)])
@pytest.mark.parametrize("bypass", [True, False])
def test_the_system_is_that_of_finite_differences(hidden, loss, weights, bypass):
    net = random_network("tanh", hidden, loss=loss, bypass=bypass)
    patterns = problem(net, weights=weights)
    keys = trained(net, False)
    A, g = brute_force(net, patterns, keys)
    found = system(net, patterns, keys, "cholesky")
    np.testing.assert_allclose(found.A, A, atol=1e-8 * np.abs(A).max())
    np.testing.assert_allclose(found.g, g, atol=1e-8 * np.abs(g).max())
    triangle = system(net, patterns, keys, "qr")
    np.testing.assert_allclose(triangle.R.T @ triangle.R, A, atol=1e-8 * np.abs(A).max())
    np.testing.assert_allclose(triangle.gradient(), g, atol=1e-8 * np.abs(g).max())


@pytest.mark.parametrize("solver", ["cholesky", "qr"])
@pytest.mark.parametrize("scale", [100.0, 1000.0])
def test_wrong_classes_given_with_certainty_leave_the_system_right(scale, solver):
    """Their residuals are the largest there are, Eq. (28). They must not drown the other patterns in the triangle."""
    net = random_network("tanh", loss="cross_entropy")
    net = net.with_parts({HEAD: scale * net.W_o})
    patterns = problem(net)
    keys = trained(net, False)
    wanted = np.concatenate([g.ravel() for g in gradients_of(net, patterns, keys).values()]) / 2
    np.testing.assert_allclose(
        system(net, patterns, keys, solver).gradient(), wanted, rtol=0, atol=1e-7 * np.abs(wanted).max()
    )


@pytest.mark.parametrize("name", list(activations()))
def test_every_activation_with_its_curves(name):
    net = random_network(activations()[name], (4, 3))
    patterns = problem(net, 60, margin=1e-4)
    keys = trained(net, True)
    A, g = brute_force(net, patterns, keys)
    found = system(net, patterns, keys, "cholesky")
    np.testing.assert_allclose(found.A, A, atol=1e-7 * np.abs(A).max())
    np.testing.assert_allclose(found.g, g, atol=1e-7 * np.abs(g).max())


@pytest.mark.parametrize("solver", ["qr", "cholesky"])
def test_blocks_and_pattern_weights_change_nothing(solver):
    net = random_network("sigmoid", 5)
    patterns = problem(net, 60)
    counts = np.random.default_rng(0).integers(0, 3, 60)
    repeated = pwl.Patterns(np.repeat(patterns.x, counts, axis=0), np.repeat(patterns.t, counts, axis=0))
    weighted = pwl.Patterns(patterns.x, patterns.t, counts)
    small = pwl.Patterns(patterns.x, patterns.t, counts, block_bytes=20_000)
    keys = trained(net, False)
    assert block_rows(small, net, 100) < 20
    for one, other in ((weighted, repeated), (weighted, small)):
        a, b = (system(net, p, keys, solver) for p in (one, other))
        np.testing.assert_allclose(a.gradient(), b.gradient(), rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(
            a.damped(np.full(len(b.gradient()), 1e-2)), b.damped(np.full(len(b.gradient()), 1e-2)), rtol=1e-8
        )


def test_penalties_are_rows():
    net = random_network(pwl.PiecewiseLinear("tanh", 5), 3)
    patterns, penalties = problem(net), Penalties(ridge=0.3, l2=0.2, curves=0.1)
    keys = trained(net, True)
    plain = system(net, patterns, keys, "cholesky")
    found = penalised(plain, net, keys, penalties)
    rng = np.random.default_rng(0)
    e = rng.normal(size=len(plain.g))
    rise = [penalties.value(along(net, keys, s * e)) for s in (-1, 0, 1)]
    assert e @ (found.A - plain.A) @ e == pytest.approx((rise[2] - 2 * rise[1] + rise[0]) / 2, rel=1e-9)
    assert 2 * e @ (found.g - plain.g) == pytest.approx(-(rise[2] - rise[0]) / 2, rel=1e-9)


@pytest.mark.parametrize("schedule", ["fixed", "gain"])
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("hidden", [4, (4, 3)])
def test_both_solvers_take_the_same_steps(hidden, loss, schedule):
    net = random_network("tanh", hidden, loss=loss)
    patterns, found = problem(net, 80, weights=True), []
    for solver in ("qr", "cholesky"):
        algorithm = pwl.LM(mu=0.1, solver=solver, schedule=schedule, ridge=1e-3)
        at, state = net, algorithm.init(net, patterns, 0)
        for _ in range(4):
            at, state, info = take_step(algorithm, at, patterns, state)
            assert info["trials"] >= 1
        found.append(at.theta)
    np.testing.assert_allclose(found[0], found[1], rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("solver", ["qr", "cholesky"])
def test_strict_arrays_give_the_same_step(solver, loss):
    net = random_network(pwl.PiecewiseLinear("tanh", 5), 3, loss=loss)
    patterns, algorithm = problem(net, weights=True), pwl.LM(mu=0.1, solver=solver, train_curves=True)
    wanted, found = (take_step(algorithm, n, patterns)[0] for n in (net, net.to(array_api_strict)))
    assert type(found.theta) is not np.ndarray
    np.testing.assert_allclose(host(found.theta), wanted.theta, rtol=1e-7, atol=1e-9)


@pytest.mark.one_process
def test_the_error_falls_in_every_iteration_and_the_record_says_how():
    x, t = waves(200)
    net = pwl.Network.mlp(3, 6, 2, "tanh")
    net, record = pwl.train(net, (x, t), pwl.LM(), iterations=30)
    assert np.all(np.diff(record["error"]) < 0) and record["error"][-1] < 0.3 * record["error"][0]
    assert pwl.evaluate(net, (x, t)).error == record["error"][-1]
    mu = record["mu"][1:]
    assert all(m > 0 for m in mu) and record["trials"][1] >= 1
    # an iteration is one pass for the system and one for each trial
    trials = sum(record["trials"][1:])
    assert record["passes"][-1] - record["passes"][0] == pytest.approx(30 + trials)


@pytest.mark.parametrize("solver", ["qr", "cholesky"])
@pytest.mark.parametrize("seed", [0, 4, 7])
def test_it_reaches_scipys_minimum_from_the_same_start(seed, solver):
    """A small net with a ridge, as further residuals for SciPy; from these starts both go to the same minimum."""
    rng = np.random.default_rng(3)
    x = rng.uniform(-2, 2, (150, 2))
    t = (
        np.tanh(x @ [1.0, -0.7])[:, None]
        + 0.3 * np.tanh(x @ [0.2, 1.5] + 0.5)[:, None]
        + 0.01 * rng.normal(size=(150, 1))
    )
    net = pwl.initialise(pwl.Network.mlp(2, 2, 1, "tanh", seed=seed, bypass=False), (x, t))

    def residual(theta):
        return np.concatenate(
            [(outputs(net.with_theta(theta), x) - t)[:, 0] / np.sqrt(len(x)), 1e-2 * theta[2 * 3 + 1 :]]
        )

    wanted = scipy.optimize.least_squares(residual, net.theta, method="lm", xtol=1e-14, ftol=1e-14, gtol=1e-14)
    _, record = pwl.train(net, (x, t), pwl.LM(solver=solver, schedule="gain", ridge=1e-4), iterations=300)
    assert record["objective"][-1] == pytest.approx(2 * wanted.cost, rel=1e-8)


def test_at_a_minimum_it_stops_with_a_reason(pytestconfig):
    x, t = waves(30, N=1, M=1)
    net, record = pwl.train(pwl.Network.mlp(1, 1, 1, "tanh"), (x, t), pwl.LM(), iterations=500)
    assert record.stop_code == "mu_max" and record.iterations < 500
    assert record.stop_reason.startswith("no damping up to mu_max lowers the error (mu_max = ")
    assert record["gradient_norm"][-1] < 1e-7
    rel = 0.0 if pytestconfig.getoption("--ranks") == 1 else 1e-14  # several ranks sum over patterns in another order
    assert pwl.evaluate(net, (x, t)).error == pytest.approx(min(record["error"]), rel=rel, abs=0.0)


def test_too_large_a_problem_names_the_bytes_and_what_to_try():
    x, t = waves(50, N=10)
    net = pwl.Network.mlp(10, 300, 2, "tanh")
    for algorithm in (pwl.LM(max_bytes=1e8), pwl.VarPro(max_bytes=1e8), pwl.BayesianLM(max_bytes=1e8)):
        with pytest.raises(pwl.InputError) as wrong:
            pwl.train(net, (x, t), algorithm)
        words = str(wrong.value)
        needed = 8 * 3923**2 * (2 * workers() + 6) / 1e9
        assert f"{type(algorithm).__name__} on 3922 weights needs about {needed:.2f} GB" in words
        assert "max_bytes = 0.10 GB" in words and "pwl.SCG" in words


@pytest.mark.slow
def test_memory_does_not_grow_with_the_patterns():
    peaks = []
    for Nv in (20_000, 80_000):
        x, t = waves(Nv)
        net, patterns = random_network("tanh", 12, outputs=2), pwl.Patterns(x, t, block_bytes=16 * 2**20)
        for solver in ("qr", "cholesky"):
            system(net, patterns, trained(net, False), solver)  # what is imported and compiled stays out of the count
            tracemalloc.start()
            system(net, patterns, trained(net, False), solver)
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
    whole = 80_000 * 2 * trained_size(net) * 8
    assert max(peaks[2:]) < 1.6 * max(peaks[:2]) and max(peaks) < 0.5 * whole


def trained_size(net):
    return sum(net.parts[key].size for key in trained(net, False))


def test_curves_are_trained_where_asked_for():
    x, t = waves()
    net = pwl.initialise(curve_network(), (x, t))
    kept, _ = pwl.train(net, (x, t), pwl.LM(), iterations=3)
    moved, record = pwl.train(net, (x, t), pwl.LM(train_curves=True), iterations=3)
    np.testing.assert_array_equal(kept.A, net.A)
    assert np.abs(moved.A - net.A).max() > 1e-3 and record["error"][-1] < record["error"][0]


@pytest.mark.parametrize(
    "algorithm", [pwl.LM(), pwl.LM(scaling="diagonal", schedule="gain"), pwl.VarPro(), pwl.BayesianLM()], ids=repr
)
def test_a_run_resumes_to_the_same_bits(algorithm, tmp_path):
    x, t = waves()
    net, path = pwl.Network.mlp(3, 5, 2, "sigmoid"), tmp_path / "run.ckpt"
    whole, record = pwl.train(net, (x, t), algorithm, iterations=8)
    pwl.train(net, (x, t), algorithm, iterations=3, checkpoint=path)
    resumed, again = pwl.train(net, (x, t), algorithm, iterations=8, resume=path)
    np.testing.assert_array_equal(resumed.theta, whole.theta)
    assert again["error"] == record["error"] and again["mu"] == record["mu"]


def test_targets_that_overflow_end_with_the_best_network():
    x, t = waves()
    with np.errstate(over="ignore", invalid="ignore"), pytest.raises(pwl.InputError, match="scale inputs and targets"):
        pwl.train(pwl.Network.mlp(3, 5, 2, "tanh"), (x, 1e200 * t), pwl.LM())


def test_batches_are_refused():
    with pytest.raises(pwl.InputError, match="LM needs all patterns in every step"):
        pwl.train(pwl.Network.mlp(3, 5, 2, "tanh"), waves(), pwl.LM(), batch_size=10)


@pytest.mark.parametrize(
    "wrong", [{"solver": "svd"}, {"schedule": "none"}, {"scaling": "x"}, {"mu": -1.0}, {"ridge": -1}]
)
def test_bad_settings(wrong):
    with pytest.raises(pwl.InputError):
        pwl.train(pwl.Network.mlp(3, 5, 2, "tanh"), waves(), pwl.LM(**wrong))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_networks_in_float32(dtype):
    x, t = waves(200)
    net = pwl.Network.mlp(3, 6, 2, "tanh", dtype=dtype)
    best, record = pwl.train(net, (x, t), pwl.LM(mu=0.01), iterations=10)
    assert best.theta.dtype == dtype and record["error"][-1] < 0.7 * record["error"][0]


def test_forms_are_what_the_solver_names():
    net = random_network("tanh")
    patterns, keys = problem(net), trained(net, False)
    assert isinstance(system(net, patterns, keys, "qr"), Triangular)
    assert isinstance(system(net, patterns, keys, "cholesky"), Normal)
    scores = reduce(patterns, error(), net)
    with_residual = system(dataclasses.replace(net), patterns, keys, "qr")
    assert float(scores[0]) >= float(with_residual.c @ with_residual.c)  # what the columns explain of r'r = E
