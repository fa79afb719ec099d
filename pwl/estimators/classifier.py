"""`PWLClassifier`."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import log_softmax, logsumexp
from sklearn.base import ClassifierMixin
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import column_or_1d, validate_data

from pwl.errors import InputError
from pwl.estimators.base import PWLBase, check_pair
from pwl.estimators.options import checked
from pwl.estimators.parts import Part, class_weights, weighed
from pwl.losses import LOSSES
from pwl.network.network import Network
from pwl.network.predict import outputs_of
from pwl.runtime.given import check_numbers, missing, plain_array, whole_numbers
from pwl.validate import one_of, shown

CLASS_LOSSES = tuple(name for name, loss in LOSSES.items() if loss.classes)


class PWLClassifier(ClassifierMixin, PWLBase):
    """Classification by the mean of several networks, or by one network of your choice.

    Parameters
    ----------
    hidden, activation, algorithm, iterations, validation_fraction, max_fail, bypass, random_state, batch_size, \
early_stopping, warm_start, missing, max_seconds, verbose
        As for `PWLRegressor`. What is held out is a share of each class, and every class keeps a pattern to train on. With
        `groups` in `fit` whole groups are held out, and a class may be missing from the others.
    class_weight : dict or "balanced", optional
        Weights of the classes by label, which are 1 for labels that it does not name. "balanced" gives all classes the same
        total weight.
    loss : {"cross_entropy", "output_reset"}
        "output_reset" is squared error that costs nothing where a class leads by its margin, Eq. (84). It gives no probabilities.

    Attributes
    ----------
    classes_ : array (M,)
        The labels, sorted.
    net_, record_, loss_curve_, n_iter_, n_features_in_, means_
        As for `PWLRegressor`.
    """

    def __init__(
        self,
        hidden: int | tuple[int, ...] | None = None,
        activation: Any = None,
        algorithm: Any = None,
        iterations: int | None = None,
        validation_fraction: float = 0.0,
        max_fail: int = 20,
        bypass: bool = True,
        random_state: Any = 0,
        batch_size: int | None = None,
        early_stopping: bool | str = "auto",
        warm_start: bool = False,
        missing: str = "refuse",
        class_weight: Any = None,
        max_seconds: float | None = None,
        verbose: bool | int = False,
        loss: str = "cross_entropy",
    ) -> None:
        self.hidden = hidden
        self.activation = activation
        self.algorithm = algorithm
        self.iterations = iterations
        self.validation_fraction = validation_fraction
        self.max_fail = max_fail
        self.bypass = bypass
        self.random_state = random_state
        self.batch_size = batch_size
        self.early_stopping = early_stopping
        self.warm_start = warm_start
        self.missing = missing
        self.class_weight = class_weight
        self.max_seconds = max_seconds
        self.verbose = verbose
        self.loss = loss

    @property
    def _loss(self) -> str:
        return self.loss

    def _has_probabilities(self) -> bool:
        return self.loss != "output_reset"

    def fit(
        self, X: Any, y: Any, sample_weight: Any = None, *, X_val: Any = None, y_val: Any = None, groups: Any = None
    ) -> PWLClassifier:
        """Trains the default learner's networks, or one network if activation, algorithm or iterations is given.

        One network is also trained with warm_start, and with loss="output_reset".

        Parameters
        ----------
        X : array (Nv, N)
            Inputs.
        y : array (Nv,)
            Labels, numbers or texts throughout.
        sample_weight : array (Nv,), optional
            A weight per pattern. A weight of 2 is a repeated pattern, and a weight of 0 is absence.
        X_val, y_val : arrays (Nvv, N) and (Nvv,), optional
            Patterns of your own that validate. None are held out then.
        groups : array (Nv,), optional
            A group per pattern, such as a person who was measured several times. Groups are held out as a whole, and the default
            learner's networks leave whole groups out, so that errors are those for new groups. Groups are refused if nothing
            is held out: beside X_val, and for one network without validation_fraction or early_stopping=True.

        Returns
        -------
        PWLClassifier
            The estimator itself.

        Raises
        ------
        ValueError
            For data and settings that can't be used.
        KeyboardInterrupt
            If Ctrl-C interrupts the fit. The estimator stays as it was.
        """
        with self._as_a_whole():
            options, go_on = checked(self), self.warm_start and hasattr(self, "net_")
            one_of("loss", self.loss, CLASS_LOSSES)
            X, y = self._pair(X, y, reset=not go_on, least=2)
            if not go_on:
                self.classes_ = _labels_of(y)
            t, validation = self._numbers(y, "y"), None
            if check_pair(X_val, y_val):
                X_val, y_val = self._pair(X_val, y_val, reset=False)
                validation = Part(X_val, self._numbers(y_val, "y_val"), None)
            of_class = class_weights(self.class_weight, self.classes_, t, sample_weight)
            part = weighed(X, t, sample_weight, of_class, groups)
            if not go_on:
                part, validation = self._without_absent(part, validation)
            self._learn(part, validation, range(len(self.classes_)), options, go_on=go_on)
        return self

    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> PWLClassifier:
        """Trains for one iteration on some patterns. The first call also fits the preparation, so it needs typical ones.

        Parameters
        ----------
        X, y, sample_weight
            As for `fit`.
        classes : array (M,)
            All labels that will come. Needed in the first call.

        Returns
        -------
        PWLClassifier
            The estimator itself.

        Raises
        ------
        ValueError
            For data and settings that can't be used.
        """
        with self._as_a_whole():
            options, go_on = checked(self)._replace(iterations=1, held_out=0.0, plans=False), hasattr(self, "net_")
            one_of("loss", self.loss, CLASS_LOSSES)
            if classes is None and not go_on:
                raise InputError("classes is needed in the first call of partial_fit: give all labels that will come")
            X, y = self._pair(X, y, reset=not go_on, least=1 if go_on else 2)
            if classes is not None:
                named = _labels_of(_as_labels(classes))
                if go_on and not np.array_equal(named, self.classes_):
                    raise InputError(f"classes came as {named.tolist()}, but the fit has {self.classes_.tolist()}")
                self.classes_ = named
            t = self._numbers(y, "y")
            part = weighed(X, t, sample_weight, class_weights(self.class_weight, self.classes_, t, sample_weight))
            self._learn(part, None, range(len(self.classes_)), options, go_on=go_on)
        return self

    def _pair(self, X: Any, y: Any, *, reset: bool = True, least: int = 1) -> tuple[np.ndarray, np.ndarray]:
        """Inputs (Nv, N) and labels (Nv,), checked."""
        check_numbers(X, "X")
        if isinstance(y, (np.ma.MaskedArray, list, tuple)) or whole_numbers(y):
            y = plain_array(y, "y")  # whole numbers of pandas stay whole, which scikit-learn would make floats
        if count := missing(y):
            raise InputError(f"y holds {count} missing values, which are not labels: leave out their rows")
        X, y = validate_data(
            self, X, y, reset=reset, dtype=np.float64, multi_output=True, ensure_min_samples=least,
            ensure_all_finite=self._finite(),
        )  # fmt: skip
        y = np.asarray(y)
        if y.dtype.kind == "f" and not np.all(np.isfinite(y)):
            raise InputError("y holds NaN or infinity, which are not labels: remove such patterns first")
        if y.ndim == 2 and y.shape[1] > 1:
            raise InputError(
                f"y came with {y.shape[1]} columns, wanted one label per pattern: for several labels a pattern, use "
                "sklearn.multioutput.MultiOutputClassifier(PWLClassifier())"
            )
        y = column_or_1d(y, warn=True)
        _check_one_kind(y)
        check_classification_targets(y)
        return X, y

    def _numbers(self, y: np.ndarray, name: str) -> np.ndarray:
        """Class numbers (Nv,) of labels. Raises InputError for a label that is not in classes_."""
        try:
            numbers = np.minimum(np.searchsorted(self.classes_, y), len(self.classes_) - 1)
            unknown = np.flatnonzero(self.classes_[numbers] != y)
        except TypeError:  # texts among numbers
            unknown = np.zeros(1, dtype=np.int64)
        if len(unknown):
            known = ", ".join(map(repr, self.classes_[:8].tolist())) + (", ..." if len(self.classes_) > 8 else "")
            raise InputError(f"{name} has the label {y[unknown[:1]].tolist()[0]!r}, but the classes are {known}")
        return numbers.astype(np.int64)

    def _without_absent(self, part: Part, validation: Part | None) -> tuple[Part, Part | None]:
        """Drops classes all of whose patterns weigh 0."""
        there = np.unique(part.t)
        if len(there) == len(self.classes_):
            return part, validation
        if len(there) < 2:
            raise InputError(
                f"y has one class with a weight above 0, {self.classes_[there].tolist()[0]!r}, wanted two or more"
            )
        if validation is not None:
            validation = validation.rows(np.flatnonzero(np.isin(validation.t, there)))
        new = np.cumsum(np.isin(np.arange(len(self.classes_)), there)) - 1
        self.classes_ = self.classes_[there]
        parts = (None if p is None else p._replace(t=new[p.t]) for p in (part, validation))
        first, second = parts
        assert first is not None
        return first, second if second is None or len(second.t) else None

    # ---- predictions

    def predict(self, X: Any) -> np.ndarray:
        """Predicts labels.

        Parameters
        ----------
        X : array (Nv, N)

        Returns
        -------
        array (Nv,)
        """
        numbers = self._fitted().predict(self._inputs(X))
        return self.classes_[numbers]

    @available_if(_has_probabilities)
    def predict_proba(self, X: Any) -> np.ndarray:
        """Predicts the probabilities of the classes, after a fit to cross-entropy.

        Parameters
        ----------
        X : array (Nv, N)

        Returns
        -------
        array (Nv, M)
            A column per class, in the order of classes_.
        """
        return self._fitted().predict_proba(self._inputs(X))

    def _scores(self, X: Any) -> np.ndarray:
        """Numbers (Nv, M) whose softmax are the probabilities: a network's outputs, or of several the logarithm of their mean."""
        net, x = self._fitted(), self._inputs(X)
        if isinstance(net, Network):
            return outputs_of(net, x)
        logarithms = [log_softmax(outputs_of(one, x), axis=1) for one in net.nets]
        return logsumexp(logarithms, axis=0, b=net.weights[:, None, None])

    @available_if(_has_probabilities)
    def predict_log_proba(self, X: Any) -> np.ndarray:
        """Predicts the logarithms of the probabilities, also of those that are too small for a number.

        Parameters
        ----------
        X : array (Nv, N)

        Returns
        -------
        array (Nv, M)
            A column per class, in the order of classes_.
        """
        y = self._scores(X)
        y = y - y.max(axis=1, keepdims=True)
        return y - np.log(np.exp(y).sum(axis=1, keepdims=True))

    def decision_function(self, X: Any) -> np.ndarray:
        """Computes the outputs of the net, of which the largest decides.

        Parameters
        ----------
        X : array (Nv, N)

        Returns
        -------
        array (Nv, M), or (Nv,) for two classes
            With two classes, the second output less the first: under cross-entropy the logarithm of the odds of the second.
        """
        y = self._scores(X)
        return y[:, 1] - y[:, 0] if y.shape[1] == 2 else y


def _as_labels(classes: Any) -> np.ndarray:
    """The labels that were given to `partial_fit`, (classes,)."""
    try:
        return column_or_1d(np.asarray(classes))
    except (TypeError, ValueError):
        raise InputError(f"classes must be a list of labels, not {shown(classes)}") from None


def _check_one_kind(y: np.ndarray) -> None:
    """Raises InputError for labels that can't be put in order, such as None among texts, and for bytes."""
    try:
        np.unique(y)
        type_of_target(y)
    except TypeError:
        kinds = ", ".join(sorted({type(label).__name__ for label in y.tolist()}))
        raise InputError(
            f"the labels are of the kinds {kinds}: wanted numbers throughout, or texts throughout"
        ) from None


def _labels_of(y: np.ndarray) -> np.ndarray:
    """The labels found, sorted. Raises InputError if there are not two."""
    _check_one_kind(y)
    found = np.unique(y)
    if len(found) < 2:
        raise InputError(f"y has {f'one class, {found.tolist()[0]!r}' if len(found) else 'no class'}, wanted two or more")
    return found
