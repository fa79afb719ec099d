"""scikit-learn's MLPRegressor and MLPClassifier by L-BFGS and Adam, from our start."""

from __future__ import annotations

import time
import warnings
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier, MLPRegressor

from benchmarks.peers.rivals.problem import OURS, Problem, Trace, Watch, counted, watched

METHODS = {
    "lbfgs": [{}],
    "adam": [{"learning_rate_init": rate, "batch_size": 32} for rate in (0.001, 0.003, 0.01, 0.03)],
}


def run(problem: Problem, budget: float, setting: dict[str, Any]) -> Trace:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # it reports that max_iter ended the run, as intended
        return by_lbfgs(problem, budget) if setting["method"] == "lbfgs" else by_adam(problem, budget, setting)


def by_adam(problem: Problem, budget: float, setting: dict[str, Any]) -> Trace:
    """Notes every epoch, which is a call of partial_fit."""
    options = {key: value for key, value in setting.items() if key not in OURS}
    model = at_start(problem, solver="adam", **options)
    target, more = targets(problem), {"classes": np.arange(problem.outputs_count)} if problem.classes else {}

    def job(watch: Watch) -> None:
        while True:
            model.partial_fit(problem.x, target, **more)
            watch.note(theta_of(model))

    return watched(problem, budget, job)


def by_lbfgs(problem: Problem, budget: float) -> Trace:
    """scikit-learn's L-BFGS shows no weights on its way.

    It therefore runs anew for 1, 2, 4, ... iterations, and each run gives one point.
    """
    trace, iterations, seconds = [(0.0, problem.error(problem.theta))], 1, 0.0
    while seconds < budget:
        model = at_start(problem, solver="lbfgs", max_iter=iterations, max_fun=10**8, tol=0.0)
        begin = time.perf_counter()
        model.fit(problem.x, targets(problem))
        seconds = time.perf_counter() - begin
        trace.append((seconds, problem.error(theta_of(model))))
        if model.n_iter_ < iterations:
            break
        iterations *= 2
    return counted(trace, model.n_iter_)


def at_start(problem: Problem, **options: Any) -> Any:
    """A model that continues from our starting weights."""
    kind = MLPClassifier if problem.classes else MLPRegressor
    activation = {"sigmoid": "logistic"}.get(problem.activation, problem.activation)
    common = {"hidden_layer_sizes": (problem.hidden,), "activation": activation, "alpha": 0.0, "random_state": 0}
    model = kind(**common | options | {"max_iter": 1}, warm_start=True)
    few = slice(None) if problem.classes else slice(50)
    if options["solver"] == "adam":  # the first call makes the arrays, the next one Adam's state
        more = {"classes": np.arange(problem.outputs_count)} if problem.classes else {}
        model.set_params(learning_rate_init=1e-30).partial_fit(problem.x[few], targets(problem)[few], **more)
        model.set_params(**options)
        vars(model).pop("_optimizer", None)  # the state of that call
    else:
        model.fit(problem.x[few], targets(problem)[few])
    W, W_o = problem.split(problem.theta)
    for place, weights in enumerate((W, W_o)):
        model.coefs_[place][...] = weights[:, 1:].T
        model.intercepts_[place][...] = weights[:, 0]
    return model.set_params(max_iter=options.get("max_iter", 200))


def targets(problem: Problem) -> np.ndarray:
    return problem.t[:, 0] if not problem.classes and problem.t.shape[1] == 1 else problem.t


def theta_of(model: Any) -> np.ndarray:
    return np.concatenate(
        [np.column_stack([b, C.T]).ravel() for b, C in zip(model.intercepts_, model.coefs_, strict=True)]
    )
