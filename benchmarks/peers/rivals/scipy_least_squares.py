"""scipy.optimize.least_squares: MINPACK's Levenberg-Marquardt and the trust region, with an analytic Jacobian."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.optimize import least_squares

from benchmarks.peers.rivals.problem import Problem, Trace, Watch, watched

SQUARED_ERROR_ONLY = True
METHODS = {method: [{"x_scale": 1.0}, {"x_scale": "jac"}] for method in ("lm", "trf")}


def run(problem: Problem, budget: float, setting: dict[str, Any]) -> Trace:
    """Counts every Jacobian as an iteration, because SciPy asks for it only at accepted points."""

    def job(watch: Watch) -> None:
        def jacobian(theta: np.ndarray) -> np.ndarray:
            watch.note(theta)
            return problem.jacobian(theta)

        found = least_squares(
            problem.residuals, problem.theta, jacobian, method=setting["method"], x_scale=setting["x_scale"],
            ftol=1e-15, xtol=1e-15, gtol=1e-15, max_nfev=10**7,
        )  # fmt: skip
        watch.note(found.x)

    return watched(problem, budget, job)
