"""L-BFGS: its direction and memory, one pass an evaluation, what happens where no step is lower, and SciPy's own."""

from __future__ import annotations

from typing import NamedTuple

import array_api_strict
import numpy as np
import pytest
from toys import LOSSES, curve, curve_network, problem, random_network, short, spirals, take_step, waves

import pwl
from pwl.algorithms.all_weights import Point, Problem, trained
from pwl.algorithms.lbfgs import LBFGSState, Line, quasi_newton, remembered
from pwl.algorithms.multiplies import own
from pwl.runtime.backend import host

ALGORITHMS = (pwl.LBFGS(), pwl.LBFGS(3, ridge=0.01, l2=0.02, curve_penalty=0.03), pwl.LBFGS(train_curves=False))


def whole_problem(net, patterns):
    """All parameters of the network, no penalties."""
    return Problem(net, patterns, trained(net, True), pwl.Penalties())


def steps(algorithm, net, patterns, count):
    """The network, state and infos after so many steps, or where they end."""
    state, infos = algorithm.init(net, patterns, 0), []
    for _ in range(count):
        net, state, info = take_step(algorithm, net, patterns, state)
        infos.append(info)
        if "stop" in info:
            break
    return net, state, infos


# ---- the direction


def updated(S, Y):
    """The inverse Hessian of Eq. (50) as a matrix, pair by pair."""
    n = S.shape[1]
    H = S[-1] @ Y[-1] / (Y[-1] @ Y[-1]) * np.eye(n)
    for s, y in zip(S, Y, strict=True):
        rho = 1 / (s @ y)
        V = np.eye(n) - rho * np.outer(y, s)
        H = V.T @ H @ V + rho * np.outer(s, s)
    return H


@pytest.mark.parametrize("pairs", [1, 2, 5])
def test_the_direction_is_that_of_the_formula(pairs):
    rng = np.random.default_rng(0)
    root = rng.standard_normal((7, 7))
    S, G = rng.standard_normal((pairs, 7)), rng.standard_normal(7)
    Y = S @ (root @ root.T)  # of a convex quadratic
    assert np.allclose(quasi_newton(S, Y, G), updated(S, Y) @ G, rtol=1e-10)
    assert np.allclose(quasi_newton(S, Y, Y[-1]), S[-1], rtol=1e-10)  # the secant condition
    strict = quasi_newton(*(array_api_strict.asarray(a) for a in (S, Y, G)))
    assert np.array_equal(host(strict), quasi_newton(S, Y, G))


def test_the_memory_keeps_the_last_pairs_of_positive_curvature():
    rows = np.eye(4)
    S = Y = rows[:0]
    for row in rows:
        S, Y = remembered(S, Y, row, 2 * row, memory=3)
    assert np.array_equal(S, rows[1:]) and np.array_equal(Y, 2 * rows[1:])
    for y in (-rows[0], rows[1], 0 * rows[0]):
        assert remembered(S, Y, rows[0], y, memory=3)[0] is S


def test_a_quadratic_ends_in_about_as_many_steps_as_it_has_variables():
    """Nearly a quadratic: the hidden layer of a linear network with bypass adds nothing to what it can do."""
    x, t = waves(80)
    net = pwl.initialise(pwl.Network.mlp(3, 2, 2, "identity"), (x, t))
    least = pwl.evaluate(net, (x, t)).error
    net = net.with_parts({"head.W": 0 * net.W_o})
    _, state, _ = steps(pwl.LBFGS(), net, pwl.Patterns(x, t), 60)
    assert state.J - least <= 1e-6 * least


# ---- the step


@pytest.mark.one_process
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("algorithm", ALGORITHMS, ids=short)
def test_every_step_lowers_the_objective_by_the_wolfe_conditions(algorithm, loss):
    net = random_network(curve(), loss=loss)
    patterns, keys = problem(net, weights=True), trained(net, algorithm.train_curves)
    state = algorithm.init(net, patterns, 0)
    for count in range(12):
        moved, state_after, info = take_step(algorithm, net, patterns, state)
        before, after = (Problem(at, patterns, keys, algorithm.penalties).here() for at in (net, moved))
        slope, end = (b.G @ (moved.theta - net.theta) for b in (before, after))
        assert slope > 0 and info["z"] > 0 and info["pairs"] == min(count, algorithm.memory)
        assert 0.99e-4 * slope <= before.J - after.J
        assert abs(end) <= 0.9001 * slope
        assert info["gradient_norm"] == pytest.approx(np.linalg.norm(before.G))
        assert state_after.J == after.J and np.array_equal(state_after.G, after.G)
        net, state = moved, state_after
    assert algorithm.train_curves == (not np.array_equal(net.A, random_network(curve()).A))


