"""What a comparison sets beside the algorithms: ridge regression, and the default learner."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from pwl.algorithms import BayesianLM
from pwl.data import Fold
from pwl.data.preparation import Preparation
from pwl.errors import InputError
from pwl.layers import Dense, Flatten
from pwl.learners.ensemble import Ensemble, likely
from pwl.learners.learn import learn
from pwl.learners.named import LEARNERS, Learner, Shape, loss_of
from pwl.learners.plan import plan
from pwl.network.network import Network
from pwl.reductions.patterns import Patterns
from pwl.training.record import Record
from pwl.training.train import train
from pwl.validate import nearest

RIDGE, DEFAULT = "ridge", "default"
CHOICES = (*LEARNERS, RIDGE, DEFAULT)
# The paper's five in the published and, where there is one, the damped form, and what any of them should beat.
COMPARED = ("adact", "adact-damped", "molf", "molf-damped", "cg", "scg", "lm", RIDGE, DEFAULT)
COMPARED_ON_IMAGES = ("adam", "curved-adam")
RIDGE_ITERATIONS = 30  # lambda settles long before


class Data(NamedTuple):
    """All patterns in raw units: inputs x (Nv, N), targets t (Nv, M) or class numbers (Nv,), weights and groups (Nv,) or None."""

    x: np.ndarray
    t: np.ndarray
    weights: np.ndarray | None = None
    groups: np.ndarray | None = None


def chosen(names: Sequence[str]) -> dict[str, Learner]:
    """The learners among the names, in their order. Raises InputError with the nearest name for an unknown one."""
    unknown = [name for name in names if name not in CHOICES]
    if unknown:
        near = nearest(unknown[0], CHOICES)
        raise InputError(f"unknown algorithm {unknown[0]!r}{near}: use one of {', '.join(CHOICES)}")
    return {name: LEARNERS[name] for name in names if name in LEARNERS}


def ridge(data: Data, fold: Fold, preparation: Preparation, shape: Shape, seed: int) -> tuple[Network, Record]:
    """Ridge regression with the ridge of its evidence, Eq. (52), and for classes logistic regression with such a ridge.

    Bayesian LM trains a network without hidden units, from zeros. As `default` otherwise.
    """
    begin, inputs = time.perf_counter(), data.x.shape[1:]
    patterns = Patterns.prepared(data.x, data.t, preparation, fold.train, data.weights)
    layers = [*([Flatten()] if len(inputs) > 1 else []), Dense(len(preparation.target_scale))]
    net = Network.from_layers(layers, inputs, loss=loss_of(Shape(), bool(preparation.classes)), dtype=np.float64)
    net, fitted = train(net.with_theta(np.zeros_like(net.theta)), patterns, BayesianLM(), iterations=RIDGE_ITERATIONS)
    seconds = time.perf_counter() - begin
    net = net.with_preparation(preparation)
    return net, _record(net, data, fold, fitted.settings, seconds, "the ridge of the highest evidence was found")


def default(data: Data, fold: Fold, preparation: Preparation, shape: Shape, seed: int) -> tuple[Ensemble, Record]:
    """The default learner, with one network of each form, and a record of one row: its errors in raw units, and its seconds.

    Parameters
    ----------
    data : Data
        In raw units.
    fold : Fold
        Validation patterns are held out for the learners that need them. The Bayesian ones do not.
    preparation : Preparation
        Fitted to the training patterns.
    shape : Shape
        Its loss is looked at, and nothing else: the default learner has its own shape.
    seed : int

    Raises
    ------
    InputError
        For images, and for losses that it does not know.
    """
    if data.x.ndim > 2 or shape.loss == "output_reset":
        raise InputError(
            f"the default learner is for tables, without --loss output_reset: leave {DEFAULT!r} out of the algorithms"
        )
    begin, classes = time.perf_counter(), bool(preparation.classes)
    patterns, validation = (Patterns.prepared(data.x, data.t, preparation, rows, data.weights) for rows in fold[:2])
    groups = None if data.groups is None else data.groups[fold.train]
    if groups is not None and len(np.unique(groups)) < 2:
        groups = None  # a single group can't be left out
    found = plan(len(patterns), data.x.shape[1], len(preparation.target_scale), classes=classes)
    one = dataclasses.replace(found, forms=tuple(form._replace(nets=1) for form in found.forms))
    net, learned = learn(
        patterns, preparation, one,
        validation=None if isinstance(found.first.algorithm, BayesianLM) else validation,
        bounds=None if classes else likely(data.t[fold.train]), seed=seed, groups=groups,
    )[:2]  # fmt: skip
    seconds = time.perf_counter() - begin
    settings = learned.settings | {"algorithm": "the default learner"}
    return net, _record(net, data, fold, settings, seconds, learned.settings["learner"])


def _record(
    net: Network | Ensemble, data: Data, fold: Fold, settings: Mapping[str, Any], seconds: float, reason: str
) -> Record:
    """A record of one row: errors in raw units, and the seconds."""
    record = Record(settings)
    row: dict[str, float] = {}
    for part, rows in fold._asdict().items():
        prefix = "" if part == "train" else f"{part}_"
        row |= {f"{prefix}{name}": value for name, value in _errors(net, data, rows).items()}
    record.append(row | {"seconds": seconds})
    record.stop("solved", reason)
    return record


def _errors(net: Network | Ensemble, data: Data, rows: np.ndarray) -> dict[str, float]:
    """E on some rows in raw units, Eqs. (1), (2), and for classes the share of wrong patterns."""
    x, t = data.x[rows], data.t[rows]
    w = None if data.weights is None else data.weights[rows]
    if not net.loss.classes:
        return {"error": float(np.average(np.nansum((net.predict(x) - t) ** 2, axis=1), weights=w))}
    p = net.predict_proba(x)
    given = np.clip(p[np.arange(len(t)), t], np.finfo(p.dtype).tiny, None)
    return {
        "error": float(np.average(-np.log(given), weights=w)),
        "classification_error": float(np.average(p.argmax(axis=1) != t, weights=w)),
    }


Baseline = Callable[[Data, Fold, Preparation, Shape, int], tuple[Network | Ensemble, Record]]
BASELINES: dict[str, Baseline] = {RIDGE: ridge, DEFAULT: default}
