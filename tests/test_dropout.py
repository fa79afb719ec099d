"""Dropout, Eq. (61): what a mask depends on, how often it drops, its passes, and that only first-order training sees it."""

from __future__ import annotations

import dataclasses

import array_api_strict
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import random_direction, slope
from toys import block_rows, curve, gradients_of, kept_by_layers, random_layers, reduce, take_step, waves

import pwl
from pwl.layers import Conv2d, Dense, Dropout, Flatten
from pwl.layers.dropout import LEVELS, drawn
from pwl.network.network import Network
from pwl.reductions.statistic import Statistic
from pwl.runtime.backend import host
from pwl.study.check import check

RATES = st.sampled_from([0.0, 0.1, 0.5, 0.9, 0.999])
SHAPES = st.lists(st.integers(1, 5), min_size=1, max_size=3).map(tuple)


def mask_of(layer, key, shape, first=0):
    """The mask of patterns first.. of a batch, all of them non-negative numbers (Nv, ...)."""
    return layer.training(key).at_pattern(first).apply({}, {}, np.ones(shape))


def net_of(rate=0.4, loss="squared_error"):
    """Random network on vectors with two layers of dropout."""
    layers = [Dense(5), curve("linear"), Dropout(rate), Dense(4), "tanh", Dropout(rate)]
    return random_layers(layers, (3,), outputs=2, loss=loss)


def patterns_of(Nv=40, **options):
    return pwl.Patterns(*waves(Nv), **options)


# ---- masks


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 2**32), RATES, SHAPES, st.integers(1, 9), st.integers(0, 9))
def test_a_block_makes_its_own_part_of_the_mask(seed, rate, shape, Nv, first):
    """To the bit, wherever the block begins and ends."""
    whole = mask_of(Dropout(rate), (seed, 3, 1), (Nv + first, *shape))
    part = mask_of(Dropout(rate), (seed, 3, 1), (Nv, *shape), first)
    np.testing.assert_array_equal(part, whole[first:])


def test_masks_differ_between_seeds_steps_layers_and_patterns():
    masks = [mask_of(Dropout(0.5), key, (6, 40)) for key in ((0, 0, 2), (1, 0, 2), (0, 1, 2), (0, 0, 3), (0, 2, 0))]
    rows = np.concatenate(masks)
    agree = np.mean(rows[:, None, :] == rows[None, :, :], axis=2)
    others = agree[~np.eye(len(rows), dtype=bool)]
    assert others.max() < 0.5 + 5 * 0.5 / 40**0.5 and abs(others.mean() - 0.5) < 0.02


@pytest.mark.parametrize("rate", [0.0, 0.01, 0.3, 0.5, 0.97])
def test_the_share_dropped_is_the_rate(rate):
    """Within 4 sigma, over a whole mask and in place of each number; those that stay are scaled."""
    mask = mask_of(Dropout(rate), (5, 1, 2), (4000, 25))
    rounded = round(rate * LEVELS) / LEVELS
    sigma = (rounded * (1 - rounded)) ** 0.5
    assert abs(np.mean(mask == 0) - rounded) <= 4 * sigma / mask.size**0.5
    assert np.all(np.abs(np.mean(mask == 0, axis=0) - rounded) <= 5 * sigma / len(mask) ** 0.5)
    np.testing.assert_allclose(mask[mask > 0], 1 / (1 - rounded), rtol=1e-14)


def test_a_rate_next_to_1_keeps_the_last_level():
    mask = mask_of(Dropout(1 - 1e-9), (0, 0, 0), (2000, 100))
    assert set(np.unique(mask)) <= {0.0, float(LEVELS)}


def test_bits_are_uniform_and_the_streams_own():
    bits = drawn((1, 2, 3), 0, (500, 7, 9)).astype(float)
    assert bits.shape == (500, 7, 9)
    assert abs(bits.mean() / (LEVELS - 1) - 0.5) < 4 / 12**0.5 / bits.size**0.5
    stream = np.random.Philox(key=np.random.SeedSequence((1, 2, 3)).generate_state(2, np.uint64))
    words = stream.random_raw(16).view(np.uint16)  # 63 numbers take 4 counts of 16 numbers
    np.testing.assert_array_equal(bits[0].reshape(-1), words[:63])
    np.testing.assert_array_equal(bits[1].reshape(-1), stream.random_raw(16).view(np.uint16)[:63])


