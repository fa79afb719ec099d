"""Our net in PyTorch at our start, which several rivals use."""

from __future__ import annotations

import numpy as np
import torch

from benchmarks.peers.rivals.problem import Problem


def module(
    problem: Problem, dtype: torch.dtype = torch.float64, activation: torch.nn.Module | None = None
) -> torch.nn.Module:
    """Linear, activation, linear."""
    W, W_o = problem.split(problem.theta)
    fixed = torch.nn.Tanh() if problem.activation == "tanh" else torch.nn.Sigmoid()
    first = torch.nn.Linear(W.shape[1] - 1, len(W), dtype=dtype)
    last = torch.nn.Linear(len(W), len(W_o), dtype=dtype)
    with torch.no_grad():
        for layer, weights in ((first, W), (last, W_o)):
            layer.weight.copy_(torch.from_numpy(weights[:, 1:]))
            layer.bias.copy_(torch.from_numpy(weights[:, 0]))
    return torch.nn.Sequential(first, activation or fixed, last)


def data(problem: Problem, dtype: torch.dtype = torch.float64) -> tuple[torch.Tensor, torch.Tensor]:
    t = torch.from_numpy(problem.t)
    return torch.from_numpy(problem.x).to(dtype), t if problem.classes else t.to(dtype)


def loss_of(problem: Problem) -> torch.nn.Module:
    """The mean over patterns and outputs. With M outputs it is E / M, which has the same minima."""
    return torch.nn.CrossEntropyLoss() if problem.classes else torch.nn.MSELoss()


def theta_of(model: torch.nn.Sequential) -> np.ndarray:
    with torch.no_grad():
        return np.concatenate(
            [
                torch.cat([layer.bias[:, None], layer.weight], dim=1).numpy().astype(np.float64).ravel()
                for layer in (model[0], model[-1])
            ]
        )


def shuffled(x: torch.Tensor, t: torch.Tensor, size: int | None) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """The batches of an epoch. If size is None, a single batch holds all patterns."""
    if size is None:
        return [(x, t)]
    return [(x[rows], t[rows]) for rows in torch.randperm(len(x)).split(size)]
