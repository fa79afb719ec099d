"""Learning factors: Gauss-Newton blocks from brute force, and what steps made of them promise, Eqs. (19)-(28)."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import (
    along,
    assert_close,
    block_gauss_newton,
    quotient,
    random_direction,
    second_difference,
    unit_blocks,
)
from toys import LOSSES, E_of, activations, curve, gradients_of, outputs, problem, random_network, reduce

from pwl.algorithms import adact_step, molf_step, owo_bp_step, owo_step
from pwl.algorithms.learning_factors import along_line, block_system, line_factor, objective, times_rows
from pwl.algorithms.penalties import Penalties
from pwl.losses import CrossEntropy
from pwl.network.layout import HEAD
from pwl.reductions import curvature
from pwl.reductions.curvature import block_curvature, line_curvature
from pwl.solvers.ols import OLS

ACTIVATIONS = activations()
MARGIN = 2e-4  # of the nets to any kink, ten times what a step of 1e-5 moves them
SEEDS = st.integers(0, 10_000)


# ---- the blocks. J comes from quotients that are right to about 1e-9; 1e-7 leaves room for three layers of curvature

KEYS = {
    "one layer": (4, [("0.W",), ("1.A",), ("0.W", "1.A"), ("1.A", "0.W")]),
    "two layers": (
        (4, 3),
        [("0.W",), ("2.W",), ("3.A",), ("0.W", "2.W"), ("3.A", "0.W"), ("0.W", "1.A", "2.W", "3.A")],
    ),
}


@pytest.mark.parametrize("weights", [False, True])
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("outside", ["constant", "linear"])
@pytest.mark.parametrize(("hidden", "keys"), [(hidden, keys) for hidden, sets in KEYS.values() for keys in sets])
def test_blocks_of_curve_nets_are_the_brute_force_ones(hidden, keys, outside, loss, weights):
    net = random_network(curve(outside), hidden, loss=loss)
    patterns = problem(net, weights=weights, margin=MARGIN)
    D = random_direction(net, keys, np.random.default_rng(5))
    H, g = block_system(net, patterns, gradients_of(net, patterns, keys), D, Penalties())
    wanted_H, wanted_g = block_gauss_newton(net, patterns, D)
    assert_close(H, wanted_H, 1e-7)
    assert_close(g, wanted_g, 1e-7)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("hidden", [4, (3, 4, 3)])
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_blocks_of_the_weights_with_every_activation(name, hidden, loss):
    net = random_network(ACTIVATIONS[name], hidden, loss=loss, bypass=False)
    patterns = problem(net, weights=True, margin=MARGIN)
    D = random_direction(net, net.keys("map"), np.random.default_rng(6))
    H = reduce(patterns, block_curvature(net, D), net)
    assert_close(H, block_gauss_newton(net, patterns, D)[0], 1e-7)


@pytest.mark.parametrize("loss", LOSSES)
def test_the_brute_force_check_sees_a_thousandth(loss):
    net = random_network(curve(), (4, 3), loss=loss)
    patterns = problem(net, weights=True, margin=MARGIN)
    D = random_direction(net, ("0.W", "2.W"), np.random.default_rng(5))
    H = reduce(patterns, block_curvature(net, D), net)
    with pytest.raises(AssertionError):
        assert_close(1.001 * H, block_gauss_newton(net, patterns, D)[0], 1e-7)


@pytest.mark.parametrize("weights", [False, True])
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("keys", [("0.W",), ("1.A",), ("0.W", "1.A")])
def test_closed_form_equals_the_backward_passes(keys, loss, weights, monkeypatch):
    """Both are exact, so they agree to rounding."""
    net = random_network(curve(), 5, loss=loss)
    patterns = problem(net, 60, weights=weights)
    D = random_direction(net, keys, np.random.default_rng(7))
    closed_form = block_curvature(net, D)
    monkeypatch.setattr(curvature, "one_feature_each", lambda net, keys: False)
    backward_passes = block_curvature(net, D)
    assert closed_form.of_block.__name__ != backward_passes.of_block.__name__
    assert_close(reduce(patterns, backward_passes, net), reduce(patterns, closed_form, net), 1e-13)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("hidden", [4, (4, 3)])
def test_penalties_enter_the_blocks(hidden, loss):
    """g and the diagonal of H gain the penalties' slopes and curvatures; the rest of H stays."""
    net, penalties = random_network(curve(), hidden, loss=loss), Penalties(l2=0.3, curves=0.2)
    patterns, keys = problem(net), (*net.keys("map"), *net.keys("activation"))
    D = random_direction(net, keys, np.random.default_rng(8))
    G = gradients_of(net, patterns, keys)
    H, g = block_system(net, patterns, G, D, Penalties())
    H_with, g_with = block_system(net, patterns, penalties.add_gradient(net, G), D, penalties)
    slopes, curvatures = [], []
    for block in unit_blocks(D):
        slopes.append(quotient(penalties.value, net, block, step=1.0))
        curvatures.append(second_difference(along(penalties.value, net, block)))
    np.testing.assert_allclose(g_with - g, -np.array(slopes), rtol=0, atol=1e-12)
    np.testing.assert_allclose(H_with - H, np.diag(curvatures), rtol=0, atol=1e-12)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("hidden", [4, (4, 3)])
