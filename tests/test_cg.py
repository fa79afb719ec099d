"""Conjugate gradients: the rules, the line's length, and what is promised of a step, Eq. (39)."""

from __future__ import annotations

import array_api_strict
import numpy as np
import pytest
from oracles import central, output_hessians, second_difference
from test_array_api import assert_same
from toys import (
    LOSSES,
    E_of,
    curve,
    curve_network,
    iterate,
    outputs,
    problem,
    random_network,
    spirals,
    take_step,
    waves,
)

import pwl
from pwl.algorithms.all_weights import Problem, trained
from pwl.algorithms.cg import CGState, along, fletcher_reeves, halved, polak_ribiere
from pwl.algorithms.learning_factors import objective
from pwl.algorithms.penalties import Penalties
from pwl.network.layout import HEAD

PENALTIES = {"ridge": 1e-3, "l2": 1e-4, "curve_penalty": 1e-4}
RULES = ("fletcher-reeves", "polak-ribiere")


def quadratic(n=6, scale=3.0):
    """A network whose objective is a quadratic of n weights: its hidden unit never fires, so that y is linear in x."""
    net = random_network("relu", 1, inputs=n - 1, outputs=1)
    net = net.with_parts(
        {"0.W": np.array([[-1e6] + [0.0] * (n - 1)]), HEAD: np.append(net.W_o[:, :-1], [[0.0]], axis=1)}
    )
    rng = np.random.default_rng(0)
    x = rng.standard_normal((50, n - 1)) * scale ** np.linspace(0, 1, n - 1) + 0.5
    return net, pwl.Patterns(x, rng.standard_normal((50, 1)))


def slope(net, patterns, algorithm):
    """Negative gradient of the objective, like theta."""
    return Problem(net, patterns, trained(net, algorithm.train_curves), algorithm.penalties).here().G


# ---- formulas


def test_rules_on_worked_numbers():
    G_old, G = np.array([3.0, 4.0]), np.array([1.0, 2.0])
    assert fletcher_reeves(G, G_old) == 5 / 25
    assert polak_ribiere(G, G_old) == 0  # (1 (1 - 3) + 2 (2 - 4)) / 25 is negative
    assert polak_ribiere(np.array([4.0, -2.0]), G_old) == pytest.approx((4 * 1 + 2 * 6) / 25)
    assert fletcher_reeves(G, 0 * G) == polak_ribiere(G, 0 * G) == 0


@pytest.mark.parametrize("rule", RULES)
def test_directions_add_up(rule):
    algorithm = pwl.CG(rule)
    G, G_old, P_old = np.array([4.0, -2.0]), np.array([3.0, 4.0]), np.array([1.0, 1.0])
    b = 20 / 25 if rule == "fletcher-reeves" else 16 / 25
    P, found = algorithm.direction(G, CGState(G_old=G_old, P=P_old))
    np.testing.assert_allclose(P, G + b * P_old)
    assert found == b
    uphill = CGState(G_old=G_old, P=np.array([-9.0, 0.0]))
    for state in (CGState(), uphill):
        P, found = algorithm.direction(G, state)
        assert P is G and found == 0


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("hidden", [4, (4, 3)])
def test_length_is_the_slope_over_the_curvature_of_the_model(hidden, loss):
    """The curvature from quotients of the outputs: y is told apart from the loss, as in Eq. (19)."""
    net = random_network(curve(), hidden, loss=loss)
    patterns = problem(net, margin=1e-3, weights=True)
    penalties = Penalties(0.02, 0.01, 0.03)
    task = Problem(net, patterns, trained(net, True), penalties)
    G = task.here().G
    P = np.random.default_rng(3).standard_normal(G.shape)
    dy = central(lambda z: outputs(net.with_theta(net.theta + z * P), patterns.x), 1e-6)
    S = output_hessians(net.loss, outputs(net, patterns.x))
    h = np.average(np.einsum("pi,pij,pj->p", dy, S, dy), weights=patterns.weights)
    h += second_difference(lambda z: penalties.value(net.with_theta(net.theta + z * P)))
    assert along(task, G, P) == pytest.approx(G @ P / h, rel=1e-6)


# ---- a quadratic


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("ridge", [0.0, 0.1])
def test_a_quadratic_ends_in_as_many_steps_as_it_has_unknowns(rule, ridge):
    net, patterns = quadratic(6)
    algorithm = pwl.CG(rule, ridge=ridge)
    nets, infos = iterate(algorithm, net, patterns, 6)
    lengths = [np.linalg.norm(slope(at, patterns, algorithm)) for at in nets]
    assert lengths[6] < 1e-11 * lengths[0] and lengths[5] > 1e-6 * lengths[0]
    assert all(info["share"] == 1 for info in infos)
    assert all(info["beta"] > 0 for info in infos[1:])


