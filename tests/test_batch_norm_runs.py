"""Batch normalisation in whole runs: the start, moments that follow the weights, files, costs and bad settings."""

from __future__ import annotations

import numpy as np
import pytest
from test_batch_norm import SHAPE, images, net_of
from toys import curve, input_of, reduce

import pwl
from pwl.algorithms import multiplies as costs
from pwl.layers import BatchNorm2d, Conv2d, Dense, Flatten, GlobalAvgPool2d
from pwl.network.network import Network
from pwl.reductions.batch_moments import with_moments
from pwl.reductions.correlations import nets_range
from pwl.training.initialise import START

# ---- the start

LAYERS = [Conv2d(3, 2), BatchNorm2d(), pwl.PiecewiseLinear("relu", 9, span="nets"), GlobalAvgPool2d(), Dense(3)]


def test_a_new_network_has_scale_1_shift_0_and_wants_its_moments():
    for start in ("glorot", "he"):
        net = Network.from_layers([Conv2d(3, 2), BatchNorm2d(), "relu", Flatten(), Dense(3)], SHAPE, start=start)
        np.testing.assert_array_equal(net.parts["1.W"], np.tile([0.0, 1.0], (3, 1)))
        np.testing.assert_array_equal([net.buffers["1.mean"], net.buffers["1.variance"]], [np.zeros(3), np.ones(3)])
        with pytest.raises(pwl.InputError, match="has not been initialised"):
            net.predict(images().x)
    patterns = images()
    ready = pwl.initialise(net, patterns)
    assert ready.initialised and np.array_equal(ready.theta, net.theta)  # drawn weights stay
    for key, value in with_moments(net, patterns, START).buffers.items():
        np.testing.assert_array_equal(ready.buffers[key], value)
    n = input_of(ready, 2, patterns.x.astype(np.float32))
    np.testing.assert_allclose(n.mean(axis=(0, 1, 2)), 0, atol=1e-5)
    np.testing.assert_allclose(n.std(axis=(0, 1, 2)), 1, atol=1e-4)


def test_spans_are_taken_of_normalised_nets_and_moments_above_see_them():
    first = [Conv2d(3, 2), BatchNorm2d(), pwl.PiecewiseLinear("relu", 9, span="nets")]
    second = [Conv2d(3, 2), BatchNorm2d(), pwl.PiecewiseLinear("relu", 9, span="nets"), GlobalAvgPool2d(), Dense(3)]
    patterns = images(60)
    patterns = pwl.Patterns(20 + 10 * patterns.x, patterns.t)
    net = pwl.initialise(Network.from_layers([*first, *second], SHAPE, dtype=np.float64), patterns)
    for curves in (2, 5):
        low, high = (reduce(patterns, each, net) for each in nets_range(curves - 1))
        ns = net.buffers[f"{curves}.ns"]
        assert np.all(ns[:, 0] <= low) and np.all(ns[:, -1] >= high * (1 - 1e-12))
        assert np.all(np.abs(ns) < 8)
    for key, value in with_moments(net, patterns, START).buffers.items():
        np.testing.assert_array_equal(net.buffers[key], value)


# ---- runs


def small(**options):
    layers = [Conv2d(3, 2), BatchNorm2d(group=4), curve("linear"), GlobalAvgPool2d(), Dense(3)]
    return Network.from_layers(layers, SHAPE, dtype=np.float64, seed=1, **options)


def separable(Nv=60):
    """Images whose class is the brighter channel, or neither."""
    patterns = images(Nv)
    difference = patterns.x[..., 0].mean(axis=(1, 2)) - patterns.x[..., 1].mean(axis=(1, 2))
    return pwl.Patterns(patterns.x, np.digitize(difference, [-0.4, 0.4]))


@pytest.mark.one_process
@pytest.mark.parametrize("batch_size", [16, None])
@pytest.mark.parametrize("algorithm", [pwl.SGD(0.1), pwl.Adam(0.02)], ids=["SGD", "Adam"])
def test_first_order_methods_learn_and_moments_follow_the_weights(algorithm, batch_size):
    patterns, seen = separable(), []
    net, record = pwl.train(
        small(), patterns, algorithm, iterations=15, batch_size=batch_size, seed=3,
        callback=lambda net, record: seen.append((net, pwl.evaluate(net, patterns).error)),
    )  # fmt: skip
    assert record["error"][1:] == [error for _, error in seen]
    assert record["error"][-1] < 0.8 * record["error"][0]
    for number, (at, _) in enumerate(seen, 1):
        for key, value in with_moments(at, patterns, (3, number)).buffers.items():
            np.testing.assert_array_equal(at.buffers[key], value)
    for key, value in seen[record.best_iteration - 1][0].buffers.items():
        np.testing.assert_array_equal(net.buffers[key], value)


