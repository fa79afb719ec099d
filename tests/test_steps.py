"""What the public steps give beside the network: every array of a step, and that they fulfil its equations."""

from __future__ import annotations

import numpy as np
import pytest
from oracles import assert_close, pattern_weights
from toys import LOSSES, basis, curve, gradients_of, outputs, problem, random_network

import pwl
from pwl.algorithms.learning_factors import block_system
from pwl.losses import CrossEntropy
from pwl.network.layout import HEAD

PENALTIES = (pwl.Penalties(), pwl.Penalties(0.02, 0.03, 0.04))


def rows(parts):
    """All rows of some parts under each other, each padded with zeros to the longest."""
    width = max(part.shape[1] for part in parts.values())
    return np.concatenate([np.pad(part, ((0, 0), (0, width - part.shape[1]))) for part in parts.values()])


def assert_moved_by(after, before, z, D):
    """Each unit's row went z_b D_b, and nothing else moved."""
    factors = np.split(np.asarray(z), np.cumsum([len(d) for d in D.values()])[:-1])
    for (key, d), own in zip(D.items(), factors, strict=True):
        np.testing.assert_allclose(after.parts[key], before.parts[key] + own[:, None] * d, rtol=1e-14, atol=1e-15)
    for key in before.parts.keys() - D.keys():
        assert np.array_equal(after.parts[key], before.parts[key])


# ---- MOLF


@pytest.mark.parametrize("penalties", PENALTIES)
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("hidden", [4, (4, 3)])
@pytest.mark.parametrize("direction", ["gradient", "hwo"])
def test_the_factors_of_a_molf_step_solve_its_system(direction, hidden, loss, penalties):
    """H_molf z = g_molf, Eqs. (19), (21); the system is that of the direction and the gradient beside it."""
    net = random_network("tanh", hidden, loss=loss)
    patterns, keys = problem(net, weights=True), net.keys("map")
    after, info = pwl.molf_step(net, patterns, direction, penalties)
    assert tuple(info.G) == tuple(info.D) == keys
    wanted = penalties.add_gradient(net, gradients_of(net, patterns, keys))
    for key in keys:
        assert_close(info.G[key], wanted[key], 1e-13)
    assert info.H_molf.shape == (len(info.z), len(info.z)) and info.g_molf.shape == info.z.shape
    assert_close(info.H_molf, block_system(net, patterns, info.G, info.D, penalties).H, 1e-13)
    assert_close(info.g_molf, np.sum(rows(info.G) * rows(info.D), axis=1), 1e-13)
    assert info.dependent_factors == ()
    assert_close(info.H_molf @ info.z, info.g_molf, 1e-9)
    assert_moved_by(after, net, info.z, info.D)
    assert info.gradient_norm == pytest.approx(np.linalg.norm(rows(info.G)), rel=1e-13)
    assert info.share == 1


def test_the_direction_is_the_gradient_or_solves_the_inputs_autocorrelation():
    net = random_network("tanh", 4)
    patterns = problem(net, weights=True)
    plain, hwo = (pwl.molf_step(net, patterns, direction)[1] for direction in ("gradient", "hwo"))
    assert np.array_equal(plain.D["0.W"], plain.G["0.W"]) and np.array_equal(hwo.G["0.W"], plain.G["0.W"])
    xa, w = np.concatenate([np.ones((len(patterns), 1)), patterns.x], axis=1), pattern_weights(patterns)
    R = xa.T @ (xa * w[:, None]) / w.sum()
    assert_close(hwo.D["0.W"] @ R, hwo.G["0.W"], 1e-12)  # D R_i = G, Eq. (23)


# ---- AdAct


@pytest.mark.parametrize("penalties", PENALTIES)
@pytest.mark.parametrize("hidden", [4, (4, 3)])
@pytest.mark.parametrize("factor", ["scalar", "unit"])
def test_the_curves_go_by_the_factors_along_the_direction(factor, hidden, penalties):
    net = random_network(curve(), hidden)
    patterns, keys = problem(net, weights=True), net.keys("activation")
    after, info = pwl.adact_step(net, patterns, factor, penalties)
    assert tuple(info.G_a) == tuple(info.D) == keys
    wanted = penalties.add_gradient(net, gradients_of(net, patterns, keys))
    for key in keys:
        assert_close(info.G_a[key], wanted[key], 1e-13)
        assert np.array_equal(info.D[key], info.G_a[key])  # these hinges are not "auto"
    H, g = block_system(net, patterns, info.G_a, info.D, penalties)
    if factor == "unit":
        assert_close(H @ info.z, g, 1e-9)  # Eq. (25)
    else:
        assert info.z == pytest.approx([g.sum() / H.sum()], rel=1e-10)  # Eq. (24)
    assert np.array_equal(info.z_curve, info.z)
    assert_moved_by(after, net, info.curve_share * np.broadcast_to(info.z, g.shape), info.D)
    assert info.curve_gradient_norm == pytest.approx(np.linalg.norm(rows(info.G_a)), rel=1e-13)


# ---- OWO