def test_an_evaluation_is_a_pass():
    _, record = pwl.train(curve_network(), waves(), pwl.LBFGS(), iterations=15)
    assert np.array_equal(np.diff(record["passes"]), record["evaluations"][1:])
    assert max(record["evaluations"][1:]) > 1 and np.median(record["evaluations"][1:]) == 1


def test_the_objective_never_rises():
    _, record = pwl.train(curve_network(), waves(), pwl.LBFGS(ridge=1e-3), iterations=100)
    assert np.all(np.diff(record["objective"]) < 0)
    assert record["error"][-1] < 0.8 * record["error"][0]


def test_batches_are_refused():
    with pytest.raises(pwl.InputError, match="LBFGS needs all patterns in every step"):
        pwl.train(curve_network(), waves(), pwl.LBFGS(), batch_size=20)


@pytest.mark.parametrize("memory", [0, -1, 2.5, True, "all"])
def test_a_memory_that_cannot_be(memory):
    with pytest.raises(pwl.InputError, match="memory must be a whole number"):
        pwl.LBFGS(memory)


def test_multiplies_are_those_of_one_gradient():
    net = curve_network()
    assert pwl.LBFGS().multiplies(net, 50) == (own.whole_gradient(net, 50),) * 2


# ---- where no step is lower


@pytest.mark.one_process
def test_at_the_minimum_it_ends_with_the_network_it_has():
    x, t = waves(60)
    net, record = pwl.train(pwl.Network.mlp(3, 1, 2, "identity"), (x, t), pwl.LBFGS(), iterations=500)
    assert record.stop_code == "no_descent" and "trials" in record.stop_reason
    assert record.stop_reason.startswith("no step along the direction lowers the error (")
    assert record.iterations < 500 and record["z"][-1] == 0
    assert record["error"][-1] == record["error"][-2] == pwl.evaluate(net, (x, t)).error


def test_pairs_that_lead_nowhere_are_dropped_for_the_gradient():
    net = random_network("tanh")
    patterns = problem(net)
    far = np.full((2, net.n_parameters), 1e9)
    moved, state, info = take_step(pwl.LBFGS(), net, patterns, LBFGSState(S=far, Y=far / 1e30))
    assert info["pairs"] == 0 and info["z"] > 0
    G = whole_problem(net, patterns).here().G
    change = moved.theta - net.theta
    assert np.isclose(change @ G, np.linalg.norm(change) * np.linalg.norm(G))
    assert state.S.shape[0] == 1


def test_a_gradient_of_zero_ends_it():
    x = np.random.default_rng(0).standard_normal((20, 2))
    net = random_network("tanh", inputs=2, outputs=1)
    net = net.with_parts({"head.W": 0 * net.W_o})
    after, _, (info,) = steps(pwl.LBFGS(), net, pwl.Patterns(x, np.zeros(20)), 1)
    assert info["stop"].code == "no_descent" and np.array_equal(after.theta, net.theta)


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
@pytest.mark.parametrize("name", ["J", "G"])
def test_trials_that_are_not_finite_are_failures(name, wrong):
    """J = (z - 1/2)^2 up to z = 0.8, and no number beyond."""
    net = random_network("tanh")

    class Parabola(NamedTuple):
        net: pwl.Network

        def trial(self, change):
            z = float(change[0])
            found = Point(None, (z - 0.5) ** 2, np.array([1 - 2 * z]))
            return self.net, found if z < 0.8 else found._replace(**{name: getattr(found, name) * wrong})

    line = Line(Parabola(net), Parabola(net).trial(np.zeros(1))[1], np.ones(1))
    assert 0 < line.search() < 0.8


