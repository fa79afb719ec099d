"""The scikit-learn estimators pass scikit-learn's own checks."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="scikit-learn is not installed")

from sklearn.model_selection import GridSearchCV
from sklearn.utils.estimator_checks import parametrize_with_checks

import pwl
from pwl import PWLClassifier, PWLRegressor

HELD = {"safeguard": True, "ridge": 1e-4, "l2": 1e-4}
SETTINGS = [  # weights are compared with repeated rows to 1e-7, so that these settings must not blow up rounding
    {"hidden": 5, "iterations": 10},
    {"hidden": 4, "algorithm": "lm", "iterations": 15, "missing": "mean"},
    {"hidden": (4, 3), "activation": "tanh", "algorithm": "lm", "iterations": 15},
    {"hidden": 4, "algorithm": pwl.MOLF(direction="hwo", **HELD), "iterations": 20, "random_state": 3, "bypass": False},
    {"hidden": 4, "algorithm": pwl.MOLF(ridge=1e-3), "activation": pwl.PiecewiseLinear("relu", 5), "iterations": 20},
]


def estimators(settings):
    return [kind(**each) for kind in (PWLRegressor, PWLClassifier) for each in settings]


@pytest.mark.filterwarnings("ignore")
@parametrize_with_checks(estimators(SETTINGS[:2]))
def test_scikit_learn_checks(estimator, check):
    check(estimator)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@parametrize_with_checks(estimators(SETTINGS[2:]))
def test_scikit_learn_checks_of_further_settings(estimator, check):
    check(estimator)


def test_regressor_gives_raw_units():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 3)) * [1, 100, 0.01]
    y = 1e4 + 500 * np.sin(X[:, 0]) + X[:, 1]
    model = PWLRegressor(hidden=8, iterations=50).fit(X, y)
    assert model.score(X, y) > 0.99
    assert model.predict(X).shape == (300,)
    assert PWLRegressor(hidden=4, iterations=3).fit(X, np.stack([y, -y], 1)).predict(X).shape == (300, 2)


def test_classifier_keeps_labels_and_probabilities():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 2))
    y = np.where(X[:, 0] * X[:, 1] > 0, "same", "other")
    model = PWLClassifier(hidden=10, iterations=40).fit(X, y)
    assert model.score(X, y) > 0.9
    np.testing.assert_allclose(model.predict_proba(X).sum(1), 1)
    assert set(model.predict(X)) <= {"same", "other"}


def test_search_over_settings():
    rng = np.random.default_rng(1)
    X = rng.normal(size=(120, 2))
    y = X[:, 0] ** 2
    grid = {"hidden": [2, 6], "algorithm": [pwl.MOLF(), pwl.AdAct()], "activation": [pwl.PiecewiseLinear(hinges=5)]}
    search = GridSearchCV(PWLRegressor(iterations=10), grid, cv=3, error_score="raise").fit(X, y)
    assert search.best_params_["hidden"] == 6


