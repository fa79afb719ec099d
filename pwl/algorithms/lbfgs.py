"""L-BFGS: a line search along a Newton direction from the last steps and gradient changes, Eq. (50)."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np

from pwl.algorithms import multiplies
from pwl.algorithms.algorithm import Algorithm, Info, Step, Stop
from pwl.algorithms.all_weights import Point, Problem, dot, shapes_of_point, trained
from pwl.algorithms.cg import along, measured_point, point
from pwl.algorithms.options import flat
from pwl.algorithms.penalties import Penalties
from pwl.network.network import Network
from pwl.reductions.patterns import Patterns
from pwl.runtime.backend import Array, array_namespace, finfo, host, in_double, like
from pwl.solvers.lapack import solve_upper
from pwl.validate import whole

C1, C2 = 1e-4, 0.9  # of the strong Wolfe conditions: the shares of the slope that J falls by, and that may be left


class LBFGSState(NamedTuple):
    """scores, J, G: the present point, if known. S, Y: the last steps and changes of the gradient (pairs, parameters)."""

    scores: Array | None = None
    J: float = 0.0
    G: Array | None = None
    S: Array = None
    Y: Array = None


@flat("penalties")
@dataclass(frozen=True)
class LBFGS(Algorithm):
    """Trains all weights by L-BFGS with SciPy's strong Wolfe line search, Eq. (50). Every step sees all patterns.

    Parameters
    ----------
    memory : int
        Number of pairs that are kept, each of a step and its change of the gradient.
    train_curves : bool
        Whether the curves' ordinates are trained, too.
    penalties : pwl.Penalties
        Can also be given as ridge, l2, curve_penalty and input_curve_penalty, Eqs. (11), (27), (26), (73).

    Raises
    ------
    InputError
        If memory is below 1.
    """

    memory: int = 10
    train_curves: bool = True
    penalties: Penalties = Penalties()
    State: ClassVar[type] = LBFGSState
    full_batch: ClassVar[bool] = True
    shares_pass: ClassVar[bool] = True

    def __post_init__(self) -> None:
        whole("memory", self.memory, unit=" of pairs")

    def init(self, net: Network, patterns: Patterns, key: int) -> LBFGSState:
        none = array_namespace(net.theta).zeros_like(net.theta)[None, :][:0, :]
        return LBFGSState(S=none, Y=none)

    def shapes(self, net: Network) -> dict[str, Any]:
        pairs = ("pairs", net.layout.size)
        return shapes_of_point(net) | {"S": pairs, "Y": pairs}

    def measure(self, net: Network, patterns: Patterns, state: LBFGSState) -> tuple[Array, LBFGSState]:
        return measured_point(self._problem(net, patterns), state)

    def step(self, net: Network, patterns: Patterns, state: LBFGSState) -> Step:
        """One line search along the direction of Eq. (50). If it finds nothing lower, another one follows along G.

        Records have "z", the share of the direction that was taken, and "pairs", the number of pairs in the direction. They also
        have "evaluations", the passes over the data, one per trial and one for the factor along G.
        """
        problem = self._problem(net, patterns)
        at, S, Y, spent = point(problem, state), state.S, state.Y, 0
        series = {"z": 0.0, "gradient_norm": dot(at.G, at.G) ** 0.5, "evaluations": 0, "pairs": 0}
        for pairs in sorted({S.shape[0], 0}, reverse=True):  # first with the memory, then without
            S, Y = S[:pairs, :], Y[:pairs, :]
            # A gradient does not tell the length of a step. The optimal factor does, at the cost of a pass.
            P = quasi_newton(S, Y, at.G) if pairs else along(problem, at.G, at.G) * at.G
            line = Line(problem, at, P)
            z = line.search()
            spent += len(line.trials) - 1 + (not pairs)
            series |= {"z": z, "evaluations": spent, "pairs": pairs}
            if z:
                moved, after = line.at(z)
                S, Y = remembered(S, Y, moved.theta - net.theta, at.G - after.G, self.memory)
                return Step(moved, LBFGSState(*after, S, Y), series, Info(G=at.G, P=P, z=z))
        reason = f"no step along the direction lowers the error ({spent} trials, the last along the gradient)"
        return Step(net, LBFGSState(*at, S, Y), series, Info(G=at.G), Stop("no_descent", reason))

    def multiplies(self, net: Network, Nv: int) -> tuple[float, float]:
        return multiplies.first_order(net, Nv)

    def _problem(self, net: Network, patterns: Patterns) -> Problem:
        return Problem(net, patterns, trained(net, self.train_curves), self.penalties)


class Line:
    """J at theta + z P as a function of the number z. Each point is measured once, by one pass for value and slope."""

    def __init__(self, problem: Problem, at: Point, P: Array) -> None:
        self.problem, self.P = problem, P
        self.trials = {0.0: (problem.net, at)}
        self._slopes: dict[float, float] = {}

    def at(self, z: float) -> tuple[Network, Point]:
        """The network at theta + z P, and its point."""
        if z not in self.trials:
            self.trials[z] = self.problem.trial(z * self.P)
        return self.trials[z]

    def slope(self, z: float) -> float:
        """dJ/dz."""
        if z not in self._slopes:
            self._slopes[z] = -dot(self.at(z)[1].G, self.P)
        return self._slopes[z]

    def value(self, z: float) -> float:
        """J, or infinity if J or its slope is not finite, so that the search turns back."""
        J = self.at(z)[1].J
        return J if math.isfinite(J) and math.isfinite(self.slope(z)) else math.inf

    def search(self) -> float:
        """A z under the strong Wolfe conditions, Eq. (50), otherwise the lowest trial, or 0 if no trial is below the start."""
        slope = self.slope(0.0)
        if not -math.inf < slope < 0:
            return 0.0
        if self.value(1.0) <= self.value(0.0) + C1 * slope and abs(self.slope(1.0)) <= -C2 * slope:
            return 1.0  # nearly always so; SciPy's search would try z = 1 first and find the same
        from scipy.optimize import line_search

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # overflow far out, or no such z
            z, *_, derivative = line_search(
                lambda v: self.value(float(v[0])),
                lambda v: np.asarray([self.slope(float(v[0]))]),
                np.zeros(1),
                np.ones(1),
                np.asarray([slope]),
                self.value(0.0),
                c1=C1,
                c2=C2,
            )
            return float(z) if derivative is not None else min(self.trials, key=self.value)


def quasi_newton(S: Array, Y: Array, G: Array) -> Array:
    """H G for the inverse Hessian H from scale I, the steps S and the gradient changes Y (pairs, n), Eq. (50).

    The compact form of Byrd, Nocedal & Schnabel (1994) takes a few products with S and Y rather than a loop over the pairs.
    """
    s, y, g = in_double(host(S)), in_double(host(Y)), in_double(host(G))
    SY, YY = s @ y.T, y @ y.T  # R is the upper triangle of SY, later pairs to the right
    scale = SY[-1, -1] / YY[-1, -1]
    u = solve_upper(SY, s @ g)
    v = solve_upper(SY, SY.diagonal() * u + scale * (YY @ u - y @ g), transposed=True)
    return like(scale * (g - u @ y) + v @ s, G)


def remembered(S: Array, Y: Array, s: Array, y: Array, memory: int) -> tuple[Array, Array]:
    """The last pairs with a new one, Eq. (50). It is left out unless the curvature along it is clearly positive."""
    xp = array_namespace(s)
    if not dot(s, y) > finfo(s).eps * (dot(s, s) * dot(y, y)) ** 0.5:
        return S, Y
    first = max(0, S.shape[0] + 1 - memory)
    return xp.concat([S, s[None, :]], axis=0)[first:, :], xp.concat([Y, y[None, :]], axis=0)[first:, :]
