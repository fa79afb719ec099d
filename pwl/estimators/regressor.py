"""`PWLRegressor`."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.utils.validation import validate_data

from pwl.errors import InputError
from pwl.estimators.base import PWLBase, check_pair
from pwl.estimators.options import checked
from pwl.estimators.parts import Part, weighed
from pwl.runtime.given import check_numbers, missing
from pwl.validate import one_of

SCALES = {"each": "standardise", "common": "common"}


class PWLRegressor(RegressorMixin, PWLBase):
    """Regression by the mean of a few networks with curves on their inputs, or by one network of your choice.

    Without activation, algorithm and iterations, the default learner chooses by the size of the table: Bayesian
    Levenberg-Marquardt and damped MOLF on a small one, damped MOLF and batches on a larger one, and batches on a very large one.
    `record_.settings["learner"]` says which and why. Predictions stay within the range of the targets, widened by its width at
    both ends. An end at which at least ten targets lie, and at least a fiftieth of them, is a limit and stays where it is.

    Parameters
    ----------
    hidden : int or tuple of int, optional
        Units of the hidden layer, or of each of several. By default 20 for one network, while the default learner
        chooses by the size of the table.
    activation : str or object, optional
        A name or an activation object, for one network. By default `pwl.PiecewiseLinear()`, trained curves, or tanh if `algorithm`
        is the name of an algorithm that does not train curves.
    algorithm : str or object, optional
        A name of the command line, such as "lm", or an object, such as `pwl.LM()`, for one network. With an activation alone it is
        `pwl.AdAct(direction="hwo")`, or `pwl.MOLF(direction="hwo")` if the activation is fixed. Options can be set by algorithm__mu
        and the like.
    iterations : int, optional
        Number of iterations of one network at most, 100 by default.
    validation_fraction : float
        Share of the patterns that is held out, 0 or more and less than 1. If patterns are held out, the network that is
        best on them is kept.
    max_fail : int
        With validation data, training stops this many iterations after the best network. The default learner's networks by
        batches on larger tables go through all of their epochs.
    bypass : bool
        Whether the outputs see the inputs directly as well.
    random_state : int, RandomState, Generator or None
        Seed of the starting weights and of the patterns held out. None draws it from NumPy's global generator.
    batch_size : int, optional
        Patterns per step, for algorithms that learn by batches. None is the algorithm's own, 32 for those.
    early_stopping : bool or "auto"
        Whether patterns are held out. "auto": if validation_fraction is above 0. True holds out a tenth if it is 0.
    warm_start : bool
        Whether a further fit goes on from the net of the last one, with its preparation. True turns the default learner off: one
        network is trained.
    missing : {"refuse", "mean"}
        What NaN among the inputs means: an error, or the mean of the input over the patterns of the fit.
    target_scaling : {"each", "common"}
        Whether each target counts by its own standard deviation, or all by one common unit, so that large ones count more.
    max_seconds : float, optional
        Time for a fit. By default the default learner takes about 6 ms a pattern, from 20 to 120 seconds on two
        cores, and others have no limit.
    verbose : bool or int
        Whether to print a line after each iteration. A number N prints one every N iterations. The default learner
        trains networks side by side, and shows a progress bar of them instead.

    Attributes
    ----------
    net_ : Ensemble or Network
        With its preparation, so that it takes and gives raw units.
    record_ : Record
        Of an ensemble, the record of one of its networks, to which `loss_curve_` and `n_iter_` belong as well.
    loss_curve_ : list of float
        The training error after each iteration, in the units of the net's own targets.
    n_iter_ : int
        The number of iterations.
    n_features_in_ : int
    means_ : array (N,) or None
        The values for missing inputs.
    """

    _one_column: bool

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
        target_scaling: str = "each",
        max_seconds: float | None = None,
        verbose: bool | int = False,
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
        self.target_scaling = target_scaling
        self.max_seconds = max_seconds
        self.verbose = verbose

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    @property
    def _targets(self) -> str:
        return SCALES[self.target_scaling]

    def fit(
        self, X: Any, y: Any, sample_weight: Any = None, *, X_val: Any = None, y_val: Any = None, groups: Any = None
    ) -> PWLRegressor:
        """Trains the default learner's networks, or one network if activation, algorithm or iterations is given.

        One network is also trained with warm_start.

        Parameters
        ----------
        X : array (Nv, N)
            Inputs.
        y : array (Nv,) or (Nv, M)
            Targets.
        sample_weight : array (Nv,), optional
            A weight per pattern. A weight of 2 is a repeated pattern, and a weight of 0 is absence.
        X_val, y_val : arrays (Nvv, N) and (Nvv,) or (Nvv, M), optional
            Patterns of your own that validate. None are held out then.
        groups : array (Nv,), optional
            A group per pattern, such as a person who was measured several times. Groups are held out as a whole, and the default
            learner's networks leave whole groups out, so that errors and deviations are those for new groups. Groups are refused if
            nothing is held out: beside X_val, and for one network without validation_fraction or early_stopping=True.

        Returns
        -------
        PWLRegressor
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
            one_of("target_scaling", self.target_scaling, SCALES)
            X, t = self._pair(X, y, reset=not go_on, least=2)
            if go_on and t.shape[1] != self.net_.n_outputs:
                raise InputError(f"the net of the last fit has {self.net_.n_outputs} targets, but y has {t.shape[1]}")
            validation = None
            if check_pair(X_val, y_val):
                one_column: bool = self._one_column
                validation = Part(*self._pair(X_val, y_val, reset=False), None)
                if validation.t.shape[1] != t.shape[1]:
                    raise InputError(f"y_val has {validation.t.shape[1]} targets, but y has {t.shape[1]}")
                self._one_column = one_column
            self._learn(weighed(X, t, sample_weight, groups=groups), validation, None, options, go_on=go_on)
        return self

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> PWLRegressor:
        """Trains for one iteration on some patterns. The first call also fits the preparation, so it needs typical ones.

        Parameters
        ----------
        X, y, sample_weight
            As for `fit`.

        Returns
        -------
        PWLRegressor
            The estimator itself.

        Raises
        ------
        ValueError
            For data and settings that can't be used.
        """
        with self._as_a_whole():
            options, go_on = checked(self)._replace(iterations=1, held_out=0.0, plans=False), hasattr(self, "net_")
            one_of("target_scaling", self.target_scaling, SCALES)
            X, t = self._pair(X, y, reset=not go_on, least=1 if go_on else 2)
            if go_on and t.shape[1] != self.net_.n_outputs:
                raise InputError(f"the net has {self.net_.n_outputs} targets, but y has {t.shape[1]}")
            self._learn(weighed(X, t, sample_weight), None, None, options, go_on=go_on)
        return self

    def _pair(self, X: Any, y: Any, *, reset: bool = True, least: int = 1) -> tuple[np.ndarray, np.ndarray]:
        """Inputs (Nv, N) and targets (Nv, M), checked."""
        check_numbers(X, "X")
        check_numbers(y, "y")
        if count := missing(y):
            raise InputError(
                f"y holds {count} missing values: leave out their rows. pwl.train takes targets of which some are NaN"
            )
        X, y = validate_data(
            self, X, y, reset=reset, dtype=np.float64, multi_output=True, y_numeric=True, ensure_min_samples=least,
            ensure_all_finite=self._finite(),
        )  # fmt: skip
        y = np.asarray(y, dtype=np.float64)
        if not np.all(np.isfinite(y)):
            raise InputError("y holds NaN or infinity: remove such patterns first")
        self._one_column = y.ndim == 1
        return X, y[:, None] if y.ndim == 1 else y

    def predict(self, X: Any, return_std: bool = False) -> Any:
        """Predicts targets.

        Parameters
        ----------
        X : array (Nv, N)
        return_std : bool
            Whether to return (targets, standard deviations of new targets), Eqs. (82), (83), (91).

        Returns
        -------
        array (Nv,) or (Nv, M)
            With as many dimensions as y had in the fit, in its units.

        Raises
        ------
        InputError
            If X does not fit, or if deviations are asked for after a fit that went on (`partial_fit`, `warm_start`), whose net
            knows none.
        """
        net, x = self._fitted(), self._inputs(X)
        found = net.predict(x, return_std=True) if return_std else (net.predict(x),)
        columns = tuple(y[:, 0] if self._one_column else y for y in found)
        return columns if return_std else columns[0]