@pytest.mark.one_process
@pytest.mark.filterwarnings("error")
def test_steps_into_overflow_are_taken_back_in_silence():
    net = random_network("identity", (4, 4, 4))
    patterns = problem(net)
    start = whole_problem(net, patterns).here()
    far = np.full((1, net.n_parameters), 1e120)
    state = LBFGSState(S=far, Y=far / 1e150)
    after, state, info = take_step(pwl.LBFGS(), net, patterns, state)
    assert info["pairs"] == 0 and info["z"] > 0
    assert np.all(np.isfinite(after.theta)) and state.J < start.J


# ---- SciPy's L-BFGS-B


def lowest_of_scipy(net, patterns, evaluations):
    from scipy.optimize import minimize

    seen = []

    def objective(theta):
        _, J, G = whole_problem(net.with_theta(theta), patterns).here()
        seen.append(J)
        return J, -G

    options = {"maxcor": 10, "maxfun": 10 * evaluations, "maxiter": evaluations, "ftol": 0, "gtol": 0}
    minimize(objective, net.theta, jac=True, method="L-BFGS-B", options=options)
    return min(seen[:evaluations])


def lowest_of_ours(net, patterns, evaluations):
    algorithm, used = pwl.LBFGS(), 1
    state = algorithm.init(net, patterns, 0)
    while used < evaluations:
        net, state, info = take_step(algorithm, net, patterns, state)
        used += info["evaluations"]
    return state.J


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize(
    "activation",
    [
        pytest.param("tanh", id="fixed"),
        pytest.param(pwl.PiecewiseLinear("relu", 9), id="curves", marks=pytest.mark.slow),
    ],
)
def test_it_does_as_well_as_scipy_at_equal_evaluations(activation, loss):
    """Medians over starts: single runs end in different minima."""
    data = spirals(300) if loss == "cross_entropy" else waves(200)
    ratios = []
    for seed in range(9):
        net = pwl.Network.mlp(
            data[0].shape[1], 6, 3 if loss == "cross_entropy" else 2, activation, loss=loss, seed=seed
        )
        net, patterns = pwl.initialise(net, data), pwl.Patterns(*data)
        ratios.append(lowest_of_ours(net, patterns, 120) / lowest_of_scipy(net, patterns, 120))
    assert np.median(ratios) < 1.1, ratios


# ---- wherever the others run


@pytest.mark.parametrize("hidden", [4, (4, 3)])
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("algorithm", ALGORITHMS, ids=short)
def test_strict_arrays_take_the_same_steps(algorithm, loss, hidden):
    net = random_network(curve(), hidden, loss=loss)
    patterns = problem(net, weights=True)
    wanted, _, infos = steps(algorithm, net, patterns, 4)
    found, state, strict_infos = steps(algorithm, net.to(array_api_strict), patterns, 4)
    assert type(found.theta) is type(state.S) is type(net.to(array_api_strict).theta)
    np.testing.assert_allclose(host(found.theta), wanted.theta, rtol=1e-6, atol=1e-8)
    assert [i["evaluations"] for i in strict_infos] == [i["evaluations"] for i in infos]


def test_float32_networks_stay_so_and_end_where_float64_does():
    data = waves(200)
    nets = [pwl.initialise(curve_network(dtype=dtype), data) for dtype in (np.float32, np.float64)]
    single, double = (pwl.train(net, data, pwl.LBFGS(), iterations=40) for net in nets)
    assert single[0].theta.dtype == np.float32
    assert np.isclose(single[1]["error"][-1], double[1]["error"][-1], rtol=0.2)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("at", [0, 1, 9])
def test_resumed_runs_give_the_same_bits(tmp_path, at, dtype):
    net, data, path = curve_network(dtype=dtype), waves(), tmp_path / "run"
    whole, record = pwl.train(net, data, pwl.LBFGS(memory=4), iterations=14)
    pwl.train(net, data, pwl.LBFGS(memory=4), iterations=at, checkpoint=path)
    resumed, again = pwl.train(net, data, pwl.LBFGS(memory=4), iterations=14, resume=path)
    assert np.array_equal(resumed.theta, whole.theta)
    for name in ("error", "objective", "z", "passes", "pairs", "evaluations"):
        assert again[name] == record[name], name
