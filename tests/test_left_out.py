"""Patterns left out, and what follows from them: shares of forms, and the scale of an ensemble's deviations, Eqs. (91), (92)."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import scipy.special
from oracles import jacobian, unit_elements

import pwl
from pwl.algorithms.left_out import left_out
from pwl.learners.mix import Told, of_form, shares, with_scale
from pwl.network.posterior import Posterior
from pwl.network.predict import outputs_of

BAYESIAN = pwl.BayesianLM(damping=pwl.Damping(mu=5e-3, schedule="gain"), starts=(0.03,), evidence="factors")


def trained(loss, Nv=50, weights=None, groups="one", iterations=40):
    rng = np.random.default_rng(2)
    x = rng.normal(size=(Nv, 3))
    t = np.stack([np.sin(x[:, 0]) + x[:, 1], x[:, 2] ** 2], axis=1) + 0.3 * rng.normal(size=(Nv, 2))
    if loss == "cross_entropy":
        t = np.argmax(np.concatenate([t, 0.5 * rng.normal(size=(Nv, 1))], axis=1), axis=1)
    patterns = pwl.Patterns(x, t, weights)
    net = pwl.Network.mlp(3, 4, 3 if loss == "cross_entropy" else 2, "tanh", loss=loss, seed=0)
    algorithm = dataclasses.replace(BAYESIAN, groups=groups)
    net, record = pwl.train(net, patterns, algorithm, iterations=iterations)
    return net, record, patterns, algorithm


@pytest.mark.parametrize("loss", ["squared_error", "cross_entropy"])
@pytest.mark.parametrize("groups", ["one", "inputs"])
@pytest.mark.parametrize("weighted", [False, True])
def test_a_pattern_is_taken_away_by_a_newton_step(loss, groups, weighted):
    """w + (sum of the others' J'SJ + 2 Nv Lambda)^-1 j'(dE_p/dy), with J by difference quotients and nothing rearranged."""
    w = np.random.default_rng(5).integers(1, 4, 50).astype(float) if weighted else np.ones(50)
    net, record, patterns, algorithm = trained(loss, weights=w if weighted else None, groups=groups)
    keys = net.keys("map", "head")
    J, y = jacobian(net, patterns.x, unit_elements(net, keys)), np.asarray(outputs_of(net, patterns.x))  # (Nv, M, P)
    d = np.zeros(J.shape[2])
    for value, indices in zip(
        np.atleast_1d(record["lambda"][record.best_iteration]), algorithm.indices(net, keys), strict=True
    ):
        d[indices] = value
    if loss == "squared_error":
        S, g = np.broadcast_to(2 * np.eye(2), (50, 2, 2)), 2 * (y - patterns.t)
    else:
        p = scipy.special.softmax(y, axis=1)
        S, g = p[:, :, None] * np.eye(3) - p[:, :, None] * p[:, None, :], p - np.eye(3)[patterns.t]
    parts = w[:, None, None] * np.einsum("pma,pmn,pnb->pab", J, S, J)
    H, found = parts.sum(axis=0) + 2 * w.sum() * np.diag(d), left_out(net, patterns, algorithm, record)
    for p in range(50):
        change = np.linalg.solve(H - parts[p], w[p] * J[p].T @ g[p])
        np.testing.assert_allclose(found[p], y[p] + J[p] @ change, rtol=1e-5, atol=1e-6)


def test_blocks_do_not_matter():
    net, record, patterns, algorithm = trained("squared_error")
    small = pwl.Patterns(patterns.x, patterns.t, block_bytes=40_000)
    np.testing.assert_allclose(left_out(net, small, algorithm, record), left_out(net, patterns, algorithm, record), rtol=1e-9)


def test_a_pattern_that_alone_decides_a_weight_stays_finite():
    """The share of such a pattern in its own output is all but 1."""
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.normal(size=(40, 2)), np.zeros((40, 1))], axis=1)
    x[7, 2] = 1.0
    t = x[:, :1] + 0.01 * rng.normal(size=(40, 1))
    t[7] = 5.0
    algorithm = dataclasses.replace(BAYESIAN, groups="inputs")
    net, record = pwl.train(pwl.Network.mlp(3, 2, 1, "tanh"), (x, t), algorithm, iterations=40)
    found = left_out(net, pwl.Patterns(x, t), algorithm, record)
    assert np.all(np.isfinite(found)) and abs(found[7, 0] - t[7, 0]) > 10 * abs(net.predict(x)[7, 0] - t[7, 0])


