"""One problem for all rivals: data, a net of one hidden layer without bypass, its start, and derivatives in plain NumPy.

theta holds the hidden weights (Nh, N+1), then the output weights (M, Nh+1). Thresholds come first, as in pwl.Network.
The error is the squared error E, summed over outputs, or the mean cross-entropy of classes.
"""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

import pwl

Trace = list[tuple[float, float]]
OURS = ("method", "start", "threads")  # keys of a setting that belong to the benchmark itself
MOST_POINTS = 400  # of a trace; its errors are computed off the clock, but take time, too


@dataclass(frozen=True)
class Problem:
    """x (Nv, N). t (Nv, M), or class numbers (Nv,). activation: "tanh" or "sigmoid". theta: the start."""

    x: np.ndarray
    t: np.ndarray
    hidden: int
    activation: str
    theta: np.ndarray

    @property
    def classes(self) -> bool:
        return self.t.ndim == 1

    @property
    def outputs_count(self) -> int:
        return int(self.t.max()) + 1 if self.classes else self.t.shape[1]

    def split(self, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """W (Nh, N+1) and W_o (M, Nh+1)."""
        first = self.hidden * (self.x.shape[1] + 1)
        return theta[:first].reshape(self.hidden, -1), theta[first:].reshape(-1, self.hidden + 1)

    def forward(self, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Hidden outputs (Nv, Nh) and outputs (Nv, M)."""
        W, W_o = self.split(theta)
        n = self.x @ W[:, 1:].T + W[:, 0]
        o = np.tanh(n) if self.activation == "tanh" else 0.5 * (1 + np.tanh(0.5 * n))
        return o, o @ W_o[:, 1:].T + W_o[:, 0]

    def slope(self, o: np.ndarray) -> np.ndarray:
        return 1 - o * o if self.activation == "tanh" else o * (1 - o)

    def residuals(self, theta: np.ndarray) -> np.ndarray:
        """y - t (Nv M,), pattern by pattern."""
        return (self.forward(theta)[1] - self.t).ravel()

    def jacobian(self, theta: np.ndarray) -> np.ndarray:
        """dy/dtheta (Nv M, P)."""
        (_, W_o), (o, y) = self.split(theta), self.forward(theta)
        Nv, M = y.shape
        X, B, f = one_and(self.x), one_and(o), self.slope(o)
        J = np.zeros((Nv, M, len(theta)))
        first = self.hidden * X.shape[1]
        for i in range(M):
            block = J[:, i, :first].reshape(Nv, self.hidden, -1)  # a view: nothing else is as large as J
            np.multiply((f * W_o[i, 1:])[:, :, None], X[:, None, :], out=block)
            J[:, i, first + i * B.shape[1] : first + (i + 1) * B.shape[1]] = B
        return J.reshape(Nv * M, -1)

    def error(self, theta: np.ndarray) -> float:
        return self.error_and_gradient(theta)[0]

    def error_and_gradient(self, theta: np.ndarray) -> tuple[float, np.ndarray]:
        """E and dE/dtheta by backpropagation."""
        (_, W_o), (o, y) = self.split(theta), self.forward(theta)
        Nv = len(y)
        if self.classes:
            y = y - y.max(axis=1, keepdims=True)
            log_sum = np.log(np.sum(np.exp(y), axis=1))
            E = float(np.mean(log_sum - y[np.arange(Nv), self.t]))
            d = np.exp(y - log_sum[:, None])
            d[np.arange(Nv), self.t] -= 1
        else:
            d = y - self.t
            E, d = float(np.sum(d * d)) / Nv, 2 * d
        delta = (d @ W_o[:, 1:]) * self.slope(o)
        gradient = [delta.T @ one_and(self.x), d.T @ one_and(o)]
        return E, np.concatenate([g.ravel() for g in gradient]) / Nv

    def network(self, activation: object = None) -> pwl.Network:
        """Our network at the start. If another activation is given, such as curves, an output step sets the output weights."""
        W, _ = self.split(self.theta)
        loss = "cross_entropy" if self.classes else "squared_error"
        net = pwl.Network.mlp(
            self.x.shape[1], self.hidden, self.outputs_count, activation or self.activation, bypass=False, loss=loss, W=W,
            net_control=False,
        )  # fmt: skip
        if activation is not None:
            return pwl.initialise(net, (self.x, self.t))
        return dataclasses.replace(net, theta=self.theta.copy(), initialised=True)


def started(
    x: np.ndarray, t: np.ndarray, hidden: int, activation: str, seed: int, W: np.ndarray | None = None
) -> Problem:
    """A problem that starts from net control and one output step. Hidden weights W, if given, replace those of net control."""
    loss, M = ("cross_entropy", int(t.max()) + 1) if t.ndim == 1 else ("squared_error", t.shape[1])
    net = pwl.Network.mlp(
        x.shape[1], hidden, M, activation, bypass=False, loss=loss, seed=seed, W=W, net_control=W is None
    )
    return Problem(x, t, hidden, activation, np.array(pwl.initialise(net, (x, t)).theta))


def drawn(problem: Problem, seed: int) -> Problem:
    """The same hidden weights, and output weights as PyTorch draws them, uniform within 1 / sqrt(Nh).

    If hidden units are alike, an output step can make output weights very large. Methods that move all weights at once
    then stall.
    """
    first, bound = problem.hidden * (problem.x.shape[1] + 1), problem.hidden**-0.5
    W_o = np.random.default_rng([seed, 1]).uniform(-bound, bound, len(problem.theta) - first)
    return dataclasses.replace(problem, theta=np.concatenate([problem.theta[:first], W_o]))


def one_and(a: np.ndarray) -> np.ndarray:
    return np.concatenate([np.ones((len(a), 1)), a], axis=1)


class OutOfTime(Exception):
    """The budget is spent."""


class Watch:
    """The clock of a run, which also notes weights. Their errors are computed afterwards, off the clock."""

    def __init__(self, problem: Problem, budget: float) -> None:
        self.problem, self.budget = problem, budget
        self.seen: list[tuple[float, np.ndarray]] = []
        self.begin = time.perf_counter()
        with contextlib.suppress(OutOfTime):
            self.note(problem.theta)

    def note(self, theta: np.ndarray) -> None:
        """Notes the weights after an iteration. Raises OutOfTime when the budget is spent."""
        now = time.perf_counter() - self.begin
        self.seen.append((now, np.array(theta, dtype=np.float64)))
        if now > self.budget:
            raise OutOfTime

    def trace(self) -> Trace:
        return [(now, self.problem.error(theta)) for now, theta in thinned(self.seen)]


def watched(problem: Problem, budget: float, job: Callable[[Watch], object]) -> Trace:
    """The trace of a job that notes its weights on a Watch."""
    watch = Watch(problem, budget)
    with contextlib.suppress(OutOfTime):
        job(watch)
    return counted(watch.trace(), len(watch.seen) - 1)


class Counted(list):
    """A trace with the number of iterations from which it was thinned."""

    iterations = 0


def counted(trace: Trace, iterations: int) -> Trace:
    found = Counted(trace)
    found.iterations = iterations
    return found


def thinned(points: list, most: int = MOST_POINTS) -> list:
    """At most `most` of the points: the first, the last, and others that are denser at the beginning."""
    if len(points) <= most:
        return points
    places = np.unique(np.geomspace(1, len(points), most).astype(int)) - 1
    return [points[place] for place in places]
