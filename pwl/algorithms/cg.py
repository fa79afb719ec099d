"""CG: conjugate gradients on all weights with the optimal learning factor, Eq. (39)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, TypeVar

from pwl.algorithms import multiplies
from pwl.algorithms.algorithm import Algorithm, Info, Step, Stop
from pwl.algorithms.all_weights import Point, Problem, dot, shapes_of_point, trained
from pwl.algorithms.learning_factors import HALVINGS, line_factor
from pwl.algorithms.options import flat
from pwl.algorithms.penalties import Penalties
from pwl.network.network import Network
from pwl.reductions.patterns import Patterns
from pwl.runtime.backend import Array
from pwl.validate import one_of, whole


def fletcher_reeves(G: Array, G_old: Array) -> float:
    """b = |G|^2 / |G_old|^2, Eq. (39)."""
    energy = dot(G_old, G_old)
    return dot(G, G) / energy if energy else 0.0


def polak_ribiere(G: Array, G_old: Array) -> float:
    """b = <G, G - G_old> / |G_old|^2, at least 0, Eq. (39). It starts anew by itself if gradients hardly change."""
    energy = dot(G_old, G_old)
    return max(0.0, dot(G, G - G_old) / energy) if energy else 0.0


RULES = {"fletcher-reeves": fletcher_reeves, "polak-ribiere": polak_ribiere}


class CGState(NamedTuple):
    """scores, J, G: the present point, if known. P, G_old: None before a new start. steps: number of steps since then."""

    scores: Array | None = None
    J: float = 0.0
    G: Array | None = None
    P: Array | None = None
    G_old: Array | None = None
    steps: int = 0


@flat("penalties")
@dataclass(frozen=True)
class CG(Algorithm):
    """Trains all weights by conjugate gradients: theta += z P, P = G + b P_old, with z = -E'/E'' along P, Eqs. (20), (39).

    An iteration takes two passes. If the outputs are linear in the weights, the objective under squared error is quadratic,
    and its minimum is reached in as many steps as there are weights. Otherwise z is a Gauss-Newton step, which is halved until
    the objective falls. The objective never rises. Records have "beta", 0 if P = G, and "share", the part of z that was taken,
    0 if there was no step.

    Parameters
    ----------
    beta : {"fletcher-reeves", "polak-ribiere"}
        The rule for b.
    restart : int or None
        Number of iterations between new starts with P = G. None means a new start only if P does not lead down, or after a step
        that had to be halved.
    train_curves : bool
        Whether the curves' ordinates are trained, too.
    penalties : pwl.Penalties
        Can also be given as ridge, l2, curve_penalty and input_curve_penalty, Eqs. (11), (27), (26), (73).

    Raises
    ------
    InputError
        For an unknown rule, or if restart is below 1.
    """

    beta: str = "fletcher-reeves"
    restart: int | None = None
    train_curves: bool = False
    penalties: Penalties = Penalties()
    State: ClassVar[type] = CGState
    full_batch: ClassVar[bool] = True
    shares_pass: ClassVar[bool] = True

    def __post_init__(self) -> None:
        one_of("beta", self.beta, RULES)
        if self.restart is not None:
            whole("restart", self.restart, unit=" of iterations", also=", or None")

    def init(self, net: Network, patterns: Patterns, key: int) -> CGState:
        return CGState()

    def shapes(self, net: Network) -> dict[str, Any]:
        return shapes_of_point(net) | {"P": net.theta.shape, "G_old": net.theta.shape}

    def measure(self, net: Network, patterns: Patterns, state: CGState) -> tuple[Array, CGState]:
        return measured_point(self._problem(net, patterns), state)

    def step(self, net: Network, patterns: Patterns, state: CGState) -> Step:
        problem = self._problem(net, patterns)
        at = point(problem, state)
        P, b = self.direction(at.G, state)
        z = along(problem, at.G, P)
        moved, after, share = halved(problem, z * P, at)
        series = {"z": z, "beta": b, "gradient_norm": dot(at.G, at.G) ** 0.5, "share": share}
        info, steps = Info(G=at.G, P=P, z=z), state.steps + 1 if b else 1
        if share == 1 and steps != self.restart:
            return Step(moved, CGState(*after, P, at.G, steps), series, info)
        stop = Stop("no_descent", f"no step along the direction lowers the error ({HALVINGS} halvings along the gradient)")
        return Step(moved, CGState(*after), series, info, None if share or b else stop)  # the next direction is G

    def direction(self, G: Array, state: CGState) -> tuple[Array, float]:
        """P and b. They are G and 0 at the start, after a restart, and if P would not lead down."""
        if state.P is None or state.G_old is None:
            return G, 0.0
        b = RULES[self.beta](G, state.G_old)
        P = G + b * state.P
        return (P, b) if dot(G, P) > 0 else (G, 0.0)

    def multiplies(self, net: Network, Nv: int) -> tuple[float, float]:
        return multiplies.cg(net, Nv)

    def _problem(self, net: Network, patterns: Patterns) -> Problem:
        return Problem(net, patterns, trained(net, self.train_curves), self.penalties)


StateWithPoint = TypeVar("StateWithPoint", bound=NamedTuple)


def point(problem: Problem, state: Any) -> Point:
    """The present point, from scores, J and G in the state if they are known, otherwise by a pass."""
    return problem.here() if state.G is None else Point(state.scores, state.J, state.G)


def measured_point(problem: Problem, state: StateWithPoint) -> tuple[Array, StateWithPoint]:
    """The scores of the present point, and the state with the point, so that record and next step share a pass."""
    at = point(problem, state)
    scores, J, G = at
    return scores, state._replace(scores=scores, J=J, G=G)


def along(problem: Problem, G: Array, P: Array) -> float:
    """z = <G, P> / (curvature of the objective along P), Eq. (39). It takes one pass over the data."""
    net, patterns, keys, penalties = problem
    slopes, changes = net.split(G), net.split(P)
    return line_factor(
        net, patterns, {key: slopes[key] for key in keys}, {key: changes[key] for key in keys}, penalties
    )


def halved(problem: Problem, change: Array, at: Point) -> tuple[Network, Point, float]:
    """The network moved by the first share 1, 1/2, 1/4, ... of the change that lowers the objective.

    Returns the network, its point and the share. If no share lowers the objective, the network does not move, and the share is 0.
    """
    share = 1.0
    for _ in range(HALVINGS):
        moved, found = problem.trial(share * change)
        if found.J < at.J:
            return moved, found, share
        share /= 2
    return problem.net, at, 0.0
