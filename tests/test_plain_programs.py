"""The plain NumPy programs of `benchmarks small` are lessons: they equal the package."""

from __future__ import annotations

import numpy as np
import pytest

import pwl
from benchmarks.small import plain

SPAN, HINGES = (-2.5, 3.5), 7


def start(activation):
    """A small problem without dependent functions, and a network on it."""
    rng = np.random.default_rng(3)
    x = rng.normal(size=(60, 2))
    t = np.sin(x @ [[1.5], [-0.5]]) + 0.3 * rng.normal(size=(60, 1))
    return x, t, pwl.initialise(pwl.Network.mlp(2, 3, 1, activation, seed=1), (x, t))


def errors(x, t, net, algorithm, iterations):
    return pwl.train(net, (x, t), algorithm, iterations=iterations)[1]["error"]


@pytest.mark.core
def test_molf_is_the_packages():
    x, t, net = start("sigmoid")
    found = plain.molf(x, t, np.array(net.W), np.array(net.W_o), 6)
    np.testing.assert_allclose(found, errors(x, t, net, pwl.MOLF(), 6), rtol=1e-9)


@pytest.mark.core
def test_adact_is_the_packages():
    x, t, net = start(pwl.PiecewiseLinear("sigmoid", HINGES, span=SPAN))
    ns = np.linspace(*SPAN, HINGES)
    found = plain.adact(x, t, np.array(net.W), np.array(net.W_o), ns, np.array(net.A), 6)
    np.testing.assert_allclose(found, errors(x, t, net, pwl.AdAct(), 6), rtol=1e-9)


@pytest.mark.core
def test_lm_is_the_packages():
    x, t, net = start("sigmoid")
    found = plain.lm(x, t, np.array(net.W), np.array(net.W_o), 6)
    wanted = errors(x, t, net, pwl.LM(solver="cholesky", schedule="gain"), 6)
    np.testing.assert_allclose(found, wanted, rtol=1e-9)