def test_errors_of_patterns_left_out_are_those_of_new_ones():
    """The training error is far too low, and this one is not."""
    rng = np.random.default_rng(3)
    x = rng.uniform(-1, 1, (2300, 4))
    t = np.sin(3 * x[:, :1]) * x[:, 1:2] + 0.3 * rng.normal(size=(2300, 1))
    patterns = pwl.Patterns(x[:300], t[:300])
    net, record = pwl.train(pwl.Network.mlp(4, 12, 1, "tanh", seed=1), patterns, BAYESIAN, iterations=100)
    out = np.mean((left_out(net, patterns, BAYESIAN, record) - t[:300]) ** 2)
    new, own = (np.mean((net.predict(x[part]) - t[part]) ** 2) for part in (slice(300, None), slice(300)))
    assert own < 0.8 * new and out == pytest.approx(new, rel=0.15)


# ---- shares and scales


def test_the_shares_of_the_better_outputs():
    t = np.array([[0.0], [1.0], [2.0]])
    patterns = pwl.Patterns(np.zeros((3, 1)), t)
    assert shares([t + 1, t - 3], patterns, False) == pytest.approx([0.75, 0.25])  # errors of 1 and -3 cancel at 3 to 1
    assert shares([t, t + 1], patterns, False) == pytest.approx([1, 0], abs=1e-9)
    assert shares([t, t], patterns, False) == pytest.approx([0.5, 0.5])
    assert shares([t + 1, t + 1], patterns, False) == pytest.approx([0.5, 0.5])
    heavy = pwl.Patterns(np.zeros((3, 1)), t, [1.0, 1.0, 2.0])
    assert shares([t + 1, t + np.array([[1.0], [1.0], [-1.0]])], heavy, False) == pytest.approx([0.5, 0.5])


def test_shares_of_three_have_the_lowest_error_of_all():
    rng = np.random.default_rng(0)
    t, outs = rng.normal(size=(40, 2)), [rng.normal(size=(40, 2)) for _ in range(3)]
    outs = [t + 0.5 * (o - t) + b for o, b in zip(outs, (0.0, 0.3, -0.2), strict=True)]
    found = shares(outs, pwl.Patterns(np.zeros((40, 1)), t), False)

    def error(u):
        return np.mean((t - sum(v * o for v, o in zip(u, outs, strict=True))) ** 2)

    grid = [np.array([a, b, 1 - a - b]) for a in np.linspace(0, 1, 51) for b in np.linspace(0, 1, 51) if a + b <= 1]
    assert found.sum() == pytest.approx(1) and np.all(found >= 0) and error(found) <= min(map(error, grid))


def test_the_shares_of_classes_have_the_highest_likelihood():
    """One knows three patterns of four with .9 and is wrong with .9 on the other, the second one says .5 throughout."""
    labels = np.array([0, 1, 0, 1])
    patterns = pwl.Patterns(np.zeros((4, 1)), labels)
    p = np.array([[0.9, 0.1], [0.1, 0.9], [0.9, 0.1], [0.9, 0.1]])
    u = shares([np.log(p), np.zeros((4, 2))], patterns, True)
    right, grid = p[np.arange(4), labels], np.linspace(0, 1, 1001)
    best = grid[np.argmin([-np.sum(np.log((1 - v) * right + v * 0.5)) for v in grid])]
    assert u == pytest.approx([1 - best, best], abs=2e-3) and 0.2 < best < 0.8


def test_the_scale_makes_variances_of_squared_errors():
    """Two networks that err by +1 and -1 about a mean that errs by .5, each with a variance of its own of 2."""
    net, _, patterns, _ = trained("squared_error", Nv=20)
    flat = Posterior(net.keys("head"), np.eye(net.n_basis), np.array([2.0, 2.0]), 1e18)
    known = dataclasses.replace(net, posterior=flat)
    outs = [patterns.t + 1.5, patterns.t - 0.5]
    for forms, numbers in (([of_form(outs)], [0, 0]), ([of_form([out]) for out in outs], [0, 1])):
        found = with_scale(pwl.Ensemble([known, known]), forms, numbers, [Told(patterns)] * 2)
        np.testing.assert_allclose(found.scale, 0.25 / 3)
        _, std = found.predict(patterns.x, return_std=True)
        np.testing.assert_allclose(std**2, 2 * 0.25 / 3)
    assert with_scale(pwl.Ensemble([net]), [of_form(outs[:1])], [0], [Told(patterns)]).scale is None  # there is nothing to scale


