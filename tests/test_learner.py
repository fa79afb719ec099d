"""The default learner: its plan by size, its choice of inputs, its time, and what the estimators show of it."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import time

import numpy as np
import pytest

import pwl
from pwl.algorithms import Adam, BayesianLM, DampedMOLF
from pwl.algorithms.left_out import left_out
from pwl.learners.forms import DEEP, NETS, RATE, Form, Training, deep, iteration_seconds, less_deep, weights
from pwl.learners.inputs import View
from pwl.learners.learn import SAMPLE, learn, sample
from pwl.learners.parts import part
from pwl.learners.plan import GUARD, MORE_NETS, Plan, plan, with_decorrelated
from pwl.reductions.statistic import Statistic, few

pytest.importorskip("sklearn")


def wavy(Nv=300, noise=0.1):
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, size=(Nv, 3))
    return x, np.abs(x[:, 0]) * 4 + np.where(x[:, 1] > 0.3, 2.0, 0.0) + noise * rng.normal(size=Nv)


def test_the_plan_follows_from_the_size():
    small, large, huge = plan(1_000, 8, 1), plan(400_000, 30, 1), plan(5_000_000, 8, 1)
    assert isinstance(small.first.algorithm, BayesianLM) and [form.hinges for form in small.forms] == [None, 7, 14]
    assert [form.training.parts for form in small.forms] == [10, 10, 10]
    assert [form.training.parts for form in plan(30, 8, 1).forms] == [0]
    assert small.forms[2].training.iterations > large.first.iterations and small.forms[2].nets > large.forms[0].nets
    assert small.forms[0].nets == MORE_NETS and small.forms[2].nets == 20 and small.first.dtype is np.float64
    assert isinstance(large.first.algorithm, DampedMOLF) and [form.nets for form in large.forms] == [1, 2]
    assert isinstance(large.forms[1].training.algorithm, Adam) and large.forms[1].training.iterations == 10
    assert isinstance(huge.first.algorithm, Adam) and huge.first.batch_size and huge.forms[0].nets == 1
    assert [form.hinges for form in plan(30, 8, 1).forms] == [None]
    assert [form.hidden for form in plan(500, 8, 3, classes=True).forms] == [(1,), (10,), (30,)]
    assert [form.hidden for form in plan(40, 8, 3, classes=True).forms] == [(1,), (10,)]
    assert [form.hidden for form in plan(500, 8, 3, classes=True, hidden=(4,)).forms] == [(4,)]
    pixels, letters = plan(1_617, 64, 10, classes=True), plan(50_000, 64, 26, classes=True)
    assert [form.hidden for form in pixels.forms] == [(1,), (10,), (100,)]
    assert {form.training.dtype for form in pixels.forms} == {np.float32}
    assert [form.training.parts for form in pixels.forms] == [0, 0, 5]
    assert isinstance(letters.first.algorithm, Adam) and [form.nets for form in letters.forms] == [5] and letters.first.batch_size
    assert [form.hidden for form in plan(50_000, 64, 26, classes=True, hidden=(7,)).forms] == [(7,)]
    assert {form.hidden for form in plan(1_000, 8, 1, hidden=(3, 2)).forms} == {(3, 2)}
    assert plan(1_000, 8, 1, seconds=7.0).seconds == 7.0 and plan(1_000, 8, 1).seconds == 20 * GUARD
    middle, many = plan(5_000, 20, 1), plan(18_000, 8, 1)
    assert [form.training.parts for form in middle.forms] == [0, 0, 10] and middle.forms[0].nets == NETS
    assert middle.first.dtype is np.float32 and middle.forms[1].hinges == 7 and isinstance(middle.first.algorithm, BayesianLM)
    assert [form.hinges for form in many.forms] == [None, 26, 52] and isinstance(many.first.algorithm, BayesianLM)
    deep = many.forms[2]
    assert deep.hidden == DEEP and deep.nets == 9 and deep.training.iterations == deep.training.max_fail == 60
    rate = deep.training.algorithm_for(16_200).learning_rate
    assert rate(0) < 0.1 * RATE and rate(60 * 64 - 1) < 1e-5 * RATE  # 16,200 patterns learned: 64 batches an epoch, 60 epochs
    assert [len(plan(40, 20_000, 9).forms), len(plan(60, 20_000, 9).forms)] == [1, 2]  # none of so few is left out
    for chosen in (small, large, huge):
        assert str(5_000_000 if chosen is huge else 400_000 if chosen is large else 1_000) in chosen.reason


def test_networks_by_batches_stand_beside_the_others_from_3000_patterns_on():
    below, there = plan(2_999, 8, 1), plan(3_000, 8, 1)
    assert "batches" not in below.reason and "Adam in batches" in there.reason
    assert [form.nets for form in below.forms] == [10, 10, 20] and [form.nets for form in there.forms] == [5, 5, 16, 7]
    form = there.forms[3]
    assert form.hidden == (128, 128) and form.hinges == 14 and form.training.parts == 10 and not form.training.stops
    assert form.training.batch_size == 3_000 // 40 and form.training.iterations == 2_200 * 75 // 3_000
    assert [one.training.stops for one in there.forms] == [False, False, True, False]  # evidence or a schedule says it, not theirs
    assert plan(3_000, 8, 1, hidden=(5,)).forms[3].hidden == (5,)
    assert [one.training.parts for one in plan(3_000, 8, 1, seconds=4.0).forms] == [0, 0, 10]  # those are not judged alike


def test_decorrelated_inputs_are_for_levenberg_marquardt():
    """Of straight networks by batches there are none, though they stand last."""
    first = plan(1_000, 8, 1)
    lm, batches = first.forms[0], less_deep(1_000, 8, 1, None, None, 20.0)
    more = with_decorrelated(dataclasses.replace(first, forms=(lm, batches)))
    assert more.forms == (lm, batches, lm._replace(decorrelated=True))


@pytest.mark.parametrize("hinges", [None, 5])
def test_weights_are_counted_as_they_are(hinges):
    x, t = wavy()
    net = pwl.initialise(pwl.Network.mlp(3, (6, 4), 2, "tanh", input_hinges=hinges), (x, np.stack([t, -t], axis=1)))
    assert weights(3, 2, (6, 4), hinges) == net.n_parameters
    assert iteration_seconds(1_000, 2, 100) == pytest.approx(iteration_seconds(2_000, 1, 100))


@pytest.mark.slow
def test_curved_inputs_are_found_where_they_help_and_steps_are_reproducible():
    x, t = wavy()
    model = pwl.PWLRegressor(max_seconds=60).fit(x[:200], t[:200])
    assert model.score(x[200:], t[200:]) > pwl.PWLRegressor(hidden=20, algorithm="lm").fit(x[:200], t[:200]).score(x[200:], t[200:])
    assert "hinges" in model.record_.settings["forms"] and model.record_.settings["networks"] == len(model.net_.nets)
    again = pwl.PWLRegressor(max_seconds=60).fit(x[:200], t[:200])
    assert np.array_equal(model.predict(x), again.predict(x))
    y, std = model.predict(x[200:], return_std=True)
    assert y.shape == std.shape == (100,)
    assert 0.8 < np.mean(np.abs(t[200:] - y) < 1.645 * std) <= 1.0


@pytest.mark.slow
def test_far_inputs_and_outliers_stay_plausible():
    x, t = wavy()
    x[5] = 1e6
    model = pwl.PWLRegressor(max_seconds=20).fit(x, t)
    width = t.max() - t.min()
    y = model.predict(np.concatenate([x, np.full((1, 3), 1e9), np.full((1, 3), -1e9)]))
    assert np.all(y >= t.min() - width) and np.all(y <= t.max() + width)
    assert np.sqrt(np.mean((y[:300] - t) ** 2)) < 0.5 * np.std(t)


@pytest.mark.slow
def test_constant_repeated_and_few_valued_inputs_do_no_harm():
    """Eight inputs, five of which tell nothing new, cost less than a hundredth of the variance."""
    x, t = wavy(400)
    rng = np.random.default_rng(1)
    more = np.column_stack([x, np.full(400, 3.0), x[:, 0], -2 * x[:, 1] + 1, rng.integers(0, 2, 400), np.round(x[:, 2])])
    plain, found = (pwl.PWLRegressor().fit(a[:300], t[:300]) for a in (x, more))
    error, new = (np.mean((m.predict(a[300:]) - t[300:]) ** 2) for m, a in ((plain, x), (found, more)))
    assert new < error + 0.01 * np.var(t) < 0.03 * np.var(t)
    far = np.concatenate([more, 1e6 * more, more + rng.normal(0, 1e3, more.shape)])  # repeats no longer repeat each other
    width = np.ptp(t[:300])
    assert np.all(np.abs(found.predict(far) - (t[:300].max() + t[:300].min()) / 2) <= 1.5 * width + 1e-9)


def test_the_time_is_kept():
    x, t = wavy(2000)
    begin = time.perf_counter()
    model = pwl.PWLRegressor(max_seconds=1.0).fit(x, t)
    assert time.perf_counter() - begin < 10
    assert model.score(x, t) > 0.5


def three_networks(seconds):
    """Patterns, their preparation, and a plan of three networks."""
    x, t = wavy(60)
    preparation = pwl.Preparation.fit(x, t)
    patterns = pwl.Patterns(*preparation.transform(x, t))
    return patterns, preparation, Plan((Form((3,), None, 3, Training(DampedMOLF(), 5)),), "tanh", seconds, "none")


def test_training_errors_by_batches_are_measured_on_a_sample_if_others_stop_them():
    x = np.zeros((SAMPLE + 1, 1))
    many, few = pwl.Patterns(x, x), pwl.Patterns(x[:-1], x[:-1])
    by_batch, whole = Training(pwl.Adam(), 1, 32), Training(DampedMOLF(), 1)
    assert sample(View(many, few, None), by_batch) == SAMPLE
    for view, how in ((View(few, few, None), by_batch), (View(many, None, None), by_batch), (View(many, few, None), whole)):
        assert sample(view, how) is None


def test_at_least_one_network_is_trained():
    assert len(learn(*three_networks(0.0)).net.nets) == 1


@pytest.mark.parametrize("trained", [0, 1, 2])
def test_ctrl_c_keeps_the_networks_that_are_trained_if_that_is_wanted(trained, monkeypatch):
    calls = []

    def interrupted(*given, **options):
        if len(calls) == trained:
            raise KeyboardInterrupt
        calls.append(1)
        return pwl.train(*given, **options)

    monkeypatch.setattr("pwl.learners.learn.train", interrupted)
    with pytest.raises(KeyboardInterrupt):
        learn(*three_networks(60.0))
    calls.clear()
    if not trained:
        with pytest.raises(KeyboardInterrupt):
            learn(*three_networks(60.0), keeps=contextlib.nullcontext())
        return
    found = learn(*three_networks(60.0), keeps=contextlib.nullcontext())
    assert found.interrupted and len(found.net.nets) == trained == found.record.settings["networks"]
    monkeypatch.undo()
    whole = learn(*three_networks(60.0), keeps=contextlib.nullcontext())
    assert not whole.interrupted
    for net, same in zip(found.net.nets, whole.net.nets, strict=False):
        np.testing.assert_array_equal(net.theta, same.theta)


def test_ctrl_c_keeps_networks_that_wait_for_a_slower_one(monkeypatch):
    """The first network takes long; those that have been trained meanwhile are not lost."""
    started = []

    def slow(net, data, *given, callback=None, **options):
        started.append(1)
        if len(started) == 1:
            while not callback(net, None):
                time.sleep(0.01)
        elif len(started) == 3:
            raise KeyboardInterrupt
        return pwl.train(net, data, *given, **options)

    monkeypatch.setattr("pwl.learners.learn.train", slow)
    monkeypatch.setattr("pwl.runtime.threads.workers", lambda: 2)
    patterns, preparation, _ = three_networks(60.0)
    form = Form((3,), None, 5, Training(pwl.Adam(), 2, 20))
    found = learn(patterns, preparation, Plan((form,), "tanh", 60.0, "none"), keeps=contextlib.nullcontext())
    assert found.interrupted and len(found.net.nets) == 1


def test_classes_have_probabilities_of_all_networks():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(120, 2))
    y = np.where(x[:, 0] * x[:, 1] > 0, "same", "other")
    model = pwl.PWLClassifier(max_seconds=30).fit(x, y)
    p = model.predict_proba(x)
    assert np.allclose(p.sum(axis=1), 1) and np.allclose(np.exp(model.predict_log_proba(x)), p)
    assert np.array_equal(model.predict(x), model.classes_[p.argmax(axis=1)]) and model.score(x, y) > 0.9
    assert len(model.net_.nets) > 1


def test_networks_by_batches_leave_out_a_part_each_and_have_their_share():
    """The classes are rings, which one unit can't part: patterns left out give most to its wider neighbours."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 2))
    y = np.digitize(np.hypot(*x.T), [0.8, 1.5])
    chosen = plan(300, 2, 3, classes=True)
    forms = (chosen.forms[0], Form((20,), None, 3, Training(Adam(learning_rate=0.01), 60, 16, 3, stops=True)))
    chosen = dataclasses.replace(chosen, forms=forms)
    preparation = pwl.Preparation.fit(x, y)
    patterns = pwl.Patterns(*preparation.transform(x, y))
    learned, again = (learn(patterns, preparation, chosen, seed=4) for _ in range(2))
    u = learned.net.weights
    assert u[0] < 0.25 and np.allclose(u[1:], (1 - u[0]) / 3)
    assert all(np.array_equal(a.theta, b.theta) for a, b in zip(learned.net.nets, again.net.nets, strict=True))
    assert np.mean(learned.net.predict(x) == y) > 0.9
    more = rng.normal(size=(300, 2))
    assert np.mean(learned.net.predict(more) == np.digitize(np.hypot(*more.T), [0.8, 1.5])) > 0.85
    assert f"{1 - u[0]:.1%} with 20 units, straight inputs, by batches" in learned.record.settings["forms"]
    only = learn(patterns, preparation, dataclasses.replace(chosen, forms=forms[1:]), seed=4)
    best = only.record.best_iteration
    assert only.record.settings["patterns"] == 200 and "validation_error" in only.record and best < 60
    given = learn(patterns, preparation, chosen, validation=patterns.take(slice(0, 100)), seed=4)  # which says when to stop
    u = given.net.weights
    assert u[0] < 0.25 and np.allclose(u[1:], (1 - u[0]) / 3)


