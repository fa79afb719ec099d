"""Bayesian regularisation: Levenberg-Marquardt on E and |w|^2, weighed by their evidence, Eq. (52)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np

from pwl.algorithms import multiplies
from pwl.algorithms.algorithm import Algorithm, Info, Step
from pwl.algorithms.all_weights import trained
from pwl.algorithms.lm import MAX_BYTES, Trial, along, lm_step, measured_error
from pwl.algorithms.options import flat
from pwl.errors import InputError
from pwl.network.network import Network
from pwl.reductions.jacobian import check_bytes, system
from pwl.reductions.patterns import Patterns
from pwl.runtime.backend import Array, host
from pwl.runtime.threads import single_threaded_blas
from pwl.solvers.levenberg_marquardt import Damping, Normal
from pwl.validate import positive

PACE = 3.0
SMALLEST = 1e-8  # lambda at first, relative to the mean squared norm of J's columns


class BayesianLMState(NamedTuple):
    """mu, nu, Q, scores: as in `LMState`. lambda_: the weight of |w|^2. A, g: J'J and J'r at the network at hand, if known."""

    mu: float
    nu: float
    Q: np.ndarray
    scores: Array = None
    lambda_: float = 0.0
    A: Any = None
    g: Any = None


@flat("damping")
@dataclass(frozen=True)
class BayesianLM(Algorithm):
    """LM on E + lambda |w|^2 with lambda from the evidence (MacKay 1992; Foresee & Hagan 1997), as MATLAB's trainbr.

    After each step gamma = P - lambda tr (J'J + lambda I)^-1 is the number of weights that the data determine, alpha =
    gamma / (2 |w|^2), beta = (n - gamma) / (2 Nv E), and lambda goes towards alpha / (beta Nv) by at most a factor of three.
    No validation data are needed: without them the network of the highest evidence is the one returned.

    Parameters
    ----------
    train_curves, max_bytes
        As in `LM`.
    damping : pwl.Damping
        May be given flat, as in `LM`; its scaling is "identity".

    Raises
    ------
    InputError
        For numbers that can't be; in training for cross-entropy, and if the system would take more than max_bytes.
    """

    train_curves: bool = False
    max_bytes: float = MAX_BYTES
    damping: Damping = Damping(mu=5e-3)
    State: ClassVar[type] = BayesianLMState
    full_batch: ClassVar[bool] = True
    shares_pass: ClassVar[bool] = True
    watched: ClassVar[str] = "negative_log_evidence"

    def __post_init__(self) -> None:
        positive("max_bytes", self.max_bytes)
        if self.damping.scaling != "identity":
            raise InputError('BayesianLM penalises all weights alike: its damping has scaling="identity"')

    def init(self, net: Network, patterns: Patterns, key: int) -> BayesianLMState:
        if not net.loss.quadratic:
            raise InputError("BayesianLM weighs squared errors against |w|^2: use it with loss='squared_error'")
        n = net.layout.size_of(trained(net, self.train_curves))
        check_bytes(n, self.max_bytes, "BayesianLM")
        return BayesianLMState(*self.damping.start(n))

    def measure(self, net: Network, patterns: Patterns, state: BayesianLMState) -> tuple[Array, BayesianLMState]:
        return measured_error(net, patterns, state)

    def step(self, net: Network, patterns: Patterns, state: BayesianLMState) -> Step:
        start, keys = net, trained(net, self.train_curves)
        A, g = system(net, patterns, keys, "cholesky") if state.A is None else (state.A, state.g)
        w, weight = weights(net, keys), state.lambda_

        def penalty(at: Network) -> float:
            return weight * float(np.sum(weights(at, keys) ** 2))

        equations = Normal(A + weight * np.eye(len(w)), g - weight * w)
        trial = Trial(patterns, lambda e: along(start, keys, e), penalty)
        net, state, series, _, stop = lm_step(net, trial, equations, self.damping, state)
        if stop is None:
            A, g = system(net, patterns, keys, "cholesky")
        E = float(state.scores[0])
        belief = evidence(A, E, weights(net, keys), weight, patterns.total_weight(), net.n_outputs)
        state = state._replace(A=A, g=g, lambda_=followed(weight, belief["lambda"], A))
        series |= belief | {"lambda": weight, "objective": E + penalty(net)}
        return Step(net, state, series, Info(A=A, g=g), stop)

    def multiplies(self, net: Network, Nv: int) -> tuple[float, float]:
        return multiplies.bayesian_lm(net, Nv, trained(net, self.train_curves))


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
