"""AdAct on minibatches: sampled curvature without bias, what a new batch says of the last step, and runs of whole nets."""

from __future__ import annotations

import dataclasses

import array_api_strict
import numpy as np
import pytest
from oracles import block_gauss_newton, random_direction
from toys import (
    LOSSES,
    basis,
    block_rows,
    curve,
    curve_network,
    gradients_of,
    problem,
    random_network,
    randomised,
    reduce,
    spirals,
    take_step,
    tangent,
    waves,
)

import pwl
from pwl.algorithms.all_weights import trained
from pwl.algorithms.learning_factors import times_rows
from pwl.algorithms.minibatch_adact import MinibatchAdActState, along_rows
from pwl.layers import BatchNorm2d, Conv2d, Dense, Dropout, Flatten, MaxPool2d
from pwl.losses import LOSSES as LOSS_OBJECTS
from pwl.network.layout import HEAD
from pwl.reductions.gradients import gradients
from pwl.reductions.patterns import Patterns
from pwl.reductions.sampled_blocks import gradients_and_blocks
from pwl.runtime.backend import host

METHOD = pwl.MinibatchAdAct()


def images(Nv=60, seed=0, dtype=np.float64):
    """Blobs in one of three corners, noisy."""
    rng = np.random.default_rng(seed)
    x, t = rng.normal(size=(Nv, 8, 8, 1)), np.arange(Nv) % 3
    for p, label in enumerate(t):
        x[p, 4 * (label // 2) : 4 * (label // 2) + 4, 4 * (label % 2) : 4 * (label % 2) + 4] += 1
    return x.astype(dtype), t


def small_cnn(*between, dtype=np.float64, seed=1):
    layers = [
        Conv2d(4, 3, padding="same"),
        *between,
        pwl.PiecewiseLinear("relu", 7, span=(-3, 3)),
        MaxPool2d(2),
        Flatten(),
    ]
    return pwl.Network.from_layers([*layers, Dense(6), "tanh", Dense(3)], (8, 8, 1), seed=seed, dtype=dtype)


# ---- the vector drawn for a pattern


def test_the_root_of_cross_entropy_has_the_curvature_as_its_mean():
    """u takes its 20,000 evenly spaced values: the mean of v v' is off by what the steps of u leave."""
    y, loss, count = np.array([0.3, -1.0, 2.0]), LOSS_OBJECTS["cross_entropy"], 20_000
    u = (np.arange(count) + 0.5) / count
    v = loss.drawn_root(np.tile(y, (count, 1)), u, None)
    pi = np.exp(y) / np.exp(y).sum()
    np.testing.assert_allclose(v.T @ v / count, np.diag(pi) - np.outer(pi, pi), atol=3 / count)
    labels = np.argmax(v + pi, axis=1)  # 0, then 1, then 2, each over a share of u as wide as its probability
    np.testing.assert_array_equal(labels, np.searchsorted(np.cumsum(pi), u, side="right"))


def test_the_root_of_the_squared_error_has_twice_the_identity_as_its_mean():
    v = LOSS_OBJECTS["squared_error"].drawn_root(np.zeros((9, 3)), (np.arange(9) + 0.5) / 9, None)
    np.testing.assert_allclose(v.T @ v / 9, 2 * np.eye(3), atol=1e-14)


def test_a_number_that_rounds_up_to_one_draws_the_last():
    y, u = np.zeros((1, 4), np.float32), np.array([np.nextafter(np.float32(1), np.float32(0))])
    for loss in LOSS_OBJECTS.values():
        assert np.argmax(loss.drawn_root(y, u, None)) == 3


# ---- the blocks


def test_sampled_blocks_of_a_small_cnn_are_unbiased_within_three_standard_errors():
    net = randomised(small_cnn(), size=0.5)  # no equal numbers below the pooling: the outputs have derivatives
    (x, t), rng = images(), np.random.default_rng(3)
    keys, patterns = trained(net, True), Patterns(x, t)
    D = random_direction(net, keys, rng)
    draws = np.stack([reduce(patterns, gradients_and_blocks(keys, D, rng.random(60)), net).H for _ in range(400)])
    wanted, _ = block_gauss_newton(net, patterns, D)
    tests = [np.ones(len(wanted)), *rng.standard_normal((4, len(wanted)))]
    for z in tests:  # curvatures along five directions of the factors
        found = np.einsum("b,kbc,c->k", z, draws, z)
        assert abs(found.mean() - z @ wanted @ z) <= 3 * found.std(ddof=1) / 20
        assert found.std() > 0.01 * found.mean()
    off = np.abs(draws.mean(axis=0) - wanted) / (draws.std(axis=0, ddof=1) / 20 + 1e-7 * np.abs(wanted).max())
    assert np.mean(off > 3) < 0.02  # of all elements: 0.3 % are expected there


@pytest.mark.parametrize("weights", [False, True])
def test_with_one_output_the_sampled_blocks_are_the_brute_force_ones(weights):
    net = random_network(curve("linear"), (3, 4), outputs=1)
    patterns = problem(net, weights=weights, margin=2e-4)
    D = random_direction(net, ("0.W", "1.A", "2.W", "3.A"), np.random.default_rng(5))
    u = np.random.default_rng(0).random(len(patterns))
    H = reduce(patterns, gradients_and_blocks((*D, HEAD), D | {HEAD: np.zeros_like(net.W_o)}, u), net).H
    wanted, _ = block_gauss_newton(net, patterns, D)
    np.testing.assert_allclose(H[:-1, :-1], wanted, atol=1e-7 * np.abs(wanted).max())
    assert not H[-1].any()


@pytest.mark.parametrize("loss", LOSSES)
def test_the_gradient_of_the_same_pass_is_the_gradient(loss):
    net = random_network(curve("linear"), (3, 4), loss=loss)
    patterns, keys = problem(net, weights=True), trained(net, True)
    D = random_direction(net, keys, np.random.default_rng(5))
    statistic = gradients_and_blocks(keys, D, np.random.default_rng(0).random(len(patterns)))
    found, wanted = reduce(patterns, statistic, net), reduce(patterns, gradients(keys), net)
    np.testing.assert_allclose(found.scores, wanted.scores, rtol=1e-12, atol=1e-14)
    assert tuple(found.G) == tuple(wanted.G) == keys
    for key in keys:
        np.testing.assert_allclose(found.G[key], wanted.G[key], rtol=1e-12, atol=1e-14)


def test_blocks_of_patterns_see_their_own_draws():
    net, (x, t), rng = small_cnn(), images(), np.random.default_rng(3)
    keys, u = trained(net, True), rng.random(60)
    D = random_direction(net, keys, rng)
    whole, few = (Patterns(x, t, block_bytes=size) for size in (2**30, 2**17))
    assert block_rows(few, net) < 60 <= block_rows(whole, net)
    a, b = (reduce(patterns, gradients_and_blocks(keys, D, u), net).H for patterns in (whole, few))
    np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-14)


# ---- steps


def stepped(net, patterns, count, method=METHOD):
    state, nets = method.init(net, patterns, 7), [net]
    for _ in range(count):
        net, state, info = take_step(method, net, patterns, state)
        nets.append(net)
    return nets, state, info


def test_the_first_step_moves_nothing_and_the_second_goes_by_the_best_common_factor():
    """Of one output all is exact: with an endless damping z is <G, D> over the curvature along D, as in Eq. (20)."""
    net = random_network(curve("linear"), 4, outputs=1)
    patterns, keys = problem(net), trained(net, True)
    method = dataclasses.replace(METHOD, damping=1e12, beta1=0.0, averaging=1e12, largest_side=1)
    (start, first, second), _, info = stepped(net, patterns, 2, method)
    assert np.array_equal(first.theta, start.theta)
    G = gradients_of(net, patterns, keys)
    D = {key: g / (np.abs(g) + 1e-8) for key, g in G.items()}  # of one gradient: its signs
    dy = tangent(net, patterns.x, {key: d for key, d in D.items() if key != HEAD})
    dy = dy + basis(net, patterns.x) @ D[HEAD].T
    z = sum(np.sum(G[key] * D[key]) for key in keys) / (2 * np.sum(dy**2) / len(patterns))
    assert info["z_common"] == pytest.approx(z, rel=1e-9)
    moved = net.join({key: z * d for key, d in D.items()})
    np.testing.assert_allclose(second.theta - net.theta, moved, rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("averaging", [0.0, 8.0])
def test_the_network_is_an_average_of_those_stepped_on(averaging):
    """Eq. (66) unrolled: share a_s = (1 + n) / (s + n) of the newest, what is left of the others."""
    net = random_network(curve("linear"), 4, outputs=1)
    patterns, method = problem(net), dataclasses.replace(METHOD, averaging=averaging)
    state, at, iterates, average = method.init(net, patterns, 7), net, [], 0
    for s in range(1, 7):
        at, state, _ = take_step(method, at, patterns, state)
        share = (1 + averaging) / (s + averaging)
        average = (1 - share) * average + share * state.theta
        iterates.append(state.theta)
        np.testing.assert_allclose(at.theta, average, rtol=1e-12, atol=1e-13)
    if averaging == 0:
        np.testing.assert_allclose(at.theta, np.mean(iterates, axis=0), rtol=1e-12, atol=1e-13)
    assert np.linalg.norm(at.theta - iterates[-1]) > 1e-6


def test_steps_go_on_from_the_last_network_and_not_from_the_average():
    net = random_network(curve("linear"), 4, outputs=1)
    patterns = problem(net)
    states = [stepped(net, patterns, 6, dataclasses.replace(METHOD, averaging=n))[1] for n in (0.0, 1e12)]
    np.testing.assert_array_equal(states[0].theta, states[1].theta)


def test_what_the_last_step_took_from_the_gradient_is_put_back():
    """Output weights alone, squared error, one output: E is quadratic, so that g is that before the step, to rounding."""
    net = random_network("tanh", 4, outputs=1)
    patterns, rng = problem(net), np.random.default_rng(1)
    D, u = {HEAD: rng.standard_normal(net.W_o.shape)}, rng.random(len(patterns))
    before = along_rows(gradients_of(net, patterns, (HEAD,)), D)
    z = np.array([0.3])
    after = net.moved(times_rows(z, D))
    B = basis(net, patterns.x)
    v = net.loss.drawn_root(B @ net.W_o.T, u, patterns.t)
    r = v * (B @ D[HEAD].T)
    H = r.T @ r / len(patterns)
    found = along_rows(gradients_of(after, patterns, (HEAD,)), D) + H @ z
    np.testing.assert_allclose(found, before, rtol=1e-10)


def after_two_steps(g, H):
    """A state as far as the factors depend on it."""
    none = np.zeros(0)
    return MinibatchAdActState(key=0, steps=2, theta=none, m=none, v=none, g=g, H=H, z=np.zeros(len(g)))


def test_factors_by_hand():
    """H = [[4, 1], [1, 2]], g = [6, 3]: z_c = 9/8; without damping z solves H z = g, with it H + damping (diag H + 3)."""
    state = after_two_steps(0.02 * np.array([6.0, 3.0]), 0.05 * np.array([[4.0, 1.0], [1.0, 2.0]]))
    free, common = dataclasses.replace(METHOD, damping=0.0).factors(state)
    np.testing.assert_allclose(free, [9 / 7, 6 / 7], rtol=1e-12)
    assert common == pytest.approx(9 / 8)
    damped, _ = dataclasses.replace(METHOD, damping=1.0).factors(state)
    np.testing.assert_allclose(damped, np.linalg.solve([[11, 1], [1, 7]], [6 + 7 * 9 / 8, 3 + 5 * 9 / 8]), rtol=1e-12)


def test_the_common_factor_does_not_fall_below_a_share_of_its_mean():
    """H = [[4, 1], [1, 2]], g = [6, 3]: 9/8 is measured. After 64 steps it counts only if it is above the share of the mean."""
    g, H = np.array([6.0, 3.0]), np.array([[4.0, 1.0], [1.0, 2.0]])
    for steps, share, mean, wanted in ((66, 0.5, 4.0, 2.0), (66, 0.5, 2.0, 9 / 8), (65, 0.5, 4.0, 9 / 8), (66, 0.0, 4.0, 9 / 8)):
        method = dataclasses.replace(METHOD, holding=share, damping=1.0)
        count = method.count(steps - 1)
        state = after_two_steps((1 - 0.98**count) * g, (1 - 0.95**count) * H)._replace(steps=steps, mean=mean)
        z, common = method.factors(state)
        assert common == pytest.approx(9 / 8), "as it is measured, so that held factors do not hold themselves up"
        assert method.held(common, state) == pytest.approx(wanted)
        np.testing.assert_allclose(z, np.linalg.solve([[11, 1], [1, 7]], [6 + 7 * wanted, 3 + 5 * wanted]), rtol=1e-12)


def test_later_steps_measure_now_and_then_and_the_mean_is_of_what_they_measured():
    net = random_network(curve("linear"), 4, outputs=1)
    patterns, method = problem(net), dataclasses.replace(METHOD, measure_every=3)
    state, at, found = method.init(net, patterns, 7), net, []
    for step in range(80):
        before = state
        at, state, _ = take_step(method, at, patterns, state)
        if not np.array_equal(state.H, before.H):
            assert step <= 64 or step % 3 == 0
            found.append(method.factors(state._replace(mean=before.mean))[1])
        else:
            assert step == 0 or np.array_equal(state.z, before.z)
            assert step == 0 or (state.common == before.common and not np.array_equal(state.theta, before.theta))
    assert len(found) == 64 + 5 == method.count(79)  # 66, 69, .., 78
    assert state.mean == pytest.approx(np.mean(found), rel=1e-12)


def test_uphill_on_the_whole_the_common_factor_is_zero():
    state = after_two_steps(np.array([-0.02, 0.0]), 0.05 * np.eye(2))
    z, common = METHOD.factors(state)
    assert common == 0 and z[0] == pytest.approx(-1 / 201) and z[1] == 0


def test_a_row_of_hardly_any_curvature_does_not_go_astray():
    """H = diag(1, 1e-9), g = (1, 1e-3): by its own curvature the second row would go a million; its damping is 100 times .5."""
    state = after_two_steps(0.02 * np.array([1.0, 1e-3]), 0.05 * np.diag([1.0, 1e-9]))
    z, common = METHOD.factors(state)
    assert common == pytest.approx(1.001) and z[1] == pytest.approx((1e-3 + 50 * 1.001) / 50, rel=1e-6)
    net, (x, t) = pwl.initialise(curve_network(), waves(60)), waves(60)
    nets, _, _ = stepped(net, Patterns(x, t), 40)
    errors = [pwl.evaluate(at, (x, t)).error for at in nets]
    assert max(errors) < 2 * errors[0] and errors[-1] < 0.5 * errors[0]  # it went to ten million times


def test_rows_of_several_parameters_keep_their_factors():
    D = {"0.W": np.ones((2, 3)), "1.A": 2 * np.ones((1, 2))}
    moved = times_rows(np.array([1.0, 2.0, 3.0]), D)
    np.testing.assert_array_equal(moved["0.W"], [[1, 1, 1], [2, 2, 2]])
    np.testing.assert_array_equal(moved["1.A"], [[6, 6]])
    np.testing.assert_array_equal(along_rows(moved, D), [3, 6, 24])


def test_array_api():
    net, (x, t) = small_cnn(), images()
    strict = net.to(array_api_strict)
    a, b = (stepped(n, Patterns(x, t), 4)[0][-1] for n in (net, strict))
    assert type(b.theta) is type(strict.theta)
    np.testing.assert_allclose(host(b.theta), a.theta, rtol=1e-8, atol=1e-10)


# ---- runs


NETS = {
    "curves": lambda: small_cnn(),
    "batch normalisation": lambda: small_cnn(BatchNorm2d(group=8)),
    "dropout": lambda: small_cnn(Dropout(0.2)),
}


@pytest.mark.parametrize("name", NETS)
def test_small_cnns_learn(name):
    data, other = images(240), images(120, seed=9)
    net, record = pwl.train(NETS[name](), data, METHOD, batch_size=24, iterations=15)
    assert record["error"][-1] < 0.5 * record["error"][0]
    assert np.mean(net.predict(other[0]) == other[1]) > 0.9


@pytest.mark.parametrize("data", [waves(400), spirals(400)], ids=["regression", "classes"])
def test_mlps_learn(data):
    x, t = data
    M = {} if t.ndim == 2 else {"loss": "cross_entropy"}
    net = pwl.Network.mlp(x.shape[1], 20, 2 if t.ndim == 2 else 3, pwl.PiecewiseLinear("relu", 9), **M)
    _, record = pwl.train(net, data, METHOD, batch_size=40, iterations=60)
    assert record["error"][-1] < 0.4 * record["error"][0]


def test_stopped_and_resumed_gives_the_same_bits(tmp_path):
    settings = {"batch_size": 4, "seed": 3}  # 15 steps in an iteration: the 64 first ones end in the fifth
    whole, record = pwl.train(small_cnn(Dropout(0.2)), images(), METHOD, iterations=8, **settings)
    pwl.train(small_cnn(Dropout(0.2)), images(), METHOD, iterations=6, checkpoint=tmp_path / "run", **settings)
    again, rerun = pwl.train(
        small_cnn(Dropout(0.2)), images(), METHOD, iterations=8, resume=tmp_path / "run", **settings
    )
    assert np.array_equal(whole.theta, again.theta) and record["error"] == rerun["error"]


def test_float32_stays_float32():
    nets, state, _ = stepped(small_cnn(dtype=np.float32), Patterns(*images(dtype=np.float32)), 3)
    assert nets[-1].theta.dtype == state.m.dtype == np.float32 and np.all(np.isfinite(nets[-1].theta))


def test_a_heavy_penalty_goes_down_with_the_error():
    patterns, net = Patterns(*waves(60)), pwl.initialise(curve_network(), waves(60))
    method = dataclasses.replace(METHOD, l2=100.0)
    norms = [float(np.linalg.norm(at.parts["0.W"][:, 1:])) for at in stepped(net, patterns, 200, method)[0]]
    assert np.median(norms[100:]) < 0.01 * norms[0]  # at a minimum a step may stray for a while, as Adam's do


@pytest.mark.parametrize(
    ("name", "value"),
    [("beta1", 1.0), ("beta2", -0.1), ("memory_g", 1), ("memory_H", "a"), ("damping", -1.0), ("damping", float("inf")),
     ("damping", "much"), ("averaging", -1.0), ("holding", -0.1), ("measure_every", 0)],
)  # fmt: skip
def test_settings_that_cannot_be(name, value):
    with pytest.raises(pwl.InputError, match=name):
        pwl.MinibatchAdAct(**{name: value})
