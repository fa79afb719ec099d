"""PyTorch's Adam and L-BFGS on the same net."""

from __future__ import annotations

from typing import Any

import torch

from benchmarks.peers.rivals.problem import Problem, Trace, Watch, watched
from benchmarks.peers.rivals.torch_net import data, loss_of, module, shuffled, theta_of

RATES = (0.001, 0.003, 0.01, 0.03)
METHODS = {
    "adam": [{"lr": rate, "batch": batch} for batch in (None, 32) for rate in RATES],
    "lbfgs": [{"history_size": m} for m in (10, 30, 100)],
}


def run(problem: Problem, budget: float, setting: dict[str, Any]) -> Trace:
    """Notes every epoch of Adam, or every iteration of L-BFGS."""
    torch.manual_seed(0)
    model, (x, t), loss = module(problem), data(problem), loss_of(problem)

    def backward(inputs: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
        optimiser.zero_grad()
        value = loss(model(inputs), wanted)
        value.backward()
        return value

    def adam(watch: Watch) -> None:
        while True:
            for batch in shuffled(x, t, setting["batch"]):
                backward(*batch)
                optimiser.step()
            watch.note(theta_of(model))

    def lbfgs(watch: Watch) -> None:
        before, still = theta_of(model), 0
        while still < 10:  # it may go on after a failed line search
            optimiser.step(lambda: backward(x, t))
            watch.note(now := theta_of(model))
            before, still = now, still + 1 if (now == before).all() else 0

    if setting["method"] == "adam":
        optimiser: Any = torch.optim.Adam(model.parameters(), lr=setting["lr"])
        return watched(problem, budget, adam)
    optimiser = torch.optim.LBFGS(
        model.parameters(), max_iter=1, max_eval=100, history_size=setting["history_size"], line_search_fn="strong_wolfe",
        tolerance_grad=0.0, tolerance_change=0.0,
    )  # fmt: skip
    return watched(problem, budget, lbfgs)
