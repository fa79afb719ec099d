"""Reductions over one block begin where the last pass over it leaves off, and give the same bits as if they did not."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import pwl
from pwl.activations import FIXED
from pwl.layers import CurvedDense, Dense

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


@pytest.mark.parametrize("layer", [Dense(4), CurvedDense(4, hinges=5), pwl.PiecewiseLinear("relu", 7), FIXED["tanh"]])
def test_a_layer_that_starts_anew_gives_what_it_gives_from_the_start(layer):
    """`again` with other parameters, from the saved arrays of an earlier `forward` of the same input, to the same bits."""
    x, t = data()
    net = pwl.Network.from_layers([layer, Dense(2)], (3,), loss="squared_error", dtype=np.float64)
    net = pwl.initialise(net, (x, t))
    layer, p, b = net.layer(0)
    _, saved = layer.forward(p, b, x)
    other = {name: a + 0.3 * np.cos(a) for name, a in p.items()}
    (found, kept), (wanted, saved) = layer.again(other, b, x, saved), layer.forward(other, b, x)
    assert np.array_equal(found, wanted)
    g = np.random.default_rng(1).normal(size=wanted.shape)
    found, wanted = layer.gradient(other, b, kept, g), layer.gradient(other, b, saved, g)
    assert found.keys() == wanted.keys() and all(np.array_equal(found[name], wanted[name]) for name in wanted)


def watched(kind, seen):
    """An algorithm that notes which pass the networks of its steps remember, with their patterns."""

    class Watched(kind):
        def step(self, net, patterns, state):
            seen.append((net.remembered, patterns))
            return super().step(net, patterns, state)

    return Watched()


@pytest.mark.one_process
def test_the_networks_of_a_run_share_its_memory_and_no_other_network_has_it():
    x, t = data()
    net = pwl.initialise(pwl.Network.mlp(3, 5, 2, "tanh"), (x, t))
    met, seen = [], []
    best, _ = pwl.train(
        net, (x, t), watched(pwl.MOLF, seen), iterations=3, validation=(x[:9], t[:9]), callback=lambda net, record: met.append(net)
    )
    assert len(seen) == len(met) == 3 and len({id(memory) for memory, _ in seen}) == 1
    assert seen[0][0] is not None and seen[0][0] is seen[0][1].remembered_by(net).remembered
    assert all(net.remembered is None for net in (net, best, *met))
    batches = []
    pwl.train(net, (x, t), watched(pwl.Adam, batches), iterations=2, batch_size=20)
    assert len(batches) == 6 and all(memory is None for memory, _ in batches)


def test_a_memory_is_not_taken_to_patterns_in_several_blocks():
    x, t = data()
    net = pwl.initialise(pwl.Network.mlp(3, 5, 2, "tanh"), (x, t))
    whole, parts = pwl.Patterns(x, t), pwl.Patterns(x, t, block_bytes=20_000)
    E = pwl.reductions.gradients.error()
    pwl.reductions.reduce.reduce(E, net, whole)
    held = whole.remembered_by(net)
    before = {index: given.x for index, given in held.remembered._given.items()}
    assert pwl.reductions.reduce.reduce(E, held, parts)[0] == pwl.reductions.reduce.reduce(E, net, parts)[0]
    assert before and all(held.remembered._given[index].x is x for index, x in before.items())


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("input_hinges", [None, 5])
def test_products_of_the_inputs_are_those_of_the_patterns_at_hand(dtype, input_hinges):
    """R and the gradient of the output weights, over one patterns after another, equal those over patterns never seen before."""
    x, t = data()
    net = pwl.initialise(pwl.Network.mlp(3, 5, 2, "tanh", dtype=dtype, input_hinges=input_hinges), (x, t))
    R, G = pwl.reductions.correlations.basis_correlations(), pwl.reductions.gradients.gradients(("head.W",))
    weights = np.arange(1.0, 61)
    for given in (x, t), (x[::-1].copy(), t), (x, t, weights):
        patterns = pwl.Patterns(*given)
        for at in (net, net.with_theta(net.theta * dtype(1.1)), net):
            for statistic in (R, G):
                found = pwl.reductions.reduce.reduce(statistic, at, patterns)
                wanted = pwl.reductions.reduce.reduce(statistic, at, pwl.Patterns(*given))
                found, wanted = (list(pwl.reductions.statistic.leaves(tree)) for tree in (found, wanted))
                assert all(np.array_equal(a, b) and a.dtype == b.dtype for a, b in zip(found, wanted, strict=True))


def test_nothing_of_a_batch_is_kept():
    x, t = data()
    net = pwl.initialise(pwl.Network.mlp(3, 5, 2, "tanh"), (x, t))
    batch = pwl.Patterns(x, t).batch(np.arange(10), (0, 0), 0)
    assert batch.whole(net)[0] is net and pwl.Patterns(x, t).whole(net)[0].remembered is not None
    assert net.remembered is None
    whole = pwl.Patterns(x, t)
    assert batch.whole(whole.whole(net)[0])[0].remembered is None


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
