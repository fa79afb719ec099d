"""Scaled conjugate gradient: its formulas, the whole of Eq. (40) written out, and how it ends."""

from __future__ import annotations

import math

import array_api_strict
import numpy as np
import pytest
import scipy.optimize
from test_array_api import assert_same
from test_cg import PENALTIES, quadratic, slope
from toys import LOSSES, curve, curve_network, iterate, outputs, problem, random_network, spirals, take_step, waves

import pwl
from pwl.algorithms.all_weights import Problem, trained
from pwl.algorithms.penalties import Penalties
from pwl.algorithms.scg import LOWEST, SMALLEST, SCGState, compared, conjugacy, damped, moller, netlab
from pwl.network.layout import HEAD

SCHEDULES = ("moller", "netlab")


# ---- formulas, on worked numbers


def test_damping_makes_the_curvature_positive():
    assert damped(3.0, 0.5, 4.0) == (5.0, 0.5)  # theta + lambda |d|^2
    delta, lambda_ = damped(-6.0, 0.5, 4.0)  # -4 is no curvature: lambda 2 (.5 + 1), delta 4 + 2
    assert (delta, lambda_) == (6.0, 3.0)
    assert -6.0 + lambda_ * 4.0 == delta


def test_comparison_is_the_real_decrease_over_the_one_foreseen():
    mu, delta = 3.0, 2.0
    assert compared(5.0, 4.0, mu**2 / (2 * delta)) == pytest.approx(2 * delta * (5 - 4) / mu**2)
    assert compared(5.0, 7.0, 0.5) == -4
    for bad in (math.inf, math.nan, 1e300):
        assert compared(5.0, bad, 0.5) == LOWEST


def test_lambda_follows_the_comparison():
    assert moller(1.0, 0.8, 6.0, 4.0) == 0.25
    assert moller(1.0, 0.5, 6.0, 4.0) == netlab(1.0, 0.5, 6.0, 4.0) == 1
    assert moller(1.0, 0.2, 6.0, 4.0) == pytest.approx(1 + 6 * 0.8 / 4)
    assert (netlab(1.0, 0.8, 6.0, 4.0), netlab(1.0, 0.2, 6.0, 4.0)) == (0.5, 4)
    assert moller(SMALLEST, 1, 6.0, 4.0) == netlab(SMALLEST, 1, 6.0, 4.0) == SMALLEST


def test_conjugacy():
    """(|G_new|^2 - <G_new, G>) / mu = (5 - 11) / 3."""
    assert conjugacy(np.array([1.0, 2.0]), np.array([3.0, 4.0]), 3.0) == pytest.approx(-2)


def test_constants():
    assert (pwl.SCG().sigma, pwl.SCG().damping) == (1e-4, 1e-6)
    matlab = pwl.SCG.matlab(schedule="netlab", ridge=0.1)
    assert matlab == pwl.SCG(5e-5, 5e-7, "netlab", ridge=0.1)


# ---- the whole of Eq. (40)


def written_out(f, w, n, steps, schedule="moller", constants=(1e-4, 1e-6)):
    """Eq. (40) as it is printed; f(w) -> E, G. What it did: E, lambda, success and the branches that it took."""
    (E, G), (start, lam) = f(w), constants
    d, success, successes, found = G, True, 0, []
    for _ in range(steps):
        took = set()
        mu = d @ G
        if mu <= 0:
            d, mu = G, G @ G
            took.add("restart")
        if success:
            sigma = start / np.linalg.norm(d)
            theta = d @ (G - f(w + sigma * d)[1]) / sigma
        delta = theta + lam * (d @ d)
        if delta <= 0:
            lam, delta = 2 * (lam - delta / (d @ d)), -delta + lam * (d @ d)
            took.add("negative")
        alpha, energy = mu / delta, d @ d
        E_new, G_new = f(w + alpha * d)
        Delta = 2 * delta * (E - E_new) / mu**2
        success = Delta >= 0
        if success:
            successes += 1
            b = (G_new @ G_new - G_new @ G) / mu
            w, E, G, d = w + alpha * d, E_new, G_new, G_new + b * d if successes % n else G_new
            took |= set() if successes % n else {"all"}
        if Delta > 0.75:
            lam = max(lam / (4 if schedule == "moller" else 2), SMALLEST)
        if Delta < 0.25:
            lam = lam + delta * (1 - Delta) / energy if schedule == "moller" else 4 * lam
        found.append((E, lam, bool(success), took))
    return w, found


