"""L-BFGS: Newton's direction from the last steps and gradient changes, and a line search on it, Eq. (50)."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import numpy as np

from pwl.algorithms import multiplies as costs
from pwl.algorithms.all_weights import dot, measured, trained, trial
from pwl.algorithms.cg import along
from pwl.algorithms.penalties import Penalties
from pwl.errors import InputError
from pwl.network.network import Network
from pwl.reductions.patterns import Patterns
from pwl.runtime.backend import Array, array_namespace, host, like


@dataclass(frozen=True)
class LBFGS:
    """L-BFGS on all weights with the strong Wolfe line search of SciPy; every step sees all patterns.

    memory: pairs of a step and its change of the gradient that are kept.
    ridge, l2, curve_penalty: penalties on output weights, hidden weights and curves, Eqs. (11), (27), (26).
    train_curves: whether the curves' ordinates move, too.
    """

    memory: int = 10
    ridge: float = 0.0
    l2: float = 0.0
    curve_penalty: float = 0.0
    train_curves: bool = True
    full_batch: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not isinstance(self.memory, (int, np.integer)) or isinstance(self.memory, bool) or self.memory < 1:
            raise InputError(f"memory must be a whole number of pairs, 1 or more, not {self.memory!r}")

    @property
    def penalties(self) -> Penalties:
        return Penalties(self.ridge, self.l2, self.curve_penalty)

    def init(self, net: Network, patterns: Patterns, key: int) -> dict[str, Any]:
        none = array_namespace(net.theta).zeros_like(net.theta)[None, :][:0, :]
        return {"S": none, "Y": none}

    def measure(self, net: Network, patterns: Patterns, state: dict[str, Any]) -> tuple[Array, dict[str, Any]]:
        state = measured(net, patterns, trained(net, self.train_curves), self.penalties, state)
        return state["scores"], state

    def step(
        self, net: Network, patterns: Patterns, state: dict[str, Any]
    ) -> tuple[Network, dict[str, Any], dict[str, Any]]:
        """One line search: along Eq. (50), and where nothing lower is found there, without the memory along G.

        Records have "z", the share of the direction taken; "evaluations", the
        passes over the data: one a trial, and one for the factor along G; and
        "pairs", how many the direction was made of.
        """
        _, state = self.measure(net, patterns, state)
        S, Y, G = state["S"], state["Y"], state["G"]
        info: dict[str, Any] = {"z": 0.0, "gradient_norm": dot(G, G) ** 0.5, "evaluations": 0, "pairs": 0}
        keys = trained(net, self.train_curves)
        measure = partial(trial, net, patterns, keys, self.penalties)
        for pairs in sorted({S.shape[0], 0}, reverse=True):  # with the memory, then without
            S, Y = S[:pairs, :], Y[:pairs, :]
            # A gradient does not say how far to go: its optimal factor does, at the cost of a pass.
            P = quasi_newton(S, Y, G) if pairs else along(net, patterns, keys, self.penalties, G, G) * G
            line = Line(measure, net, state, P)
            z = line.search()
            spent = len(line.trials) - 1 + (not pairs)
            info |= {"z": z, "evaluations": info["evaluations"] + spent, "pairs": pairs}
            if z:
                moved, after = line.at(z)
                S, Y = remembered(S, Y, moved.theta - net.theta, G - after["G"], self.memory)
                return moved, after | {"S": S, "Y": Y}, info
        detail = f"{info['evaluations']} trials, the last along the gradient"
        return net, state | {"S": S, "Y": Y}, info | {"stop": ("no_descent", detail)}

    def multiplies(self, net: Network, Nv: int) -> tuple[float, float]:
        """Multiplies of a step whose first trial is taken: our own count twice, as the literature has no formula."""
        own = costs.own_whole_gradient(net, Nv)
        return own, own


class Line:
    """J as a function of the one number z at theta + z P, each point measured once: one pass gives value and slope.

    measure(change): the network moved by a vector like theta, and what is `measured` there.
    """

    def __init__(
        self,
        measure: Callable[[Array], tuple[Network, dict[str, Any]]],
        net: Network,
        state: dict[str, Any],
        P: Array,
    ) -> None:
        self.measure, self.P = measure, P
        self.trials = {0.0: (net, state)}

    def at(self, z: float) -> tuple[Network, dict[str, Any]]:
        if z not in self.trials:
            self.trials[z] = self.measure(z * self.P)
        return self.trials[z]

    def slope(self, z: float) -> float:
        """dJ/dz."""
        return -dot(self.at(z)[1]["G"], self.P)

    def value(self, z: float) -> float:
        """J; infinite where it or its slope is no longer a finite number, so that the search turns back."""
        J = self.at(z)[1]["J"]
        return J if math.isfinite(J) and math.isfinite(self.slope(z)) else math.inf

    def search(self) -> float:
        """A z that fulfils the strong Wolfe conditions; else the lowest trial; 0 where none lies below the start."""
        from scipy.optimize import line_search

        slope = self.slope(0.0)
        if not -math.inf < slope < 0:
            return 0.0
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # overflow far out, or that no such z was found
            z, *_, derivative = line_search(
                lambda v: self.value(float(v[0])),
                lambda v: np.asarray([self.slope(float(v[0]))]),
                np.zeros(1),
                np.ones(1),
                np.asarray([slope]),
                self.value(0.0),
            )
            return float(z) if derivative is not None else min(self.trials, key=self.value)


def quasi_newton(S: Array, Y: Array, G: Array) -> Array:
    """H G for the inverse Hessian H that steps S and gradient changes Y (pairs, n) make of scale I, Eq. (50)."""
    from scipy.optimize import LbfgsInvHessProduct

    s, y, g = (np.asarray(host(a), dtype=np.float64) for a in (S, Y, G))
    scale = s[-1] @ y[-1] / (y[-1] @ y[-1])
    root = scale**0.5  # SciPy's product starts from I: theta in units of this length makes that scale I
    return like(scale * (LbfgsInvHessProduct(s / root, y * root) @ g), G)


def remembered(S: Array, Y: Array, s: Array, y: Array, memory: int) -> tuple[Array, Array]:
    """The last pairs with a new one, which is left out where the curvature along it is not clearly positive."""
    xp = array_namespace(s)
    if not dot(s, y) > xp.finfo(s.dtype).eps * (dot(s, s) * dot(y, y)) ** 0.5:
        return S, Y
    first = max(0, S.shape[0] + 1 - memory)
    return xp.concat([S, s[None, :]], axis=0)[first:, :], xp.concat([Y, y[None, :]], axis=0)[first:, :]