@pytest.mark.parametrize("rule", RULES)
def test_gradients_on_a_quadratic_are_orthogonal_and_directions_conjugate(rule):
    net, patterns = quadratic(6)
    nets, _ = iterate(pwl.CG(rule), net, patterns, 5)
    G = np.array([slope(at, patterns, pwl.CG()) for at in nets])
    P = np.diff([at.theta for at in nets], axis=0)  # what was gone along each direction
    B = np.concatenate([np.ones((50, 1)), patterns.x], axis=1)
    changed = np.flatnonzero(np.any(P, axis=0))
    assert len(changed) == 6
    PHP = P[:, changed] @ (B.T @ B) @ P[:, changed].T
    for a in (G @ G.T, PHP):
        a = a / np.sqrt(np.outer(np.diag(a), np.diag(a)))
        np.testing.assert_allclose(a, np.eye(len(a)), atol=1e-9)


def test_the_run_on_a_quadratic_ends_in_words():
    net, patterns = quadratic(6)
    net, record = pwl.train(net, patterns, pwl.CG(), iterations=100)
    assert record.stop_code == "no_descent" and "along the gradient" in record.stop_reason
    assert record.stop_reason.startswith("no step along the direction lowers the error (")
    assert record.iterations < 30
    x, t = np.concatenate([np.ones((50, 1)), patterns.x], axis=1), patterns.t
    w = np.linalg.lstsq(x, t)[0]
    assert record["error"][-1] == pytest.approx(np.mean((t - x @ w) ** 2), rel=1e-14)
    assert np.all(np.isfinite(net.theta))


# ---- steps


def reference(net, patterns, rule, steps, keys, penalties):
    """Eq. (39) written out, with the J that a step reaches and whether it began anew."""
    J = objective(net, patterns, penalties)
    P = G_old = None
    found = []
    for _ in range(steps):
        task = Problem(net, patterns, keys, penalties)
        G = task.here().G
        new = P is None
        if not new:
            change = G if rule == "fletcher-reeves" else G - G_old
            P = G + max(0, G @ change / (G_old @ G_old)) * P
        if new or G @ P <= 0:
            P = G
        z, halvings = along(task, G, P), 0
        while (J_new := objective(net.with_theta(net.theta + z * P), patterns, penalties)) > J:
            z, halvings = z / 2, halvings + 1
        net, J, G_old = net.with_theta(net.theta + z * P), J_new, G
        if halvings:
            P = None
        found.append((J, halvings, new))
    return net, found


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("hidden", [6, (5, 4)])
@pytest.mark.parametrize("rule", RULES)
def test_steps_are_those_of_the_equation_written_out(rule, hidden, loss):
    net = random_network(curve(), hidden, loss=loss)
    patterns, algorithm = problem(net, 60, weights=True), pwl.CG(rule, train_curves=True, **PENALTIES)
    wanted, found = reference(net, patterns, rule, 30, trained(net, True), algorithm.penalties)
    nets, infos = iterate(algorithm, net, patterns, 30)
    assert sum(halvings for _, halvings, _ in found) > 0  # else little was compared
    assert [info["share"] for info in infos] == [0.5**halvings for _, halvings, _ in found]
    J = [objective(at, patterns, algorithm.penalties) for at in nets[1:]]
    np.testing.assert_allclose(J, [J for J, _, _ in found], rtol=1e-8)
    np.testing.assert_allclose(nets[-1].theta, wanted.theta, rtol=0, atol=1e-6 * np.abs(wanted.theta).max())


def test_the_objective_falls_in_every_iteration():
    data = waves(200)
    for algorithm in (pwl.CG(), pwl.CG("polak-ribiere", train_curves=True, **PENALTIES)):
        for hidden in (6, (5, 4)):
            _, record = pwl.train(curve_network(Nh=hidden), data, algorithm, iterations=40)
            assert record.iterations == 40 and np.all(np.diff(record["objective"]) < 0)
            assert record["error"][-1] < 0.8 * record["error"][0]


def test_cross_entropy():
    data = spirals(300)
    _, record = pwl.train(curve_network(2, 8, 3, loss="cross_entropy"), data, pwl.CG(train_curves=True), iterations=60)
    assert np.all(np.diff(record["error"]) < 0)
    assert record["classification_error"][-1] < 0.6 * record["classification_error"][0]


@pytest.mark.parametrize("train_curves", [False, True])
def test_what_is_trained(train_curves):
    net = random_network(curve(), (4, 3))
    patterns = problem(net)
    after = iterate(pwl.CG(train_curves=train_curves), net, patterns, 2)[0][-1]
    for key in (*net.keys("map"), HEAD):
        assert np.all(np.any(after.parts[key] != net.parts[key], axis=1))
    for key in net.keys("activation"):
        assert np.array_equal(after.parts[key], net.parts[key]) is not train_curves


def test_pattern_weights_count_patterns():
    net = random_network("tanh", 5)
    patterns = problem(net, 30)
    times = np.arange(30) % 3
    repeated = pwl.Patterns(np.repeat(patterns.x, times, axis=0), np.repeat(patterns.t, times, axis=0))
    weighted = pwl.Patterns(patterns.x, patterns.t, times)
    a, b = (iterate(pwl.CG(), net, data, 5)[0][-1] for data in (repeated, weighted))
    np.testing.assert_allclose(a.theta, b.theta, rtol=1e-9)