def side_by_side(schedule, hidden, loss, steps=30):
    """What `written_out` says and what the algorithm does, from the same start: (theta, [(J, lambda, success, ...)]) twice."""
    net = random_network("tanh", hidden, inputs=2, outputs=2, loss=loss, bypass=False)
    net = net.with_parts({HEAD: 4 * net.W_o})
    patterns, algorithm = problem(net, 40, weights=True), pwl.SCG(schedule=schedule, ridge=1e-3, l2=1e-3)

    def f(theta):
        _, J, G = Problem(net.with_theta(theta), patterns, trained(net, False), algorithm.penalties).here()
        return J, G

    wanted = written_out(f, net.theta, net.n_parameters, steps, schedule)
    state, found, at = algorithm.init(net, patterns, 0), [], net
    for _ in range(steps):
        at, state, info = take_step(algorithm, at, patterns, state)
        found.append((state.J, state.lambda_, info["success"]))
    return wanted, (at.theta, found)


CASES = [(schedule, hidden, loss) for schedule in SCHEDULES for hidden in (2, (2, 2)) for loss in LOSSES]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_steps_are_those_of_the_equation_written_out(case):
    (w, wanted), (theta, found) = side_by_side(*case)
    assert [success for *_, success in found] == [success for _, _, success, _ in wanted]
    np.testing.assert_allclose([J for J, *_ in found], [E for E, *_ in wanted], rtol=1e-6)
    np.testing.assert_allclose([lam for _, lam, _ in found], [lam for _, lam, *_ in wanted], rtol=1e-3)
    np.testing.assert_allclose(theta, w, rtol=0, atol=1e-4 * np.abs(w).max())


def test_the_cases_take_every_branch():
    steps = [step for case in CASES for step in side_by_side(*case)[0][1]]
    assert set().union(*(took for *_, took in steps)) == {"restart", "negative", "all"}
    assert not all(success for _, _, success, _ in steps)


# ---- a quadratic


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_a_quadratic_ends_in_as_many_steps_as_it_has_unknowns(schedule):
    """Differences of gradients are exact there whatever sigma, and a large one loses no digits; lambda must be out of the way."""
    net, patterns = quadratic(6)
    algorithm = pwl.SCG(sigma=1.0, damping=1e-14, schedule=schedule)
    nets, infos = iterate(algorithm, net, patterns, 6)
    lengths = [np.linalg.norm(slope(at, patterns, algorithm)) for at in nets]
    assert lengths[6] < 1e-11 * lengths[0] and lengths[5] > 1e-6 * lengths[0]
    for info in infos:
        assert info["success"] and info["comparison"] == pytest.approx(1, rel=1e-6)


def test_the_first_step_on_a_quadratic_goes_to_the_minimum_along_the_gradient():
    net, patterns = quadratic(6)
    nets, infos = iterate(pwl.SCG(damping=1e-14), net, patterns, 1)
    G = slope(net, patterns, pwl.SCG())
    assert slope(nets[1], patterns, pwl.SCG()) @ G < 1e-8 * (G @ G)
    np.testing.assert_allclose(nets[1].theta, net.theta + infos[0]["alpha"] * G, rtol=1e-12)


