"""The estimators as scikit-learn's users know them: settings, weights, validation, further fits, labels, interrupts."""

from __future__ import annotations

import copy

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="scikit-learn is not installed")

from sklearn.base import clone
from sklearn.metrics import r2_score
from sklearn.model_selection import GridSearchCV

import pwl
from pwl import PWLClassifier, PWLRegressor
from pwl.estimators.parts import divided


def numbers(n=80, seed=0):
    X = np.random.default_rng(seed).random((n, 3))
    return X, np.sin(3 * X[:, 0]) + X[:, 1]


def labels(n=90, seed=0):
    X = np.random.default_rng(seed).normal(size=(n, 2))
    return X, np.array(["a", "b", "c"])[(X[:, 0] > 0).astype(int) + (X[:, 1] > 0.5)]


def same(one, other, X):
    return np.array_equal(one.predict(X), other.predict(X))


# ---- settings


@pytest.mark.parametrize("kind", [PWLRegressor, PWLClassifier])
@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"validation_fraction": -0.2}, "validation_fraction must be 0 or more and less than 1, not -0.2"),
        ({"validation_fraction": 1.5}, "validation_fraction must be .* not 1.5"),
        ({"validation_fraction": None}, "validation_fraction must be .* not None"),
        ({"validation_fraction": "0.1"}, "validation_fraction must be .* not '0.1'"),
        ({"validation_fraction": -np.inf}, "validation_fraction must be"),
        ({"validation_fraction": np.nan}, "validation_fraction must be"),
        ({"validation_fraction": 0.01}, "0.01 of 20 patterns is none"),
        ({"random_state": -1}, "random_state must be a whole number, 0 or more, or None"),
        ({"random_state": "x"}, "random_state must be"),
        ({"random_state": 1.0}, "random_state must be"),
        ({"hidden": 0}, "hidden must be a whole number"),
        ({"hidden": ()}, "hidden is empty"),
        ({"hidden": "5"}, "hidden must be"),
        ({"activation": "tan"}, "unknown activation 'tan'"),
        ({"activation": pwl.PiecewiseLinear}, "an activation is a name"),
        ({"algorithm": "ml"}, "unknown algorithm 'ml'"),
        ({"algorithm": pwl.LM}, "algorithm must be a name"),
        ({"algorithm": 3}, "algorithm must be a name"),
        ({"iterations": 0}, "iterations must be"),
        ({"iterations": "many"}, "iterations must be"),
        ({"max_fail": 0}, "max_fail must be"),
        ({"bypass": 1}, "bypass must be True or False"),
        ({"batch_size": 4}, "batch_size is for algorithms that learn by batches"),
        ({"batch_size": 4, "algorithm": "lm"}, "batch_size is for algorithms that learn by batches"),
        ({"batch_size": 0, "algorithm": "adam"}, "batch_size must be"),
        ({"early_stopping": "yes"}, "early_stopping must be"),
        ({"warm_start": "no"}, "warm_start must be"),
        ({"missing": None}, "missing must be"),
        ({"missing": "median"}, "missing must be"),
        ({"verbose": -1}, "verbose must be"),
        ({"verbose": "x"}, "verbose must be"),
    ],
)
def test_settings_that_can_not_be(kind, settings, words):
    X, _ = numbers(20)
    model = kind(**{"iterations": 1} | settings)
    with pytest.raises(pwl.InputError, match=words):
        model.fit(X, (X[:, 0] > 0.5).astype(float))
    assert vars(model) == vars(kind(**{"iterations": 1} | settings)), "nothing is set"


def test_settings_of_one_estimator_alone():
    X, y = numbers(20)
    with pytest.raises(pwl.InputError, match="0.97 leaves 1 of 20 patterns to train on"):
        PWLRegressor(validation_fraction=0.97).fit(X, y)
    with pytest.raises(pwl.InputError, match="target_scaling must be"):
        PWLRegressor(target_scaling="all").fit(X, y)
    for weight, words in (("x", "class_weight must be"), ({"q": 1}, "has the label 'q'"), ({"a": -1}, "not negative")):
        with pytest.raises(pwl.InputError, match=words):
            PWLClassifier(class_weight=weight).fit(*labels())


