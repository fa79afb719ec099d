"""PiecewiseLinear: how curves start, where their hinges lie, and that a hinge more changes nothing, Eq. (7)."""

from __future__ import annotations

import numpy as np
import pytest
from toys import curve, kept_by_layers, outputs, problem, random_network

import pwl
from pwl.activations import FIXED
from pwl.network.network import Network


def curve_net(activation, inputs=2, hidden=3, seed=0):
    return Network.mlp(inputs, hidden, 2, activation, seed=seed)


# ---- starts


@pytest.mark.parametrize("start", sorted(FIXED))
@pytest.mark.parametrize("hinges", [2, 13, (-1.0, 0.0, 0.3, 2.0)])
def test_curves_start_as_samples(start, hinges):
    net = curve_net(pwl.PiecewiseLinear(start, hinges))
    np.testing.assert_array_equal(net.A, FIXED[start].f(net.buffers["1.ns"]))


def test_curves_can_start_from_a_function():
    net = curve_net(pwl.PiecewiseLinear(np.cos, 5, span=(0, 4)))
    np.testing.assert_array_equal(net.A, np.broadcast_to(np.cos([0.0, 1.0, 2.0, 3.0, 4.0]), (3, 5)))


@pytest.mark.parametrize("hinges", [13, 25])
def test_sampled_relu_is_relu_inside_the_span(hinges):
    """Where 0 is a hinge, as with 13 or 25 over the default span."""
    net = curve_net(pwl.PiecewiseLinear("relu", hinges))
    n = np.linspace(-2.5, 3.5, 301)[:, None] * np.ones(3)
    o = net.layers[1].apply({"A": net.A}, {"ns": net.buffers["1.ns"]}, n)
    np.testing.assert_allclose(o, FIXED["relu"].f(n), rtol=0, atol=1e-14)


def test_sampled_relu_without_a_hinge_at_zero_is_not_relu():
    """Six hinges over (-2.5, 3.5) put 0 between -0.1 and 1.1, where the chord lies 1.1 / 12 above ReLU."""
    net = curve_net(pwl.PiecewiseLinear("relu", 6))
    o = net.layers[1].apply({"A": net.A}, {"ns": net.buffers["1.ns"]}, np.zeros((1, 3)))
    np.testing.assert_allclose(o, 1.1 / 12, rtol=1e-13)


@pytest.mark.parametrize("start", ["relu", "leaky_relu", "identity"])
def test_straight_ends_continue_outside(start):
    """With linear ends and a hinge at 0, these starting functions are met everywhere."""
    net = curve_net(pwl.PiecewiseLinear(start, 13, outside="linear"))
    n = np.linspace(-20, 20, 401)[:, None] * np.ones(3)
    o = net.layers[1].apply({"A": net.A}, {"ns": net.buffers["1.ns"]}, n)
    np.testing.assert_allclose(o, FIXED[start].f(n), rtol=0, atol=1e-13)


# ---- spans


def test_default_span_is_three_standard_deviations_about_net_controls_mean():
    np.testing.assert_array_equal(
        curve_net(pwl.PiecewiseLinear("relu", 13)).buffers["1.ns"][0], np.linspace(-2.5, 3.5, 13)
    )


def test_given_span():
    np.testing.assert_array_equal(
        curve_net(pwl.PiecewiseLinear("relu", 4, span=(-1, 2))).buffers["1.ns"], [[-1, 0, 1, 2]] * 3
    )


def test_positions_for_each_unit():
    rows = np.array([[0.0, 1.0, 3.0], [-1.0, 0.0, 1.0], [2.0, 2.5, 4.0]])
    np.testing.assert_array_equal(curve_net(pwl.PiecewiseLinear("tanh", rows)).buffers["1.ns"], rows)


@pytest.mark.parametrize("hinges", [3, 13])
@pytest.mark.parametrize("hidden", [(4,), (4, 3)])
def test_span_of_the_nets_covers_them_and_has_a_hinge_at_zero(hinges, hidden):
    net = Network.mlp(2, hidden, 2, pwl.PiecewiseLinear("relu", hinges, span="nets"))
    data = problem(net, 80)
    net = pwl.initialise(net, data)
    for index, kept in enumerate(kept_by_layers(net, data.x)):
        if index % 2:
            ns, low, high = net.buffers[f"{index}.ns"], kept.n.min(axis=0), kept.n.max(axis=0)
            assert np.all(ns[:, 0] <= low + 1e-12)
            assert np.all(ns[:, -1] >= high - 1e-12)
            assert np.all(ns[:, 1] > low)
            assert np.all(ns[:, -2] < high)
            np.testing.assert_allclose(np.diff(ns, 2, axis=1), 0, atol=1e-12)
            assert np.all(low < 0)
            assert np.all(high > 0)
            assert np.all(np.any(ns == 0, axis=1))
            np.testing.assert_array_equal(net.parts[f"{index}.A"], FIXED["relu"].f(ns))


def test_span_of_nets_that_are_all_positive_is_their_range():
    W = np.array([[10.0, 1.0, 0.0], [-10.0, 0.0, 1.0]])
    net = Network.mlp(2, 2, 1, pwl.PiecewiseLinear("relu", 5, span="nets"), W=W, net_control=False)
    data = problem(net, 30)
    net, n = pwl.initialise(net, data), data.x @ W[:, 1:].T + W[:, 0]
    np.testing.assert_allclose(net.buffers["1.ns"], np.linspace(n.min(axis=0), n.max(axis=0), 5).T, rtol=1e-14)


