"""Bayesian regularisation: Levenberg-Marquardt on E + lambda |w|^2 with lambda from the evidence, Eq. (52)."""

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
SMALLEST = 1e-8  # the first lambda, relative to the mean squared norm of J's columns


class BayesianLMState(NamedTuple):
    """mu, nu, Q, scores: as in `LMState`. lambda_: the weight of |w|^2. A, g: J'J and J'r of the present network, if known."""

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
    """Trains by LM on E + lambda |w|^2 with lambda from the evidence (MacKay 1992; Foresee & Hagan 1997), Eq. (52).

    This is MATLAB's trainbr. After each step gamma = P - lambda tr (J'J + lambda I)^-1 is the number of weights that the data
    determine. With alpha = gamma / (2 |w|^2) and beta = (n - gamma) / (2 Nv E), lambda moves towards alpha / (beta Nv), by a
    factor of three at most. Validation data are not needed. Without them, `train` returns the network of the highest evidence.

    Parameters
    ----------
    train_curves : bool
        Whether the curves' ordinates are trained, too.
    max_bytes : float
        Limit on the memory of J'J and its factors, in bytes.
    damping : pwl.Damping
        Can also be given as single options, as in `LM`. Its scaling must be "identity".

    Raises
    ------
    InputError
        If a number is out of range. In training, for cross-entropy, or if the system would take more than max_bytes.
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
            raise InputError('BayesianLM penalises all weights alike: its damping must have scaling="identity"')

    def init(self, net: Network, patterns: Patterns, key: int) -> BayesianLMState:
        if not net.loss.quadratic:
            raise InputError("BayesianLM weighs squared errors against |w|^2: use it with loss='squared_error'")
        n = net.layout.size_of(trained(net, self.train_curves))
        check_bytes(n, self.max_bytes, "BayesianLM")
        return BayesianLMState(*self.damping.start(n))

    def check(self, net: Network) -> None:
        check_bytes(net.layout.size_of(trained(net, self.train_curves)), self.max_bytes, "BayesianLM")

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
    """The next lambda on the way to `wanted`, the optimum of the evidence. It changes by a factor of PACE at most.

    While the fit is poor, everything looks like noise. A lambda that jumped to `wanted` would then shrink the weights to
    nothing, which is also a maximum of the evidence.
    """
    smallest = SMALLEST * float(np.trace(A)) / len(A)
    return min(max(wanted, weight / PACE), max(weight * PACE, smallest))


def evidence(A: np.ndarray, E: float, w: np.ndarray, weight: float, Nv: float, M: int) -> dict[str, float]:
    """A new estimate of the weight lambda of |w|^2, and the evidence for the present one, Eq. (52).

    A (P, P): J'J. w (P,): weights. weight: the present lambda. Nv, M: numbers of patterns and of outputs.
    Returns "lambda", "effective_parameters" (gamma), "alpha", "beta" and "negative_log_evidence" (lower is better).
    """
    P, n = len(w), Nv * M
    with single_threaded_blas():
        a = np.clip(np.linalg.eigvalsh(A), 0, None)
    gamma = float(np.sum(np.divide(a, a + weight, out=np.zeros(P), where=a > 0)))
    alpha = gamma / (2 * float(w @ w))
    beta = max(n - gamma, 1.0) / (2 * Nv * max(E, np.finfo(float).tiny))  # at least one degree of freedom is noise
    misfit = beta * Nv * E + alpha * float(w @ w)
    volume = 0.5 * float(np.sum(np.log(2 * beta * Nv * a + 2 * alpha))) - P / 2 * float(np.log(2 * alpha))
    return {
        "lambda": alpha / (beta * Nv), "effective_parameters": gamma, "alpha": alpha, "beta": beta,
        "negative_log_evidence": misfit + volume - n / 2 * float(np.log(beta / math.pi)),
    }  # fmt: skip


def weights(net: Network, keys: tuple[str, ...]) -> np.ndarray:
    """The parameters `keys` as one vector (P,) on the host."""
    return np.concatenate([host(net.parts[key]).astype(np.float64).reshape(-1) for key in keys])