def test_every_kind_of_random_state():
    X, y = numbers(40)
    for state in (None, 3, np.int64(3), np.random.RandomState(0), np.random.default_rng(0), np.random):
        assert np.isfinite(PWLRegressor(random_state=state, iterations=2).fit(X, y).predict(X)).all()


def test_random_states_that_are_alike_give_the_same_net_and_are_drawn_from():
    X, y = numbers(40)

    def fitted(state):
        return PWLRegressor(random_state=state, iterations=2).fit(X, y)

    for make in (np.random.RandomState, np.random.default_rng, int):
        assert same(fitted(make(5)), fitted(make(5)), X)
    generator = np.random.default_rng(0)
    assert not same(fitted(generator), fitted(generator), X)
    np.random.seed(0)
    one = fitted(None)
    np.random.seed(0)
    assert same(one, fitted(None), X)
    assert not same(one, fitted(None), X)


@pytest.mark.parametrize("activation", ["tanh", "relu", "sigmoid", "spline", pwl.PiecewiseLinear(hinges=5)])
def test_any_activation_alone(activation):
    X, y = numbers(60)
    assert PWLRegressor(activation=activation, hidden=6, iterations=30).fit(X, y).score(X, y) > 0.9


@pytest.mark.parametrize("name", list(pwl.learners.named.LEARNERS))
def test_every_algorithm_by_name(name):
    X, y = numbers(60)
    model = PWLRegressor(algorithm=name, hidden=4, iterations=5).fit(X, y)
    assert model.record_.settings["batch_size"] == pwl.learners.named.LEARNERS[name].batch_size


def test_options_of_the_algorithm_and_the_activation():
    model = PWLRegressor(algorithm="lm").set_params(algorithm__mu=1e-2, activation="relu", hidden=3)
    assert isinstance(model.algorithm, pwl.LM) and model.algorithm.damping.mu == 1e-2 and model.hidden == 3
    assert model.algorithm.solver == "cholesky", "the rest is the named algorithm's"
    model.set_params(algorithm=pwl.MOLF(), algorithm__direction="hwo", algorithm__ridge=1e-3)
    assert model.algorithm == pwl.MOLF(direction="hwo", ridge=1e-3)
    model.set_params(activation=pwl.PiecewiseLinear(), activation__hinges=5)
    assert model.activation == pwl.PiecewiseLinear(hinges=5)
    assert clone(model).get_params() == model.get_params()
    assert model.get_params()["algorithm__direction"] == "hwo"
    X, y = numbers(40)
    grid = {"algorithm__mu": [1e-4, 1e-1], "hidden": [2]}
    search = GridSearchCV(PWLRegressor(algorithm="lm", iterations=4), grid, cv=2, error_score="raise").fit(X, y)
    assert search.best_params_["algorithm__mu"] in grid["algorithm__mu"]


@pytest.mark.parametrize("wrong", [{"algorithm__mu": -1}, {"algorithm__nu": 1}, {"algorithm__": 1}, {"hiden": 1}])
def test_options_that_can_not_be_change_nothing(wrong):
    model = PWLRegressor(algorithm="lm")
    before = copy.copy(vars(model))
    with pytest.raises(ValueError, match="nu|mu|hiden|unexpected|positive"):
        model.set_params(**wrong)
    assert vars(model) == before


# ---- weights


@pytest.mark.parametrize("algorithm", [None, "molf", "lm", "cg"])
def test_a_weight_of_0_is_absence_to_the_bit(algorithm):
    X, y = numbers()
    settings = {"iterations": 10, "hidden": 5, "algorithm": algorithm, "validation_fraction": 0.2}
    alone = PWLRegressor(**settings).fit(X, y)
    beside = PWLRegressor(**settings).fit(
        np.r_[X, np.full((3, 3), 1e9)], np.r_[y, 0, 1e30, 7], sample_weight=np.r_[np.ones(80), 0, 0, 0]
    )
    assert same(alone, beside, X)


