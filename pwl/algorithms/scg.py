"""SCG: Møller's scaled conjugate gradient, which has no line search, Eq. (40)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

from pwl.algorithms import multiplies
from pwl.algorithms.algorithm import Algorithm, Info, Step, Stop
from pwl.algorithms.all_weights import Problem, dot, trained
from pwl.algorithms.cg import point
from pwl.algorithms.options import flat
from pwl.algorithms.penalties import Penalties
from pwl.network.network import Network
from pwl.reductions.patterns import Patterns
from pwl.runtime.backend import Array, array_namespace
from pwl.validate import one_of, positive

LOWEST = -1e6  # comparison of a step that went far too far: delta grows about a millionfold, not beyond all bounds
SMALLEST = 1e-15  # lambda, as in Netlab: a lambda that good steps brought down to 0 could never grow by a factor
VANISHED = 1e-290  # |d|^2 so small that quotients by it overflow


def moller(lambda_: float, comparison: float, delta: float, energy: float) -> float:
    """The next lambda as published, Eq. (40): after a bad step so large that the model would have foreseen it."""
    if comparison > 0.75:
        return max(lambda_ / 4, SMALLEST)
    return lambda_ + delta * (1 - comparison) / energy if comparison < 0.25 else lambda_


def netlab(lambda_: float, comparison: float, delta: float, energy: float) -> float:
    """The next lambda as in the Netlab programs: fixed factors."""
    if comparison > 0.75:
        return max(lambda_ / 2, SMALLEST)
    return 4 * lambda_ if comparison < 0.25 else lambda_


SCHEDULES = {"moller": moller, "netlab": netlab}


class SCGState(NamedTuple):
    """scores, J, G: the point at hand, if known. d: the direction, None for G. curvature: along it after a failure, if known."""

    scores: Array | None = None
    J: float = 0.0
    G: Array | None = None
    lambda_: float = 0.0
    successes: int = 0
    d: Array | None = None
    curvature: float | None = None


@flat("penalties")
@dataclass(frozen=True)
class SCG(Algorithm):
    """Scaled conjugate gradient (Møller 1993) on all weights; we read the "SSCG" of the AdAct paper as this method, Eq. (40).

    The curvature along a direction is a difference of two gradients, damped by lambda, so that each iteration takes two
    passes and no line search. A step that would raise the objective is not taken ("success" in the record): lambda grows,
    and the next iteration takes one pass. If the step foreseen lowers the objective by less than its rounding, the search
    begins anew with d = G, and ends if that is of no use either.

    Parameters
    ----------
    sigma : float
        Length of the step between the two gradients.
    damping : float
        lambda at the start; records have the "lambda" that each step began with. `SCG.matlab()` has MATLAB's constants.
    schedule : {"moller", "netlab"}
        How lambda changes: as published, or by the factors 4 and 1/2.
    train_curves : bool
        Whether the curves' ordinates move, too.
    penalties : pwl.Penalties
        May be given flat: ridge, l2, curve_penalty, Eqs. (11), (27), (26).

    Raises
    ------
    InputError
        For sigma or damping that is not positive, and for another schedule.
    """

    sigma: float = 1e-4
    damping: float = 1e-6
    schedule: str = "moller"
    train_curves: bool = False
    penalties: Penalties = Penalties()
    State: ClassVar[type] = SCGState
    full_batch: ClassVar[bool] = True
    shares_pass: ClassVar[bool] = True

    def __post_init__(self) -> None:
        positive("sigma", self.sigma)
        positive("damping", self.damping)
        one_of("schedule", self.schedule, SCHEDULES)

    @classmethod
    def matlab(cls, **options: Any) -> SCG:
        """SCG with the constants of MATLAB's trainscg: sigma 5e-5, lambda 5e-7. options: as in `SCG`."""
        return cls(sigma=5e-5, damping=5e-7, **options)

    def init(self, net: Network, patterns: Patterns, key: int) -> SCGState:
        return SCGState(lambda_=self.damping)

    def measure(self, net: Network, patterns: Patterns, state: SCGState) -> tuple[Array, SCGState]:
        at = point(self._problem(net, patterns), state)
        return at.scores, state._replace(**at._asdict())

    def step(self, net: Network, patterns: Patterns, state: SCGState) -> Step:
        """One trial along d."""
        problem = self._problem(net, patterns)
        at = point(problem, state)
        state = state._replace(**at._asdict())
        if state.d is not None and not dot(state.d, at.G) > 0:
            state = along_gradient(state)
        d = at.G if state.d is None else state.d
        mu, energy = dot(d, at.G), dot(d, d)
        series = {"alpha": 0.0, "lambda": state.lambda_, "comparison": None, "success": False}
        series["gradient_norm"] = dot(at.G, at.G) ** 0.5
        info = Info(G=at.G, d=d)
        if not VANISHED < energy < math.inf:
            return Step(net, state, series, info, _stop("the gradient is 0 or not finite"))
        curvature = state.curvature
        if curvature is None:
            sigma = self.sigma / energy**0.5
            _, there = problem.trial(sigma * d)
            curvature = dot(d, at.G - there.G) / sigma
            state = state._replace(curvature=curvature)
        delta, lambda_ = damped(curvature, state.lambda_, energy)
        alpha = mu / delta
        fall = alpha * mu / 2  # of the objective, as foreseen
        if not fall > array_namespace(at.G).finfo(at.G.dtype).eps * at.J:
            if state.d is not None:
                return Step(net, along_gradient(state)._replace(lambda_=self.damping), series, info)
            return Step(net, state, series, info, _stop("what a step may gain is less than rounding"))
        moved, after = problem.trial(alpha * d)
        comparison = compared(at.J, after.J, fall)
        series |= {"alpha": alpha, "comparison": comparison, "success": comparison > 0}
        lambda_ = SCHEDULES[self.schedule](lambda_, comparison, delta, energy)
        if not comparison > 0:
            return Step(net, state._replace(lambda_=lambda_), series, info)
        successes = state.successes + 1
        again = successes % net.layout.size_of(problem.keys) == 0  # begin anew with G
        d = None if again else after.G + conjugacy(after.G, at.G, mu) * d
        return Step(moved, SCGState(*after, lambda_, successes, d), series, info)

    def multiplies(self, net: Network, Nv: int) -> tuple[float, float]:
        return multiplies.scg(net, Nv)

    def _problem(self, net: Network, patterns: Patterns) -> Problem:
        return Problem(net, patterns, trained(net, self.train_curves), self.penalties)


def along_gradient(state: SCGState) -> SCGState:
    """The state from which the next direction is G."""
    return state._replace(d=None, curvature=None)


def _stop(detail: str) -> Stop:
    return Stop("no_descent", f"no step along the direction lowers the error ({detail})")


def damped(curvature: float, lambda_: float, energy: float) -> tuple[float, float]:
    """delta = theta + lambda |d|^2, and lambda; where that is not positive, with a larger lambda that makes it so, Eq. (40).

    curvature: theta = d'Hd. energy: |d|^2.
    """
    delta = curvature + lambda_ * energy
    if delta > 0:
        return delta, lambda_
    return -delta + lambda_ * energy, 2 * (lambda_ - delta / energy)


def compared(J: float, J_new: float, fall: float) -> float:
    """Delta, the real decrease over the one foreseen, Eq. (40); LOWEST for less and for an objective that is not finite."""
    return max((J - J_new) / fall, LOWEST) if math.isfinite(J_new) else LOWEST


def conjugacy(G_new: Array, G: Array, mu: float) -> float:
    """b = (|G_new|^2 - <G_new, G>) / mu of the next direction d = G_new + b d, Eq. (40)."""
    return dot(G_new, G_new - G) / mu