def test_deep_networks_go_through_all_epochs_of_their_rate():
    """A higher rate in between makes networks worse for a while, so that max_fail would end them too early."""
    x, t = wavy()
    t = t + 8 * x[:, 0] * x[:, 2]
    form = deep(300, 3, 1, (8, 8), 7, 1e3)._replace(nets=2)
    assert form.hidden == (8, 8) and form.hinges == 28 and form.training.iterations == 60 and form.training.parts == 10
    preparation = pwl.Preparation.fit(x, t)
    patterns = pwl.Patterns(*preparation.transform(x, t))
    chosen = Plan((form,), "tanh", 60.0, "none")
    learned = learn(patterns, preparation, chosen, max_fail=1, seed=3)
    assert learned.record.iterations == 60 and learned.record.settings["patterns"] == 270
    errors = learned.record["validation_error"]
    assert any(a < b for a, b in itertools.pairwise(errors[1:40]))  # it would have ended here
    assert min(errors) < 0.5 * errors[0]
    theta = learned.net.first.theta
    assert theta.dtype == np.float64 and np.array_equal(theta, theta.astype(np.float32))
    y, std = learned.net.predict(x, return_std=True)
    assert np.sqrt(np.mean((y[:, 0] - t) ** 2)) < 0.3 * np.std(t) and np.all(std > 0)