def test_along_the_gradient_g_is_its_squared_length(hidden, loss):
    """For D = G, g_k = |G_k|^2 of row k, Eq. (21); the reduction's J'd says the same."""
    net = random_network("tanh", hidden, loss=loss)
    patterns, keys = problem(net, weights=True), net.keys("map")
    G = gradients_of(net, patterns, keys)
    _, g = block_system(net, patterns, G, G, Penalties())
    np.testing.assert_allclose(g, np.concatenate([np.sum(G[key] ** 2, axis=1) for key in keys]), rtol=1e-14)
    assert_close(g, block_gauss_newton(net, patterns, G)[1], 1e-7)


# ---- one factor


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("hidden", [4, (4, 3)])
@pytest.mark.parametrize("penalties", [Penalties(), Penalties(l2=0.1, curves=0.1)])
def test_one_factor_is_the_sum_of_the_blocks(hidden, loss, penalties):
    """With all z_b equal, z = 1'g / 1'H 1."""
    net = random_network(curve(), hidden, loss=loss)
    patterns, keys = problem(net, weights=True), (*net.keys("map"), *net.keys("activation"))
    G = penalties.add_gradient(net, gradients_of(net, patterns, keys))
    D = random_direction(net, keys, np.random.default_rng(9))
    H, g = block_system(net, patterns, G, D, penalties)
    z = line_factor(net, patterns, G, D, penalties)
    np.testing.assert_allclose(z, g.sum() / H.sum(), rtol=1e-10)  # g.sum() may cancel some digits
    change, same = along_line(z, D), times_rows(np.full(len(g), z), D)
    assert tuple(change) == tuple(same) == keys
    for key in keys:
        np.testing.assert_allclose(change[key], z * D[key], rtol=1e-15)
        np.testing.assert_allclose(same[key], z * D[key], rtol=1e-15)
    if penalties == Penalties():
        np.testing.assert_allclose(reduce(patterns, line_curvature(D), net), H.sum(), rtol=1e-12)


def test_a_direction_without_effect_has_factor_zero():
    net = random_network("relu", 3)
    net = net.with_parts({"0.W": net.W * [0, 1, 1, 1] - [100, 0, 0, 0]})  # every unit dead
    patterns = problem(net)
    D = random_direction(net, ("0.W",), np.random.default_rng(0))
    G = gradients_of(net, patterns, ("0.W",))
    assert line_factor(net, patterns, G, D, Penalties()) == 0


@pytest.mark.parametrize("bypass", [False, True])
@pytest.mark.parametrize("outside", ["constant", "linear"])
@pytest.mark.parametrize("penalties", [Penalties(), Penalties(curves=0.3)])
def test_adact_step_ends_where_the_line_is_flat(outside, bypass, penalties):
    """Squared error is quadratic in A: after the step J has no slope left along G_a, Eq. (24)."""
    net = random_network(curve(outside), 5, bypass=bypass)
    patterns = problem(net, weights=True)
    G_a = penalties.add_gradient(net, gradients_of(net, patterns, ("1.A",)))["1.A"]
    after, info = adact_step(net, patterns, penalties=penalties)
    left = penalties.add_gradient(after, gradients_of(after, patterns, ("1.A",)))["1.A"]
    assert abs(np.sum(left * G_a)) < 1e-13 * np.sum(G_a * G_a)
    np.testing.assert_allclose(after.A, net.A + info["z_curve"] * G_a, rtol=1e-14, atol=1e-15)


@pytest.mark.parametrize("outside", ["constant", "linear"])
@pytest.mark.parametrize("penalties", [Penalties(), Penalties(curves=0.3)])
def test_a_factor_per_unit_ends_where_all_its_lines_are_flat(outside, penalties):
    """After the step J has no slope left along any unit's row of G_a, Eq. (25)."""
    net = random_network(curve(outside), 5)
    patterns = problem(net, weights=True)
    G_a = penalties.add_gradient(net, gradients_of(net, patterns, ("1.A",)))["1.A"]
    after, info = adact_step(net, patterns, "unit", penalties)
    left = penalties.add_gradient(after, gradients_of(after, patterns, ("1.A",)))["1.A"]
    assert np.max(np.abs(np.sum(left * G_a, axis=1))) < 1e-11 * np.max(np.sum(G_a * G_a, axis=1))
    assert info["z_curve"].shape == (5,)


