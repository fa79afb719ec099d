"""Units whose nets leave their hinges: counted in the record, and kept from straying by bounds on the factors, Eq. (85)."""

from __future__ import annotations

import numpy as np
import pytest
from toys import input_of, spirals, waves

import pwl
from pwl.algorithms.molf import known_autocorrelation
from pwl.algorithms.span import FARTHEST, bounds, distances, of_basis, units_outside


def started(loss="squared_error", units=6, **options):
    data = waves() if loss == "squared_error" else spirals()
    M = 2 if loss == "squared_error" else 3
    net = pwl.Network.mlp(data[0].shape[1], units, M, pwl.PiecewiseLinear("tanh"), loss=loss, **options)
    return pwl.initialise(net, data), pwl.Patterns(*data)


def stretched(net, factors):
    """The network with some units' weights times a factor."""
    return net.with_parts({"0.W": net.W * np.asarray(factors)[:, None]})


def far(net, patterns):
    """Distances from the nets themselves."""
    n, ns = input_of(net, 1, patterns.x), net.buffers["1.ns"]
    middle, half = (ns[:, 0] + ns[:, -1]) / 2, (ns[:, -1] - ns[:, 0]) / 2
    return np.sqrt(np.mean((n - middle) ** 2, axis=0)) / half


def test_distances_are_those_of_the_nets():
    net, patterns = started()
    net = stretched(net, [1, 0.1, 2, 5, 30, 4])
    R = known_autocorrelation(net, patterns, "hwo")
    np.testing.assert_allclose(distances(net, R)["0.W"], far(net, patterns), rtol=1e-9)
    assert units_outside(net, R) == {"units_outside": int(np.sum(far(net, patterns) > 1))}
    assert 2 <= units_outside(net, R)["units_outside"] < 6
    assert units_outside(net, {}) == {}


@pytest.mark.parametrize("loss", ["squared_error", "cross_entropy"])
def test_the_basis_knows_the_inputs_too(loss):
    net, patterns = started(loss)
    _, info = pwl.owo_step(net, patterns, pwl.Penalties(ridge=0.3))
    found = of_basis(net, info.R, pwl.Penalties(ridge=0.3))
    np.testing.assert_allclose(found["0.W"], known_autocorrelation(net, patterns, "hwo")["0.W"], atol=1e-12)
    bare, patterns = started(loss, bypass=False)
    assert of_basis(bare, pwl.owo_step(bare, patterns)[1].R, pwl.Penalties()) == {}


@pytest.mark.parametrize("algorithm", [pwl.AdAct(), pwl.AdAct(direction="hwo"), pwl.AdAct.damped()])
def test_the_record_counts_them(algorithm):
    net, patterns = started(units=12)
    count = []
    _, record = pwl.train(
        net,
        patterns,
        algorithm,
        iterations=10,
        callback=lambda at, _: count.append(int(np.sum(far(at, patterns) > 1))) or False,
    )
    assert record["units_outside"][1:] == count


def test_bounds_are_where_a_unit_has_strayed():
    net, patterns = started()
    net = stretched(net, [1, 0.1, 2, 3, 1, 1])
    R = known_autocorrelation(net, patterns, "hwo")
    D = {"0.W": np.random.default_rng(0).normal(size=net.W.shape)}
    low, high = bounds(net, D, R)
    assert np.all(low < 0) and np.all(high > 0)
    for z in (low, high):
        moved = net.moved({"0.W": z[:, None] * D["0.W"]})
        np.testing.assert_allclose(far(moved, patterns), FARTHEST, rtol=1e-9)


def test_a_unit_that_has_strayed_may_only_come_nearer():
    net, patterns = started()
    net = stretched(net, [1, 1, 1, 1, 1, 500])
    R = known_autocorrelation(net, patterns, "hwo")
    D = {"0.W": np.random.default_rng(1).normal(size=net.W.shape)}
    low, high = bounds(net, D, R)
    before = far(net, patterns)[-1]
    assert before > FARTHEST and low[-1] <= 0 <= high[-1] and low[-1] < high[-1]
    for share in (0.0, 0.3, 0.7, 1.0):
        z = low[-1] + share * (high[-1] - low[-1])
        assert far(net.moved({"0.W": z * D["0.W"]}), patterns)[-1] <= before * (1 + 1e-12)


def test_fixed_activations_have_no_bounds():
    data = waves()
    net = pwl.initialise(pwl.Network.mlp(3, 4, 2, "tanh"), data)
    low, high = bounds(net, {"0.W": np.ones((4, 4))}, {"0.W": np.eye(4)})
    assert np.all(np.isneginf(low)) and np.all(np.isposinf(high))


def test_no_unit_of_the_damped_form_strays():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(150, 6))
    t = np.sin(3 * x[:, :1]) * x[:, 1:2] + 0.1 * rng.normal(size=(150, 1))
    strayed = {}
    for name, algorithm in (("published", pwl.AdAct(direction="hwo")), ("damped", pwl.AdAct.damped(ridge=0.0))):
        nets = []
        net = pwl.Network.mlp(6, 15, 1, pwl.PiecewiseLinear("tanh"))
        pwl.train(net, (x, t), algorithm, iterations=100, callback=lambda at, _, nets=nets: nets.append(at) or False)
        strayed[name] = max(far(at, pwl.Patterns(x, t)).max() for at in nets)
    assert strayed["damped"] <= FARTHEST * (1 + 1e-9) < strayed["published"] / 3
