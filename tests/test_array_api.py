"""The arrays decide where the work is done: the same step from NumPy and from strict Array API arrays."""

from __future__ import annotations

import array_api_strict
import numpy as np
import pytest
from toys import LOSSES, curve, iterate, problem, random_network, take_step

from pwl import MOLF, OWOBP, AdAct, PiecewiseLinear
from pwl.kernels import cpu, engine, reference
from pwl.runtime.backend import host

MOLFS = [
    MOLF(direction, ridge=0.01 * extra, l2=0.01 * extra, safeguard=bool(extra))
    for direction in ("gradient", "hwo")
    for extra in (0, 1)
] + [MOLF.damped(), MOLF.damped(direction="gradient", ridge=0.01)]
ADACTS = [
    AdAct(),
    AdAct("hwo"),
    AdAct(curve_factor="unit"),
    AdAct("hwo", "unit", curve_penalty=0.01, ridge=0.01, l2=0.01, safeguard=True),
    AdAct.damped(),
    AdAct.damped(
        direction="gradient", ridge=0.01, curve_direction="newton", curve_factor="unit", curve_penalty=0.01, l2=0.01
    ),
]
OWOBPS = [OWOBP(), OWOBP(safeguard=True, ridge=0.01, l2=0.01), OWOBP("heuristic"), OWOBP("heuristic", z=5.0)]


def assert_same(algorithm, net, patterns, steps=1):
    """theta to 1e-9 of its length: sums run in another order, and solves enlarge the rounding by their condition."""
    strict = net.to(array_api_strict)
    (*_, wanted), infos = iterate(algorithm, net, patterns, steps)
    (*_, found), strict_infos = iterate(algorithm, strict, patterns, steps)
    assert type(found.theta) is type(strict.theta)
    assert np.linalg.norm(wanted.theta - net.theta) > 1e-6
    assert np.linalg.norm(host(found.theta) - wanted.theta) < 1e-9 * np.linalg.norm(wanted.theta)
    for info, strict_info in zip(infos, strict_infos, strict=True):
        assert info.keys() == strict_info.keys()
        for name in ("dependent", "dependent_factors", "rejected", "share", "curve_share"):
            assert info.get(name) == strict_info.get(name)
    return infos


@pytest.mark.parametrize("hidden", [4, (4, 3)])
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("algorithm", MOLFS + OWOBPS[:3], ids=repr)
def test_steps_with_a_fixed_activation(algorithm, loss, hidden):
    net = random_network("tanh", hidden, loss=loss)
    assert_same(algorithm, net, problem(net, weights=True))


@pytest.mark.parametrize("hidden", [pytest.param(4, marks=pytest.mark.slow), (4, 3)])
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("algorithm", ADACTS, ids=repr)
def test_steps_with_curves(algorithm, loss, hidden):
    net = random_network(curve(), hidden, loss=loss)
    assert_same(algorithm, net, problem(net))


def test_heuristic_steps_that_are_taken_back():
    net = random_network("tanh", 4)
    infos = assert_same(OWOBPS[3], net, problem(net), steps=4)
    assert any(info["rejected"] for info in infos)


@pytest.mark.parametrize("activation", ["relu", "leaky_relu", "sigmoid", "identity", "linear ends", "general hinges"])
def test_every_activation(activation):
    shapes = {"linear ends": curve("linear"), "general hinges": PiecewiseLinear("tanh", (-1.0, 0.1, 0.7, 2.0))}
    net = random_network(shapes.get(activation, activation), 3, bypass=False)
    assert_same(AdAct() if activation in shapes else MOLF(), net, problem(net, 60))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_arrays_keep_their_kind_and_type(dtype):
    net = random_network(curve(), 4, dtype=dtype)
    net = net.with_theta(net.theta.astype(dtype))
    for at in (net, net.to(array_api_strict)):
        after, _, _ = take_step(AdAct(), at, problem(net))
        assert type(after.theta) is type(at.theta)
        assert after.theta.dtype == at.theta.dtype


def test_a_network_goes_there_and_back_unchanged():
    net = random_network(curve(), 4)
    back = net.to(array_api_strict).to(np)
    np.testing.assert_array_equal(back.theta, net.theta)
    np.testing.assert_array_equal(back.buffers["1.ns"], net.buffers["1.ns"])
    assert back.layers == net.layers


def test_the_arrays_choose_the_kernels():
    assert engine(np.zeros((2, 2))) is cpu
    assert engine(array_api_strict.zeros((2, 2))) is reference
