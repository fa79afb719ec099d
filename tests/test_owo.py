"""Output weight optimisation under squared error: least squares, ridge, and functions that repeat, Eqs. (10), (11)."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from toys import E_of, basis, curve, gradients_of, outputs, problem, random_network

import pwl
from pwl.algorithms import owo_step
from pwl.algorithms.learning_factors import objective
from pwl.algorithms.penalties import Penalties
from pwl.network.layout import HEAD

SEEDS = st.integers(0, 10_000)


def G_o(net, patterns, penalties=None):
    return (penalties or Penalties()).add_gradient(net, gradients_of(net, patterns, (HEAD,)))[HEAD]


def least_squares_error(net, patterns):
    """E of the best output weights, from the basis written out and solved without correlations."""
    root = np.sqrt(np.ones(len(patterns)) if patterns.weights is None else patterns.weights)[:, None]
    B, T = root * basis(net, patterns.x), root * patterns.t
    W_o = np.linalg.lstsq(B, T, rcond=1e-9)[0].T
    return np.sum((T - B @ W_o.T) ** 2) / np.sum(root**2), W_o


@pytest.mark.parametrize("weights", [False, True])
@pytest.mark.parametrize("bypass", [False, True])
@pytest.mark.parametrize("hidden", [5, (4, 3)])
def test_output_weights_are_least_squares(hidden, bypass, weights):
    net = random_network(curve(), hidden, bypass=bypass)
    patterns = problem(net, 80, weights=weights)
    after, info = owo_step(net, patterns)
    E, W_o = least_squares_error(net, patterns)
    np.testing.assert_allclose(after.W_o, W_o, rtol=0, atol=1e-10)  # R's condition is about 1e4 here
    assert E_of(after, patterns) == pytest.approx(E, rel=1e-12)
    assert info["dependent"] == ()
    np.testing.assert_array_equal(after.theta[: -net.W_o.size], net.theta[: -net.W_o.size])


@pytest.mark.parametrize("ridge", [0.0, 1e-3, 1.0])
def test_output_step_leaves_no_gradient_at_the_outputs(ridge):
    penalties, net = Penalties(ridge=ridge), random_network("tanh", 5)
    patterns = problem(net, weights=True)
    after, _ = owo_step(net, patterns, penalties)
    before = np.linalg.norm(G_o(net, patterns, penalties))
    assert np.linalg.norm(G_o(after, patterns, penalties)) < 1e-12 * before


@settings(max_examples=40, deadline=None)
@given(seed=SEEDS, ridge=st.sampled_from([0.0, 1e-3, 1.0]), scale=st.sampled_from([1e-3, 1.0, 1e3]))
def test_output_step_cannot_raise_the_objective(seed, ridge, scale):
    penalties, net = Penalties(ridge=ridge), random_network(curve(), 5, seed=seed, bypass=bool(seed % 3))
    net = net.with_parts({HEAD: scale * net.W_o})
    patterns = problem(net, 30, weights=bool(seed % 2), seed=seed)
    after, _ = owo_step(net, patterns, penalties)
    assert objective(after, patterns, penalties) <= objective(net, patterns, penalties) * (1 + 1e-12)
    again, _ = owo_step(after, patterns, penalties)
    assert objective(again, patterns, penalties) == pytest.approx(objective(after, patterns, penalties), rel=1e-12)


# ---- ridge


@pytest.mark.parametrize("ridge", [0.0, 1e-2, 1.0])
@pytest.mark.parametrize("weights", [False, True])
def test_objective_of_the_step_is_E_and_the_penalty(ridge, weights):
    """J = E + ridge |W_o|^2 without the constants', from the residuals; the step has it as E_t - |V|^2, Eq. (11)."""
    net = random_network("tanh", 5)
    patterns = problem(net, weights=weights)
    after, info = owo_step(net, patterns, Penalties(ridge=ridge))
    w = np.ones(len(patterns)) if patterns.weights is None else patterns.weights
    residuals = np.sum((patterns.t - outputs(after, patterns.x)) ** 2, axis=1)
    J = np.sum(w * residuals) / np.sum(w) + ridge * np.sum(after.W_o[:, 1:] ** 2)
    assert info["owo_objective"] == pytest.approx(J, rel=1e-12)
    assert objective(after, patterns, Penalties(ridge=ridge)) == pytest.approx(J, rel=1e-12)