def test_factor_per_unit_is_at_least_as_good_as_one():
    net = random_network(curve(), 5)
    patterns = problem(net)
    assert E_of(adact_step(net, patterns, "unit")[0], patterns) < E_of(adact_step(net, patterns)[0], patterns)


# ---- steps that cannot raise the error; 1e-12 is the rounding of E itself


@settings(max_examples=40, deadline=None)
@given(seed=SEEDS, factor=st.sampled_from(["scalar", "unit"]), scale=st.sampled_from([1e-3, 1.0, 1e3]))
def test_adact_step_cannot_raise_the_squared_error(seed, factor, scale):
    net = random_network(curve(), 4, seed=seed)
    net = net.with_parts({HEAD: scale * net.W_o})
    patterns = problem(net, weights=bool(seed % 2), seed=seed)
    after, _ = adact_step(net, patterns, factor)
    assert E_of(after, patterns) <= E_of(net, patterns) * (1 + 1e-12)


@settings(max_examples=30, deadline=None)
@given(seed=SEEDS, factor=st.sampled_from(["scalar", "unit"]), deep=st.booleans(), loss=st.sampled_from(LOSSES))
def test_adact_step_is_halved_until_it_cannot_raise_the_objective(seed, factor, deep, loss):
    penalties = Penalties(curves=0.01)
    net = random_network(curve(), (4, 3) if deep else 4, loss=loss, seed=seed)
    net = net.with_parts({HEAD: 4 * net.W_o})
    patterns = problem(net, 20, seed=seed)
    after, _ = adact_step(net, patterns, factor, penalties)
    assert objective(after, patterns, penalties) <= objective(net, patterns, penalties) * (1 + 1e-12)


@settings(max_examples=40, deadline=None)
@given(seed=SEEDS, step=st.sampled_from(["gradient", "hwo", "bp"]), loss=st.sampled_from(LOSSES), deep=st.booleans())
def test_the_safeguard_never_raises_the_objective(seed, step, loss, deep):
    penalties = Penalties(ridge=0.01, l2=0.01)
    net = random_network("tanh", (4, 3) if deep else 4, loss=loss, seed=seed)
    net = net.with_parts({HEAD: 5 * net.W_o})
    patterns = problem(net, 20, seed=seed)
    if step == "bp":
        after, info = owo_bp_step(net, patterns, penalties, safeguard=True)
    else:
        after, info = molf_step(net, patterns, step, penalties, safeguard=True)
    assert objective(after, patterns, penalties) <= objective(net, patterns, penalties)
    assert 0 <= info["share"] <= 1


def test_some_steps_need_the_safeguard():
    """Or the test above would prove nothing: without it MOLF steps do raise E; with it they are taken in part."""
    raised = 0
    for seed in range(10):
        net = random_network("tanh", 4, loss="cross_entropy", seed=seed)
        net = net.with_parts({HEAD: 5 * net.W_o})
        patterns = problem(net, 20, seed=seed)
        if E_of(molf_step(net, patterns)[0], patterns) > E_of(net, patterns):
            raised += 1
            after, info = molf_step(net, patterns, safeguard=True)
            assert 0 < info["share"] < 1
            assert E_of(after, patterns) < E_of(net, patterns)
    assert raised > 0


# ---- MOLF's factors


def test_molf_step_solves_its_system():
    net = random_network("tanh", 4)
    patterns = problem(net)
    G = gradients_of(net, patterns, ("0.W",))
    H, g = block_system(net, patterns, G, G, Penalties())
    after, info = molf_step(net, patterns)
    np.testing.assert_allclose(H @ info["z"], g, rtol=1e-10)
    np.testing.assert_allclose(after.W, net.W + info["z"][:, None] * G["0.W"], rtol=1e-14)


def test_hwo_direction_solves_the_inputs_autocorrelation():
    """D R_i = G, Eq. (23), so the step does not depend on a linear change of the inputs that the weights undo."""
    net = random_network("tanh", 4)
    patterns = problem(net, 60)
    T = np.array([[2.0, 0.3, 0.0], [0.0, 0.5, -1.0], [0.4, 0.0, 3.0]])
    W = np.concatenate([net.W[:, :1], net.W[:, 1:] @ np.linalg.inv(T)], axis=1)
    W_o = net.W_o.copy()
    W_o[:, 1:4] = net.W_o[:, 1:4] @ np.linalg.inv(T)
    turned = net.with_parts({"0.W": W, HEAD: W_o})
    other = type(patterns)(patterns.x @ T.T, patterns.t)
    np.testing.assert_allclose(outputs(turned, other.x), outputs(net, patterns.x), atol=1e-13)
    hwo = [outputs(molf_step(at, data, "hwo")[0], data.x) for at, data in ((net, patterns), (turned, other))]
    plain = [outputs(molf_step(at, data)[0], data.x) for at, data in ((net, patterns), (turned, other))]
    np.testing.assert_allclose(hwo[1], hwo[0], rtol=0, atol=1e-9)
    assert np.abs(plain[1] - plain[0]).max() > 1e-3