def test_fewer_patterns_left_out_only_judge_networks_by_batches():
    """The epoch that is best for them is not chosen, so that their error is not the lowest of many."""
    x, t = wavy()
    form = less_deep(300, 3, 1, (8,), 7, 2.0)._replace(nets=2)
    preparation = pwl.Preparation.fit(x, t)
    patterns = pwl.Patterns(*preparation.transform(x, t))
    learned = learn(patterns, preparation, Plan((form,), "tanh", 60.0, "none"), seed=3)
    assert learned.record.iterations == form.training.iterations and learned.record.settings["patterns"] == 270
    assert "validation_error" not in learned.record
    out = part(300, 10, 1, 0, 3)
    inner = patterns.take(np.flatnonzero(~out)).apart()
    start = pwl.Network.mlp(3, (8,), 1, "tanh", seed=3, input_hinges=14, dtype=np.float32, bypass=True)
    how = form.training
    alone, _ = pwl.train(start, inner, how.algorithm_for(270), iterations=how.iterations, batch_size=how.batch_size, seed=3)
    assert np.array_equal(learned.net.first.theta, alone.in_double().theta)


def test_each_round_over_the_parts_leaves_out_every_pattern_once_and_divides_anew():
    first, second = (np.stack([part(101, 10, 10, number, 3) for number in numbers]) for numbers in (range(10), range(10, 20)))
    assert np.all(first.sum(axis=0) == 1) and np.all(second.sum(axis=0) == 1)
    assert set(first.sum(axis=1)) == set(second.sum(axis=1)) == {10, 11}
    assert np.mean(np.argmax(first, axis=0) == np.argmax(second, axis=0)) < 0.3
    assert not np.array_equal(first, np.stack([part(101, 10, 10, number, 4) for number in range(10)]))


