"""Curves on inputs, and layers whose kernels are one, on the devices of test_devices.py."""

from __future__ import annotations

import numpy as np
import pytest
from test_devices import BODIES, assert_near, image_net, on, one_step, scores_and_gradients
from toys import problem

import pwl
from pwl.kernels import reference


def curved_net(activation="tanh", dtype=np.float64, loss="squared_error"):
    """A network with hinges on all inputs but one, whose weights of rises are not 0, and its patterns."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((90, 4)).astype(dtype)
    x[:, 2] = x[:, 2] > 0
    t = np.stack([np.sin(2 * x[:, 0]) + x[:, 1] ** 2, x[:, 2] * x[:, 3]], axis=1).astype(dtype)
    t = t if loss == "squared_error" else rng.integers(0, 2, len(x))
    net = pwl.Network.mlp(4, 7, 2, activation, input_hinges=5, dtype=dtype, loss=loss)
    net = pwl.initialise(net, (x, t))
    theta = net.theta + 0.1 * rng.standard_normal(net.theta.shape).astype(dtype)
    return net.with_theta(theta), pwl.Patterns(x, t, rng.uniform(0.5, 1.5, len(x)).astype(dtype))


@pytest.mark.parametrize("loss", ["squared_error", "cross_entropy"])
@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(np.float64, 1e-12), pytest.param(np.float32, 3e-5, marks=pytest.mark.slow)]
)
def test_curves_on_inputs(device, dtype, tolerance, loss):
    net, patterns = curved_net(dtype=dtype, loss=loss)
    wanted = scores_and_gradients(net, patterns)
    for data in (on(device, patterns), on(device, patterns, block_bytes=1)):
        found = scores_and_gradients(device.net(net), data)
        for key in wanted:
            assert_near(found[key], wanted[key], tolerance)
    assert_near(device.net(net).predict(patterns.x), net.predict(patterns.x), tolerance)


@pytest.mark.parametrize("algorithm", [pwl.AdAct(), pwl.MOLF("hwo"), pwl.LM(), pwl.Adam()], ids=lambda a: type(a).__name__)
def test_a_step_with_curves_on_inputs(device, algorithm):
    net, patterns = curved_net(pwl.PiecewiseLinear("tanh", 7) if isinstance(algorithm, pwl.AdAct) else "tanh")
    wanted, found = one_step(algorithm, net, patterns)[0], one_step(algorithm, device.net(net), on(device, patterns))[0]
    assert np.linalg.norm(wanted.theta - net.theta) > 1e-6
    assert_near(found.theta, wanted.theta, 1e-9)


@pytest.mark.parametrize("body", BODIES)
def test_convolutions_with_their_activations(device, body, monkeypatch):
    """The passes of the stand-in, taken for an engine that fuses; on a GPU they are so anyway."""
    net = image_net(*BODIES[body])
    patterns = problem(net, 13, weights=True)
    wanted, y = scores_and_gradients(net, patterns), net.predict(patterns.x)
    monkeypatch.setattr(reference, "FUSED", True)
    found = scores_and_gradients(device.net(net), on(device, patterns))
    for key in wanted:
        assert_near(found[key], wanted[key], 1e-12)
    assert_near(device.net(net).predict(patterns.x), y, 1e-12)
