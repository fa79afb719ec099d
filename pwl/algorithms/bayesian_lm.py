"""Bayesian regularisation: Levenberg-Marquardt on E + lambda |w|^2 with lambda from the evidence, Eqs. (52), (79)-(81)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np

from pwl.algorithms import multiplies
from pwl.algorithms.algorithm import Algorithm, Info, Step, Stop
from pwl.algorithms.all_weights import shape_of_scores, trained
from pwl.algorithms.lm import MAX_BYTES, Trial, along, lm_step, measured_error
from pwl.algorithms.options import flat
from pwl.algorithms.posterior import Groups, Size, groups_of, many_groups, one_group, spread
from pwl.errors import InputError
from pwl.network.network import Network
from pwl.reductions.correlations import known_shares
from pwl.reductions.jacobian import check_bytes, check_row_bytes, system, wide_system
from pwl.reductions.patterns import Patterns
from pwl.runtime.backend import Array, host
from pwl.solvers.levenberg_marquardt import Damping, Normal, Wide
from pwl.validate import not_negative, one_of, positive, shown, whole

PACE = 3.0
SMALLEST = 1e-8  # the first lambda, relative to the mean squared norm of J's columns
GROUPS = ("one", "layers", "inputs")
SOLVERS = ("cholesky", "rows")
EVIDENCES = ("eigenvalues", "factors")
STALLED = 10  # iterations without a gain of -log p that end a start
GAIN = 0.1  # of -log p: a model 1.1 times as probable
STARTS = (1.0, 0.1, 0.01, 0.0)  # large ones first: their maxima of the evidence are found soon, and are often the higher ones


class BayesianLMState(NamedTuple):
    """mu, nu, Q, scores: as in `LMState`. lambda_: the weight of |w|^2, or one per group. A, g: J'J, or J, and J'r here, if known.

    start: number of the present start. theta: the parameters from which every start begins. best, since: the lowest -log p of
    this start, and the number of iterations since then. over: whether this start has ended.
    """

    mu: float
    nu: float
    Q: np.ndarray
    scores: Array = None
    lambda_: Any = 0.0
    A: Any = None
    g: Any = None
    start: int = 0
    theta: Array = None
    best: float = math.inf
    since: int = 0
    over: bool = False


@flat("damping")
@dataclass(frozen=True)
class BayesianLM(Algorithm):
    """Trains by LM on E + lambda |w|^2 with lambda from the evidence (MacKay 1992; Foresee & Hagan 1997), Eqs. (52), (79).

    This is MATLAB's trainbr. After each step gamma = P - lambda tr (J'J + lambda I)^-1 is the number of weights that the data
    determine. With alpha = gamma / (2 |w|^2) and beta = (n - gamma) / (2 Nv E), lambda moves towards alpha / (beta Nv), by a
    factor of three at most. Under cross-entropy beta is 1. Validation data are not needed. Without them, `train` returns the
    network of the highest evidence.

    The evidence has several maxima, and a lambda that begins near 0 often ends in one where the network overfits. With several
    `starts`, a start that no longer gains ends, and the next one begins from the first network: give enough iterations.

    Parameters
    ----------
    train_curves : bool
        Whether the curves' ordinates are trained, too.
    max_bytes : float
        Limit on the memory of J'J and its factors, in bytes.
    damping : pwl.Damping
        Can also be given as single options, as in `LM`. Its scaling must be "identity".
    starts : tuple of float
        The first lambda of each start, as a multiple of the mean squared norm of J's columns. `pwl.BayesianLM.STARTS` is
        (1, 0.1, 0.01, 0).
    patience : int, optional
        Iterations without a gain of 0.1 in the evidence's logarithm that end a start. By default 10 of several starts, and of a
        single one no number.
    groups : {"one", "layers", "inputs"}
        "one" is one lambda for all weights. "layers" has one for the thresholds, for the weights of each layer, for the curves, and
        for the constants, the bypass and the features of the outputs, Eq. (80). "inputs" is "layers" with one for each input of
        the first layer.
    evidence : {"eigenvalues", "factors"}
        The way to the evidence of one lambda. "factors" is several times faster, and loses digits only if lambda is so small that
        J'J + lambda I is all but singular. Several groups always take it.
    solver : {"cholesky", "rows"}
        "rows" works with J itself, which is much faster for fewer residuals than weights, Eq. (81).

    Raises
    ------
    InputError
        If a number is out of range, or for an unknown word. In training, if the system would take more than max_bytes.
    """

    train_curves: bool = False
    max_bytes: float = MAX_BYTES
    damping: Damping = Damping(mu=5e-3)
    starts: tuple[float, ...] = (0.0,)
    patience: int | None = None
    groups: str = "one"
    evidence: str = "eigenvalues"
    solver: str = "cholesky"
    STARTS: ClassVar[tuple[float, ...]] = STARTS
    State: ClassVar[type] = BayesianLMState
    full_batch: ClassVar[bool] = True
    shares_pass: ClassVar[bool] = True
    watched: ClassVar[str] = "negative_log_evidence"

    def __post_init__(self) -> None:
        positive("max_bytes", self.max_bytes)
        if self.damping.scaling != "identity":
            raise InputError('BayesianLM penalises all weights alike: its damping must have scaling="identity"')
        if not isinstance(self.starts, tuple) or not self.starts:
            raise InputError(f"starts must be a tuple of one number or more, not {shown(self.starts)}")
        for start in self.starts:
            not_negative("a start", start)
        if self.patience is not None:
            whole("patience", self.patience, unit=" of iterations", also=", or None")
        one_of("groups", self.groups, GROUPS)
        one_of("evidence", self.evidence, EVIDENCES)
        one_of("solver", self.solver, SOLVERS)

    def init(self, net: Network, patterns: Patterns, key: int) -> BayesianLMState:
        if not net.loss.evidence:
            raise InputError(
                f"BayesianLM needs the probability of the targets, but loss={net.loss.name!r} has none: use pwl.LM(l2=...)"
            )
        n = net.layout.size_of(trained(net, self.train_curves))
        if self.solver == "rows":
            check_row_bytes(min(patterns.count() * net.n_outputs, n), n, self.max_bytes, "BayesianLM")
        else:
            check_bytes(n, self.max_bytes, "BayesianLM")
        state = BayesianLMState(*self.damping.start(n))
        if self.starts == (0.0,) and self.groups == "one":
            return state
        return self._begun(net, patterns, state, 0)

    def check(self, net: Network) -> None:
        if self.solver == "cholesky":  # that of the rows depends on the patterns, too
            check_bytes(net.layout.size_of(trained(net, self.train_curves)), self.max_bytes, "BayesianLM")

    def shapes(self, net: Network) -> dict[str, Any]:
        keys = trained(net, self.train_curves)
        n = net.layout.size_of(keys)
        A, groups = ("rows" if self.solver == "rows" else n, n), len(self.indices(net, keys))
        return {"Q": (n,), "A": A, "g": (n,), "lambda_": (groups,), "theta": net.theta.shape, "scores": shape_of_scores(net)}

    def measure(self, net: Network, patterns: Patterns, state: BayesianLMState) -> tuple[Array, BayesianLMState]:
        return measured_error(net, patterns, state)

    def step(self, net: Network, patterns: Patterns, state: BayesianLMState) -> Step:
        if state.over:
            net = net.with_theta(state.theta)
            state = self._begun(net, patterns, state, state.start + 1)
        start, keys = net, trained(net, self.train_curves)
        groups, lambdas = self.indices(net, keys), np.atleast_1d(state.lambda_)
        at = self._system(net, patterns, keys) if state.A is None else self._known(state)

        def penalty(there: Network) -> float:
            w = weights(there, keys)
            return sum(float(weight) * float(np.sum(w[g] ** 2)) for weight, g in zip(lambdas, groups, strict=True))

        equations = at.penalised(spread(lambdas, groups, len(at.g)), weights(net, keys))
        trial = Trial(patterns, lambda e: along(start, keys, e), penalty)
        net, state, series, _, stop = lm_step(net, trial, equations, self.damping, state)
        if stop is None:
            at = self._system(net, patterns, keys)
        known = float(np.sum(known_shares(net, patterns)))
        E, size = float(state.scores[0]), Size(patterns.total_weight(), known, net.loss.quadratic)
        estimate = one_group if self.groups == "one" and self.evidence == "eigenvalues" else many_groups
        found = estimate(at, E, weights(net, keys), lambdas, groups, size)
        state = state._replace(A=at[0], g=at.g, lambda_=_plain(followed(lambdas, np.atleast_1d(found["lambda"]), at)))
        series |= found | {"alpha": _plain(np.atleast_1d(found["alpha"]))}
        series |= {"lambda": _plain(lambdas), "objective": E + penalty(net), "start": state.start}
        state, stop = self._progressed(state, found["negative_log_evidence"], stop)
        return Step(net, state, series, Info(A=at[0], g=at.g), stop)

    def multiplies(self, net: Network, Nv: int) -> tuple[float, float]:
        return multiplies.bayesian_lm(net, Nv, trained(net, self.train_curves), self.solver)

    def _system(self, net: Network, patterns: Patterns, keys: tuple[str, ...]) -> Normal | Wide:
        if self.solver == "rows":
            return wide_system(net, patterns, keys)
        found = system(net, patterns, keys, "cholesky")
        assert isinstance(found, Normal)
        return found

    def indices(self, net: Network, keys: tuple[str, ...]) -> Groups:
        """Indices of the weights of each group, into the vector of the parameters `keys`."""
        if self.groups == "one":
            return (np.arange(net.layout.size_of(keys)),)
        return tuple(groups_of(net, keys, each_input=self.groups == "inputs").values())

    def _known(self, state: BayesianLMState) -> Normal | Wide:
        """The system that the state keeps."""
        return Wide(state.A, state.g, np.zeros(len(state.g))) if self.solver == "rows" else Normal(state.A, state.g)

    def _begun(self, net: Network, patterns: Patterns, state: BayesianLMState, start: int) -> BayesianLMState:
        """The state at the beginning of a start from the network, with its first lambda."""
        keys = trained(net, self.train_curves)
        at = self._system(net, patterns, keys)
        weight = self.starts[start] * float(np.mean(at.norms()))
        first = np.full(len(self.indices(net, keys)), weight)
        damped = self.damping.start(len(at.g))
        return BayesianLMState(*damped, None, _plain(first), at[0], at.g, start, net.theta)

    def _progressed(
        self, state: BayesianLMState, negative_log: float, stop: Stop | None
    ) -> tuple[BayesianLMState, Stop | None]:
        """The state with the progress of its start, and the reason for the end of the run."""
        several = len(self.starts) > 1
        if not several and (stop is not None or self.patience is None):
            return state, stop
        if negative_log < state.best - GAIN:
            state = state._replace(best=negative_log, since=0)
        else:
            state = state._replace(since=state.since + 1)
        if stop is None and state.since < (self.patience or STALLED):
            return state, None
        if state.start + 1 < len(self.starts):
            return state._replace(over=True), None
        where = f" from any of {len(self.starts)} starts" if several else ""
        return state, Stop("evidence", f"the evidence no longer rises{where}")


def followed(lambdas: np.ndarray, wanted: np.ndarray, at: Normal | Wide) -> np.ndarray:
    """The next lambdas (groups,) on the way to `wanted`, the optimum of the evidence. They change by PACE at most.

    While the fit is poor, everything looks like noise. A lambda that jumped to `wanted` would then shrink the weights to
    nothing, which is also a maximum of the evidence.
    """
    smallest = SMALLEST * float(np.sum(at.norms())) / len(at.g)
    return np.minimum(np.maximum(wanted, lambdas / PACE), np.maximum(lambdas * PACE, smallest))


def _plain(lambdas: np.ndarray) -> Any:
    """A single lambda as a number."""
    return float(lambdas[0]) if len(lambdas) == 1 else lambdas


def weights(net: Network, keys: tuple[str, ...]) -> np.ndarray:
    """The parameters `keys` as one vector (P,) on the host."""
    return np.concatenate([host(net.parts[key]).astype(np.float64).reshape(-1) for key in keys])
