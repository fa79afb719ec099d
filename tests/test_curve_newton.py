"""The Newton direction of curves: the bands against the hats, the solver against dense systems, and what a step gains."""

from __future__ import annotations

import itertools

import array_api_strict
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import assert_close, output_hessians
from toys import input_of, outputs, spirals, waves

import pwl
from pwl.kernels import Hinges
from pwl.kernels.reference.curves import hats
from pwl.reductions.bands import curve_bands, tridiagonal
from pwl.reductions.reduce import reduce
from pwl.solvers.tridiagonal import solve_tridiagonal

CURVES = {
    "uniform": pwl.PiecewiseLinear("tanh", 9),
    "auto": pwl.PiecewiseLinear("tanh"),
    "positions": pwl.PiecewiseLinear("tanh", (-2.0, -0.5, 0.1, 1.0, 3.0)),
    "linear": pwl.PiecewiseLinear("tanh", 7, outside="linear"),
}


def started(activation, loss="squared_error", hidden=5):
    data = (waves if loss == "squared_error" else spirals)()
    net = pwl.Network.mlp(data[0].shape[1], hidden, 2 if loss == "squared_error" else 3, activation, loss=loss)
    net = pwl.initialise(net, data)
    w = np.random.default_rng(0).uniform(0.5, 2, len(data[0]))
    return net, pwl.Patterns(*data, w)


def full(diagonal, beside):
    return np.stack([np.diag(d) + np.diag(b, 1) + np.diag(b, -1) for d, b in zip(diagonal, beside, strict=True)])


@pytest.mark.parametrize("loss", ["squared_error", "cross_entropy"])
@pytest.mark.parametrize("name", CURVES)
def test_the_bands_are_the_gauss_newton_block_of_each_curve(name, loss):
    """sum of w phi phi' w_k'S w_k over patterns, with the hats and S in full."""
    net, patterns = started(CURVES[name], loss)
    found = reduce(curve_bands(("1.A",)), net, patterns)
    T = full(found.diagonal["1.A"], found.beside["1.A"])
    phi = hats(input_of(net, 1, patterns.x), net.layers[1].grid(net.layer_buffers[1]))
    S = output_hessians(net.loss, outputs(net, patterns.x))
    c = np.einsum("ik,pij,jk->pk", net.W_oh, S, net.W_oh)
    wanted = np.einsum("p,pk,kmp,knp->kmn", patterns.weights, c, phi, phi) / patterns.weights.sum()
    assert_close(T, wanted, 1e-12)


def test_in_deeper_nets_signals_come_through_the_layers_above():
    net, patterns = started(CURVES["uniform"], hidden=(4, 3))
    from oracles import gauss_newton, unit_elements

    found = reduce(curve_bands(("1.A", "3.A")), net, patterns)
    H, _ = gauss_newton(net, patterns, unit_elements(net, ("1.A",)))
    for k, T in enumerate(full(found.diagonal["1.A"], found.beside["1.A"])):
        block = H[9 * k : 9 * k + 9, 9 * k : 9 * k + 9]
        np.testing.assert_allclose(T, block, atol=1e-7 * np.abs(H).max())


@pytest.mark.parametrize("linear", [False, True])
def test_plain_array_code_gives_the_same_bands(linear):
    rng = np.random.default_rng(0)
    n, c, ns = rng.normal(size=(40, 3)), rng.uniform(size=(40, 3)), np.tile(np.linspace(-1, 1, 6), (3, 1))
    strict = [array_api_strict.asarray(a) for a in (n, ns, c)]
    for one, other in zip(
        tridiagonal(n, Hinges(ns, True, linear), c),
        tridiagonal(strict[0], Hinges(strict[1], True, linear), strict[2]),
        strict=True,
    ):
        np.testing.assert_allclose(one, np.asarray(other), rtol=1e-12, atol=1e-14)


@settings(deadline=None, max_examples=50)
@given(st.integers(1, 4), st.integers(2, 12), st.integers(0, 2**31))
def test_the_solver_solves(units, K, seed):
    rng = np.random.default_rng(seed)
    beside = rng.normal(size=(units, K - 1))
    room = np.zeros((units, K))
    room[:, :-1] += np.abs(beside)
    room[:, 1:] += np.abs(beside)
    diagonal, g = room + rng.uniform(0.1, 1, (units, K)), rng.normal(size=(units, K))
    wanted = np.stack([np.linalg.solve(T, each) for T, each in zip(full(diagonal, beside), g, strict=True)])
    np.testing.assert_allclose(solve_tridiagonal(diagonal, beside, g, 1e-12), wanted, rtol=1e-8, atol=1e-10)


def test_dependent_ordinates_get_zero_as_in_ols():
    # the hats of a unit with two nets in one segment, at u = 0 and 1, and no others: rows of zeros around them
    diagonal = np.array([[0.0, 2, 3, 0], [1, 1, 2, 1]])
    beside = np.array([[0.0, 1, 0], [1, 0, 1]])  # in the second unit, ordinate 1 repeats ordinate 0
    g = np.array([[0.0, 4, 7, 0], [1, 1, 3, 2]])
    found = solve_tridiagonal(diagonal, beside, g, 1e-12)
    wanted = np.stack(
        [np.asarray(pwl.OLS().solve(T, each).weights) for T, each in zip(full(diagonal, beside), g, strict=True)]
    )
    np.testing.assert_allclose(found, wanted, atol=1e-12)
    assert found[0, 0] == found[0, 3] == found[1, 1] == 0


@pytest.mark.parametrize("factor", ["scalar", "unit"])
@pytest.mark.parametrize("name", CURVES)
def test_a_step_lowers_the_error_and_farther_than_along_the_gradient(name, factor):
    net, patterns = started(CURVES[name], hidden=8)
    before = pwl.evaluate(net, patterns).error
    after = {
        direction: pwl.evaluate(pwl.adact_step(net, patterns, factor, curve_direction=direction)[0], patterns).error
        for direction in ("gradient", "newton")
    }
    assert after["newton"] < before and after["newton"] < after["gradient"]


@pytest.mark.parametrize("loss", ["squared_error", "cross_entropy"])
@pytest.mark.parametrize("hidden", [6, (5, 4)])
def test_no_step_raises_the_objective(loss, hidden):
    net, patterns = started(CURVES["uniform"], loss, hidden)
    _, record = pwl.train(net, patterns, pwl.AdAct.damped(curve_direction="newton", ridge=1e-3), iterations=15)
    J = record["objective"]
    assert all(after <= before * (1 + 1e-9) for before, after in itertools.pairwise(J[1:])) and J[-1] < J[0]


def test_other_activations_have_no_such_direction():
    net, patterns = started(pwl.APL(), hidden=3)
    with pytest.raises(pwl.InputError, match="newton"):
        pwl.adact_step(net, patterns, curve_direction="newton")
    with pytest.raises(pwl.InputError, match="curve_direction"):
        pwl.AdAct.damped(curve_direction="up")
