"""torch-levenberg-marquardt (MIT): its published defaults, in float32 and float64, all patterns at once or in batches."""

from __future__ import annotations

import logging
from typing import Any

import torch
import torch_levenberg_marquardt as tlm

from benchmarks.peers.rivals.problem import Problem, Trace, Watch, watched
from benchmarks.peers.rivals.torch_net import data, module, shuffled, theta_of

METHODS = {
    "lm": [
        {"dtype": "float64", "solver": "qr", "batch": None},
        {"dtype": "float64", "solver": "cholesky", "batch": None},
        {"dtype": "float64", "solver": "solve", "batch": None},
        {"dtype": "float32", "solver": "qr", "batch": None},
    ]
}


def run(problem: Problem, budget: float, setting: dict[str, Any]) -> Trace:
    """Notes every epoch. Classes use the program's square root trick."""
    torch.manual_seed(0)
    if setting.get("threads"):
        torch.set_num_threads(setting["threads"])
    train, x, t = trainer(problem, setting)

    def job(watch: Watch) -> None:
        while True:
            stop = False
            for batch in shuffled(x, t, setting["batch"]):
                if len(batch[0]) == (setting["batch"] or len(x)):  # it accepts batches of one size only
                    stop = train.training_step(*batch)[2] or stop
            watch.note(theta_of(train.model))
            if stop:
                return

    return watched(problem, budget, job)


def trainer(problem: Problem, setting: dict[str, Any]) -> tuple[Any, torch.Tensor, torch.Tensor]:
    """The program's training module, and the data."""
    logging.getLogger("torch_levenberg_marquardt").setLevel(logging.ERROR)  # not every failed factorisation
    dtype = getattr(torch, setting["dtype"])
    model, (x, t) = module(problem, dtype), data(problem, dtype)
    loss = tlm.loss.CrossEntropyLoss() if problem.classes else tlm.loss.MSELoss()
    return tlm.training.LevenbergMarquardtModule(model, loss, solve_method=setting["solver"]), x, t
