"""Hinges of curves on inputs: where they lie, what they are taken from, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from fake_ranks import on_ranks
from test_input_curves import started

import pwl
from pwl.training import input_hinges
from pwl.training.input_hinges import automatic, quantiles


def placed(x, hinges, weights=None, **options):
    x = np.asarray(x, dtype=float)
    x = x[:, None] if x.ndim == 1 else x
    data = (x, x[:, :1]) if weights is None else (x, x[:, :1], weights)
    net = pwl.Network.mlp(x.shape[1], 2, 1, "tanh", input_hinges=hinges, **options)
    return pwl.initialise(net, data)


def test_quantiles_worked_by_hand():
    x = np.array([5.0, 1, 2, 3, 4])
    # A half of five patterns is reached at the third.
    np.testing.assert_array_equal(quantiles(x, np.ones(5), 3), [1, 3, 5])
    np.testing.assert_array_equal(quantiles(x, np.ones(5), 5), [1, 2, 3, 4, 5])
    np.testing.assert_array_equal(quantiles(x, np.ones(5), 50), [1, 2, 3, 4, 5])  # more than there are values
    # Repeats are dropped.
    np.testing.assert_array_equal(quantiles(np.array([0.0, 0, 0, 0, 1, 2]), np.ones(6), 4), [0, 2])


def test_weights_count_as_repeated_patterns():
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((60, 3)), rng.integers(0, 4, 60)
    x[w == 0] *= 1e6  # patterns of weight 0 are not there
    weighted, repeated = placed(x, 6, w.astype(float)), placed(np.repeat(x, w, axis=0), 6)
    for key in ("0.ns", "0.mean", "0.scale", "0.covariance"):
        np.testing.assert_allclose(weighted.buffers[key], repeated.buffers[key], rtol=1e-12, atol=1e-13)
    np.testing.assert_array_equal(weighted.buffers["0.ns"], repeated.buffers["0.ns"])
    x = rng.standard_normal((300, 2))  # "auto" counts a weight of 3 three times as well: 7 rises, not 4
    weighted, repeated = placed(x, "auto", np.full(300, 3.0)), placed(np.repeat(x, 3, axis=0), "auto")
    assert weighted.layers[0].counts == repeated.layers[0].counts != placed(x, "auto").layers[0].counts


def test_means_and_scales_worked_by_hand():
    with pytest.warns(UserWarning, match="fewer than the 6 basis functions"):
        net = placed([0.0, 1, 2, 4], [0, 2, 4])
    np.testing.assert_allclose(net.buffers["0.mean"], [(0 + 0.5 + 1 + 1) / 4, 1 / 4])
    np.testing.assert_allclose(net.buffers["0.scale"], [np.std([0, 0.5, 1, 1]), np.std([0, 0, 0, 1])])


def test_large_tables_give_a_sample_of_a_fixed_seed(monkeypatch, tmp_path):
    rng = np.random.default_rng(1)
    path = tmp_path / "x.npy"
    np.save(path, rng.standard_normal((5000, 2)))
    monkeypatch.setattr(input_hinges, "NUMBERS", 1000)
    seen = []
    original = pwl.Patterns.block
    monkeypatch.setattr(pwl.Patterns, "block", lambda self, *a: seen.append(len(self)) or original(self, *a))
    x = np.load(path, mmap_mode="r")
    net = pwl.Network.mlp(2, 3, 1, "tanh", input_hinges=5)
    first = input_hinges.with_input_hinges(net, pwl.Patterns(x, x[:, 0]))
    assert seen == [500]
    again = input_hinges.with_input_hinges(net, pwl.Patterns(np.array(x), x[:, 0]))
    np.testing.assert_array_equal(first.buffers["0.ns"], again.buffers["0.ns"])
    np.testing.assert_allclose(first.buffers["0.ns"][:, 2], np.median(x, axis=0), atol=0.15)


def test_automatic_numbers():
    assert [automatic(n) for n in (2, 64, 400, 824, 1000, 10**6)] == [3, 3, 6, 8, 9, 9]
    x = np.random.default_rng(2).standard_normal((400, 1))
    assert placed(x, "auto").layers[0].counts == (6,)


def test_constant_duplicated_and_few_valued_inputs_train():
    rng = np.random.default_rng(3)
    x = rng.standard_normal((200, 6))
    x[:, 1], x[:, 2] = 7.0, x[:, 0]
    x[:, 3], x[:, 4] = rng.integers(0, 2, 200), rng.integers(0, 3, 200)
    x[0, 5] = 1e6
    t = np.sin(3 * x[:, :1])
    for algorithm in (pwl.MOLF(direction="hwo"), pwl.LM(solver="cholesky"), pwl.VarPro()):
        net, record = pwl.train(pwl.Network.mlp(6, 5, 1, "tanh", input_hinges=9), (x, t), algorithm, iterations=5)
        assert net.layers[0].counts[:5] == (9, 0, 9, 0, 3)
        assert np.all(np.isfinite(net.theta)) and record["error"][-1] < 0.1


@pytest.mark.parametrize(
    "hinges",
    [
        1,
        0,
        -3,
        2.5,
        True,
        "many",
        [3, 1, 2],
        [0, 0, 1],
        [0, np.nan],
        [0, np.inf],
        [1.0],
        [],
        [[0, 1], [1, 0]],
        [["a", "b"]],
        {},
    ],
)
def test_bad_hinges_are_refused(hinges):
    with pytest.raises(pwl.InputError, match="hinges"):
        pwl.Network.mlp(2, 3, 1, input_hinges=hinges)


def test_positions_of_each_input():
    x = np.random.default_rng(4).standard_normal((50, 3))
    net = placed(x, [[-1, 0, 1], None, [0, 2]])
    assert net.layers[0].counts == (3, 0, 2)
    np.testing.assert_array_equal(net.buffers["0.ns"], [[-1, 0, 1], [0, 2, np.inf]])
    beyond = placed(x, [100.0, 101, 102])  # rises without patterns have scale 1
    np.testing.assert_array_equal(beyond.buffers["0.scale"], 1)
    with pytest.raises(pwl.InputError, match="positions for 2 inputs came, but there are 3"):
        pwl.Network.mlp(3, 3, 1, input_hinges=[[0, 1], [0, 1]])
    with pytest.raises(pwl.InputError, match="too close"):
        placed(x, [1.0, 1 + 1e-12, 2.0], dtype=np.float32)


def test_ranks_place_the_same_hinges():
    x = np.random.default_rng(5).standard_normal((90, 2))
    whole = placed(x, 5).buffers["0.ns"]
    parts = [(x[:40], x[:40, :1]), (x[40:], x[40:, :1])]
    net = pwl.Network.mlp(2, 2, 1, "tanh", input_hinges=5)
    for found in on_ranks(lambda patterns: input_hinges.with_input_hinges(net, patterns), parts):
        np.testing.assert_array_equal(found.buffers["0.ns"], whole)


@pytest.mark.parametrize(("index", "position"), [(0, 0.123), (0, -9.0), (0, 9.0), (3, 0.5), (4, 2.5)])
@pytest.mark.parametrize("bypass", [True, False])
def test_an_inserted_hinge_changes_no_output(index, position, bypass):
    net, x, t = started(bypass=bypass)
    w = np.random.default_rng(0).uniform(0.5, 2, len(x))  # other weights than those of the start
    grown = pwl.insert_input_hinge(net, (x, t, w), index, position)
    assert grown.layers[0].counts[index] == net.layers[0].counts[index] + 1 and position in grown.buffers["0.ns"]
    assert grown.n_parameters == net.n_parameters + 7 + (2 if bypass else 0)
    far = np.vstack([x, 5 * x, [[20.0] * 5]])
    np.testing.assert_allclose(grown.predict(far), net.predict(far), rtol=1e-10, atol=1e-10)


def test_hinges_that_cannot_be_inserted():
    net, x, t = started()
    for index, position in ((2, 0.5), (3, 1.0)):  # straight; there already
        with pytest.raises(pwl.InputError, match="a new one can go where there is none"):
            pwl.insert_input_hinge(net, (x, t), index, position)
    for index, position in ((5, 0.5), (0, np.nan)):
        with pytest.raises(pwl.InputError):
            pwl.insert_input_hinge(net, (x, t), index, position)
