"""Bayesian regularisation: Levenberg-Marquardt on E and |w|^2, weighed by their evidence, Eq. (52)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from pwl.algorithms import multiplies_lm as costs
from pwl.algorithms.all_weights import trained
from pwl.algorithms.lm import MAX_BYTES, along, lm_step, measured_error
from pwl.errors import InputError
from pwl.network.network import Network
from pwl.reductions.jacobian import check_bytes, system
from pwl.reductions.patterns import Patterns
from pwl.runtime.backend import Array, host
from pwl.runtime.threads import single_threaded_blas
from pwl.solvers.levenberg_marquardt import Damping, Normal

PACE = 3.0
SMALLEST = 1e-8  # lambda at first, relative to the mean squared norm of J's columns


@dataclass(frozen=True)
class BayesianLM:
    """LM on E + lambda |w|^2 with lambda from the evidence (MacKay 1992; Foresee & Hagan 1997), as MATLAB's trainbr.

    After each step gamma = P - lambda tr (J'J + lambda I)^-1 is the number of weights that the data determine, alpha =
    gamma / (2 |w|^2), beta = (n - gamma) / (2 Nv E), and lambda goes towards alpha / (beta Nv) by at most a factor of three.
    No validation data are needed: without them the network of the highest evidence is the one returned.
    mu to max_bytes as in `LM`. Squared error only.
    """

    mu: float = 5e-3
    mu_increase: float = 10.0
    mu_decrease: float = 0.1
    mu_max: float = 1e10
    schedule: str = "fixed"
    train_curves: bool = False
    max_bytes: float = MAX_BYTES
    full_batch: ClassVar[bool] = True
    watched: ClassVar[str] = "negative_log_evidence"

    def __post_init__(self) -> None:
        self.damping.start(0)

    @property
    def damping(self) -> Damping:
        return Damping(self.mu, self.mu_increase, self.mu_decrease, self.mu_max, "identity", self.schedule)

    def init(self, net: Network, patterns: Patterns, key: int) -> dict[str, Any]:
        if not net.loss.quadratic:
            raise InputError("BayesianLM weighs squared errors against |w|^2: use it with loss='squared_error'")
        keys = trained(net, self.train_curves)
        n = weights(net, keys).size
        check_bytes(n, self.max_bytes, "BayesianLM")
        return self.damping.start(n) | {"lambda": 0.0}

    def measure(self, net: Network, patterns: Patterns, state: dict[str, Any]) -> tuple[Array, dict[str, Any]]:
        return measured_error(net, patterns, state)

    def step(
        self, net: Network, patterns: Patterns, state: dict[str, Any]
    ) -> tuple[Network, dict[str, Any], dict[str, Any]]:
        start, keys = net, trained(net, self.train_curves)
        A, g = (state["A"], state["g"]) if "A" in state else system(net, patterns, keys, "cholesky")
        w, weight = weights(net, keys), state["lambda"]
        equations = Normal(A + weight * np.eye(len(w)), g - weight * w)

        def penalty(at: Network) -> float:
            return weight * float(np.sum(weights(at, keys) ** 2))

        net, state, info = lm_step(
            net, patterns, equations, self.damping, state, lambda e: along(start, keys, e), penalty
        )
        if "stop" not in info:
            A, g = system(net, patterns, keys, "cholesky")
        E = float(state["scores"][0])
        belief = evidence(A, E, weights(net, keys), weight, patterns.total_weight(), net.n_outputs)
        state = state | {"A": A, "g": g, "lambda": followed(weight, belief["lambda"], A)}
        return net, state, info | belief | {"lambda": weight, "objective": E + penalty(net)}

    def multiplies(self, net: Network, Nv: int) -> tuple[float, float]:
        """Multiplies of one step with one trial, and the eigenvalues that the evidence asks for (about 4 P^3 / 3)."""
        keys = trained(net, self.train_curves)
        eigenvalues = 4 * weights(net, keys).size ** 3 / 3
        return costs.lm(net, Nv) + eigenvalues, costs.own_lm(net, Nv, keys, "cholesky") + eigenvalues


def followed(weight: float, wanted: float, A: np.ndarray) -> float:
    """lambda on its way to what the evidence asks for, at most PACE times larger or smaller in an iteration.

    While the fit is poor, all of it looks like noise: a lambda that jumped there would shrink the weights to nothing, which is a
    maximum of the evidence, too.
    """
    smallest = SMALLEST * float(np.trace(A)) / len(A)
    return min(max(wanted, weight / PACE), max(weight * PACE, smallest))


def evidence(A: np.ndarray, E: float, w: np.ndarray, weight: float, Nv: float, M: int) -> dict[str, float]:
    """The weight lambda of |w|^2 re-estimated, and the evidence for it, Eq. (52).

    A (P, P): J'J; w (P,); weight: lambda so far; Nv patterns of M outputs.
    Returns "lambda", "effective_parameters" (gamma), "alpha", "beta" and "negative_log_evidence" (lower is better).
    """
    P, n = len(w), Nv * M
    with single_threaded_blas():
        a = np.clip(np.linalg.eigvalsh(A), 0, None)
    gamma = float(np.sum(np.divide(a, a + weight, out=np.zeros(P), where=a > 0)))
    alpha = gamma / (2 * float(w @ w))
    beta = max(n - gamma, 1.0) / (2 * Nv * max(E, np.finfo(float).tiny))  # at least one degree of freedom is noise
    misfit = beta * Nv * E + alpha * float(w @ w)
    volume = 0.5 * float(np.sum(np.log(2 * beta * Nv * a + 2 * alpha))) - P / 2 * math.log(2 * alpha)
    return {
        "lambda": alpha / (beta * Nv), "effective_parameters": gamma, "alpha": alpha, "beta": beta,
        "negative_log_evidence": misfit + volume - n / 2 * math.log(beta / math.pi),
    }  # fmt: skip


def weights(net: Network, keys: tuple[str, ...]) -> np.ndarray:
    """The parameters `keys` as one vector (P,) on the host."""
    return np.concatenate([host(net.parts[key]).astype(np.float64).reshape(-1) for key in keys])
