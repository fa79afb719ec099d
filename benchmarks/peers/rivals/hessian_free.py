"""hessianfree (BSD): Martens's Hessian-free optimisation in NumPy."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import hessianfree as hf

from benchmarks.peers.rivals.problem import Problem, Trace, Watch, watched

METHODS = {
    "hf": [
        {"CG_iter": iterations, "init_damping": damping} for iterations in (100, 250) for damping in (0.1, 1.0, 10.0)
    ]
}


def run(problem: Problem, budget: float, setting: dict[str, Any]) -> Trace:
    """Notes every epoch, which is one update here. The optimiser goes on with its damping from call to call."""
    W, W_o = problem.split(problem.theta)
    flat = np.concatenate([part.ravel() for V in (W, W_o) for part in (V[:, 1:].T, V[:, 0])])
    hidden = hf.nl.Tanh() if problem.activation == "tanh" else hf.nl.Logistic()
    last, loss = (
        (hf.nl.Softmax(), hf.loss_funcs.CrossEntropy())
        if problem.classes
        else (hf.nl.Linear(), hf.loss_funcs.SquaredError())
    )
    net = hf.FFNet(
        [problem.x.shape[1], problem.hidden, problem.outputs_count], [hf.nl.Linear(), hidden, last], loss_type=loss,
        load_weights=flat, rng=np.random.RandomState(0), dtype=np.float64,
    )  # fmt: skip
    optimiser = hf.opt.HessianFree(setting["CG_iter"], setting["init_damping"], plotting=False)
    t = np.eye(problem.outputs_count)[problem.t] if problem.classes else problem.t

    def job(watch: Watch) -> None:
        while True:
            net.run_epochs(problem.x, t, optimiser, max_epochs=1, target_err=0.0, print_period=None)
            watch.note(theta_of(net))

    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return watched(problem, budget, job)


def theta_of(net: Any) -> np.ndarray:
    parts = []
    for place in (0, 1):
        V, b = net.get_weights(net.W, (place, place + 1))
        parts.append(np.column_stack([b, V.T]).ravel())
    return np.concatenate(parts)