def test_networks_of_few_patterns_are_judged_by_what_they_have_left_out():
    """Ten networks of a form in two rounds leave a tenth out each, so that a quarter of the patterns is never left out."""
    x, t = wavy(60)
    chosen = plan(60, 3, 1, hidden=(2,))
    found = [(form.nets, form.training.parts, form.training.rounds) for form in chosen.forms]
    assert found == [(10, 10, 2), (10, 10, 2), (20, 10, 2)]
    left = np.any([part(1000, 10, 5, number, 0) for number in range(10)], axis=0)
    assert np.mean(left) == pytest.approx(0.75, abs=0.02)
    model = pwl.PWLRegressor((2,), max_seconds=1).fit(x, t)
    bayesian = model.record_
    assert "negative_log_evidence" in bayesian and "validation_error" not in bayesian
    assert bayesian.settings["patterns"] == 54 and "each network leaves a tenth" in bayesian.settings["learner"]


@pytest.mark.slow
def test_patterns_that_validate_decide_the_shares():
    """By few patterns that validate a network may be best before its training, where the evidence knows nothing."""
    x, t = wavy(84)
    model = pwl.PWLRegressor(max_seconds=4).fit(x[12:], t[12:], X_val=x[:12], y_val=t[:12])
    y, std = model.predict(x, return_std=True)
    assert np.all(std > 0) and np.sqrt(np.mean((y - t) ** 2)) < 0.8 * np.std(t)
    preparation = pwl.Preparation.fit(x, t)
    patterns = pwl.Patterns(*preparation.transform(x, t))
    net = pwl.initialise(pwl.Network.mlp(3, 2, 1, "tanh"), patterns)
    net, record = pwl.train(net, patterns, pwl.BayesianLM(), iterations=1)
    record.best_iteration = 0
    with pytest.raises(pwl.InputError, match="before its training"):
        left_out(net, patterns, pwl.BayesianLM(), record)