def test_a_class_whose_patterns_all_weigh_0_is_no_class():
    X, y = labels()
    w = (y != "b").astype(float)
    model = PWLClassifier(iterations=5, hidden=3).fit(X, y, sample_weight=w)
    alone = PWLClassifier(iterations=5, hidden=3).fit(X[w > 0], y[w > 0])
    assert list(model.classes_) == ["a", "c"] and same(model, alone, X)
    with pytest.raises(pwl.InputError, match="one class with a weight above 0, .*a"):
        PWLClassifier(iterations=5).fit(X, y, sample_weight=y == "a")
    with pytest.raises(ValueError, match="non-zero|all weights are 0"):
        PWLRegressor(iterations=5).fit(X, X[:, 0], sample_weight=np.zeros(90))


def test_weights_of_2_are_repeated_rows_in_the_preparation_too():
    X, y = numbers(30)
    w = np.arange(30) % 3
    one = pwl.Preparation.fit(X, y, weights=w)
    other = pwl.Preparation.fit(np.repeat(X, w, axis=0), np.repeat(y, w))
    for a, b in ((one.inputs, other.inputs), (one.targets, other.targets)):
        np.testing.assert_allclose(a.offset, b.offset, rtol=1e-13)
        np.testing.assert_allclose(a.scale, b.scale, rtol=1e-13)
    for weights, words in ((w[:5], "shape"), (-w, "not negative"), (0 * w, "all zero"), (w * np.nan, "finite")):
        with pytest.raises(pwl.InputError, match=words):
            pwl.Preparation.fit(X, y, weights=weights)


def test_class_weights():
    X, y = labels(200)
    rare = PWLClassifier(hidden=3, iterations=10)
    for weight in ({"c": 30}, "balanced"):
        heavy = clone(rare).set_params(class_weight=weight).fit(X, y)
        assert np.sum(heavy.predict(X) == "c") >= np.sum(rare.fit(X, y).predict(X) == "c")
    counts = {label: np.sum(y == label) for label in "abc"}
    by_hand = clone(rare).fit(X, y, sample_weight=[200 / (3 * counts[label]) for label in y])
    assert same(clone(rare).set_params(class_weight="balanced").fit(X, y), by_hand, X)


# ---- parts that validate


def test_held_out_parts_are_stratified_in_worked_numbers():
    """Of 10, 5 and 1 patterns a fifth is 2, 1 and 0: the single one trains."""
    labels = np.repeat([0, 1, 2], [10, 5, 1])
    for seed in range(20):
        kept, out = divided(16, 0.2, seed, labels)
        assert np.bincount(labels[out], minlength=3).tolist() == [2, 1, 0]
        assert np.array_equal(np.sort(np.r_[kept, out]), np.arange(16))
    assert not np.array_equal(divided(16, 0.2, 0, labels)[1], divided(16, 0.2, 1, labels)[1])
    # of 2, 2, 2 and 2 a quarter is 2 in all: one of two classes, and none of the others
    assert len(divided(8, 0.25, 0, np.repeat(range(4), 2))[1]) == 2


def test_a_rare_class_is_never_held_out_whole():
    rng = np.random.default_rng(0)
    X = np.r_[rng.normal(0, 1, (100, 2)), rng.normal(6, 0.1, (2, 2))]
    y = np.r_[(X[:100, 0] > 0).astype(int), 2, 2]
    for seed in range(5):
        model = PWLClassifier(iterations=15, hidden=5, validation_fraction=0.2, random_state=seed).fit(X, y)
        assert model.predict(X[100:]).tolist() == [2, 2]


