"""Hinges at each value of inputs of few values: when they are worth it, Eq. (104), and that networks get them."""

from __future__ import annotations

import numpy as np
import pytest

import pwl
from pwl.algorithms import DampedMOLF
from pwl.learners import levels as module
from pwl.learners.forms import Form, Training
from pwl.learners.learn import learn
from pwl.learners.levels import gain, levels
from pwl.learners.plan import Plan
from pwl.network.passes import outputs
from pwl.training.input_hinges import with_input_hinges

FORM = Form((5,), 5, 1, Training(DampedMOLF(), 30))


def shops(Nv=1000, kinds=20, noise=0.1, seed=0):
    """x: a shop by its number, a real number, and one of 21 values. t: the shop's own level, and smooth functions of the others."""
    rng = np.random.default_rng(seed)
    own = np.random.default_rng(5).normal(size=kinds)
    shop, z, u = rng.integers(0, kinds, Nv), rng.normal(size=Nv), np.round(rng.uniform(-1, 1, Nv), 1)
    return np.column_stack([shop, z, u]), own[shop] + np.tanh(z) + u**2 + noise * rng.normal(size=Nv)


def standardised(x, t):
    return pwl.Patterns(*pwl.Preparation.fit(x, t).transform(x, t))


def test_the_gain_by_hand():
    """Residuals 1, 1 | -1, 0 have means 1 and -1/2, which explain 2.5 of 3."""
    at, r = np.array([0, 0, 1, 1]), np.array([[1.0], [1], [-1], [0]])
    wanted = -2 * np.log(0.5 / 3) - 0.5 * np.log(4)
    assert gain(at, r, np.ones(4), 1) == pytest.approx(wanted, rel=1e-14)
    assert gain(at[1:], r[1:], np.array([2.0, 1, 1]), 1) == pytest.approx(wanted, rel=1e-14)  # a repeated pattern
    unknown = np.append(r, [[np.nan]], axis=0)
    assert gain(np.append(at, 1), unknown, np.ones(5), 1) == pytest.approx(wanted, rel=1e-14)
    assert gain(at, np.hstack([r, r]), np.ones(4), 1) == pytest.approx(2 * wanted, rel=1e-14)
    assert gain(at, np.hstack([r, 0 * r]), np.ones(4), 1) == pytest.approx(wanted, rel=1e-14)  # a target without error


def test_only_an_input_whose_values_have_levels_of_their_own_gets_them():
    x, t = shops()
    assert levels(standardised(x, t), FORM, 1) == (0,)
    smooth = np.sin(x[:, 0] / 6) + np.tanh(x[:, 1]) + x[:, 2] ** 2 + 0.1 * np.random.default_rng(1).normal(size=len(x))
    assert levels(standardised(x, smooth), FORM, 1) == ()
    assert levels(standardised(x, np.random.default_rng(2).normal(size=len(x))), FORM, 1) == ()


def test_patterns_without_weight_and_unknown_targets_do_not_count():
    x, t = shops()
    kept = standardised(x, t)
    noise = np.random.default_rng(3).normal(size=(500, 3))
    weights = np.append(np.ones(len(x)), np.zeros(500))
    more = pwl.Patterns(np.append(kept.x, noise, axis=0), np.append(kept.t[:].reshape(-1), np.zeros(500)), weights)
    assert levels(more, FORM, 1) == (0,)
    two = np.column_stack([kept.t[:].reshape(-1), np.where(np.arange(len(x)) % 3, np.nan, 0.3)])
    assert levels(pwl.Patterns(kept.x, two), FORM, 2) == (0,)


def test_the_best_inputs_come_first_and_the_functions_are_twice_as_many_at_most():
    """Five hinges of three inputs are 16 functions with one unit: room for one input of 20 values, and none for one of 40."""
    (x, t), (y, s) = shops(), shops(seed=1)
    both, sum_of_both = np.column_stack([x[:, 0], y[:, 0], x[:, 1]]), t + 0.5 * s
    assert levels(standardised(both, sum_of_both), FORM, 1) == (0,)
    assert levels(standardised(both[:, [1, 0, 2]], sum_of_both), FORM, 1) == (1,)
    assert levels(standardised(both, sum_of_both), FORM._replace(hinges=11), 1) == (0, 1)
    assert levels(standardised(*shops(kinds=40)), FORM, 1) == ()


def test_a_sample_of_a_large_table_is_enough(monkeypatch):
    patterns, seen = standardised(*shops(3000)), []
    monkeypatch.setattr(module, "NUMBERS", 3 * 1200)
    monkeypatch.setattr(module, "gain", lambda at, *rest: seen.append(len(at)) or gain(at, *rest))
    assert levels(patterns, FORM, 1) == (0,) and set(seen) == {1200}


def test_hinges_at_each_value_leave_the_outputs_as_they_are():
    x, t = shops()
    patterns = standardised(x, t)
    net = pwl.Network.mlp(3, 4, 1, "tanh", input_hinges=5)
    plain, own = with_input_hinges(net, patterns), with_input_hinges(net, patterns, (0,))
    assert plain.layers[0].counts == (5, 5, 5) and own.layers[0].counts == (20, 5, 5)
    assert np.array_equal(own.buffers["0.ns"][0, :20], np.unique(patterns.x[:, 0]))
    assert outputs(own, patterns.x) == pytest.approx(outputs(net, patterns.x), rel=1e-12)


def test_the_default_learner_learns_levels_and_says_so():
    x, t = shops()
    preparation = pwl.Preparation.fit(x[:800], t[:800])
    patterns = pwl.Patterns(*preparation.transform(x[:800], t[:800]))
    learned = learn(patterns, preparation, Plan((FORM,), "tanh", 60.0, "none"))
    assert learned.net.nets[0].layers[0].counts == (20, 5, 5)
    assert learned.record.settings["forms"].endswith("; a hinge at each value of input 1")
    assert np.sqrt(np.mean((learned.net.predict(x[800:])[:, 0] - t[800:]) ** 2)) < 0.2  # of noise 0.1; 0.9 without levels
