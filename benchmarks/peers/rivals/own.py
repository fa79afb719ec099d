"""pwl's own algorithms under the names of its comparison."""

from __future__ import annotations

import dataclasses
from typing import Any

import pwl
from benchmarks.peers.rivals.problem import OURS, Problem, Trace, counted, thinned
from pwl.learners.named import LEARNERS

OUTPUT_STEPS = ("adact", "hwo-adact", "molf", "hwo-molf", "owo-bp", "varpro", "curved-varpro")  # they begin with one
SQUARED_ERROR_ONLY = ("varpro", "curved-varpro", "bayesian-lm")
SEARCHED: dict[str, list[dict[str, Any]]] = {
    "lm": [{"solver": "cholesky", "schedule": schedule} for schedule in ("gain", "fixed")]
    + [{"solver": "qr", "schedule": "gain"}],
    "adam": [{"learning_rate": rate} for rate in (0.001, 0.003, 0.01, 0.03)],
    "sgd": [{"learning_rate": rate} for rate in (0.003, 0.01, 0.03, 0.1)],
}
FOR_IMAGES = ("curved-adam", "curved-sgd")
METHODS = {name: SEARCHED.get(name, [{}]) for name in LEARNERS if name not in FOR_IMAGES}


def run(problem: Problem, budget: float, setting: dict[str, Any]) -> Trace:
    """pwl computes E itself, in a pass that its next step needs anyway. That time is on the clock."""
    contender = LEARNERS[setting["method"]]
    changes = {key: value for key, value in setting.items() if key not in OURS}
    net = problem.network(pwl.PiecewiseLinear(problem.activation, 13) if contender.curves else None)
    _, record = pwl.train(
        net, (problem.x, problem.t), dataclasses.replace(contender.algorithm, **changes), iterations=10**7,
        max_seconds=budget, batch_size=contender.batch(problem.x),
    )  # fmt: skip
    trace = list(zip(record["seconds"], record["error"], strict=True))
    return counted(thinned(trace), record.iterations)
