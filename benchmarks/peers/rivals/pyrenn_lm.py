"""pyrenn's train_LM, for tanh only.

pyrenn is GPL. The benchmarks run this file as a program of its own, and no part of pwl imports it.
"""

from __future__ import annotations

import contextlib
import io
import itertools
from typing import Any

import numpy as np
import pyrenn

from benchmarks.peers.rivals.problem import Problem, Trace, Watch, watched

SQUARED_ERROR_ONLY = True
TANH_ONLY = True
METHODS = {"lm": [{"dampfac": damping, "dampconst": factor} for damping in (3.0, 0.1) for factor in (10.0, 3.0)]}


class Noted(dict):
    """pyrenn's net, which is a dictionary. It reports new weights, because pyrenn has no callback."""

    watch: Watch | None = None

    def __setitem__(self, key: str, value: Any) -> None:
        super().__setitem__(key, value)
        if key == "w" and self.watch is not None:
            self.watch.note(theta_of(value, self["nn"]))


def run(problem: Problem, budget: float, setting: dict[str, Any]) -> Trace:
    """Notes every trial, including those that are rejected."""
    net = network(problem)

    def job(watch: Watch) -> None:
        net.watch = watch
        with contextlib.redirect_stdout(io.StringIO()):
            pyrenn.train_LM(
                problem.x.T, problem.t.T, net, k_max=10**5, E_stop=0.0,
                dampfac=setting["dampfac"], dampconst=setting["dampconst"],
            )  # fmt: skip

    with np.errstate(all="ignore"):
        return watched(problem, budget, job)


def network(problem: Problem) -> Noted:
    """pyrenn's net at our start, without its own scaling."""
    net = Noted(pyrenn.CreateNN([problem.x.shape[1], problem.hidden, problem.t.shape[1]]))
    net["normP"], net["normY"] = np.ones(problem.x.shape[1]), np.ones(problem.t.shape[1])
    net["w"] = np.concatenate([p for V in problem.split(problem.theta) for p in (V[:, 1:].ravel(order="F"), V[:, 0])])
    return net


def theta_of(w: np.ndarray, shape: list[int]) -> np.ndarray:
    parts, first = [], 0
    for inputs, units in itertools.pairwise(shape):
        V = w[first : first + inputs * units].reshape(units, inputs, order="F")
        b = w[first + inputs * units : first + (inputs + 1) * units]
        parts.append(np.column_stack([b, V]).ravel())
        first += (inputs + 1) * units
    return np.concatenate(parts)