def test_ridge_can_raise_E_but_not_J():
    net, penalties = random_network("tanh", 5), Penalties(ridge=1.0)
    patterns = problem(net)
    best, _ = owo_step(net, patterns)
    after, _ = owo_step(best, patterns, penalties)
    assert E_of(after, patterns) > E_of(best, patterns)
    assert objective(after, patterns, penalties) < objective(best, patterns, penalties)
    assert np.sum(after.W_o[:, 1:] ** 2) < np.sum(best.W_o[:, 1:] ** 2)


def test_ridge_spares_the_constant():
    """Targets shifted by 100 shift the constants' weights and nothing else, however large the ridge."""
    net, penalties = random_network("tanh", 5), Penalties(ridge=10.0)
    patterns = problem(net)
    shifted = pwl.Patterns(patterns.x, patterns.t + 100)
    W_o, moved = (owo_step(net, data, penalties)[0].W_o for data in (patterns, shifted))
    np.testing.assert_allclose(moved[:, 0], W_o[:, 0] + 100, rtol=1e-12)
    np.testing.assert_allclose(moved[:, 1:], W_o[:, 1:], rtol=0, atol=1e-11)


# ---- functions that repeat: basis [1, x (3), o], so the hidden units' indices start at 4


def assert_dropped(net, patterns, dependent):
    """The functions are named, have weight 0, and the fit is the best that the basis can give."""
    after, info = owo_step(net, patterns)
    assert info["dependent"] == dependent
    assert np.all(after.W_o[:, list(dependent)] == 0)
    assert E_of(after, patterns) == pytest.approx(least_squares_error(net, patterns)[0], rel=1e-10)


def test_a_repeated_input_is_dropped():
    net = random_network("tanh", 5)
    patterns = problem(net)
    x = patterns.x.copy()
    x[:, 2] = 3 * x[:, 0] - 1
    assert_dropped(net, pwl.Patterns(x, patterns.t), (3,))


def test_a_constant_input_is_dropped():
    net = random_network("tanh", 5)
    patterns = problem(net)
    x = patterns.x.copy()
    x[:, 0] = 0.5
    assert_dropped(net, pwl.Patterns(x, patterns.t), (1,))


def test_a_repeated_unit_is_dropped():
    net = random_network("tanh", 5)
    W = net.W.copy()
    W[4] = W[1]
    assert_dropped(net.with_parts({"0.W": W}), problem(net), (8,))


def test_a_dead_unit_is_dropped():
    net = random_network("relu", 5)
    W = net.W.copy()
    W[1] = [-100, 0.1, 0.1, 0.1]
    assert_dropped(net.with_parts({"0.W": W}), problem(net), (5,))


@pytest.mark.parametrize(("bypass", "dependent"), [(True, (6,)), (False, (3,))])
def test_a_constant_curve_repeats_the_constant(bypass, dependent):
    net = random_network(curve(), 5, bypass=bypass)
    A = net.A.copy()
    A[2] = 0.8
    assert_dropped(net.with_parts({"1.A": A}), problem(net), dependent)


@pytest.mark.parametrize(("bypass", "dependent"), [(True, (6,)), (False, ())])
def test_a_straight_curve_repeats_the_bypass(bypass, dependent):
    net = random_network(curve("linear"), 5, bypass=bypass)
    A = net.A.copy()
    A[2] = 0.4 * net.buffers["1.ns"][2] + 2
    assert_dropped(net.with_parts({"1.A": A}), problem(net), dependent)


def test_linear_units_beyond_the_inputs_are_dropped():
    """With bypass all linear units repeat it; without, as many serve as there are inputs."""
    with_bypass, without = (random_network("identity", 5, bypass=bypass) for bypass in (True, False))
    assert_dropped(with_bypass, problem(with_bypass), (4, 5, 6, 7, 8))
    assert_dropped(without, problem(without), (4, 5))


def test_bypass_can_only_lower_the_error():
    without = random_network("tanh", 4, bypass=False)
    patterns = problem(without)
    with_bypass = random_network("tanh", 4).with_parts({"0.W": without.W})
    E = [E_of(owo_step(net, patterns)[0], patterns) for net in (without, with_bypass)]
    assert E[1] < E[0]
    assert without.n_basis == 5
    assert with_bypass.n_basis == 8