# ---- passes


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32), RATES, SHAPES, st.integers(1, 4))
def test_forward_backward_and_tangent_are_the_mask(seed, rate, shape, Nv):
    rng, layer = np.random.default_rng(seed), Dropout(rate).training((seed, 0, 0))
    x, g = rng.standard_normal((2, Nv, *shape))
    mask = mask_of(Dropout(rate), (seed, 0, 0), x.shape)
    o, saved = layer.forward({}, {}, x)
    np.testing.assert_array_equal(o, x * mask)
    np.testing.assert_array_equal(layer.apply({}, {}, x), o)
    np.testing.assert_array_equal(layer.keep({}, {}, x), saved)
    np.testing.assert_array_equal(layer.backward({}, {}, saved, g.copy()), g * mask)
    np.testing.assert_array_equal(layer.tangent({}, {}, saved, {}, g.copy()), g * mask)
    assert layer.tangent({}, {}, saved, {}, None) is None
    assert layer.output_shape(shape) == shape and layer.shapes(shape) == {} and layer.gradient({}, {}, saved, g) == {}


def test_the_network_itself_is_as_if_there_were_none():
    net, patterns = net_of(), patterns_of()
    layers = [layer for layer in net.layers if not isinstance(layer, Dropout)]
    plain = Network.from_layers([*layers, Dense(2)], (3,), loss="squared_error", dtype=np.float64)
    plain = dataclasses.replace(plain, theta=net.theta, initialised=True)
    np.testing.assert_array_equal(net.predict(patterns.x), plain.predict(patterns.x))
    for algorithm in (pwl.AdAct(), pwl.MOLF("hwo"), pwl.LM(), pwl.LBFGS(), pwl.VarPro()):
        after, wanted = (take_step(algorithm, at, patterns)[0] for at in (net, plain))
        np.testing.assert_allclose(after.theta, wanted.theta, rtol=0, atol=1e-10 * np.abs(wanted.theta).max())
    assert all(row.passed for row in check(net, patterns_of(150)))


def test_the_gradient_of_the_training_form_is_the_quotient():
    net, patterns = net_of().training(3, 5), patterns_of()
    G, rng = gradients_of(net, patterns), np.random.default_rng(0)
    for key in net.parts:
        D = random_direction(net, (key,), rng)
        found = slope(net, patterns, D, 1e-6)
        assert found == pytest.approx(-np.sum(G[key] * D[key]), rel=1e-5, abs=1e-7)


# ---- networks


def masks_by_reduction(net, patterns):
    """What is dropped of every pattern: a 1 in a block's own rows, by a sum over blocks that stand at their places."""
    rows = np.zeros((len(patterns), 5))

    def compute(net, x, t, w):
        first = int(np.flatnonzero(patterns.x[:, 0] == x[0, 0])[0])
        rows[first : first + len(x)] = kept_by_layers(net, x)[2]
        return (np.zeros(1),)

    reduce(patterns, Statistic(compute), net)
    return rows


