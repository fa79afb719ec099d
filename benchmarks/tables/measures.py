"""What a learner does on one fold: errors, likelihood, coverage of intervals, seconds and memory.

Folds are scikit-learn's KFold(10, shuffle, seed 0), of classes StratifiedKFold. Of Twod all seven targets count, each alike, and
of every other set the first. A learner without deviations takes the Gaussian with the variance of its residuals on a fifth of the
training patterns, after a second fit without them.
"""

from __future__ import annotations

import time
import warnings
from typing import Any

import numpy as np

import pwl
from benchmarks.shared.memory import Peak, private
from benchmarks.tables.rivals import CLASSIFIERS, OURS, REGRESSORS

FOLDS = 10
ALL_TARGETS = ("twod",)
QUANTILES = {"50": 0.67448975, "90": 1.64485363}  # of the normal distribution, both sides


def regression(name: str, learner: str, fold: int) -> dict[str, Any]:
    """One learner on one fold of one set of numbers."""
    from sklearn.model_selection import KFold

    x, t = (np.asarray(a, dtype=np.float64) for a in pwl.data.load(name))
    t = t.reshape(len(x), -1)
    t = t if name in ALL_TARGETS else t[:, :1]
    train, test = list(KFold(FOLDS, shuffle=True, random_state=0).split(x))[fold]
    model, cost = fitted(REGRESSORS[learner](), x[train], t[train])
    if learner in OURS:
        y, std = (a.reshape(len(test), -1) for a in model.predict(x[test], return_std=True))
    else:
        y, std = outputs(model, x[test]), held_out_deviation(REGRESSORS[learner](), x[train], t[train])
    return cost | chosen(learner, model) | measured(t[test], y, std)


def chosen(learner: str, model: Any) -> dict[str, Any]:
    """What our default learner has chosen; nothing of other learners."""
    return {key: model.record_.settings[key] for key in ("learner", "forms", "networks")} if learner in OURS else {}


def measured(t: np.ndarray, y: np.ndarray, std: np.ndarray) -> dict[str, Any]:
    """Errors of outputs y (n, M) with deviations std (n, M) or (M,)."""
    r, z = t - y, (t - y) / std
    square, own = np.mean(r**2, axis=0), np.var(t, axis=0)
    return {
        "rmse": float(np.sqrt(np.mean(square))), "r2": float(np.mean(1 - square / own)), "squares": square,
        "nll": float(np.mean(0.5 * z**2 + np.log(std) + 0.5 * np.log(2 * np.pi))), "z2": float(np.mean(z**2)),
        **{f"cover{share}": float(np.mean(np.abs(z) < q)) for share, q in QUANTILES.items()},
    }  # fmt: skip


def classification(name: str, learner: str, fold: int) -> dict[str, Any]:
    """One learner on one fold of one of scikit-learn's sets of classes."""
    from sklearn import datasets
    from sklearn.metrics import log_loss
    from sklearn.model_selection import StratifiedKFold

    x, t = getattr(datasets, f"load_{name}")(return_X_y=True)
    train, test = list(StratifiedKFold(FOLDS, shuffle=True, random_state=0).split(x, t))[fold]
    model, cost = fitted(CLASSIFIERS[learner](), x[train], t[train])
    p = np.asarray(model.predict_proba(x[test]), dtype=np.float64)
    right = p.argmax(axis=1) == t[test]
    return cost | chosen(learner, model) | {
        "accuracy": float(np.mean(right)), "log_loss": float(log_loss(t[test], p, labels=np.unique(t))),
        "right": right.astype(int), "confidence": np.round(p.max(axis=1), 5),
    }  # fmt: skip


def fitted(model: Any, x: np.ndarray, t: np.ndarray, **beside: Any) -> tuple[Any, dict[str, Any]]:
    """The model after its fit, with its seconds, CPU seconds, and memory in MiB above the process's own. beside: for the fit."""
    peak, begin, cpu = Peak(private()), time.perf_counter(), time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(x, t[:, 0] if t.ndim == 2 and t.shape[1] == 1 and not several(model) else t, **beside)
    seconds, cpu = time.perf_counter() - begin, time.process_time() - cpu
    return model, {"seconds": seconds, "cpu": cpu, "memory": peak.stop()}


def several(model: Any) -> bool:
    """Whether a model wants targets as a matrix."""
    return type(model).__name__ == "MultiOutputRegressor"


def outputs(model: Any, x: np.ndarray) -> np.ndarray:
    return np.asarray(model.predict(x), dtype=np.float64).reshape(len(x), -1)


def held_out_deviation(model: Any, x: np.ndarray, t: np.ndarray) -> np.ndarray:
    """The root of the mean squared residual (M,) on a fifth of the patterns, after a fit to the others."""
    order = np.random.default_rng(0).permutation(len(x))
    out, kept = np.split(order, [len(order) // 5])
    model, _ = fitted(model, x[kept], t[kept])
    return np.sqrt(np.mean((t[out] - outputs(model, x[out])) ** 2, axis=0))


def calibration_error(confidence: np.ndarray, right: np.ndarray, bins: int = 10) -> float:
    """The mean difference between confidence and accuracy over bins of equal numbers of patterns."""
    order = np.argsort(confidence, kind="stable")
    parts = np.array_split(order, bins)
    return float(sum(len(p) * abs(np.mean(confidence[p]) - np.mean(right[p])) for p in parts if len(p)) / len(order))
