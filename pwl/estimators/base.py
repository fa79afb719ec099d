"""The settings, the fit and the prediction that regressor and classifier share."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted, validate_data

from pwl.data.preparation import Preparation
from pwl.errors import InputError
from pwl.estimators.options import Options, choose, nested, renewed
from pwl.estimators.parts import Part, column_means, divided, filled
from pwl.learners.ensemble import Ensemble, likely
from pwl.learners.learn import Learned, learn, with_deviations
from pwl.learners.plan import plan
from pwl.network.network import Network
from pwl.reductions.patterns import Patterns
from pwl.runtime.given import check_numbers
from pwl.training.record import Record
from pwl.training.run import describe
from pwl.training.train import train

NESTED = ("algorithm", "activation")
PLANNED = ("squared_error", "cross_entropy")  # losses of the default learner


class PWLBase(BaseEstimator):
    """An estimator whose fit is done as a whole: if it fails or is interrupted, the estimator stays as it was."""

    means_: np.ndarray | None
    net_: Network | Ensemble

    @property
    def _loss(self) -> str:
        """The loss of the network."""
        return "squared_error"

    @property
    def _targets(self) -> str:
        """The way in which targets are prepared."""
        return "standardise"

    # ---- parameters within parameters, such as algorithm__mu

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The settings by name. deep: also those of the algorithm and the activation, such as algorithm__damping."""
        found = super().get_params(deep)
        for name in NESTED if deep else ():
            found |= nested(name, found[name])
        return found

    def set_params(self, **params: Any) -> Any:
        """Changes settings, also of the algorithm and the activation: set_params(algorithm="lm", algorithm__mu=1e-2)."""
        within: dict[str, dict[str, Any]] = {}
        for name in list(params):
            outer, within_it, inner = name.partition("__")
            if within_it and outer in NESTED:
                within.setdefault(outer, {})[inner] = params.pop(name)
        made = {name: renewed(name, params.get(name, getattr(self, name)), changes) for name, changes in within.items()}
        super().set_params(**params)
        for name, value in made.items():
            setattr(self, name, value)
        return self

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = isinstance(self.missing, str) and self.missing != "refuse"
        return tags

    # ---- the fit

    @contextlib.contextmanager
    def _as_a_whole(self) -> Iterator[None]:
        """Context of a fit. Whatever ends it early, an error or Ctrl-C, leaves no attribute changed."""
        before = dict(self.__dict__)
        try:
            yield
        except BaseException:
            self.__dict__.clear()
            self.__dict__.update(before)
            raise

    def _inputs(self, X: Any) -> np.ndarray:
        """Inputs for a prediction or of validation data, as the fit saw them."""
        check_numbers(X, "X")
        X = validate_data(self, X, reset=False, dtype=np.float64, ensure_all_finite=self._finite())
        return X if self.means_ is None else filled(X, self.means_)

    def _finite(self) -> Any:
        return "allow-nan" if self.missing == "mean" else True

    def _begin(self, part: Part, options: Options, classes: Sequence[int] | None) -> Network:
        """A new net, which carries the preparation that was fitted to the patterns."""
        preparation = Preparation.fit(part.X, part.t, targets=self._targets, classes=classes, weights=part.weights)
        net = Network.mlp(
            part.X.shape[1], options.widths, len(preparation.target_scale), options.activation,
            bypass=options.bypass, loss=self._loss, seed=options.seed,
        )  # fmt: skip
        return net.with_preparation(preparation)

    def _carried_on(self, fresh: Network) -> Network:
        """The net of the last fit, which must have the structure of a fresh one."""
        if isinstance(self.net_, Ensemble):
            raise InputError(
                "partial_fit and warm_start go on from one network, but the default learner trained several: name an algorithm, "
                "such as 'adam', before the first fit"
            )
        bare = dataclasses.replace(fresh, preparation=None)
        if describe(self.net_) != describe(bare):
            raise InputError(
                f"a fit that goes on from the last one needs a net of the same structure, but {describe(self.net_)} "
                f"was fitted, and {describe(bare)} is wanted now: set warm_start=False"
            )
        return self.net_

    def _learn(
        self, part: Part, validation: Part | None, classes: Sequence[int] | None, options: Options, *, go_on: bool
    ) -> None:
        """Trains on raw patterns, and sets the attributes of a fit."""
        labels = part.t if classes is not None else None
        plans = options.plans and self._loss in PLANNED
        if part.groups is not None and (validation is not None or not (options.held_out or plans)):
            why = "X_val validates" if validation is not None else "one network is trained on all of them"
            raise InputError(
                f"groups say which patterns are held out together, but none are, because {why}: leave groups out"
                + ("" if validation is not None else ", or set validation_fraction")
            )
        if not go_on and len(part.X) < 2:
            raise InputError("one pattern has a weight above 0, wanted two or more")
        if self.missing == "mean":
            means = self.means_ if go_on and self.means_ is not None else column_means(part)
            self.means_, part = means, part._replace(X=filled(part.X, means))
            validation = validation and validation._replace(X=filled(validation.X, means))
        else:
            self.means_ = None
        net = self._begin(part, options, classes)
        if go_on:
            net = self._carried_on(net)
        preparation = net.preparation
        assert preparation is not None
        if validation is None and options.held_out:
            kept, out = divided(len(part.X), options.held_out, options.seed, labels, part.groups)
            part, validation = part.rows(kept), part.rows(out)
        patterns = _prepared(part, preparation)
        held_out = None if validation is None else _prepared(validation, preparation)
        if plans:
            self.net_, record = self._planned(part, patterns, held_out, preparation, options)[:2]
        else:
            net, record = self._trained(dataclasses.replace(net, preparation=None), patterns, held_out, options, go_on)
            self.net_ = net.with_preparation(preparation)
        self.record_ = record
        self.n_iter_ = max(record.iterations, 1)
        self.loss_curve_ = list(record["error"][1:])

    def _planned(
        self, part: Part, patterns: Patterns, validation: Patterns | None, preparation: Preparation, options: Options
    ) -> Learned:
        """The networks of the default learner, and the record of one of them."""
        classes, groups = preparation.classes is not None, part.groups if validation is None else None
        chosen = plan(
            len(patterns), part.X.shape[1], len(preparation.target_scale),
            classes=classes, hidden=options.hidden, seconds=options.max_seconds,
            groups=None if groups is None else len(np.unique(groups)),
        )  # fmt: skip
        return learn(
            patterns, preparation, chosen,
            validation=validation, bounds=None if classes else likely(part.t), bypass=options.bypass,
            max_fail=options.max_fail, seed=options.seed, groups=groups, progress=bool(self.verbose),
        )  # fmt: skip

    def _trained(
        self, net: Network, patterns: Patterns, validation: Patterns | None, options: Options, go_on: bool
    ) -> tuple[Network, Record]:
        """The trained net and its record. Ctrl-C goes on to the caller, because half a fit is none.

        A net that goes on may have seen other patterns before, so these do not tell its deviations.
        """
        choice = choose(net, options, len(patterns))
        net, record = train(
            net, patterns, choice.algorithm,
            iterations=options.iterations, batch_size=choice.batch_size, validation=validation,
            max_fail=options.max_fail, max_seconds=options.max_seconds, callback=_told(int(self.verbose)), seed=options.seed,
        )  # fmt: skip
        if record.stop_code == "interrupted":
            raise KeyboardInterrupt
        if not go_on:
            net = with_deviations(net, patterns, choice.algorithm, record, validation)
        return net, record

    def _fitted(self) -> Network | Ensemble:
        check_is_fitted(self)
        return self.net_


def _prepared(part: Part, preparation: Preparation) -> Patterns:
    x, t = preparation.transform(part.X, part.t)
    return Patterns(x, t, part.weights)


def _told(every: int) -> Any:
    """A callback that prints a line every `every` iterations, or None if that is 0."""
    if not every:
        return None

    def line(net: Network, record: Record) -> None:
        if record.iterations % every == 0:
            checked_on = f", validation {record['validation_error'][-1]:.6g}" if "validation_error" in record else ""
            print(f"iteration {record.iterations}: error {record['error'][-1]:.6g}{checked_on}", flush=True)

    return line


def check_pair(X_val: Any, y_val: Any) -> bool:
    """Whether validation data came. Raises InputError if only one of the two came."""
    if (X_val is None) != (y_val is None):
        raise InputError("X_val and y_val belong together: give both or neither")
    return X_val is not None