def test_a_product_is_learned_though_its_evidence_takes_it_for_noise():
    """From two of the three first starts, the evidence ends at constants, as neither input helps by itself."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(90, 2))
    model = pwl.PWLClassifier(max_seconds=30).fit(x, np.prod(x, axis=1) > 0)
    assert model.score(x, np.prod(x, axis=1) > 0) > 0.95
    few = plan(90, 2, 2, classes=True)
    few = dataclasses.replace(few, forms=(few.forms[1]._replace(nets=1),))
    preparation = pwl.Preparation.fit(x, (np.prod(x, axis=1) > 0).astype(int))
    patterns = pwl.Patterns(*preparation.transform(x, (np.prod(x, axis=1) > 0).astype(int)))
    learned = learn(patterns, preparation, few)
    assert isinstance(few.first.algorithm, BayesianLM) and "took everything for noise" in learned.record.settings["learner"]
    assert learned.record["classification_error"][learned.record.best_iteration] < 0.05


def test_further_fits_need_a_single_network():
    x, t = wavy(60)
    model = pwl.PWLRegressor(max_seconds=2).fit(x, t)
    with pytest.raises(pwl.InputError, match="several"):
        model.partial_fit(x, t)


def test_wide_tables_keep_straight_inputs_and_are_solved_by_rows():
    """As many weights as 200 patterns can't tell apart: J'J of 50,000 weights would take 20 GB."""
    wide, narrow, spectra = plan(200, 5_000, 1), plan(200, 5, 1), plan(60_000, 784, 1)
    assert [form.hinges for form in wide.forms] == [None] and wide.first.algorithm.solver == "rows"
    assert wide.first.algorithm.starts == (1.0,) and wide.first.dtype is np.float64
    assert narrow.forms[1].hinges and narrow.first.algorithm.solver == "cholesky"
    assert [form.hinges for form in spectra.forms] == [None, None] and isinstance(spectra.first.algorithm, DampedMOLF)
    first, second, third = (iteration_seconds(200, 1, P) for P in (50_000, 100_000, 150_000))
    assert third - second == pytest.approx(second - first, rel=1e-12)  # it grows like the number of weights


def test_a_wide_table_is_learned_as_by_ridge_regression():
    """40 patterns of 250 inputs, of which three count: the evidence must not take them for exact."""
    from sklearn.linear_model import RidgeCV

    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 250))
    x += 2 * rng.normal(size=(400, 3)) @ rng.normal(size=(3, 250))  # a few directions along which inputs vary together
    t = x[:, 0] + x[:, 1] - x[:, 2] + 0.5 * rng.normal(size=400)
    ridge = RidgeCV(np.logspace(-3, 5, 30)).fit(x[:40], t[:40]).score(x[40:], t[40:])
    assert 0.5 < ridge < 0.99
    with pytest.warns(UserWarning, match="fewer than"):
        ours = pwl.PWLRegressor(max_seconds=30).fit(x[:40], t[:40])
    assert ours.score(x[40:], t[40:]) > ridge - 0.02


def test_few_rows_stay_as_they_are_and_many_become_a_triangle():
    J = np.random.default_rng(0).normal(size=(9, 4))
    assert np.array_equal(few(J[:4]), J[:4])
    assert few(J).shape == (4, 4) and few(J).T @ few(J) == pytest.approx(J.T @ J, rel=1e-12)
    rows = Statistic(lambda *_: None, "rows")
    total = rows.fold(rows.fold(rows.start(J[:2]), rows.start(J[2:3])), rows.start(J[3:]))
    assert total[0].shape == (4, 4) and total[0].T @ total[0] == pytest.approx(J.T @ J, rel=1e-12)
    assert np.array_equal(rows.fold(rows.start(J[:2]), rows.start(J[2:3]))[0], J[:3])
    assert np.array_equal(rows.alone(J[:3], 4.0), J[:3] / 2)


def test_a_handful_of_rows_has_no_deviations():
    pytest.importorskip("sklearn")
    x, t = wavy(5)
    with pytest.raises(pwl.InputError, match="keeps no posterior"):
        pwl.PWLRegressor().fit(x[:4], t[:4]).predict(x, return_std=True)
    assert np.all(pwl.PWLRegressor(max_seconds=0.5).fit(x, t).predict(x, return_std=True)[1] > 0)
