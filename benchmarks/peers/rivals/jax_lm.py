"""Levenberg-Marquardt in JAX as its users write it: J by reverse mode, a whole step compiled, float64."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.peers.rivals.problem import Problem, Trace, Watch, watched

SQUARED_ERROR_ONLY = True
METHODS: dict[str, list[dict[str, Any]]] = {"lm": [{}]}
State = tuple[Any, Any]  # theta and mu

jax.config.update("jax_enable_x64", True)


def run(problem: Problem, budget: float, setting: dict[str, Any]) -> Trace:
    """Notes every step, until it stands still."""
    step, start = compiled(problem)

    def job(watch: Watch) -> None:
        state = start
        while float(state[1]) < 1e10:
            state = step(state)
            watch.note(np.asarray(state[0]))

    step(start)[0].block_until_ready()
    return watched(problem, budget, job)


def compiled(problem: Problem) -> tuple[Callable[[State], State], State]:
    """A compiled step (theta, mu) -> (theta, mu) by Cholesky, and its start.

    A step that would raise the error is not taken. The ratio of the real to the foreseen decrease sets mu.
    """
    x, t = jnp.asarray(problem.x), jnp.asarray(problem.t)
    f = jnp.tanh if problem.activation == "tanh" else jax.nn.sigmoid
    Nv, first = len(x), problem.hidden * (x.shape[1] + 1)

    def outputs(theta: Any, one: Any) -> Any:
        W, W_o = theta[:first].reshape(problem.hidden, -1), theta[first:].reshape(-1, problem.hidden + 1)
        return W_o[:, 1:] @ f(W[:, 1:] @ one + W[:, 0]) + W_o[:, 0]

    def residuals(theta: Any) -> Any:
        return (jax.vmap(outputs, (None, 0))(theta, x) - t).reshape(-1)

    def step(state: State) -> State:
        theta, mu = state
        r, J = residuals(theta), jax.vmap(jax.jacrev(outputs), (None, 0))(theta, x).reshape(-1, len(theta))
        A, g = J.T @ J / Nv, J.T @ r / Nv
        d = -jax.scipy.linalg.cho_solve(jax.scipy.linalg.cho_factor(A + mu * jnp.eye(len(A)), lower=True), g)
        new = residuals(theta + d)
        decrease = (r @ r - new @ new) / Nv
        shrunk = mu * jnp.maximum(1 / 3, 1 - (2 * decrease / (mu * d @ d - g @ d) - 1) ** 3)
        return jnp.where(decrease > 0, theta + d, theta), jnp.where(decrease > 0, shrunk, 4 * mu)

    return jax.jit(step), (jnp.asarray(problem.theta), jnp.asarray(1e-3))
