"""Curves with hinges="auto": a smooth direction, Eq. (57)."""

import dataclasses
import itertools

import numpy as np
import pytest
from scipy.interpolate import CubicSpline
from toys import gradients_of

import pwl
from pwl.activations.knots import KNOTS, knots_at, natural_spline, smoother


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 3))
    return x, np.column_stack([np.sin(2 * x[:, 0]) + x[:, 1], x[:, 1] * x[:, 2]])


def network(data, activation, **options):
    return pwl.initialise(pwl.Network.mlp(3, 6, 2, activation, seed=1, **options), data)


@pytest.mark.parametrize("knots", KNOTS)
@pytest.mark.parametrize("hinges", [25, 13, 8])
def test_the_rows_are_natural_splines_straight_beyond_the_knots(hinges, knots):
    t = np.linspace(-3, 3, hinges)
    spline = CubicSpline(np.linspace(-2, 2, knots), np.eye(knots), bc_type="natural")
    inside = np.clip(t, -2, 2)
    expected = spline(inside) + (t - inside)[:, None] * spline(inside, 1)
    np.testing.assert_allclose(natural_spline(hinges, knots), expected.T, atol=1e-12)


@pytest.mark.parametrize(("coarse", "fine"), [(2, 3), *itertools.pairwise(KNOTS)])
def test_more_knots_can_do_all_that_fewer_can(coarse, fine):
    """Two knots: straight lines."""
    few, many = natural_spline(101, coarse), natural_spline(101, fine)
    weights = np.linalg.lstsq(many.T, few.T, rcond=None)[0]
    np.testing.assert_allclose(many.T @ weights, few.T, atol=1e-11)


def test_the_finest_knots_are_hinges():
    np.testing.assert_allclose(natural_spline(25, 17)[:, 4:21], np.eye(17), atol=1e-13)


def test_when_knots_are_added():
    assert [knots_at(step, 2) for step in range(9)] == [3, 3, 5, 5, 9, 9, 17, 17, 17]


def test_auto_is_the_default():
    curves = pwl.PiecewiseLinear()
    assert curves.hinges == "auto"
    assert curves.uniform
    assert curves.n_hinges == 25
    net = pwl.Network.mlp(3, 6, 2, curves)
    np.testing.assert_array_equal(net.buffers["1.ns"][0], np.linspace(-2.5, 3.5, 25))


@pytest.mark.parametrize("factor", ["scalar", "unit"])
def test_the_step_is_a_descent_along_the_ordinates_at_the_knots(data, factor):
    net = network(data, pwl.PiecewiseLinear("sigmoid"))
    moved, _ = pwl.adact_step(net, data, factor, knots=9)
    G_a = gradients_of(net, pwl.Patterns(*data), ("1.A",))["1.A"]
    D = G_a @ smoother(25, 9)
    share = (moved.A - net.A) / D
    np.testing.assert_allclose(share, np.broadcast_to(share[:, :1], share.shape), rtol=1e-6)
    if factor == "scalar":
        np.testing.assert_allclose(share, share[0, 0], rtol=1e-6)
    along = [pwl.evaluate(net.moved({"1.A": z * (moved.A - net.A)}), data).error for z in (0.99, 1.0, 1.01)]
    assert along[1] < min(along[0], along[2])


def test_a_number_of_hinges_moves_each_by_itself(data):
    net = network(data, pwl.PiecewiseLinear("sigmoid", 25))
    moved, _ = pwl.adact_step(net, data)
    G_a = gradients_of(net, pwl.Patterns(*data), ("1.A",))["1.A"]
    share = (moved.A - net.A) / np.where(G_a == 0, 1, G_a)
    np.testing.assert_allclose(share[G_a != 0], share[G_a != 0][0], rtol=1e-6)


def test_what_training_adds_to_the_start_is_a_spline(data):
    net, record = pwl.train(
        network(data, pwl.PiecewiseLinear("relu")), data, pwl.AdAct(direction="hwo", refine=4), iterations=8
    )
    added = (net.A - net.layers[1].sample(net.buffers["1.ns"])).T
    S = natural_spline(25, 5).T
    rest = added - S @ np.linalg.lstsq(S, added, rcond=None)[0]
    assert np.abs(rest).max() < 1e-9 * np.abs(added).max()
    assert record["error"][-1] < record["error"][0]


def test_the_curve_and_output_steps_never_raise_the_error(data):
    net = network(data, pwl.PiecewiseLinear("tanh", span="nets"))
    for _ in range(5):
        before = pwl.evaluate(net, data).error
        net, _ = pwl.adact_step(net, data)
        after = pwl.evaluate(net, data).error
        net, _ = pwl.owo_step(net, data)
        assert pwl.evaluate(net, data).error <= after * (1 + 1e-12)
        assert after <= before * (1 + 1e-12)


def test_saved_loaded_and_resumed_to_the_same_bits(data, tmp_path):
    net = pwl.Network.mlp(3, 6, 2, pwl.PiecewiseLinear("sigmoid"), seed=1)
    adact = pwl.AdAct(refine=2)
    whole, _ = pwl.train(net, data, adact, iterations=8)
    pwl.train(net, data, adact, iterations=3, checkpoint=tmp_path / "run")
    resumed, _ = pwl.train(net, data, adact, iterations=8, resume=tmp_path / "run")
    np.testing.assert_array_equal(resumed.theta, whole.theta)
    whole.save(tmp_path / "net")
    loaded = pwl.Network.load(tmp_path / "net")
    assert loaded.layers[1] == whole.layers[1]
    np.testing.assert_array_equal(loaded.predict(data[0]), whole.predict(data[0]))


def test_an_inserted_hinge_ends_the_rule_and_changes_no_output(data):
    net = network(data, pwl.PiecewiseLinear("sigmoid"))
    finer = pwl.insert_hinge(net, 0.1)
    np.testing.assert_allclose(finer.predict(data[0]), net.predict(data[0]), rtol=1e-12)
    assert not finer.layers[1].smooth


def test_single_precision_stays_single(data):
    net = network(tuple(a.astype(np.float32) for a in data), pwl.PiecewiseLinear("sigmoid"), dtype=np.float32)
    moved, _ = pwl.adact_step(net, tuple(a.astype(np.float32) for a in data))
    assert moved.A.dtype == np.float32


def test_a_span_may_be_given(data):
    curves = dataclasses.replace(pwl.PiecewiseLinear("sigmoid"), span=(-1.0, 1.0))
    np.testing.assert_array_equal(pwl.Network.mlp(3, 2, 1, curves).buffers["1.ns"][0], np.linspace(-1, 1, 25))


def test_other_words_are_refused():
    with pytest.raises(pwl.InputError, match='"auto"'):
        pwl.PiecewiseLinear(hinges="many")


@pytest.mark.parametrize("refine", [0, 2.5, True])
def test_refinement_after_a_whole_number_of_steps(refine):
    with pytest.raises(pwl.InputError, match="refine"):
        pwl.AdAct(refine=refine)