def test_span_of_a_constant_net_is_not_empty():
    W = np.array([[2.0, 0.0], [0.0, 1.0]])
    net = Network.mlp(1, 2, 1, pwl.PiecewiseLinear("relu", 5, span="nets"), W=W, net_control=False)
    ns = pwl.initialise(net, problem(net, 30)).buffers["1.ns"]
    assert np.all(np.diff(ns, axis=1) > 0)
    assert ns[0, 0] <= 2 <= ns[0, -1]


# ---- a hinge more


@pytest.mark.parametrize("outside", ["constant", "linear"])
@pytest.mark.parametrize("general", [False, True])
@pytest.mark.parametrize("position", [0.37, -1.01, 1.49, -2.5, 4.0])
@pytest.mark.parametrize(("hidden", "layer"), [(4, None), ((4, 3), 1), ((4, 3), 3)])
def test_inserted_hinge_changes_no_output(outside, general, position, hidden, layer):
    activation = pwl.PiecewiseLinear("tanh", (-1.5, -0.2, 0.1, 1.5), outside=outside) if general else curve(outside)
    net = random_network(activation, hidden)
    x = 3 * problem(net, 200).x  # nets far outside the hinges among them
    grown = pwl.insert_hinge(net, position, layer)
    index = layer or 1
    ns, before = grown.buffers[f"{index}.ns"], net.buffers[f"{index}.ns"]
    assert ns.shape == (before.shape[0], before.shape[1] + 1)
    assert np.all(np.diff(ns, axis=1) > 0)
    assert np.all(np.any(ns == position, axis=1))
    y = outputs(net, x)
    np.testing.assert_allclose(outputs(grown, x), y, rtol=0, atol=1e-13 * np.abs(y).max())


def test_inserted_hinge_gives_the_curve_a_new_freedom():
    """The new ordinate moves the curve at the new hinge and nowhere beyond its neighbours."""
    grown = pwl.insert_hinge(random_network(curve(), 2), 0.25)
    at = int(np.argmax(grown.buffers["1.ns"][0] == 0.25))
    A = grown.A.copy()
    A[:, at] += 1
    n = np.array([0.0, 0.125, 0.25, 0.375, 0.5])[:, None] * np.ones(2)
    change = [grown.layers[1].apply({"A": ordinates}, {"ns": grown.buffers["1.ns"]}, n) for ordinates in (A, grown.A)]
    np.testing.assert_allclose((change[0] - change[1])[:, 0], [0, 0.5, 1, 0.5, 0], atol=1e-14)


def test_inserted_hinges_can_follow_each_other_and_leave_the_net_as_it_was():
    net = random_network(curve("linear"), 3)
    theta, grown = net.theta.copy(), net
    for position in (0.3, -7.0, 0.1):
        grown = pwl.insert_hinge(grown, position)
    x = problem(net, 50).x
    np.testing.assert_allclose(outputs(grown, x), outputs(net, x), rtol=0, atol=1e-13)
    np.testing.assert_array_equal(net.theta, theta)
    assert grown.A.shape == (3, 10)
    assert net.A.shape == (3, 7)


@pytest.mark.parametrize(("position", "layer"), [(0.0, None), (0.3, 0), (0.3, 2), (np.nan, None), (np.inf, None)])
def test_hinges_that_cannot_be_inserted(position, layer):
    with pytest.raises(pwl.InputError):
        pwl.insert_hinge(random_network(curve(), 2), position, layer)


def test_fixed_activations_have_no_hinges():
    with pytest.raises(pwl.InputError, match="no curves"):
        pwl.insert_hinge(random_network("relu", 2), 0.3)


# ---- errors


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"hinges": 1}, "at least 2"),
        ({"hinges": 0}, "at least 2"),
        ({"hinges": -3}, "at least 2"),
        ({"hinges": [1.0]}, "at least 2"),
        ({"hinges": []}, "at least 2"),
        ({"hinges": [0.0, 0.0, 1.0]}, "increasing"),
        ({"hinges": [2.0, 1.0]}, "increasing"),
        ({"hinges": [[0.0, 1.0], [1.0, 0.0]]}, "increasing"),
        ({"hinges": [0.0, np.nan]}, "finite"),
        ({"hinges": [0.0, np.inf]}, "finite"),
        ({"hinges": 2.5}, "number of hinges"),
        ({"hinges": True}, "number of hinges"),
        ({"hinges": "many"}, "number of hinges"),
        ({"span": (1.0, 0.0)}, "lower first"),
        ({"span": (1.0, 1.0)}, "lower first"),
        ({"span": (0.0, np.inf)}, "finite"),
        ({"span": (0.0, 1.0, 2.0)}, "span"),
        ({"span": 3.0}, "span"),
        ({"span": "all"}, "span"),
        ({"hinges": [0.0, 1.0], "span": (0.0, 1.0)}, "span"),
        ({"start": "swish"}, "swish"),
        ({"outside": "wrap"}, "wrap"),
    ],
)
def test_curves_that_cannot_be(options, message):
    with pytest.raises(pwl.InputError, match=message):
        pwl.PiecewiseLinear(**options)


@pytest.mark.parametrize("start", [lambda n: n[0], lambda n: n / 0.0 * 0, lambda n: 1.0])
def test_starting_functions_that_give_no_ordinates(start):
    with np.errstate(all="ignore"), pytest.raises(pwl.InputError, match="finite value per hinge"):
        curve_net(pwl.PiecewiseLinear(start, 5))


def test_positions_for_another_number_of_units():
    with pytest.raises(pwl.InputError, match="one row per unit"):
        curve_net(pwl.PiecewiseLinear("relu", [[0.0, 1.0], [0.0, 2.0]]), hidden=3)
