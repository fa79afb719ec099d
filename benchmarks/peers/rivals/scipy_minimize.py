"""scipy.optimize.minimize: conjugate gradients, BFGS and L-BFGS-B, with an analytic gradient."""

from __future__ import annotations

from typing import Any

from scipy.optimize import minimize

from benchmarks.peers.rivals.problem import Problem, Trace, Watch, watched

LONG = {"maxiter": 10**7, "gtol": 1e-12}
METHODS: dict[str, list[dict[str, Any]]] = {
    "CG": [{"options": LONG}],
    "BFGS": [{"options": LONG}],
    "L-BFGS-B": [{"options": LONG | {"maxcor": m, "maxfun": 10**8, "ftol": 0}} for m in (10, 30, 100)],
}


def run(problem: Problem, budget: float, setting: dict[str, Any]) -> Trace:
    def job(watch: Watch) -> None:
        minimize(
            problem.error_and_gradient, problem.theta, jac=True, method=setting["method"], callback=lambda theta: watch.note(theta),
            options=setting["options"],
        )  # fmt: skip

    return watched(problem, budget, job)
