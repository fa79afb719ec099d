"""Levenberg-Marquardt on all weights, Eqs. (41), (42)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np

from pwl.algorithms import multiplies
from pwl.algorithms.algorithm import Algorithm, Info, Step, Stop
from pwl.algorithms.all_weights import shape_of_scores, trained
from pwl.algorithms.options import flat
from pwl.algorithms.penalties import Penalties
from pwl.network.network import Network
from pwl.reductions.gradients import error
from pwl.reductions.jacobian import check_bytes, system
from pwl.reductions.patterns import Patterns
from pwl.reductions.reduce import reduce
from pwl.runtime.backend import Array, like
from pwl.runtime.threads import single_threaded_blas
from pwl.solvers.levenberg_marquardt import SOLVERS, Damped, Damping, Normal, System, Triangular, search
from pwl.validate import one_of, positive

MAX_BYTES = 4e9


class LMState(NamedTuple):
    """mu, nu, Q: the present damping. scores: the scores of the present network, if known."""

    mu: float
    nu: float
    Q: np.ndarray
    scores: Array | None = None


@flat("damping", "penalties")
@dataclass(frozen=True)
class LM(Algorithm):
    """Trains all weights at once by Levenberg-Marquardt: (J'J + mu Q) e = J'r, w += e, Eq. (41).

    Under cross-entropy J'J is J'SJ / 2, Gauss-Newton with the S of Eq. (19). A run ends with stop_code "mu_max" if no damping
    up to mu_max lowers the objective. It is then at a minimum, or rounding hides the way down.

    Parameters
    ----------
    solver : {"qr", "cholesky"}
        "qr" folds blocks of rows into a triangle. It is accurate, and its memory does not grow with the number of patterns.
        "cholesky" sums J'J, which is faster but keeps half the digits.
    train_curves : bool
        Whether the curves' ordinates are trained, too.
    max_bytes : float
        Limit on the memory of J'J and its factors, in bytes.
    damping : pwl.Damping
        Can also be given as mu, mu_increase, mu_decrease, mu_max, scaling and schedule. Defaults are those of MATLAB's trainlm.
    penalties : pwl.Penalties
        Can also be given as ridge, l2, curve_penalty and input_curve_penalty, Eqs. (11), (27), (26), (73).

    Raises
    ------
    InputError
        For an unknown option, or if a number is out of range. In training, if J'J would take more than max_bytes.
    """

    solver: str = "qr"
    train_curves: bool = False
    max_bytes: float = MAX_BYTES
    damping: Damping = Damping()
    penalties: Penalties = Penalties()
    State: ClassVar[type] = LMState
    full_batch: ClassVar[bool] = True
    shares_pass: ClassVar[bool] = True

    def __post_init__(self) -> None:
        one_of("solver", self.solver, SOLVERS)
        positive("max_bytes", self.max_bytes)

    def init(self, net: Network, patterns: Patterns, key: int) -> LMState:
        n = net.layout.size_of(trained(net, self.train_curves))
        check_bytes(n, self.max_bytes, "LM")
        return LMState(*self.damping.start(n))

    def check(self, net: Network) -> None:
        check_bytes(net.layout.size_of(trained(net, self.train_curves)), self.max_bytes, "LM")

    def shapes(self, net: Network) -> dict[str, Any]:
        n = net.layout.size_of(trained(net, self.train_curves))
        return {"Q": (n,), "scores": shape_of_scores(net)}

    def measure(self, net: Network, patterns: Patterns, state: LMState) -> tuple[Array, LMState]:
        return measured_error(net, patterns, state)

    def step(self, net: Network, patterns: Patterns, state: LMState) -> Step:
        keys = trained(net, self.train_curves)
        with single_threaded_blas():  # set once, because a change back and forth takes a tenth of a small step
            equations = penalised(system(net, patterns, keys, self.solver), net, keys, self.penalties)
            trial = Trial(patterns, lambda e: along(net, keys, e), self.penalties.value)
            return lm_step(net, trial, equations, self.damping, state)

    def multiplies(self, net: Network, Nv: int) -> tuple[float, float]:
        return multiplies.lm(net, Nv, trained(net, self.train_curves), self.solver)


@dataclass(frozen=True)
class Trial:
    """The function of trial points. moved(e) is the network at e, and penalty(net) is its objective minus E."""

    patterns: Patterns
    moved: Callable[[np.ndarray], Network]
    penalty: Callable[[Network], float]

    def __call__(self, e: np.ndarray) -> tuple[float, tuple[Network, Array]]:
        there = self.moved(e)
        scores = reduce(error(), there, self.patterns)
        return float(scores[0]) + self.penalty(there), (there, scores)


def lm_step(net: Network, trial: Trial, equations: System, damping: Damping, state: Any) -> Step:
    """The first step that lowers the objective. mu rises until there is one.

    equations: the system at `net`, with the penalties. state: it has mu, nu, Q and scores. The series are "mu", "trials" and
    "gradient_norm".
    """
    scores, state = measured_error(net, trial.patterns, state)
    J = float(scores[0]) + trial.penalty(net)
    found = search(equations, damping, Damped(state.mu, state.nu, state.Q), trial, J)
    gradient_norm = 2 * float(np.linalg.norm(equations.gradient()))
    series = {"mu": found.damped.mu, "trials": found.trials, "gradient_norm": gradient_norm}
    info = Info(equations=equations)
    state = state._replace(**found.damped._asdict())
    if found.value is None:
        reason = f"no damping up to mu_max lowers the error (mu_max = {damping.mu_max:g})"
        return Step(net, state, series, info, Stop("mu_max", reason))
    net, scores = found.value
    return Step(net, state._replace(scores=scores), series, info)


def measured_error(net: Network, patterns: Patterns, state: Any) -> tuple[Array, Any]:
    """The scores of the network, and the state with them. It takes no pass if the last trial left them in the state."""
    if state.scores is None:
        state = state._replace(scores=reduce(error(), net, patterns))
    return state.scores, state


def along(net: Network, keys: tuple[str, ...], e: np.ndarray) -> Network:
    """The network with the parameters `keys` moved by e (n,), which holds their changes in the order of theta."""
    return net.moved({key: like(part, net.theta) for key, part in net.layout.cut(e, keys).items()})


def penalised(
    equations: Normal | Triangular, net: Network, keys: tuple[str, ...], penalties: Penalties
) -> Normal | Triangular:
    """The system with the rows of the penalties, which are sums of squares of linear forms of the weights."""
    rows, residuals = penalties.rows(net, keys)
    return equations.with_rows(rows, residuals) if len(residuals) else equations