def test_networks_that_have_left_out_the_same_pattern_tell_the_spread_and_the_gain_of_all():
    """Of four networks two have left out the first pattern, one the second, none the third, and two the last."""
    nan = np.nan
    outs = [np.array([[1.0], [5.0], [nan], [nan]]), np.array([[3.0], [nan], [nan], [nan]])]
    outs += [np.array([[nan], [nan], [nan], [2.0]]), np.array([[nan], [nan], [nan], [4.0]])]
    form, v = of_form(outs), 2.0  # (1 - 2)^2 + (3 - 2)^2, over one less than two
    np.testing.assert_array_equal(form.mean[:, 0], [2.0, 5.0, nan, 3.0])
    np.testing.assert_allclose(form.gain[[0, 1, 3], 0], [v * (1 / 2 - 1 / 4), v * (1 - 1 / 4), v * (1 / 2 - 1 / 4)], rtol=1e-14)
    np.testing.assert_allclose(form.spread[:, 0], v * 3 / 4, rtol=1e-14)
    outs[3][3] = 2.0  # now the last one has no variance of its own, and the mean is 1: of two others that are not known, 1 each
    np.testing.assert_allclose(of_form(outs).spread[[0, 3], 0], [(2 + 2 * 1) / 4, 2 * 1 / 4], rtol=1e-14)
    alone, unlike = of_form([np.ones((3, 1))]), of_form([outs[0], outs[2]])
    assert not np.any(alone.gain) and not np.any(alone.spread) and not np.any(unlike.gain)


def test_the_scale_is_that_of_the_mean_of_all_networks():
    """Ten networks err by a number of their own each: the error of their mean is told by what two of them have left out."""
    rng = np.random.default_rng(5)
    net, _, patterns, _ = trained("squared_error", Nv=2000)
    flat = Posterior(net.keys("head"), np.eye(net.n_basis), np.array([2.0, 2.0]), 1e18)
    known = dataclasses.replace(net, posterior=flat)
    noise, own = rng.normal(size=patterns.t.shape), rng.normal(size=(10, *patterns.t.shape))
    part = np.arange(2000)[:, None] % 10
    outs = [np.where(np.isin(part, [e, (e + 1) % 10]), patterns.t + noise + o, np.nan) for e, o in enumerate(own)]
    found = with_scale(pwl.Ensemble([known] * 10), [of_form(outs)], [0] * 10, [Told(patterns)] * 10)
    wanted = (1 + 1 / 10) / (2 + 9 / 10)  # the mean's squared error, over the variance of one network and the spread
    np.testing.assert_allclose(found.scale, wanted, rtol=0.06)  # of 2,000 patterns


def test_files_keep_the_scale_and_wrong_ones_are_refused(tmp_path):
    net, record, patterns, algorithm = trained("squared_error", Nv=20)
    net = pwl.with_posterior(net, patterns, algorithm, record)
    ensemble = pwl.Ensemble([net, net], scale=[0.5, 2.0])
    ensemble.save(tmp_path / "e.safetensors")
    again = pwl.Ensemble.load(tmp_path / "e.safetensors")
    std = again.predict(patterns.x, return_std=True)[1]
    assert np.array_equal(std, ensemble.predict(patterns.x, return_std=True)[1])
    np.testing.assert_allclose(std**2, net.predict(patterns.x, return_std=True)[1] ** 2 * [0.5, 2.0])
    for wrong in ([1.0], [1.0, 0.0], [1.0, np.inf]):
        with pytest.raises(pwl.InputError, match="a scale above 0 per target"):
            pwl.Ensemble([net], scale=wrong)


@pytest.mark.slow
def test_intervals_of_the_default_learner_cover_what_they_promise():
    rng = np.random.default_rng(4)
    x = rng.uniform(-1, 1, (2600, 3))
    t = np.sin(4 * x[:, 0]) + np.abs(x[:, 1]) + 0.2 * rng.normal(size=2600)
    pytest.importorskip("sklearn")
    model = pwl.PWLRegressor(max_seconds=60).fit(x[:600], t[:600])
    y, std = model.predict(x[600:], return_std=True)
    assert model.net_.scale is not None and 0.87 < np.mean(np.abs(t[600:] - y) < 1.645 * std) < 0.93
    assert np.mean(((t[600:] - y) / std) ** 2) == pytest.approx(1.0, abs=0.12)
