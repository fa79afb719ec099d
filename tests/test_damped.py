"""Damped factors: the system, the objective after OWO, the bounds of the damping, and what a refused step leaves."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest
from fake_ranks import on_ranks
from toys import iterate, spirals, waves

import pwl
from pwl.algorithms.damped import DAMPING, SMALLEST_MU, TRIALS, DampedState
from pwl.algorithms.penalties import Penalties
from pwl.algorithms.ridge import PACE, START, fitted, preferred

ALGORITHMS = {"molf": pwl.MOLF, "adact": pwl.AdAct}


def started(loss="squared_error", curves=True, M=2):
    data = waves(M=M) if loss == "squared_error" else spirals(M=M)
    activation = pwl.PiecewiseLinear("tanh", 9) if curves else "tanh"
    net = pwl.Network.mlp(data[0].shape[1], 6, M, activation, loss=loss)
    patterns = pwl.Patterns(*data)
    return pwl.initialise(net, patterns), patterns


@pytest.mark.parametrize("direction", ["gradient", "hwo"])
def test_the_factors_solve_the_damped_system_and_owo_follows(direction):
    net, patterns = started()
    moved, info = pwl.damped_molf_step(net, patterns, direction)
    assert info.trials == 1
    _, published = pwl.molf_step(net, patterns, direction)
    H, g = published.H_molf, published.g_molf
    d = np.maximum(np.diag(H), 1e-3 * np.diag(H).mean())
    z = np.linalg.solve(H + DAMPING.mu * np.diag(d), g)
    np.testing.assert_allclose(info.z, z, rtol=1e-8)
    np.testing.assert_allclose(moved.W, net.W + z[:, None] * info.D["0.W"], rtol=1e-8)
    again, _ = pwl.owo_step(moved, patterns)
    np.testing.assert_allclose(moved.W_o, again.W_o, rtol=1e-6, atol=1e-9)
    assert info.mu == pytest.approx(DAMPING.mu * DAMPING.mu_decrease)
    E = pwl.evaluate(moved, patterns).error
    assert pytest.approx(E, rel=1e-9) == info.fit.J


def test_a_unit_that_is_all_but_dead_is_damped_by_the_mean():
    net, patterns = started(curves=False)
    W_o = np.array(net.W_o)
    W_o[:, -1] = 1e-9
    _, info = pwl.damped_molf_step(
        net.with_head(W_o), patterns, damping=pwl.Damping(mu=1.0, scaling="diagonal", mu_max=1e6)
    )
    H, g = np.asarray(info.H_molf), np.asarray(info.g_molf)
    assert H[-1, -1] < 1e-9 * np.diag(H).mean()
    assert abs(info.z[-1]) <= 1.01 * abs(g[-1] - H[-1, :-1] @ info.z[:-1]) / (1e-3 * np.diag(H).mean())


@pytest.mark.parametrize("name", ALGORITHMS)
@pytest.mark.parametrize("ridge", [0.0, 0.01])
@pytest.mark.parametrize("loss", ["squared_error", "cross_entropy"])
def test_the_objective_never_rises(name, ridge, loss):
    net, patterns = started(loss, M=3)
    nets, said = iterate(ALGORITHMS[name].damped(ridge=ridge), net, patterns, 25)
    J = [pwl.evaluate(at, patterns).error + Penalties(ridge=ridge).value(at) for at in nets]
    assert all(after <= before * (1 + 1e-12) for before, after in itertools.pairwise(J))
    assert J[-1] < 0.7 * J[0]
    for at, series in zip(J[1:], said, strict=True):
        assert series["objective"] == pytest.approx(at, rel=1e-9)


def test_the_objective_after_owo_falls_along_the_step_at_the_rate_g_z():
    net, patterns = started(curves=False)
    penalties = Penalties(ridge=0.02)
    net = fitted(net, patterns, penalties, pwl.OLS()).net
    _, info = pwl.damped_molf_step(net, patterns, penalties=penalties)
    rate = float(np.asarray(info.g_molf) @ np.asarray(info.z))

    def after(share):
        change = {key: share * np.asarray(info.z)[:, None] * d for key, d in info.D.items()}
        return fitted(net.moved(change), patterns, penalties, pwl.OLS()).J

    assert (after(-1e-4) - after(1e-4)) / 2e-4 == pytest.approx(rate, rel=1e-5)


def test_a_refused_dozen_keeps_the_raised_damping(monkeypatch):
    net, patterns = started()
    from pwl.algorithms import damped

    monkeypatch.setattr(damped, "fitted", lambda net, *rest: fitted(net, *rest)._replace(J=np.inf))
    small = dataclasses.replace(DAMPING, mu=1e-3)
    same, info = pwl.damped_molf_step(net, patterns, damping=small)
    assert same is net and info.trials == TRIALS and not np.any(info.z)
    assert info.mu == pytest.approx(1e-3 * 5.0**TRIALS)
    algorithm = pwl.MOLF.damped(ridge=0.0, damping=small)
    _, state, series, _, stop = algorithm.step(net, patterns, algorithm.init(net, patterns, 0))
    assert (
        stop is None and state.mu == info.mu and series["objective"] == pytest.approx(pwl.evaluate(net, patterns).error)
    )
    _, state, series, _, stop = algorithm.step(net, patterns, state)
    assert series["trials"] == 1
    assert stop is not None and stop.code == "mu_max" and state.mu > DAMPING.mu_max
    assert series["objective"] == pytest.approx(pwl.evaluate(net, patterns).error)


def test_the_damping_stays_above_its_bound():
    net, patterns = started()
    _, said = iterate(pwl.MOLF.damped(ridge=0.0, mu=1e-3, mu_decrease=0.2), net, patterns, 12)
    assert min(series["mu"] for series in said) == SMALLEST_MU


@pytest.mark.parametrize("name", ALGORITHMS)
def test_the_ridge_is_held_within_a_step_and_follows_the_evidence(name):
    net, patterns = started()
    algorithm = ALGORITHMS[name].damped()
    state = algorithm.init(net, patterns, 0)
    for _ in range(5):
        before = dataclasses.replace(algorithm.penalties, ridge=state.ridge)
        J = pwl.evaluate(net, patterns).error + before.value(net)
        net, state, series, info, _ = algorithm.step(net, patterns, state)
        assert info.molf.fit.J < J  # with the old ridge
        wanted = preferred(
            info.molf.fit if name == "molf" else fitted(net, patterns, before, pwl.OLS()), patterns
        ).ridge
        assert series["ridge"] == state.ridge == pytest.approx(max(wanted, before.ridge / PACE), rel=1e-6)
        now = pwl.evaluate(net, patterns).error + Penalties(ridge=state.ridge).value(net)
        assert series["objective"] == pytest.approx(now, rel=1e-9)


def test_the_published_forms_have_the_published_types_and_defaults():
    assert pwl.MOLF() == pwl.MOLF(direction="gradient") and "damp" not in repr(pwl.MOLF()) + repr(pwl.AdAct())
    assert isinstance(pwl.MOLF.damped(), pwl.DampedMOLF) and isinstance(pwl.AdAct.damped(), pwl.DampedAdAct)
    assert pwl.MOLF.damped(mu=1e-2).damping.mu == 1e-2


@pytest.mark.parametrize("name", ALGORITHMS)
def test_bad_settings_are_refused(name):
    make = ALGORITHMS[name].damped
    for wrong in ({"ridge": "guess"}, {"ridge": -1.0}, {"l2": -1.0}, {"direction": "up"}, {"scaling": "identity"}):
        with pytest.raises(pwl.InputError):
            make(**wrong)
    with pytest.raises(pwl.InputError, match="activations"):
        pwl.train(started(curves=False)[0], started()[1], pwl.AdAct.damped())
    with pytest.raises(pwl.InputError, match="batch"):
        pwl.train(*started(), make(), batch_size=10)


@pytest.mark.parametrize("name", ALGORITHMS)
def test_a_resumed_run_gives_the_same_bits(name, tmp_path):
    net, patterns = started()
    algorithm, path = ALGORITHMS[name].damped(), tmp_path / "run.checkpoint"
    whole, record = pwl.train(net, patterns, algorithm, iterations=8)
    pwl.train(net, patterns, algorithm, iterations=4, checkpoint=path)
    again, resumed = pwl.train(net, patterns, algorithm, iterations=8, resume=path)
    assert np.array_equal(whole.theta, again.theta) and resumed["ridge"] == record["ridge"]


def test_further_trials_are_counted():
    net, patterns = started()
    algorithm = pwl.MOLF.damped()
    own = [algorithm.further(net, 120, {"trials": n})[1] for n in (0, 1, 2, 3)]
    assert own[0] == own[1] == 0 and own[3] == 2 * own[2] > 0
    once = algorithm.multiplies(net, 120)[1]
    _, record = pwl.train(net, patterns, pwl.MOLF.damped(mu=1e-6), iterations=30)
    spent, trials = record["own_multiplies"], record["trials"]
    for k in range(1, len(spent)):
        assert spent[k] - spent[k - 1] == pytest.approx(once + algorithm.further(net, 120, {"trials": trials[k]})[1])


def test_a_state_without_results_measures_them():
    net, patterns = started()
    bare, _ = pwl.damped_molf_step(net, patterns, known=DampedState())
    full, _ = pwl.damped_molf_step(net, (patterns.x, patterns.t))
    assert np.array_equal(bare.theta, full.theta)


def test_the_evidence_measures_what_differences_do_not_show():
    """Targets that the net can fit to 1e-9 of their energy: the ridge is of the size that so little noise asks for."""
    x, _ = waves(M=1)
    t = x @ np.array([[1.0], [-2.0], [0.5]]) + 1e-5 * np.random.default_rng(0).normal(size=(len(x), 1))
    net = pwl.initialise(pwl.Network.mlp(3, 4, 1, "tanh"), (x, t))
    patterns = pwl.Patterns(x, t)
    fit = fitted(net, patterns, Penalties(), pwl.OLS())
    assert 1e-6 * np.mean(t**2) > fit.J and pytest.approx(pwl.evaluate(fit.net, patterns).error) == fit.J
    found = preferred(fit, patterns)
    assert 1e-14 < found.ridge < 1e-9
    assert found.negative_log < -120 * 9  # at a noise of 1e-5


def test_by_evidence_the_ridge_begins_large_in_the_units_of_the_basis():
    net, patterns = started(curves=False)
    B = np.column_stack([patterns.x, np.tanh(net.W[:, 0] + patterns.x @ net.W[:, 1:].T)])
    state = pwl.MOLF.damped().init(net, patterns, 0)
    assert state.ridge == pytest.approx(START * np.mean(B.var(axis=0)))
    assert pwl.MOLF.damped(ridge=0.3).init(net, patterns, 0).ridge == 0.3


def test_classes_have_a_ridge_by_evidence_too():
    """Of two kinds of labels, those that are drawn at random have the larger ridge."""
    ridges = {}
    x, t = spirals(Nv=300)
    for kind, labels in (("true", t), ("random", np.random.default_rng(0).integers(0, 3, 300))):
        net = pwl.Network.mlp(2, 12, 3, pwl.PiecewiseLinear("tanh"), loss="cross_entropy")
        _, record = pwl.train(net, (x, labels), pwl.AdAct.damped(), iterations=40)
        ridges[kind] = record["ridge"][-1]
        assert record["objective"][-1] > record["error"][-1] and record["effective_output_weights"][-1] > 0
    assert 0 < 2 * ridges["true"] < ridges["random"]


def test_ranks_train_the_serial_net():
    x, t = waves(90)
    parts = [(x[:20], t[:20]), (x[20:], t[20:])]
    net = pwl.Network.mlp(3, 5, 2, pwl.PiecewiseLinear("tanh", 9))
    serial, record = pwl.train(net, (x, t), pwl.AdAct.damped(), iterations=4)
    runs = on_ranks(lambda patterns: pwl.train(net, patterns, pwl.AdAct.damped(), iterations=4), parts)
    assert np.array_equal(runs[0][0].theta, runs[1][0].theta)
    np.testing.assert_allclose(runs[0][1]["ridge"][1:], record["ridge"][1:], rtol=1e-6)
    assert np.linalg.norm(runs[0][0].theta - serial.theta) <= 1e-6 * np.linalg.norm(serial.theta)


@pytest.mark.parametrize("name", ALGORITHMS)
def test_curves_on_the_inputs_train_in_the_damped_forms(name):
    x, t = waves(Nv=150, M=1)
    net = pwl.initialise(pwl.Network.mlp(3, 6, 1, pwl.PiecewiseLinear("tanh"), input_hinges=5), (x, t))
    patterns = pwl.Patterns(x, t)
    nets, said = iterate(ALGORITHMS[name].damped(), net, patterns, 8)
    for at, series in zip(nets[1:], said, strict=True):
        now = pwl.evaluate(at, patterns).error + Penalties(ridge=series["ridge"]).value(at)
        assert series["objective"] == pytest.approx(now, rel=1e-8)
    known = fitted(net, patterns, Penalties(), pwl.OLS(), ALGORITHMS[name].damped().init(net, patterns, 0).R["0.W"])
    np.testing.assert_allclose(known.net.W_o, fitted(net, patterns, Penalties(), pwl.OLS()).net.W_o, rtol=1e-6, atol=1e-9)
    if name == "adact":
        assert said[-1]["units_outside"] >= 0


@pytest.mark.parametrize("made", [pwl.DampedMOLF, pwl.DampedAdAct])
def test_the_penalty_on_curves_of_inputs(made):
    """J has the rises' squares, it never rises, and a large weight draws the curves towards straight lines."""
    x = np.random.default_rng(0).normal(size=(120, 2))
    data, net = (x, np.abs(x[:, :1]) + x[:, 1:] ** 2), pwl.Network.mlp(2, 3, 1, pwl.PiecewiseLinear(hinges=5), input_hinges=5)
    sizes = []
    for weight in (0.0, 0.01, 10.0):
        found, record = pwl.train(net, data, made(ridge=1e-3, input_curve_penalty=weight), iterations=8)
        at, best = pwl.Penalties(input_curves=1.0).value(found), record.best_iteration
        wanted = record["error"][best] + pwl.Penalties(1e-3, input_curves=weight).value(found)
        assert record["objective"][best] == pytest.approx(wanted, rel=1e-9)
        J = record["objective"][1:]
        assert all(later <= earlier * (1 + 1e-9) for earlier, later in itertools.pairwise(J)) or made is pwl.DampedAdAct
        sizes.append(at)
    assert sizes[0] > sizes[1] > 100 * sizes[2]