def test_restarts_forget_the_direction():
    """Every third iteration goes along G; with restart=1 all do: gradient descent with the optimal learning factor."""
    net = random_network("tanh", 5)
    patterns = problem(net)
    _, infos = iterate(pwl.CG(restart=3), net, patterns, 9)
    assert all(info["share"] == 1 for info in infos)
    assert [info["beta"] == 0 for info in infos] == [True, False, False] * 3
    assert all(info["beta"] == 0 for info in iterate(pwl.CG(restart=1), net, patterns, 4)[1])


def test_a_step_too_far_is_halved():
    net = random_network("tanh", 5)
    patterns = problem(net)
    task = Problem(net, patterns, trained(net, False), Penalties())
    here = task.here()
    z = along(task, here.G, here.G)
    moved, found, share = halved(task, 64 * z * here.G, here)
    assert share < 1 and found.J == E_of(moved, patterns) < here.J
    for much_too_far in (1e200, np.inf):
        moved, found, share = halved(task, much_too_far * z * here.G, here)
        assert moved is net and share == 0 and found.J == here.J


def test_where_nothing_lowers_the_objective_the_gradient_is_tried_and_then_the_run_ends():
    net, patterns = quadratic(4)
    net = iterate(pwl.CG(), net, patterns, 4)[0][-1]
    scores, _, G = Problem(net, patterns, trained(net, False), Penalties()).here()
    state = CGState(scores, J=0.0, G=G, P=G, G_old=G, steps=1)  # no step reaches 0
    same, state, info = take_step(pwl.CG(), net, patterns, state)
    assert same is net and info["share"] == 0 and "stop" not in info and state.P is None
    same, state, info = take_step(pwl.CG(), net, patterns, state)
    assert same is net and info["stop"].code == "no_descent"


def test_a_network_without_a_gradient_stays():
    net = random_network("tanh", 3)
    x = np.random.default_rng(0).standard_normal((20, 3))
    trained_net, record = pwl.train(net, (x, outputs(net, x)), pwl.CG(), iterations=5)
    assert np.array_equal(trained_net.theta, net.theta)
    assert record.stop_code == "no_descent" and record.iterations == 1


# ---- runs


def test_two_passes_an_iteration():
    _, record = pwl.train(curve_network(), waves(), pwl.CG("polak-ribiere", train_curves=True), iterations=20)
    assert record["share"][1:] == [1.0] * 20
    assert np.all(np.diff(record["passes"]) == 2)


@pytest.mark.parametrize("rule", RULES)
def test_a_resumed_run_gives_the_same_bits(tmp_path, rule):
    data, algorithm = waves(), pwl.CG(rule, restart=5, train_curves=True, **PENALTIES)
    whole, record = pwl.train(curve_network(), data, algorithm, iterations=14)
    pwl.train(curve_network(), data, algorithm, iterations=8, checkpoint=tmp_path / "c")
    resumed, again = pwl.train(curve_network(), data, algorithm, iterations=14, resume=tmp_path / "c")
    assert np.array_equal(resumed.theta, whole.theta)
    for name in ("objective", "z", "beta", "passes", "multiplies"):
        assert again[name] == record[name], name


def test_better_than_gradient_descent_on_real_data():
    x, t = pwl.data.load("concrete")
    data = pwl.Preparation.fit(x, t).transform(x, t)
    errors = {}
    for algorithm in (pwl.CG(), pwl.CG("polak-ribiere"), pwl.CG(restart=1), pwl.OWOBP()):
        _, record = pwl.train(pwl.Network.mlp(8, 10, 1), data, algorithm, iterations=60)
        assert np.all(np.diff(record["error"]) < 0) or isinstance(algorithm, pwl.OWOBP)
        errors[repr(algorithm)] = record["error"][-1]
    *conjugate, descent, owo_bp = errors.values()
    assert max(conjugate) < 0.8 * owo_bp and max(conjugate) < 0.7 * descent


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("hidden", [4, (4, 3)])
def test_strict_arrays(hidden, loss):
    net = random_network(curve(), hidden, loss=loss)
    algorithm = pwl.CG("polak-ribiere", train_curves=True, **PENALTIES)
    assert_same(algorithm, net, problem(net, weights=True), steps=4)
    after = iterate(algorithm, net.to(array_api_strict), problem(net), 1)[0][-1]
    assert after.theta.dtype == array_api_strict.float64


def test_float32():
    _, record = pwl.train(curve_network(dtype=np.float32), waves(200), pwl.CG(train_curves=True), iterations=30)
    _, double = pwl.train(curve_network(), waves(200), pwl.CG(train_curves=True), iterations=30)
    assert record["error"][-1] == pytest.approx(double["error"][-1], rel=0.1)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"beta": "hestenes"}, "beta must be"),
        ({"restart": 0}, "restart must be"),
        ({"restart": 2.5}, "restart must be"),
        ({"restart": True}, "restart must be"),
    ],
)
def test_settings_that_cannot_be(options, words):
    with pytest.raises(pwl.InputError, match=words):
        pwl.CG(**options)


def test_batches_are_refused():
    with pytest.raises(pwl.InputError, match="CG needs all patterns"):
        pwl.train(curve_network(), waves(), pwl.CG(), batch_size=20)
