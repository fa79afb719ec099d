"""Networks as scikit-learn estimators: `PWLRegressor`, `PWLClassifier`. Needs the extra `pwl[sklearn]`."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, column_or_1d, validate_data

from pwl.activations import PiecewiseLinear
from pwl.algorithms import AdAct
from pwl.data.preparation import Preparation
from pwl.network.network import Network
from pwl.reductions.patterns import Patterns
from pwl.training.train import train


class _PWL(BaseEstimator):
    """What regressor and classifier share: the constructor's settings and the fit."""

    def __init__(
        self,
        hidden: int | tuple[int, ...] = 20,
        activation: Any = None,
        algorithm: Any = None,
        iterations: int = 100,
        validation_fraction: float = 0.0,
        max_fail: int = 20,
        bypass: bool = True,
        random_state: int = 0,
    ) -> None:
        self.hidden = hidden
        self.activation = activation
        self.algorithm = algorithm
        self.iterations = iterations
        self.validation_fraction = validation_fraction
        self.max_fail = max_fail
        self.bypass = bypass
        self.random_state = random_state

    def _fit(self, X: np.ndarray, t: np.ndarray, sample_weight: Any, classes: Any) -> None:
        """X (Nv, N); t (Nv, M) targets or (Nv,) labels. Sets net_, record_, n_iter_."""
        preparation = Preparation.fit(X, t, targets="common", classes=classes)
        x, prepared = preparation.transform(X, t)
        weights = None if sample_weight is None else _check_sample_weight(sample_weight, X)
        patterns = Patterns(x, prepared, weights)
        order = np.random.default_rng(self.random_state).permutation(len(X))
        held_out = round(self.validation_fraction * len(X))
        net = Network.mlp(
            X.shape[1],
            self.hidden,
            len(preparation.target_scale),
            PiecewiseLinear() if self.activation is None else self.activation,
            bypass=self.bypass,
            loss="squared_error" if classes is None else "cross_entropy",
            seed=self.random_state,
        )
        net, self.record_ = train(
            net,
            patterns.take(np.sort(order[held_out:])) if held_out else patterns,
            AdAct(direction="hwo") if self.algorithm is None else self.algorithm,
            iterations=self.iterations,
            validation=patterns.take(np.sort(order[:held_out])) if held_out else None,
            max_fail=self.max_fail,
        )
        self.net_ = net.with_preparation(preparation)
        self.n_iter_ = max(self.record_.iterations, 1)

    def _outputs(self, method: str, X: Any) -> np.ndarray:
        check_is_fitted(self)
        X = validate_data(self, X, reset=False, dtype=np.float64)
        return getattr(self.net_, method)(X)


class PWLRegressor(RegressorMixin, _PWL):
    """Regression by a network with one or several hidden layers and, by default, trained curves.

    hidden: units of the hidden layer, or of several. activation: a name or an activation object; None: curves,
    PiecewiseLinear(). algorithm: None: AdAct(direction="hwo"). iterations: at most. validation_fraction: of the patterns held out;
    the best network on them is kept, and training stops max_fail iterations after it. bypass: outputs see the inputs
    directly, too. random_state: a whole number, of starting weights and held-out patterns.

    Fitted: net_ (with its preparation: raw units), record_, n_iter_, n_features_in_.
    """

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> PWLRegressor:
        """X (Nv, N), y (Nv,) or (Nv, M), sample_weight (Nv,) or None."""
        X, y = validate_data(self, X, y, dtype=np.float64, multi_output=True, y_numeric=True, ensure_min_samples=2)
        self._one_column = y.ndim == 1
        y = np.asarray(y, dtype=np.float64)
        self._fit(X, y[:, None] if self._one_column else y, sample_weight, None)
        return self

    def predict(self, X: Any) -> np.ndarray:
        """(Nv,) or (Nv, M), as y was."""
        y = self._outputs("predict", X)
        return y[:, 0] if self._one_column else y


class PWLClassifier(ClassifierMixin, _PWL):
    """Classification by a network trained on cross-entropy; settings and attributes as PWLRegressor's, and classes_."""

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> PWLClassifier:
        """X (Nv, N), y (Nv,) labels of any kind, sample_weight (Nv,) or None."""
        X, y = validate_data(self, X, y, dtype=np.float64, ensure_min_samples=2)
        y = column_or_1d(y, warn=True)
        check_classification_targets(y)
        self.classes_, numbers = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(f"y has one class, {self.classes_[0]!r}: two or more were wanted")
        self._fit(X, numbers.reshape(-1).astype(np.int64), sample_weight, range(len(self.classes_)))
        return self

    def predict(self, X: Any) -> np.ndarray:
        """(Nv,) labels."""
        numbers = self._outputs("predict", X)
        return self.classes_[numbers]

    def predict_proba(self, X: Any) -> np.ndarray:
        """(Nv, M) probabilities, columns as classes_."""
        return self._outputs("predict_proba", X)
