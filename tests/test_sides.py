"""Covariances of the sides of weights' gradients, their roots, and the directions between them."""

from __future__ import annotations

import dataclasses

import array_api_strict
import numpy as np
import pytest
from toys import curve, problem, random_network, take_step

import pwl
from pwl.algorithms.all_weights import trained
from pwl.algorithms.sides import conditioned, covariances, inverse_root, sides
from pwl.layers import Conv2d, Dense, Flatten
from pwl.network.layout import HEAD

METHOD = pwl.MinibatchAdAct()


def test_sides_are_those_of_weights_and_not_of_curves():
    layers = [Conv2d(4, 3), pwl.PiecewiseLinear("relu", 7), Flatten(), Dense(6), "tanh", Dense(1)]
    net = pwl.Network.from_layers(layers, (8, 8, 1), loss="squared_error")
    found = sides(net, trained(net, True), 100)
    assert found == {"0.W.rows": 4, "0.W.columns": 10, "3.W.rows": 6, f"{HEAD}.columns": 7}  # 145 columns are too many
    assert sides(net, ("3.W",), 145) == {"3.W.rows": 6, "3.W.columns": 145}
    assert sides(net, trained(net, True), 1) == {}


def test_covariances_by_hand():
    G = {"0.W": np.array([[1.0, 2.0, 0.0], [0.0, 1.0, 1.0]])}
    names = {"0.W.rows": 2, "0.W.columns": 3}
    first = covariances({}, G, names, 0.5)
    np.testing.assert_allclose(first["0.W.rows"], [[2.5, 1], [1, 1]])
    np.testing.assert_allclose(first["0.W.columns"], [[0.5, 1, 0], [1, 2.5, 0.5], [0, 0.5, 0.5]])
    second = covariances(first, {"0.W": np.zeros((2, 3))}, names, 0.5)
    np.testing.assert_allclose(second["0.W.rows"], first["0.W.rows"] / 2)


def test_roots_by_hand():
    """Eigenvalues 2 and 6, of mean 4, become 1/2 + 1 and 3/2 + 1."""
    C = np.array([[4.0, 2.0], [2.0, 4.0]])
    a, b = (3 / 2) ** -0.5, (5 / 2) ** -0.5
    np.testing.assert_allclose(inverse_root(C, 1.0), [[(a + b) / 2, (b - a) / 2], [(b - a) / 2, (a + b) / 2]], rtol=1e-14)
    np.testing.assert_allclose(inverse_root(1e-30 * C, 1.0), inverse_root(C, 1.0), rtol=1e-13)
    np.testing.assert_array_equal(inverse_root(0 * C, 0.1), np.eye(2))
    found = inverse_root(C.astype(np.float32), 1.0)
    assert found.dtype == np.float32


@pytest.mark.parametrize("convert", [np.asarray, array_api_strict.asarray], ids=["numpy", "strict"])
def test_of_one_gradient_the_direction_is_its_inverse_transposed(convert):
    """G = U S V' has the sides U S^2 U' and V S^2 V'; between their roots it is U S^-1 V'."""
    G = np.array([[3.0, 1.0, 0.0], [1.0, 2.0, 1.0], [0.0, 1.0, -1.0]])
    D, m = np.sign(G), {"0.W": convert(G)}
    found = covariances({}, m, {"0.W.rows": 3, "0.W.columns": 3}, 0.9)
    roots = {name: inverse_root(C, 1e-13) for name, C in found.items()}
    turned = np.asarray(conditioned({"0.W": convert(D)}, m, roots)["0.W"])
    wanted = np.linalg.inv(G).T
    np.testing.assert_allclose(turned, wanted * np.linalg.norm(D) / np.linalg.norm(wanted), rtol=1e-9, atol=1e-11)


def test_what_has_no_roots_or_no_gradient_stays():
    D = {"0.W": np.ones((2, 2)), "1.A": 3 * np.ones((2, 5)), "2.W": np.zeros((2, 2))}
    roots = {"0.W.rows": np.diag([1.0, 4.0]), "2.W.rows": np.eye(2)}
    found = conditioned(D, {key: np.ones_like(d) * (key != "2.W") for key, d in D.items()}, roots)
    assert found["1.A"] is D["1.A"]
    np.testing.assert_array_equal(found["2.W"], np.zeros((2, 2)))
    np.testing.assert_allclose(found["0.W"], 2 / np.sqrt(34) * np.array([[1, 1], [4, 4]]))


def test_inputs_that_rise_and_fall_together_do_not_hold_it_up():
    """Nearly all the variance of 12 inputs lies along their sum, and the target along the difference of two."""
    rng = np.random.default_rng(3)
    x = rng.standard_normal((200, 1)) + 0.2 * rng.standard_normal((200, 12))
    data, errors = (x, 3 * (x[:, :1] - x[:, 1:2])), {}
    for largest in (1, 300):  # with 1 directions are as in Adam
        net = pwl.Network.from_layers([Dense(8), "tanh", Dense(1)], (12,), loss="squared_error", seed=1)
        method = dataclasses.replace(METHOD, largest_side=largest)
        errors[largest] = pwl.train(net, data, method, batch_size=50, iterations=20)[1]["error"][-1]
    assert errors[300] < 0.4 * errors[1] < 0.04


def test_roots_are_found_in_the_first_ten_steps_and_in_every_tenth():
    net = random_network(curve("linear"), 4, outputs=2)
    patterns, state = problem(net), METHOD.init(net, problem(net), 7)
    new = []
    for step in range(31):
        before = state
        net, state, _ = take_step(METHOD, net, patterns, state)
        if state.roots is not before.roots:
            new.append(step)
        assert sorted(state.covariances) == sorted(state.roots) == sorted(sides(net, trained(net, True), 300))
    assert new == [*range(10), 10, 20, 30]


def test_a_run_from_before_there_were_sides_goes_on_without():
    net = random_network(curve("linear"), 4, outputs=2)
    patterns, old = problem(net), dataclasses.replace(METHOD, largest_side=1)
    state = METHOD.init(net, patterns, 7)
    for method in (old, old, METHOD):
        net, state, _ = take_step(method, net, patterns, state._replace(covariances=None, roots=None) if state.steps else state)
    assert state.roots is None


@pytest.mark.parametrize("setting", [{"memory_sides": 1.0}, {"side_damping": 0.0}, {"largest_side": 0}])
def test_settings_that_cannot_be(setting):
    with pytest.raises(pwl.InputError, match=next(iter(setting))):
        pwl.MinibatchAdAct(**setting)