@pytest.mark.parametrize("ridge", [0.0, 0.1])
@pytest.mark.parametrize("bypass", [True, False])
def test_the_output_weights_solve_the_correlations(bypass, ridge):
    """R W_o' = C, Eq. (10), with the ridge in R, Eq. (11)."""
    net = random_network("tanh", 4, bypass=bypass)
    patterns = problem(net, weights=True)
    after, info = pwl.owo_step(net, patterns, pwl.Penalties(ridge=ridge))
    B, w = basis(net, patterns.x), pattern_weights(patterns)
    diagonal = np.diag([0.0] + [ridge] * (net.n_basis - 1))
    assert_close(info.R, B.T @ (B * w[:, None]) / w.sum() + diagonal, 1e-13)
    assert_close(info.C, B.T @ (patterns.t * w[:, None]) / w.sum(), 1e-13)
    assert info.dependent == () and info.output_step == "least squares"
    assert_close(info.R @ after.W_o.T, info.C, 1e-11)
    J = np.average(np.sum((patterns.t - outputs(after, patterns.x)) ** 2, axis=1), weights=w)
    assert info.owo_objective == pytest.approx(J + ridge * np.sum(after.W_o[:, 1:] ** 2), rel=1e-10)


def test_dependent_functions_are_named_and_get_no_weight():
    net = random_network("tanh", 4)
    net = net.with_parts({"0.W": net.W[[0, 1, 0, 3]]})
    after, info = pwl.owo_step(net, problem(net))
    assert info.dependent == (1 + 3 + 2,)  # the constant, three inputs, then the units: the third is the first again
    assert not after.W_o[:, 6].any()
    kept = np.delete(np.arange(net.n_basis), 6)
    assert_close(info.R[np.ix_(kept, kept)] @ after.W_o[:, kept].T, info.C[kept], 1e-11)


@pytest.mark.parametrize("ridge", [0.0, 0.1])
def test_an_output_step_on_classes_solves_the_bound(ridge, monkeypatch):
    """R D' = 2 G_o' for the change D of the weights, Eq. (12)."""
    monkeypatch.setattr(CrossEntropy, "output_steps", 1)
    net, penalties = random_network("tanh", 4, loss="cross_entropy"), pwl.Penalties(ridge=ridge)
    patterns = problem(net, weights=True)
    after, info = pwl.owo_step(net, patterns, penalties)
    G_o = penalties.add_gradient(net, gradients_of(net, patterns, (HEAD,)))[HEAD]
    assert_close(info.C, 2 * G_o.T, 1e-13)
    assert_close(info.R @ (after.W_o - net.W_o).T, info.C, 1e-11)
    assert info.dependent == () and info.output_step == "1 bound steps"


# ---- OWO-BP


@pytest.mark.parametrize("loss", LOSSES)
def test_the_weights_go_by_one_factor_along_the_gradient(loss):
    net = random_network("tanh", (4, 3), loss=loss)
    patterns, keys = problem(net, weights=True), net.keys("map")
    after, info = pwl.owo_bp_step(net, patterns)
    for key, wanted in gradients_of(net, patterns, keys).items():
        assert_close(info.G[key], wanted, 1e-13)
    H, g = block_system(net, patterns, info.G, info.G, pwl.Penalties())
    assert info.z == pytest.approx([g.sum() / H.sum()], rel=1e-10)  # Eq. (20)
    assert_moved_by(after, net, np.broadcast_to(info.z, g.shape), info.G)


# ---- where they are kept


def test_a_name_that_is_not_there_is_answered_with_those_that_are():
    net = random_network("tanh", 4)
    _, info = pwl.molf_step(net, problem(net))
    assert info.z is info["z"]
    with pytest.raises(AttributeError, match="this step has no 'H'.* G, D, H_molf, g_molf, z"):
        info.H  # noqa: B018 - the reading itself raises


@pytest.mark.parametrize(
    ("algorithm", "names"),
    [
        (pwl.MOLF("hwo"), {"molf": "G D H_molf g_molf z", "owo": "R C dependent"}),
        (pwl.AdAct(), {"molf": "G D H_molf g_molf z", "adact": "G_a D z", "owo": "R C dependent"}),
        (pwl.OWOBP(), {"owo_bp": "G z", "owo": "R C dependent"}),
    ],
)
def test_steps_of_algorithms_hold_those_of_their_parts(algorithm, names):
    net = random_network(curve(), 4)
    patterns = problem(net)
    step = algorithm.step(net, patterns, algorithm.init(net, patterns, 0))
    assert list(step.info) == list(names)
    for part, wanted in names.items():
        assert set(wanted.split()) <= step.info[part].keys()
    assert not {"G", "D", "H_molf", "R", "C"} & step.series.keys()  # matrices are for looking at, not for the record


# ---- networks are values


def test_parameters_can_not_be_written_to():
    net = random_network(curve(), (4, 3))
    patterns = problem(net)
    after, _ = pwl.molf_step(net, patterns)
    for at in (net, after, net.with_theta(net.theta.copy()), net.with_head(net.W_o + 1), net.to(np)):
        for view in (at.theta, at.W, at.A, at.W_o, at.W_oh, *at.parts.values()):
            with pytest.raises(ValueError, match="read-only"):
                view[..., 0] = 1
    with pytest.raises(ValueError, match="read-only"):
        net.W[0, 0] = 1
    with pytest.raises(AttributeError):
        net.theta = after.theta


def test_an_array_that_parameters_were_taken_from_stays_the_callers():
    theta = random_network("tanh").theta.copy()
    net = random_network("tanh").with_theta(theta)
    theta[0] = 7.0  # no error: it is the caller's
    assert theta.flags.writeable and not net.theta.flags.writeable