# ---- how it ends


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("ridge", [0.0, 0.1])
def test_the_run_on_a_quadratic_ends_in_words(schedule, ridge):
    net, patterns = quadratic(6)
    net, record = pwl.train(net, patterns, pwl.SCG(schedule=schedule, ridge=ridge), iterations=500)
    assert record.stop_code == "no_descent" and "less than rounding" in record.stop_reason
    assert record.iterations < 100
    assert record["gradient_norm"][-1] < 1e-6
    assert np.all(np.isfinite(record["lambda"][1:])) and np.all(np.isfinite(net.theta))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_an_exact_fit_ends_in_words(dtype):
    """Targets that the network can reach: E falls to rounding of the targets, not of itself."""
    teacher = random_network("tanh", 2, outputs=1, seed=5)
    x = np.random.default_rng(0).standard_normal((30, 3))
    net = random_network("tanh", 2, outputs=1, seed=5, dtype=dtype)
    shift = 1e-2 * np.random.default_rng(1).standard_normal(net.n_parameters)
    net = net.with_theta((net.theta + shift).astype(dtype))
    net, record = pwl.train(net, (x, outputs(teacher, x)), pwl.SCG(), iterations=3000)
    assert record.stop_code == "no_descent" and "less than rounding" in record.stop_reason
    assert record["error"][-1] < (1e-8 if dtype == np.float32 else 1e-20)
    assert np.all(np.isfinite(net.theta)) and np.all(np.diff(record["error"]) <= 0)


def test_no_gradient_ends_the_run():
    net, patterns = quadratic(4)
    for E, G in ((1.0, 0 * net.theta), (1.0, np.nan * net.theta), (0.0, 0 * net.theta), (1.0, 1e-160 + 0 * net.theta)):
        state = pwl.SCG().init(net, patterns, 0)._replace(scores=np.array([E]), J=E, G=G)
        same, _, info = take_step(pwl.SCG(), net, patterns, state)
        assert same is net and info["stop"].code == "no_descent"
        assert info["stop"].reason.endswith("lowers the error (the gradient is 0 or not finite)")


def test_where_the_direction_is_worn_out_the_gradient_is_tried():
    net, patterns = quadratic(6)
    here = Problem(net, patterns, trained(net, False), Penalties()).here()
    across = np.zeros_like(net.theta)
    across[-4:-2] = here.G[-3], -here.G[-4]  # no descent but for a trace
    state = SCGState(*here, lambda_=5.0, successes=2, d=across + 1e-12 * here.G)
    same, state, info = take_step(pwl.SCG(), net, patterns, state)
    assert same is net and not info["success"] and "stop" not in info
    assert state.d is None and state.lambda_ == 1e-6
    _, state, info = take_step(pwl.SCG(), net, patterns, state)
    assert info["success"]


def test_a_step_into_infinity_is_taken_back():
    """Nets of ReLU units grow without bound along a direction whose curvature at hand is none."""
    net = random_network("relu", (6, 6), outputs=1)
    patterns = problem(net)
    here = Problem(net, patterns, trained(net, False), Penalties()).here()
    state = SCGState(*here, lambda_=1e-15, curvature=1e-250)
    for _ in range(200):
        net, state, info = take_step(pwl.SCG(), net, patterns, state)
        assert math.isfinite(state.lambda_) and np.all(np.isfinite(net.theta))
        if info["success"]:
            break
    assert info["success"]


# ---- runs


def test_the_objective_never_rises():
    data = waves(200)
    for algorithm in (pwl.SCG(), pwl.SCG.matlab(), pwl.SCG(schedule="netlab", train_curves=True, **PENALTIES)):
        for hidden in (6, (5, 4)):
            _, record = pwl.train(curve_network(Nh=hidden), data, algorithm, iterations=40)
            rise = np.diff(record["objective"])
            assert np.all(rise <= 0)
            assert [step < 0 for step in rise] == record["success"][1:]
            assert record["error"][-1] < 0.8 * record["error"][0]


def test_cross_entropy():
    data = spirals(300)
    _, record = pwl.train(
        curve_network(2, 8, 3, loss="cross_entropy"), data, pwl.SCG(train_curves=True), iterations=100
    )
    assert np.all(np.diff(record["error"]) <= 0)
    assert record["classification_error"][-1] < 0.6 * record["classification_error"][0]