@pytest.mark.parametrize("algorithm", [pwl.AdAct(safeguard=True), pwl.LM(), pwl.LBFGS(), pwl.CG()], ids=repr)
def test_second_order_methods_lower_the_error_of_the_network_itself(algorithm):
    net, patterns = pwl.initialise(small(), separable()), separable()
    after, record = pwl.train(net, patterns, algorithm, iterations=6)
    assert record["error"][-1] < 0.95 * record["error"][0]
    if not isinstance(algorithm, pwl.AdAct):  # never rises, by construction; AdAct's bound steps may by a little
        assert np.all(np.diff(record["error"]) <= 0)
    for key, value in net.buffers.items():
        np.testing.assert_array_equal(after.buffers[key], value)


@pytest.mark.parametrize("batch_size", [16, None])
@pytest.mark.parametrize("algorithm", [pwl.SGD(0.1), pwl.Adam(0.02), pwl.AdAct()], ids=["SGD", "Adam", "AdAct"])
def test_resumed_runs_give_the_same_bits(algorithm, batch_size, tmp_path):
    """Of the weights and of the moments."""
    patterns, path = separable(), tmp_path / "run"
    options = {"batch_size": None if isinstance(algorithm, pwl.AdAct) else batch_size, "seed": 2}
    whole, record = pwl.train(small(), patterns, algorithm, iterations=7, **options)
    pwl.train(small(), patterns, algorithm, iterations=4, checkpoint=path, **options)
    resumed, again = pwl.train(small(), patterns, algorithm, iterations=7, resume=path, **options)
    assert again["error"] == record["error"]
    for found, wanted in ((resumed.theta, whole.theta), *((resumed.buffers[k], b) for k, b in whole.buffers.items())):
        np.testing.assert_array_equal(found, wanted)


def test_a_checkpoint_holds_the_best_networks_own_moments(tmp_path):
    """The best is found early, and what is written later must not give it the moments of a later network."""
    patterns, path, algorithm = separable(), tmp_path / "run", pwl.SGD(3.0)
    options = {"batch_size": 16, "seed": 2, "max_fail": 99}
    best, record = pwl.train(small(), patterns, algorithm, iterations=8, checkpoint=path, **options)
    assert record.best_iteration < 8
    again, _ = pwl.train(small(), patterns, algorithm, iterations=8, resume=path, **options)
    for key, value in best.buffers.items():
        np.testing.assert_array_equal(again.buffers[key], value)


def test_saved_nets_predict_the_same_bits(tmp_path):
    net, _ = pwl.train(small(), separable(), pwl.Adam(0.02), iterations=2, batch_size=16)
    net.save(tmp_path / "net.safetensors")
    again = Network.load(tmp_path / "net.safetensors")
    assert again.layers == net.layers and again.initialised
    np.testing.assert_array_equal(again.predict_proba(images().x), net.predict_proba(images().x))


# ---- what it costs, and what can not be


def test_its_weights_are_blocks_but_no_products():
    net, plain = net_of([Conv2d(3, 2), BatchNorm2d(), "tanh"]), net_of([Conv2d(3, 2), "tanh"])
    assert costs.own.error(net, 10) == costs.own.error(plain, 10)
    assert costs.own.whole_gradient(net, 10) == costs.own.whole_gradient(plain, 10)
    assert costs.own.molf(net, 10, False) > costs.own.molf(plain, 10, False)
    line = next(line for line in net.summary().splitlines() if "BatchNorm2d" in line)
    assert line.split() == ["BatchNorm2d()", "3", "x", "2", "x", "3", "6"]


def test_the_hwo_direction_is_refused():
    with pytest.raises(pwl.InputError, match="HWO direction.*BatchNorm2d"):
        pwl.molf_step(net_of(), images(), "hwo")


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: BatchNorm2d(0), "epsilon must be a positive number, not 0"),
        (lambda: BatchNorm2d("small"), "epsilon"),
        (lambda: BatchNorm2d(float("nan")), "epsilon"),
        (lambda: BatchNorm2d(group=0), "group must be a whole number of patterns, 1 or more, not 0"),
        (lambda: BatchNorm2d(group=2.5), "group"),
        (lambda: BatchNorm2d(group=True), "group"),
        (
            lambda: Network.from_layers([Dense(3), BatchNorm2d(), Dense(2)], (4,)),
            r"layer 1, BatchNorm2d.*images.*\(3,\)",
        ),
    ],
)
def test_bad_settings(make, words):
    with pytest.raises(pwl.InputError, match=words):
        make()
