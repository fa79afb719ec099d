"""Passes in which a convolution and the activation of its nets are one kernel: the same arrays as with two."""

from __future__ import annotations

import numpy as np
import pytest
from test_devices import curve, image_net
from toys import problem, random_network

import pwl
from pwl.kernels import cpu
from pwl.layers import Add, BatchNorm2d, Conv2d, Flatten, From, MaxPool2d
from pwl.network import passes
from pwl.network.pairs import is_pair

PLAIN = [Conv2d(4, 3), curve(), Conv2d(3, 2), "relu", MaxPool2d(2), Conv2d(2, 1), "tanh", Flatten()]


@pytest.fixture
def fused(monkeypatch):
    """The CPU's engine, taken for one that fuses."""
    monkeypatch.setattr(cpu, "FUSED", True)


@pytest.fixture(autouse=True)
def compiled(monkeypatch):
    """The CPU's engine also for few nets, whose tanh would differ in its last digits otherwise."""
    monkeypatch.setattr("pwl.kernels.LONG", 1)


def pairs(net, x, lowest):
    return [index for index in range(len(net.layers) - 1) if is_pair(net, index, x, lowest)]


def test_which_layers_are_pairs(fused):
    net = image_net(*PLAIN)
    x = problem(net, 3).x
    assert pairs(net, x, 0) == [0, 2, 5]
    assert pairs(net, x, 1) == [2, 5]  # the curves are the lowest layer: their slopes are not needed, but their nets are
    assert pairs(net, x, 8) == [0, 2, 5]


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        ([Conv2d(4, 3, groups=1), pwl.activations.APL(), Flatten()], []),
        ([Conv2d(4, 3, groups=2), "relu", Flatten()], []),
        ([Conv2d(4, 3), BatchNorm2d(group=4), "relu", Flatten()], []),
        ([Conv2d(4, 3), MaxPool2d(2), "relu", Flatten()], []),
        ([Conv2d(3, 3, padding="same"), "relu", Conv2d(3, 3, padding="same"), "relu", From(3), "tanh", Add(2), Flatten()], [2]),
        ([Conv2d(3, 3, padding="same"), "relu", Conv2d(3, 3, padding="same"), Add(2), "relu", Flatten()], []),
        ([Conv2d(3, 3, padding="same"), "relu", Conv2d(3, 3, padding="same"), Add(1), "relu", Flatten()], [0]),
    ],
)
def test_layers_with_others_between_or_beside_them_are_none(fused, body, wanted):
    net = image_net(*body)
    assert pairs(net, problem(net, 3).x, 0) == wanted


def test_other_engines_have_no_pairs():
    net = image_net(*PLAIN)
    assert pairs(net, problem(net, 3).x, 0) == []  # the CPU's
    assert not is_pair(random_network("relu"), 0, np.zeros((2, 3)), 0)


@pytest.mark.parametrize("keys", [("0.W", "1.A", "2.W", "5.W"), ("2.W",), ("1.A",), ("5.W",), ("1.A", "5.W"), ("head.W",)], ids=str)
def test_passes_give_the_same_arrays(monkeypatch, keys):
    net = image_net(*PLAIN)
    x, v = problem(net, 5).x, np.random.default_rng(0).standard_normal((5, net.n_outputs))
    rng = np.random.default_rng(1)
    direction = {key: rng.standard_normal(net.layout.by_key[key].shape) for key in keys}
    found = []
    for fused in (False, True):
        monkeypatch.setattr(cpu, "FUSED", fused)
        at = passes.forward(net, x, keys)
        saved = [None if a is None else [b for b in (a if isinstance(a, tuple) else (a,)) if b is not None] for a in at.saved]
        arrays = [at.y, passes.outputs(net, x), passes.tangent(net, at, direction), *passes.gradients(net, at, v, keys).values()]
        found.append((saved, arrays))
    (saved, arrays), (saved_by_one, arrays_by_one) = found
    np.testing.assert_equal(saved_by_one, saved)
    for one, other in zip(arrays, arrays_by_one, strict=True):
        assert one.tobytes() == other.tobytes()


def test_a_step_of_training_is_the_same(monkeypatch):
    net = image_net(*PLAIN, dtype=np.float32)
    patterns, thetas = problem(net, 9), []
    for fused in (False, True):
        monkeypatch.setattr(cpu, "FUSED", fused)
        step = pwl.SGD(0.01)
        thetas.append(step.step(net, patterns, step.init(net, patterns, 0)).net.theta)
    assert thetas[0].tobytes() == thetas[1].tobytes()
    assert not np.array_equal(thetas[0], net.theta)
