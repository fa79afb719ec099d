"""pwl's own algorithms, by the names of its comparison."""

from __future__ import annotations

import dataclasses
from typing import Any

import pwl
from benchmarks.rivals.problem import Problem, Trace, counted, thinned
from pwl.contenders import CONTENDERS

RATES = {"adam": (0.001, 0.003, 0.01, 0.03), "sgd": (0.003, 0.01, 0.03, 0.1)}
SQUARED_ERROR_ONLY = ("varpro", "bayesian-lm")


def settings(name: str) -> list[dict[str, Any]]:
    if name not in RATES:
        return [{}]
    return [{"learning_rate": rate} for rate in RATES[name]]


METHODS = {name: settings(name) for name in CONTENDERS}
if "lm" in CONTENDERS:
    METHODS["lm-cholesky"] = [{}]


def algorithm(name: str, setting: dict[str, Any]) -> Any:
    if name == "lm-cholesky":
        return dataclasses.replace(CONTENDERS["lm"].algorithm, solver="cholesky")
    own = {key: value for key, value in setting.items() if key != "method"}
    return dataclasses.replace(CONTENDERS[name].algorithm, **own)


def run(problem: Problem, budget: float, setting: dict[str, Any]) -> Trace:
    """pwl computes E itself, from the pass that its next step needs anyhow: that is on the clock."""
    name = setting["method"]
    contender = CONTENDERS["lm" if name == "lm-cholesky" else name]
    net = problem.network(pwl.PiecewiseLinear(problem.activation, 13) if contender.curves else None)
    _, record = pwl.train(
        net, (problem.x, problem.t), algorithm(name, setting), iterations=10**7, max_seconds=budget,
        batch_size=contender.batch(problem.x),
    )  # fmt: skip
    trace = list(zip(record["seconds"], record["error"], strict=True))
    return counted(thinned(trace), record.iterations)
