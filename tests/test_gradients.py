"""Negative gradients against difference quotients, Eqs. (15)-(18), (26), (27), and forward against backward."""

from __future__ import annotations

import numpy as np
import pytest
from oracles import along, quotient, random_direction, second_difference, slope
from toys import (
    LOSSES,
    E_of,
    activations,
    curve,
    gradients_of,
    outputs,
    problem,
    pulled_back,
    random_network,
    reduce,
    tangent,
)

from pwl.algorithms.penalties import Penalties
from pwl.network.layout import HEAD
from pwl.reductions.gradients import gradients

ACTIVATIONS = activations()
DEPTHS = [4, (4, 3), (3, 4, 3)]
# Step 1e-5: the quotient errs by about step^2 (1e-10) from curvature and eps / step (1e-11) from rounding, relative to
# derivatives of order 1; third derivatives through three layers take the rest. A kink nearer than MARGIN is left out.
TOLERANCE = 2e-8
MARGIN = 2e-4


def mismatch(net, patterns, key, G, seed=0):
    """|quotient of E + <G, D>| relative to |G|, the largest over three random directions D of length 1 in one key."""
    rng = np.random.default_rng(seed)
    scale = np.linalg.norm(G) + 1e-2 * E_of(net, patterns)  # a dead unit's gradient is 0, its quotient rounding
    found = []
    for _ in range(3):
        D = random_direction(net, (key,), rng)
        found.append(abs(slope(net, patterns, D) + np.sum(G * D[key])) / scale)
    return max(found)


@pytest.mark.parametrize(
    ("bypass", "weights"),
    [(False, True), (True, False), *(pytest.param(both, both, marks=pytest.mark.slow) for both in (False, True))],
)
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("hidden", DEPTHS)
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_gradients_of_every_parameter(name, hidden, loss, bypass, weights):
    net = random_network(ACTIVATIONS[name], hidden, loss=loss, bypass=bypass)
    patterns = problem(net, weights=weights, margin=MARGIN)
    assert len(patterns) >= 30
    G = gradients_of(net, patterns)
    assert set(G) == set(net.parts)
    wrong = {key: mismatch(net, patterns, key, g) for key, g in G.items()}
    assert max(wrong.values()) < TOLERANCE, wrong


@pytest.mark.parametrize("name", ["tanh", "relu", "curves, linear"])
@pytest.mark.parametrize("loss", LOSSES)
def test_the_check_sees_a_gradient_wrong_by_a_thousandth(name, loss):
    net = random_network(ACTIVATIONS[name], (4, 3), loss=loss)
    patterns = problem(net, margin=MARGIN)
    for key, G in gradients_of(net, patterns).items():
        assert mismatch(net, patterns, key, 1.001 * G) > 100 * TOLERANCE


@pytest.mark.parametrize("loss", LOSSES)
def test_the_check_sees_missing_weights(loss):
    net = random_network("tanh", 4, loss=loss)
    weighted, plain = problem(net, weights=True), problem(net)
    G = gradients_of(net, plain)
    assert min(mismatch(net, weighted, key, g) for key, g in G.items()) > 1e4 * TOLERANCE


def test_error_beside_the_gradient_is_E():
    net = random_network("tanh", (4, 3))
    patterns = problem(net, weights=True)
    assert float(reduce(patterns, gradients(("0.W",)), net).scores[0]) == pytest.approx(E_of(net, patterns), rel=1e-14)


def test_gradients_of_some_parameters_are_those_of_all():
    """Asked for a part, the backward pass stops early and the order is the asker's."""
    net = random_network(curve(), (4, 3))
    patterns = problem(net)
    G = gradients_of(net, patterns)
    for keys in [("2.W",), ("3.A", "0.W"), (HEAD, "1.A"), (HEAD,)]:
        found = gradients_of(net, patterns, keys)
        assert tuple(found) == keys
        for key, value in found.items():
            np.testing.assert_allclose(value, G[key], rtol=0, atol=1e-15 * np.abs(G[key]).max())