@pytest.mark.parametrize("threads", ["1", "2"])
@pytest.mark.parametrize("block_bytes", [1, 20_000, 10**8])
def test_masks_do_not_depend_on_blocks_or_threads(block_bytes, threads, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", threads)
    patterns = patterns_of(block_bytes=block_bytes)
    net = net_of().training(3, 5)
    assert (block_rows(patterns, net) >= 40) == (block_bytes == 10**8)
    wanted = mask_of(Dropout(0.4), (3, 5, 2), (40, 5))
    np.testing.assert_array_equal(masks_by_reduction(net, patterns), wanted)
    for key, g in gradients_of(net, patterns).items():
        np.testing.assert_allclose(g, gradients_of(net, patterns_of(), (key,))[key], rtol=0, atol=1e-13)


def test_every_step_has_masks_of_its_own():
    net, patterns = net_of(), patterns_of()
    for algorithm in (pwl.SGD(0.1, momentum=0), pwl.Adam()):
        state = algorithm.init(net, patterns, 9)
        for step in (0, 1):
            wanted = net.join(gradients_of(net.training(9, step), patterns))
            _, state, info = take_step(algorithm, net, patterns, state)
            assert info["gradient_norm"] == pytest.approx(np.linalg.norm(wanted), rel=1e-14)
        other = take_step(algorithm, net, patterns, algorithm.init(net, patterns, 8))[2]
        assert other["gradient_norm"] != info["gradient_norm"]
    assert net.training(9, 0).layout is net.training(9, 1).at_pattern(7).layout  # keys and places are no structure


@pytest.mark.parametrize("batch_size", [16, None])
@pytest.mark.parametrize("algorithm", [pwl.SGD(0.01), pwl.Adam(0.01)], ids=["SGD", "Adam"])
def test_resumed_runs_give_the_same_bits(algorithm, batch_size, tmp_path):
    options = {"batch_size": batch_size, "seed": 4}
    whole, record = pwl.train(net_of(), patterns_of(), algorithm, iterations=6, **options)
    pwl.train(net_of(), patterns_of(), algorithm, iterations=3, checkpoint=tmp_path / "run", **options)
    resumed, again = pwl.train(net_of(), patterns_of(), algorithm, iterations=6, resume=tmp_path / "run", **options)
    np.testing.assert_array_equal(resumed.theta, whole.theta)
    assert again["error"] == record["error"]
    assert pwl.train(net_of(0.0), patterns_of(), algorithm, iterations=6, **options)[1]["error"] != record["error"]


def test_what_is_recorded_is_the_network_itself():
    seen = []
    pwl.train(
        net_of(), patterns_of(), pwl.SGD(0.01), iterations=3, batch_size=16,
        callback=lambda net, record: seen.append((record["error"][-1], pwl.evaluate(net, patterns_of()).error, net.layers)),
    )  # fmt: skip
    assert all(recorded == error and layers == net_of().layers for recorded, error, layers in seen)


def test_it_learns_on_images():
    rng = np.random.default_rng(0)
    t = rng.integers(0, 2, 80)
    x = rng.standard_normal((80, 5, 5, 1)) + t[:, None, None, None]
    net = Network.from_layers([Conv2d(4, 3), "relu", Dropout(0.3), Flatten(), Dense(2)], (5, 5, 1))
    _, record = pwl.train(net, (x, t), pwl.Adam(0.01), iterations=10, batch_size=20)
    assert record["error"][-1] < 0.5 * record["error"][0]


@pytest.mark.parametrize("algorithm", [pwl.SGD(0.1), pwl.Adam(0.01)], ids=["SGD", "Adam"])
def test_strict_arrays_take_the_same_steps(algorithm):
    net, patterns = net_of(), patterns_of(block_bytes=20_000)
    strict = net.to(array_api_strict)
    wanted, found = (take_step(algorithm, at, patterns)[0].theta for at in (net, strict))
    assert type(found) is type(strict.theta)
    np.testing.assert_allclose(host(found), wanted, rtol=0, atol=1e-12)


def test_masks_have_the_type_of_the_numbers():
    layer, x = Dropout(0.5).training((0, 0, 0)), np.ones((3, 7), np.float32)
    assert layer.apply({}, {}, x).dtype == layer.keep({}, {}, x).dtype == np.float32
    np.testing.assert_array_equal(layer.apply({}, {}, x), layer.apply({}, {}, x.astype(np.float64)))


def test_saved_nets_are_the_same(tmp_path):
    net = net_of(0.25)
    net.save(tmp_path / "net.safetensors")
    again = Network.load(tmp_path / "net.safetensors")
    assert again.layers == net.layers
    assert "Dropout(0.25)" in net.summary()
    np.testing.assert_array_equal(again.predict(patterns_of().x), net.predict(patterns_of().x))


@pytest.mark.parametrize("rate", [1, 1.0, -0.1, float("nan"), "half", None, True])
def test_rates_that_can_not_be(rate):
    with pytest.raises(pwl.InputError, match="Dropout's rate must be 0 or more and less than 1, not"):
        Dropout(rate)