def test_early_stopping():
    X, y = numbers()
    for settings, held in (
        ({}, 0), ({"early_stopping": True}, 8), ({"early_stopping": True, "validation_fraction": 0.25}, 20),
        ({"validation_fraction": 0.25}, 20), ({"early_stopping": False, "validation_fraction": 0.25}, 0),
    ):  # fmt: skip
        record = PWLRegressor(iterations=2, **settings).fit(X, y).record_
        assert record.settings["patterns"] == 80 - held and ("validation_error" in record) == bool(held)


def test_validation_data_of_ones_own():
    X, y = numbers()
    model = PWLRegressor(iterations=20, hidden=5, validation_fraction=0.2).fit(X, y, X_val=X[:20], y_val=y[:20])
    assert model.record_.settings["patterns"] == 80
    scale = model.net_.preparation.target_scale[0]
    wanted = np.mean((model.predict(X[:20]) - y[:20]) ** 2) / scale**2
    assert min(model.record_["validation_error"]) == pytest.approx(wanted)
    X, y = labels()
    PWLClassifier(iterations=2).fit(X, y, X_val=X[:9], y_val=y[:9])
    for given, words in (
        ({"X_val": X}, "belong together"), ({"y_val": y}, "belong together"),
        ({"X_val": X, "y_val": np.full(90, "z")}, "y_val has the label .*z"),
        ({"X_val": X, "y_val": np.arange(90) % 2}, "y_val has the label 0"),
        ({"X_val": X[:, :1], "y_val": y}, "1 features"),
        ({"X_val": X[:3], "y_val": y}, "inconsistent"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=words):
            PWLClassifier(iterations=2).fit(X, y, **given)


# ---- further fits


def test_a_warm_start_goes_on():
    X, y = numbers()
    model = PWLRegressor(hidden=5, algorithm="lm", iterations=5, warm_start=True).fit(X, y)
    first = model.record_
    model.fit(X, y)
    assert model.record_["error"][0] == pytest.approx(min(first["error"]), rel=1e-12)
    assert model.record_["error"][-1] < min(first["error"])
    model.set_params(hidden=6)
    with pytest.raises(pwl.InputError, match="same structure"):
        model.fit(X, y)
    with pytest.raises(pwl.InputError, match="has 1 targets, but y has 2"):
        model.set_params(hidden=5).fit(X, np.c_[y, y])


def test_partial_fit():
    X, y = numbers(200)
    model = PWLRegressor(hidden=5)
    scores = []
    for _ in range(4):
        for first in range(0, 200, 50):
            model.partial_fit(X[first : first + 50], y[first : first + 50])
        scores.append(model.score(X, y))
    assert scores[-1] > 0.97 and model.n_iter_ == 1
    model.partial_fit(X[:1], y[:1])
    with pytest.raises(ValueError, match="2 features"):
        model.partial_fit(X[:, :2], y)


def test_partial_fit_of_classes():
    X, y = labels(200)
    model = PWLClassifier(hidden=5)
    with pytest.raises(pwl.InputError, match="classes is needed in the first call"):
        model.partial_fit(X, y)
    few = y != "c"
    model.partial_fit(X[few], y[few], classes=["a", "b", "c"])
    assert model.predict_proba(X).shape == (200, 3)
    for _ in range(8):
        model.partial_fit(X, y)
    assert model.score(X, y) > 0.9
    with pytest.raises(pwl.InputError, match="y has the label .*d"):
        model.partial_fit(X, np.full(200, "d"))
    with pytest.raises(pwl.InputError, match="classes came as"):
        model.partial_fit(X, y, classes=["a", "b"])


# ---- labels, missing inputs, outputs


@pytest.mark.parametrize(
    "wrong", [[None, "a", "b"], [1, "a", "b"], [b"a", b"b", b"c"], [1.5, 2.5, 0.1], [np.nan, 0.0, 1.0]]
)
def test_labels_of_several_kinds(wrong):
    X, _ = numbers(30)
    y = np.array(wrong, dtype=object if isinstance(wrong[1], (str, bytes)) else float)[(X[:, 0] * 3).astype(int)]
    with pytest.raises(ValueError, match="kinds|Unknown label type|missing values"):
        PWLClassifier(iterations=2).fit(X, y)


def test_several_labels_a_pattern():
    X, _ = numbers(30)
    with pytest.raises(pwl.InputError, match="MultiOutputClassifier"):
        PWLClassifier(iterations=2).fit(X, (X > 0.5).astype(int))


@pytest.mark.parametrize("kind", [PWLRegressor, PWLClassifier])
def test_missing_inputs(kind):
    X, y = numbers()
    y = y if kind is PWLRegressor else (y > np.median(y)).astype(int)
    holes = X.copy()
    holes[::7, 1] = np.nan
    means = np.nanmean(holes, axis=0)
    with pytest.raises(ValueError, match="NaN"):
        kind(iterations=5).fit(holes, y)
    model = kind(iterations=5, missing="mean").fit(holes, y)
    other = kind(iterations=5).fit(np.where(np.isnan(holes), means, holes), y)
    np.testing.assert_allclose(model.means_, means)
    assert same(model, other, X)
    np.testing.assert_array_equal(model.predict([[np.nan] * 3]), model.predict([model.means_]))
    all_missing = np.c_[X, np.full(80, np.nan)]
    assert np.all(np.isfinite(kind(iterations=5, missing="mean").fit(all_missing, y).predict(all_missing)))
    with pytest.raises(ValueError, match="infinity"):
        model.predict([[np.inf, 0, 0]])


def test_decisions_and_logarithms():
    X, y = labels()
    model = PWLClassifier(hidden=4, iterations=20).fit(X, y)
    np.testing.assert_allclose(np.exp(model.predict_log_proba(X)), model.predict_proba(X), atol=1e-15)
    assert np.array_equal(model.classes_[np.argmax(model.decision_function(X), axis=1)], model.predict(X))
    two = PWLClassifier(hidden=4, iterations=20).fit(X, y == "a")
    p = two.predict_log_proba(X)
    np.testing.assert_allclose(two.decision_function(X), p[:, 1] - p[:, 0], rtol=1e-9, atol=1e-9)
    assert np.all(np.isfinite(two.predict_log_proba(1e6 * X))), "also where a probability rounds to 0"


def test_targets_of_very_different_size():
    X, y = numbers()
    Y = np.c_[y, 1e6 * np.sin(9 * X[:, 2]) * X[:, 1]]
    model = PWLRegressor(hidden=8, algorithm="lm", iterations=80)
    assert np.all(r2_score(Y, model.fit(X, Y).predict(X), multioutput="raw_values") > 0.99)
    common = clone(model).set_params(target_scaling="common").fit(X, Y)
    assert r2_score(Y, common.predict(X), multioutput="raw_values")[0] < 0.9


def test_it_tells_how_it_goes(capsys):
    X, y = numbers()
    model = PWLRegressor(iterations=4, verbose=2, validation_fraction=0.1).fit(X, y)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines] == ["iteration 2", "iteration 4"] and "validation" in lines[0]
    assert model.loss_curve_ == model.record_["error"][1:] and len(model.loss_curve_) == 4
    PWLRegressor(iterations=4).fit(X, y)
    assert capsys.readouterr().out == ""


# ---- interrupts


@pytest.mark.parametrize("kind", [PWLRegressor, PWLClassifier])
@pytest.mark.parametrize("before", [False, True], ids=["first fit", "further fit"])
@pytest.mark.parametrize("at", [1, 3])
def test_an_interrupted_fit_raises_and_changes_nothing(monkeypatch, kind, before, at):
    X, y = numbers()
    y = y if kind is PWLRegressor else (y > 1).astype(int)
    model = kind(iterations=5, hidden=4, warm_start=True)
    if before:
        model.fit(X, y)
    known = dict(vars(model))
    append, rows = pwl.Record.append, []

    def interrupted(self, row):
        rows.append(row)
        if len(rows) == at:
            raise KeyboardInterrupt
        append(self, row)

    monkeypatch.setattr(pwl.Record, "append", interrupted)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X[:, :3], y)
    assert vars(model) == known and len(rows) == at