# ---- penalties: quadratic forms, so quotients are exact at any step and 1 loses the fewest digits


@pytest.mark.parametrize(
    "penalties", [Penalties(ridge=0.3), Penalties(l2=0.2), Penalties(curves=0.7), Penalties(0.3, 0.2, 0.7)]
)
@pytest.mark.parametrize("hinges", [2, 3, 7])
def test_gradients_of_the_penalties(penalties, hinges):
    net = random_network(curve(hinges=hinges), (4, 3))
    rng = np.random.default_rng(0)
    zero = {key: np.zeros_like(part) for key, part in net.parts.items()}
    G = penalties.add_gradient(net, zero)
    for key, g in G.items():
        D = random_direction(net, (key,), rng)
        found = quotient(penalties.value, net, D, step=1.0)
        assert found == pytest.approx(-np.sum(g * D[key]), rel=1e-12, abs=1e-12)
    assert penalties.value(net) > 0 or hinges == 2  # two hinges have no second difference


@pytest.mark.parametrize("hinges", [2, 3, 7])
def test_curvature_of_the_penalties(hinges):
    penalties = Penalties(l2=0.2, curves=0.7)
    net = random_network(curve(hinges=hinges), (4, 3))
    rng = np.random.default_rng(0)
    for key in (*net.keys("map"), *net.keys("activation")):
        D = random_direction(net, (key,), rng)[key]
        found = penalties.curvature(net, key, D)
        for k in range(len(D)):
            row = np.zeros_like(D)
            row[k] = D[k]
            wanted = second_difference(along(penalties.value, net, {key: row}))
            assert found[k] == pytest.approx(wanted, rel=1e-11, abs=1e-12)


def test_penalties_spare_thresholds_and_straight_curves():
    net = random_network(curve(), 3)
    straight = net.buffers["1.ns"] * np.array([[2.0], [-1.0], [0.0]]) + 5
    parts = {"0.W": net.W * [1, 0, 0, 0], "1.A": straight, HEAD: net.W_o * (np.arange(net.n_basis) == 0)}
    assert Penalties(1.0, 1.0, 1.0).value(net.with_parts(parts)) == pytest.approx(0, abs=1e-28)


def test_no_penalty_leaves_the_gradient_alone():
    net = random_network(curve(), 3)
    G = gradients_of(net, problem(net))
    assert Penalties().add_gradient(net, G) == G
    assert Penalties().value(net) == 0


# ---- forward against backward


@pytest.mark.parametrize("bypass", [False, True])
@pytest.mark.parametrize("hidden", DEPTHS)
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_tangent_and_backward_pass_are_adjoint(name, hidden, bypass):
    """<u, J v> = <J'u, v> for every direction v of the body and every signal u at the outputs."""
    net = random_network(ACTIVATIONS[name], hidden, bypass=bypass)
    x = problem(net).x
    rng = np.random.default_rng(3)
    v = random_direction(net, (*net.keys("map"), *net.keys("activation")), rng)
    forth = tangent(net, x, v)
    u = rng.standard_normal(forth.shape)
    back = sum(np.sum(value * v[key]) for key, value in pulled_back(net, x, u.copy()).items())
    assert np.sum(u * forth) == pytest.approx(back, rel=0, abs=1e-13 * np.linalg.norm(u) * np.linalg.norm(forth))


@pytest.mark.parametrize("hidden", DEPTHS)
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_tangent_is_the_change_of_the_outputs(name, hidden):
    net = random_network(ACTIVATIONS[name], hidden)
    x = problem(net, margin=MARGIN).x
    rng = np.random.default_rng(4)
    for key in (*net.keys("map"), *net.keys("activation")):
        v = random_direction(net, (key,), rng)
        wanted = quotient(lambda at: outputs(at, x), net, v)
        found = tangent(net, x, v)
        np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-7 * max(1.0, np.abs(found).max()))
