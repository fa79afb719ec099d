"""Networks as scikit-learn estimators: `PWLRegressor` and `PWLClassifier`. They need the extra `pwl[sklearn]`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, column_or_1d, validate_data

from pwl.activations import PiecewiseLinear
from pwl.algorithms import AdAct
from pwl.data.preparation import Preparation
from pwl.errors import InputError
from pwl.network.network import Network
from pwl.reductions.patterns import Patterns
from pwl.training.train import train
from pwl.validate import share, whole


class _PWL(BaseEstimator):
    """The settings and the fit that regressor and classifier share."""

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

    def _fit(self, X: np.ndarray, t: np.ndarray, sample_weight: Any, classes: Sequence[int] | None) -> None:
        """Fit to inputs X (Nv, N) and targets t (Nv, M) or labels t (Nv,), and set net_, record_ and n_iter_."""
        random_state = whole("random_state", self.random_state, 0)
        held_out = round(share("validation_fraction", self.validation_fraction) * len(X))
        weights = None if sample_weight is None else _check_sample_weight(sample_weight, X)
        preparation = Preparation.fit(X, t, targets="common", classes=classes, weights=weights)
        x, prepared = preparation.transform(X, t)
        patterns = Patterns(x, prepared, weights)
        order = np.random.default_rng(random_state).permutation(len(X))
        net = Network.mlp(
            X.shape[1],
            self.hidden,
            len(preparation.target_scale),
            PiecewiseLinear() if self.activation is None else self.activation,
            bypass=self.bypass,
            loss="squared_error" if classes is None else "cross_entropy",
            seed=random_state,
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

    Parameters
    ----------
    hidden : int or tuple of int
        Units of the hidden layer, or of several.
    activation : str or object, optional
        A name or an activation object. By default `pwl.PiecewiseLinear()`, trained curves.
    algorithm : object, optional
        By default `pwl.AdAct(direction="hwo")`.
    iterations : int
        Number of iterations at most.
    validation_fraction : float
        Share of the patterns that is held out, 0 or more and less than 1. If patterns are held out, the network that is
        best on them is kept.
    max_fail : int
        Training stops so many iterations after the best network.
    bypass : bool
        Whether the outputs see the inputs directly as well.
    random_state : int
        Seed of the starting weights and of the patterns held out.

    Attributes
    ----------
    net_ : Network
        With its preparation, so that it takes and gives raw units.
    record_ : Record
    n_iter_ : int
    n_features_in_ : int
    """

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> PWLRegressor:
        """Train a network.

        Parameters
        ----------
        X : array (Nv, N)
            Inputs.
        y : array (Nv,) or (Nv, M)
            Targets.
        sample_weight : array (Nv,), optional
            A weight per pattern.

        Returns
        -------
        PWLRegressor
            The estimator itself.

        Raises
        ------
        ValueError
            For data and settings that can't be used.
        """
        X, y = validate_data(self, X, y, dtype=np.float64, multi_output=True, y_numeric=True, ensure_min_samples=2)
        self._one_column = y.ndim == 1
        y = np.asarray(y, dtype=np.float64)
        self._fit(X, y[:, None] if self._one_column else y, sample_weight, None)
        return self

    def predict(self, X: Any) -> np.ndarray:
        """Predict targets.

        Parameters
        ----------
        X : array (Nv, N)

        Returns
        -------
        array (Nv,) or (Nv, M)
            With as many dimensions as y had in the fit, in its units.
        """
        y = self._outputs("predict", X)
        return y[:, 0] if self._one_column else y


class PWLClassifier(ClassifierMixin, _PWL):
    """Classification by a network that is trained on cross-entropy.

    Parameters
    ----------
    hidden, activation, algorithm, iterations, validation_fraction, max_fail, bypass, random_state
        As for `PWLRegressor`.

    Attributes
    ----------
    classes_ : array (M,)
        The labels, sorted.
    net_, record_, n_iter_, n_features_in_
        As for `PWLRegressor`.
    """

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> PWLClassifier:
        """Train a network.

        Parameters
        ----------
        X : array (Nv, N)
            Inputs.
        y : array (Nv,)
            Labels of any kind.
        sample_weight : array (Nv,), optional
            A weight per pattern.

        Returns
        -------
        PWLClassifier
            The estimator itself.

        Raises
        ------
        ValueError
            For data and settings that can't be used.
        """
        X, y = validate_data(self, X, y, dtype=np.float64, ensure_min_samples=2)
        y = column_or_1d(y, warn=True)
        check_classification_targets(y)
        self.classes_, numbers = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise InputError(f"y has one class, {self.classes_[0]!r}, wanted two or more")
        self._fit(X, numbers.reshape(-1).astype(np.int64), sample_weight, range(len(self.classes_)))
        return self

    def predict(self, X: Any) -> np.ndarray:
        """Predict labels.

        Parameters
        ----------
        X : array (Nv, N)

        Returns
        -------
        array (Nv,)
        """
        numbers = self._outputs("predict", X)
        return self.classes_[numbers]

    def predict_proba(self, X: Any) -> np.ndarray:
        """Predict the probabilities of the classes.

        Parameters
        ----------
        X : array (Nv, N)

        Returns
        -------
        array (Nv, M)
            A column per class, in the order of classes_.
        """
        return self._outputs("predict_proba", X)
