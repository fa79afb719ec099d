"""SCG: Møller's scaled conjugate gradient, which needs no line search, Eq. (40)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

from pwl.algorithms import multiplies
from pwl.algorithms.algorithm import Algorithm, Info, Step, Stop
from pwl.algorithms.all_weights import Problem, dot, shapes_of_point, trained
from pwl.algorithms.cg import measured_point, point
from pwl.algorithms.options import flat
from pwl.algorithms.penalties import Penalties
from pwl.network.network import Network
from pwl.reductions.patterns import Patterns
from pwl.runtime.backend import Array, array_namespace
from pwl.validate import one_of, positive

LOWEST = -1e6  # comparison after a step far too long, so that delta grows about a millionfold and not without bound
SMALLEST = 1e-15  # of lambda, as in Netlab, because a lambda of 0 could never grow by a factor
VANISHED = 1e-290  # |d|^2 so small that quotients by it overflow


def moller(lambda_: float, comparison: float, delta: float, energy: float) -> float:
    """The next lambda as published, Eq. (40). After a bad step it is large enough that the model would have predicted it."""
    if comparison > 0.75:
        return max(lambda_ / 4, SMALLEST)
    return lambda_ + delta * (1 - comparison) / energy if comparison < 0.25 else lambda_


def netlab(lambda_: float, comparison: float, delta: float, energy: float) -> float:
    """The next lambda by fixed factors, as in the Netlab programs."""
    if comparison > 0.75:
        return max(lambda_ / 2, SMALLEST)
    return 4 * lambda_ if comparison < 0.25 else lambda_


SCHEDULES = {"moller": moller, "netlab": netlab}


class SCGState(NamedTuple):
    """scores, J, G: the present point, if known. d: the direction, or None for G. curvature: along d, known after a failure."""

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
    """Trains all weights by the scaled conjugate gradient (Møller 1993), Eq. (40).

    We read the "SSCG" of the AdAct paper as this method. The curvature along a direction is the difference of two gradients,
    damped by lambda, so each iteration takes two passes and no line search. A step that would raise the objective is not taken,
    as "success" in the record shows. Then lambda grows, and the next iteration takes one pass. If the predicted fall of the
    objective is less than its rounding, the search starts anew with d = G. If that does not help, the run ends.

    Parameters
    ----------
    sigma : float
        Length of the step between the two gradients.
    damping : float
        lambda at the start. Records have the "lambda" at the start of each step. `SCG.matlab()` has MATLAB's constants.
    schedule : {"moller", "netlab"}
        The rule for lambda, as published or by the factors 4 and 1/2.
    train_curves : bool
        Whether the curves' ordinates are trained, too.
    penalties : pwl.Penalties
        Can also be given as ridge, l2, curve_penalty and input_curve_penalty, Eqs. (11), (27), (26), (73).

    Raises
    ------
    InputError
        If sigma or damping is not positive, or the schedule is unknown.
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
        """Returns SCG with the constants of MATLAB's trainscg, sigma 5e-5 and lambda 5e-7. options: as in `SCG`."""
        return cls(sigma=5e-5, damping=5e-7, **options)

    def init(self, net: Network, patterns: Patterns, key: int) -> SCGState:
        return SCGState(lambda_=self.damping)

    def shapes(self, net: Network) -> dict[str, Any]:
        return shapes_of_point(net) | {"d": net.theta.shape}

    def measure(self, net: Network, patterns: Patterns, state: SCGState) -> tuple[Array, SCGState]:
        return measured_point(self._problem(net, patterns), state)

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
        fall = alpha * mu / 2  # the predicted fall of the objective
        if not fall > array_namespace(at.G).finfo(at.G.dtype).eps * at.J:
            if state.d is not None:
                return Step(net, along_gradient(state)._replace(lambda_=self.damping), series, info)
            return Step(net, state, series, info, _stop("a step would gain less than rounding"))
        moved, after = problem.trial(alpha * d)
        comparison = compared(at.J, after.J, fall)
        series |= {"alpha": alpha, "comparison": comparison, "success": comparison > 0}
        lambda_ = SCHEDULES[self.schedule](lambda_, comparison, delta, energy)
        if not comparison > 0:
            return Step(net, state._replace(lambda_=lambda_), series, info)
        successes = state.successes + 1
        again = successes % net.layout.size_of(problem.keys) == 0  # start anew with G
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
    """delta = theta + lambda |d|^2, and lambda, Eq. (40). If delta is not positive, a larger lambda makes it so.

    curvature: theta = d'Hd. energy: |d|^2.
    """
    delta = curvature + lambda_ * energy
    if delta > 0:
        return delta, lambda_
    return -delta + lambda_ * energy, 2 * (lambda_ - delta / energy)


def compared(J: float, J_new: float, fall: float) -> float:
    """Delta, the real over the predicted decrease, Eq. (40). It is at least LOWEST, also if the objective is not finite."""
    return max((J - J_new) / fall, LOWEST) if math.isfinite(J_new) else LOWEST


def conjugacy(G_new: Array, G: Array, mu: float) -> float:
    """b = (|G_new|^2 - <G_new, G>) / mu for the next direction d = G_new + b d, Eq. (40)."""
    return dot(G_new, G_new - G) / mu
