"""The learners of `benchmarks tables`, each with its defaults unless its name says "tuned".

"MLP, tuned" is scikit-learn's with the best of two shapes and two penalties, and "kernel ridge, tuned" has the best of four
widths of an RBF kernel and three penalties, both by three-fold cross-validation within the training patterns. XGBoost and
CatBoost run if they are installed.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import pwl

SMALL = ("concrete", "airfoil", "red-wine")  # sets for kernel ridge, whose time grows with the cube of the patterns
OURS = ("PWLRegressor", "PWLClassifier")


def scaled(model: Any) -> Any:
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), model)


def with_scaled_targets(model: Any) -> Any:
    from sklearn.compose import TransformedTargetRegressor
    from sklearn.preprocessing import StandardScaler

    return TransformedTargetRegressor(scaled(model), transformer=StandardScaler())


def each_target(model: Any) -> Any:
    """A model for several targets, of one that takes a single target."""
    from sklearn.multioutput import MultiOutputRegressor

    return MultiOutputRegressor(model)


def ridge() -> Any:
    from sklearn.linear_model import Ridge

    return scaled(Ridge())


def boosting() -> Any:
    from sklearn.ensemble import HistGradientBoostingRegressor

    return each_target(HistGradientBoostingRegressor(random_state=0))


def mlp() -> Any:
    from sklearn.neural_network import MLPRegressor

    return with_scaled_targets(MLPRegressor(random_state=0))


def tuned_mlp() -> Any:
    from sklearn.model_selection import GridSearchCV
    from sklearn.neural_network import MLPRegressor

    grid = {"hidden_layer_sizes": [(100,), (100, 100)], "alpha": [1e-4, 1.0]}
    return with_scaled_targets(GridSearchCV(MLPRegressor(max_iter=500, random_state=0), grid, cv=3))


def kernel_ridge() -> Any:
    from sklearn.kernel_ridge import KernelRidge
    from sklearn.model_selection import GridSearchCV

    grid = {"gamma": [0.03, 0.1, 0.3, 1.0], "alpha": [0.01, 0.1, 1.0]}
    return with_scaled_targets(GridSearchCV(KernelRidge(kernel="rbf"), grid, cv=3))


def xgboost() -> Any:
    from xgboost import XGBRegressor

    return each_target(XGBRegressor(random_state=0))


def catboost() -> Any:
    from catboost import CatBoostRegressor

    return each_target(CatBoostRegressor(random_seed=0, verbose=False, allow_writing_files=False))


def logistic() -> Any:
    from sklearn.linear_model import LogisticRegression

    return scaled(LogisticRegression())


def boosting_classifier() -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier

    return HistGradientBoostingClassifier(random_state=0)


def mlp_classifier() -> Any:
    from sklearn.neural_network import MLPClassifier

    return scaled(MLPClassifier(random_state=0))


def xgboost_classifier() -> Any:
    from xgboost import XGBClassifier

    return XGBClassifier(random_state=0)


def catboost_classifier() -> Any:
    from catboost import CatBoostClassifier

    return CatBoostClassifier(random_seed=0, verbose=False, allow_writing_files=False)


REGRESSORS: dict[str, Callable[[], Any]] = {
    "PWLRegressor": lambda: pwl.PWLRegressor(), "Ridge": ridge, "HistGradientBoosting": boosting, "MLP": mlp,
    "MLP, tuned": tuned_mlp, "XGBoost": xgboost, "CatBoost": catboost, "kernel ridge, tuned": kernel_ridge,
}  # fmt: skip
CLASSIFIERS: dict[str, Callable[[], Any]] = {
    "PWLClassifier": lambda: pwl.PWLClassifier(), "LogisticRegression": logistic, "HistGradientBoosting": boosting_classifier,
    "MLP": mlp_classifier, "XGBoost": xgboost_classifier, "CatBoost": catboost_classifier,
}  # fmt: skip
PACKAGES = {"XGBoost": "xgboost", "CatBoost": "catboost"}


def runs(learner: str, data: str) -> bool:
    """Whether a learner is installed, and the set is not too large for it."""
    if learner in PACKAGES:
        return find_spec(PACKAGES[learner]) is not None
    return learner != "kernel ridge, tuned" or data in SMALL
