"""Reductions over one block begin where the last pass over it leaves off, and give the same bits as if they did not."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import pwl
from pwl.layers import Dense

ALGORITHMS = {
    "molf": (pwl.MOLF(direction="hwo"), "sigmoid"),
    "adact": (pwl.AdAct(), pwl.PiecewiseLinear("tanh", 7)),
    "lm": (pwl.LM(solver="cholesky"), "tanh"),
    "lbfgs": (pwl.LBFGS(), pwl.activations.Spline()),
}


def data(rows=60):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(rows, 3))
    return x, np.sin(x @ rng.normal(size=(3, 2)))


def trained(algorithm, activation, patterns_of, iterations=4):
    """theta after some steps, for which each step takes its patterns from `patterns_of`."""
    x, t = data()
    net = pwl.initialise(pwl.Network.mlp(3, (5, 4), 2, activation, seed=1), (x, t))
    patterns = pwl.Patterns(x, t)
    state = algorithm.init(net, patterns, 0)
    for _ in range(iterations):
        step = algorithm.step(net, patterns_of(patterns), state)
        net, state = step.net, step.state
    return net.theta


@pytest.mark.parametrize("name", ALGORITHMS)
def test_a_remembered_pass_changes_no_bit(name):
    algorithm, activation = ALGORITHMS[name]
    forgetful = trained(algorithm, activation, lambda patterns: patterns.batch(np.arange(60), (0, 0), 0))
    assert np.array_equal(trained(algorithm, activation, lambda patterns: patterns), forgetful)


def forwards(monkeypatch, call):
    """The number of times that a dense layer is computed."""
    count = [0]

    def counted(real):
        def method(self, *arguments):
            count[0] += 1
            return real(self, *arguments)

        return method

    with monkeypatch.context() as patch:
        for name in ("forward", "again", "apply"):
            patch.setattr(Dense, name, counted(getattr(Dense, name)))
        call()
    return count[0]


def test_an_iteration_computes_each_hidden_layer_once(monkeypatch):
    """MOLF changes W once an iteration, so that the nets are computed once, though three reductions need them."""
    x, t = data()
    net = pwl.initialise(pwl.Network.mlp(3, 5, 2, "sigmoid"), (x, t))

    def calls(iterations):
        return forwards(monkeypatch, lambda: pwl.train(net, (x, t), pwl.MOLF(), iterations=iterations))

    assert calls(7) - calls(4) == 3


def test_what_changes_is_computed_anew():
    """Parameters, hinges, inputs and targets: E is that of the network and the patterns at hand, not of earlier ones."""
    x, t = data()
    patterns = pwl.Patterns(x, t)
    net = pwl.initialise(pwl.Network.mlp(3, 5, 2, pwl.PiecewiseLinear("tanh", 7)), patterns)

    def fresh(net):
        return float(np.mean(np.sum((t - net.predict(x)) ** 2, axis=1)))

    assert pwl.evaluate(net, patterns).error == pytest.approx(fresh(net), rel=1e-12)
    for key, part in net.parts.items():
        other = net.with_parts({key: part + 0.1})
        assert pwl.evaluate(other, patterns).error == pytest.approx(fresh(other), rel=1e-12)
        assert fresh(other) != pytest.approx(fresh(net), rel=1e-6)
    moved = dataclasses.replace(net, buffers={key: b + 0.2 for key, b in net.buffers.items()})
    assert pwl.evaluate(moved, patterns).error == pytest.approx(fresh(moved), rel=1e-12)
    assert fresh(moved) != pytest.approx(fresh(net), rel=1e-6)
    assert pwl.evaluate(net, patterns).error == pytest.approx(fresh(net), rel=1e-12)


def test_networks_of_several_dtypes_share_patterns():
    x, t = data()
    patterns = pwl.Patterns(x, t)
    for dtype in (np.float64, np.float32, np.float64):
        net = pwl.initialise(pwl.Network.mlp(3, 5, 2, "tanh", dtype=dtype), patterns)
        scores, G = pwl.reductions.reduce.reduce(pwl.reductions.gradients.gradients(net.keys("map")), net, patterns)
        assert scores.dtype == dtype and all(g.dtype == dtype for g in G.values())


def test_nothing_of_a_batch_is_kept():
    x, t = data()
    net = pwl.initialise(pwl.Network.mlp(3, 5, 2, "tanh"), (x, t))
    batch = pwl.Patterns(x, t).batch(np.arange(10), (0, 0), 0)
    assert batch.whole(net)[0] is net and pwl.Patterns(x, t).whole(net)[0].remembered is not None
    assert net.remembered is None


def test_copies_of_patterns_have_blocks_of_their_own():
    """Whatever makes other patterns of them begins without the block and the pass that they remember."""
    x, t = data()
    raw = 50 + 9 * x
    patterns = pwl.Patterns(raw, t, np.arange(len(x)) % 3)
    plain = pwl.initialise(pwl.Network.mlp(3, 5, 2, "tanh"), (x, t))
    preparation = pwl.Preparation.fit(raw, t)

    def seen(patterns):
        return pwl.reductions.reduce.reduce(pwl.reductions.gradients.error(), plain, patterns)[0]

    seen(patterns)  # the whole block is remembered from here on
    rows = np.arange(5, 17)
    prepared = patterns.in_units_of(plain.with_preparation(preparation))
    seen(prepared)
    cases = {
        "take": (patterns.take(rows), raw[rows], t[rows], rows % 3),
        "present": (patterns.present(), raw, t, np.arange(len(x)) % 3),
        "batch": (patterns.batch(rows, (0, 0), 0), raw[rows], t[rows], rows % 3),
        "in_units_of": (prepared, *preparation.transform(raw, t), np.arange(len(x)) % 3),
        "settled": (prepared.settled(), *preparation.transform(raw, t), np.arange(len(x)) % 3),
        "take of take": (
            prepared.take(rows).take(slice(2, 9)),
            *preparation.transform(raw[7:14], t[7:14]),
            np.arange(7, 14) % 3,
        ),
    }
    for name, (found, x_own, t_own, w) in cases.items():
        wanted = np.sum(w * np.sum((t_own - plain.predict(x_own)) ** 2, axis=1)) / np.sum(w)
        assert seen(found) == pytest.approx(wanted, rel=1e-12), name
