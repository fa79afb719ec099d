"""Trainable curves in PyTorch, by gather, trained with Adam, as a counterpart of AdAct in a framework."""

from __future__ import annotations

import contextlib
from typing import Any

import numpy as np
import torch

import pwl
from benchmarks.peers.rivals.problem import OutOfTime, Problem, Trace, Watch, counted, thinned
from benchmarks.peers.rivals.torch_net import data, loss_of, module, shuffled

RATES = (0.001, 0.003, 0.01, 0.03)
METHODS = {"curves-adam": [{"lr": rate, "batch": batch} for batch in (None, 32) for rate in RATES]}
HINGES = 13


class Curves(torch.nn.Module):
    """Ordinates A (Nh, K) over uniform hinges, constant outside."""

    def __init__(self, A: np.ndarray, first: float, last: float) -> None:
        super().__init__()
        self.A, self.first, self.step = torch.nn.Parameter(torch.tensor(A)), first, (last - first) / (A.shape[1] - 1)

    def forward(self, n: torch.Tensor) -> torch.Tensor:
        K = self.A.shape[1]
        u = ((n - self.first) / self.step).clamp(0, K - 1)
        m = u.detach().floor().clamp(max=K - 2).long()
        left, right = self.A.T.gather(0, m), self.A.T.gather(0, m + 1)
        return left + (u - m) * (right - left)


def run(problem: Problem, budget: float, setting: dict[str, Any]) -> Trace:
    torch.manual_seed(0)
    start = problem.network(pwl.PiecewiseLinear(problem.activation, HINGES))
    ns = start.buffers["1.ns"]
    curves = Curves(np.array(start.A), float(ns[0, 0]), float(ns[0, -1]))
    same_start = Problem(problem.x, problem.t, problem.hidden, problem.activation, flat(start))
    model, (x, t), loss = module(same_start, activation=curves), data(problem), loss_of(problem)
    optimiser = torch.optim.Adam(model.parameters(), lr=setting["lr"])
    states: list[dict[str, torch.Tensor]] = []

    class Notes(Watch):
        """Notes the number of a saved state instead of weights, because the net with curves has more of them than theta."""

        def note(self, theta: Any) -> None:
            states.append({key: value.clone() for key, value in model.state_dict().items()})
            super().note(np.array([len(states) - 1]))

    def epochs(watch: Watch) -> None:
        while True:
            for inputs, wanted in shuffled(x, t, setting["batch"]):
                optimiser.zero_grad()
                loss(model(inputs), wanted).backward()
                optimiser.step()
            watch.note(None)

    def error(number: float) -> float:
        model.load_state_dict(states[int(number)])
        with torch.no_grad():
            return float(loss(model(x), t)) * (1 if problem.classes else problem.outputs_count)

    watch = Notes(problem, budget)
    with contextlib.suppress(OutOfTime):
        epochs(watch)
    return counted([(now, error(number[0])) for now, number in thinned(watch.seen)], len(watch.seen) - 1)


def flat(net: pwl.Network) -> np.ndarray:
    return np.concatenate([np.ravel(net.W), np.ravel(net.W_o)])