def test_a_dead_units_factor_is_dropped():
    net = random_network("relu", 4)
    W = net.W.copy()
    W[2] = [-100, 0, 0, 0]
    net = net.with_parts({"0.W": W})
    after, info = molf_step(net, problem(net))
    assert info["dependent_factors"] == (2,)
    assert info["z"][2] == 0
    np.testing.assert_array_equal(after.W[2], W[2])


@pytest.mark.parametrize("scale", [1e-3, 1e3])
def test_factors_do_not_depend_on_the_targets_scale(scale):
    """Targets and output weights times s: H grows with s^6, g with s^4, and the step W += z G stays."""
    net = random_network("relu", 4)
    W = net.W.copy()
    W[2] = [-100, 0, 0, 0]
    net = net.with_parts({"0.W": W})
    patterns = problem(net)
    scaled = net.with_parts({HEAD: scale * net.W_o})
    steps = [
        molf_step(at, type(patterns)(patterns.x, t), ols=OLS())
        for at, t in ((net, patterns.t), (scaled, scale * patterns.t))
    ]
    assert steps[0][1]["dependent_factors"] == steps[1][1]["dependent_factors"] == (2,)
    np.testing.assert_allclose(steps[1][1]["z"] * scale**2, steps[0][1]["z"], rtol=1e-9)
    np.testing.assert_allclose(steps[1][0].W, steps[0][0].W, rtol=1e-9)


def test_the_published_test_drops_all_factors_at_small_targets():
    net = random_network("tanh", 4)
    patterns = problem(net)
    small = net.with_parts({HEAD: 1e-3 * net.W_o})
    published = OLS(relative=False)
    assert molf_step(net, patterns, ols=published)[1]["dependent_factors"] == ()
    _, info = molf_step(small, type(patterns)(patterns.x, 1e-3 * patterns.t), ols=published)
    assert info["dependent_factors"] == (0, 1, 2, 3)


# ---- the bound step under cross-entropy, Eq. (12)


@settings(max_examples=40, deadline=None)
@given(seed=SEEDS, scale=st.sampled_from([0.0, 1e-3, 1.0, 30.0, 1e3]), ridge=st.sampled_from([0.0, 0.01, 1.0]))
def test_output_step_cannot_raise_the_cross_entropy(seed, scale, ridge):
    net = random_network("tanh", 4, loss="cross_entropy", seed=seed)
    net = net.with_parts({HEAD: scale * net.W_o})
    patterns, penalties = problem(net, weights=bool(seed % 2), seed=seed), Penalties(ridge=ridge)
    after, _ = owo_step(net, patterns, penalties)
    assert objective(after, patterns, penalties) < objective(net, patterns, penalties)


@pytest.mark.parametrize("scale", [0.0, 1.0, 30.0])
@pytest.mark.parametrize("ridge", [0.0, 0.1])
def test_one_output_step_falls_by_what_the_bound_promises(scale, ridge, monkeypatch):
    """J falls by <G_o, D> / 2 or more, G_o being J's negative gradient."""
    monkeypatch.setattr(CrossEntropy, "output_steps", 1)
    net, penalties = random_network("tanh", 4, loss="cross_entropy"), Penalties(ridge=ridge)
    net = net.with_parts({HEAD: scale * net.W_o})
    patterns = problem(net, weights=True)
    after, _ = owo_step(net, patterns, penalties)
    G_o = penalties.add_gradient(net, gradients_of(net, patterns, (HEAD,)))[HEAD]
    promised = np.sum(G_o * (after.W_o - net.W_o)) / 2
    assert promised > 0
    J = [objective(at, patterns, penalties) for at in (net, after)]
    assert J[0] - J[1] >= promised * (1 - 1e-12)


def test_output_steps_lead_to_the_lowest_cross_entropy():
    """Each step takes a share of what is left, so that sixty make the gradient smaller by far."""
    net = random_network("tanh", 2, inputs=2, loss="cross_entropy")
    patterns, lengths = problem(net), []
    for _ in range(60):
        lengths.append(np.linalg.norm(gradients_of(net, patterns, (HEAD,))[HEAD]))
        net, _ = owo_step(net, patterns)
    assert lengths[-1] < 1e-4 * lengths[0]
