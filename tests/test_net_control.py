"""Net control: every net starts with a chosen mean and deviation."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from toys import curve_network, waves

import pwl

# ---- net control


def nets_of(net, x):
    """Nets of every hidden layer of a net with sigmoid units, by hand."""
    found, o = [], x
    for key in net.keys("map"):
        W = net.parts[key]
        found.append(W[:, 0] + o @ W[:, 1:].T)
        o = 1 / (1 + np.exp(-found[-1]))
    return found


@pytest.mark.parametrize("weights", [None, "given"])
@pytest.mark.parametrize("n_hidden", [5, (5, 4), (5, 4, 3)])
def test_every_net_starts_with_mean_one_half_and_deviation_one(n_hidden, weights):
    (x, t), rng = waves(200), np.random.default_rng(0)
    widths = (3, n_hidden) if isinstance(n_hidden, int) else (3, *n_hidden)
    W = [7 * rng.normal(size=(b, a + 1)) + 1 for a, b in pairwise(widths)] if weights else None
    given = W[0] if W is not None and isinstance(n_hidden, int) else W
    net = pwl.initialise(pwl.Network.mlp(3, n_hidden, 2, "sigmoid", W=given), (x, t))
    layers = nets_of(net, x)
    assert len(layers) == len(widths) - 1
    for n in layers:
        assert np.allclose(n.mean(axis=0), 0.5, atol=1e-12)
        assert np.allclose(n.std(axis=0), 1, rtol=1e-12)


def test_net_control_scales_the_weights_and_sets_the_threshold():
    (x, t), W = waves(200), np.random.default_rng(1).normal(size=(4, 4))
    net = pwl.initialise(pwl.Network.mlp(3, 4, 2, W=W), (x, t))
    scaled = W[:, 1:] / (x @ W[:, 1:].T).std(axis=0)[:, None]
    assert np.allclose(net.W[:, 1:], scaled, rtol=1e-12)
    assert np.allclose(net.W[:, 0], 0.5 - (x @ scaled.T).mean(axis=0), rtol=1e-12)


def test_net_control_counts_pattern_weights():
    (x, t), weights = waves(50), np.arange(50) % 3
    net = pwl.initialise(pwl.Network.mlp(3, 4, 2), (x, t, weights))
    n = np.repeat(nets_of(net, x)[0], weights, axis=0)
    assert np.allclose(n.mean(axis=0), 0.5) and np.allclose(n.std(axis=0), 1)


@pytest.mark.parametrize("n_hidden", [4, (4, 3)])
def test_without_net_control_the_weights_stay_to_the_bit(n_hidden):
    net = pwl.Network.mlp(3, n_hidden, 2, net_control=False)
    started = pwl.initialise(net, waves())
    for key in net.keys("map"):
        assert np.array_equal(started.parts[key], net.parts[key])
    W = np.random.default_rng(2).normal(size=(4, 4))
    started = pwl.initialise(pwl.Network.mlp(3, 4, 2, W=W, net_control=False), waves())
    assert np.array_equal(started.W, W)


def test_a_network_that_was_not_started_does_not_predict():
    x, t = waves()
    for use in (curve_network().predict, lambda x: pwl.evaluate(curve_network(), (x, t))):
        with pytest.raises(pwl.InputError, match=r"pwl\.initialise"):
            use(x)