@pytest.mark.parametrize("train_curves", [False, True])
def test_what_is_trained(train_curves):
    net = random_network(curve(), (4, 3))
    after = iterate(pwl.SCG(train_curves=train_curves), net, problem(net), 3)[0][-1]
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
    a, b = (iterate(pwl.SCG(), net, data, 5)[0][-1] for data in (repeated, weighted))
    np.testing.assert_allclose(a.theta, b.theta, rtol=1e-6)  # differences of gradients lose digits


def test_two_passes_an_iteration_and_one_after_a_failure():
    _, record = pwl.train(curve_network(), waves(), pwl.SCG(train_curves=True), iterations=60)
    success = record["success"][1:]
    assert False in success and True in success
    passes = np.diff(record["passes"])
    for before, spent in zip([True, *success[:-1]], passes, strict=True):
        assert spent == (2 if before else 1)


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("stop", [7, 8, 9, 10, 11])
def test_a_resumed_run_gives_the_same_bits(tmp_path, schedule, stop):
    data, algorithm = waves(), pwl.SCG(schedule=schedule, train_curves=True, **PENALTIES)
    whole, record = pwl.train(curve_network(), data, algorithm, iterations=18)
    pwl.train(curve_network(), data, algorithm, iterations=stop, checkpoint=tmp_path / "c")
    resumed, again = pwl.train(curve_network(), data, algorithm, iterations=18, resume=tmp_path / "c")
    assert np.array_equal(resumed.theta, whole.theta)
    for name in ("objective", "alpha", "lambda", "success", "passes", "multiplies"):
        assert again[name] == record[name], name


def test_as_good_as_scipy_on_real_data():
    """After as many gradients, against its conjugate gradients with a line search."""
    x, t = pwl.data.load("concrete")
    data = pwl.Patterns(*pwl.Preparation.fit(x, t).transform(x, t))
    net = pwl.initialise(pwl.Network.mlp(8, 10, 1), data)
    found = []

    def f(theta):
        _, J, G = Problem(net.with_theta(theta), data, trained(net, False), Penalties()).here()
        found.append(J)
        return J, -G

    scipy.optimize.minimize(f, net.theta, jac=True, method="CG", options={"maxiter": 150})
    assert len(found) > 200
    for algorithm in (pwl.SCG(), pwl.SCG(schedule="netlab"), pwl.SCG.matlab()):
        _, record = pwl.train(net, data, algorithm, iterations=100)
        assert record["passes"][-1] - record["passes"][0] <= 200
        assert record["error"][-1] < 1.2 * min(found[:200])


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("hidden", [4, (4, 3)])
def test_strict_arrays(hidden, loss):
    """After one step: the next begin with differences of gradients, which enlarge rounding ten-thousandfold."""
    net = random_network(curve(), hidden, loss=loss)
    algorithm = pwl.SCG(train_curves=True, **PENALTIES)
    assert_same(algorithm, net, problem(net, weights=True), steps=2)
    after = iterate(algorithm, net.to(array_api_strict), problem(net), 3)[0][-1]
    assert type(after.theta) is type(net.to(array_api_strict).theta)


def test_float32():
    """Steps agree until rounding decides one of them, which kinks make sooner or later; the run goes down as well."""
    _, record = pwl.train(curve_network(dtype=np.float32), waves(200), pwl.SCG(train_curves=True), iterations=40)
    _, double = pwl.train(curve_network(), waves(200), pwl.SCG(train_curves=True), iterations=40)
    assert record["error"][:6] == pytest.approx(double["error"][:6], rel=1e-4)
    assert record["error"][-1] < 0.7 * record["error"][0]


@pytest.mark.parametrize(
    ("options", "words"),
    [({"sigma": 0}, "sigma must be"), ({"damping": -1}, "damping must be"), ({"schedule": "adam"}, "schedule must be")],
)
def test_settings_that_cannot_be(options, words):
    with pytest.raises(pwl.InputError, match=words):
        pwl.SCG(**options)


def test_batches_are_refused():
    with pytest.raises(pwl.InputError, match="SCG needs all patterns"):
        pwl.train(curve_network(), waves(), pwl.SCG(), batch_size=20)
