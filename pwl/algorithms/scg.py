"""SCG: Møller's scaled conjugate gradient, which has no line search, Eq. (40)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

from pwl.algorithms import multiplies as costs
from pwl.algorithms.all_weights import dot, measured, trained, trial
from pwl.algorithms.penalties import Penalties
from pwl.errors import InputError
from pwl.network.network import Network
from pwl.reductions.patterns import Patterns
from pwl.runtime.backend import Array, array_namespace

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


@dataclass(frozen=True)
class SCG:
    """Scaled conjugate gradient (Møller 1993) on all weights; we read the "SSCG" of the AdAct paper as this method.

    The curvature along a direction is a difference of two gradients, damped by lambda, so that each iteration takes two
    passes and no line search. A step that would raise the objective is not taken ("success" in the record): lambda grows,
    and the next iteration takes one pass.

    sigma: length of the step between the two gradients. damping: lambda at the start; records have the "lambda" that each
        step began with. `SCG.matlab()` has MATLAB's constants.
    schedule: how lambda changes, "moller" as published or "netlab" by the factors 4 and 1/2.
    train_curves: whether the curves' ordinates move, too.
    ridge, l2, curve_penalty: penalties on output weights, hidden weights and curves, Eqs. (11), (27), (26).

    Where the step foreseen lowers the objective by less than its rounding, the search begins anew with d = G, and ends if
    that is of no use either.
    """

    sigma: float = 1e-4
    damping: float = 1e-6
    schedule: str = "moller"
    train_curves: bool = False
    ridge: float = 0.0
    l2: float = 0.0
    curve_penalty: float = 0.0
    full_batch: ClassVar[bool] = True

    def __post_init__(self) -> None:
        for name in ("sigma", "damping"):
            if not 0 < getattr(self, name) < math.inf:
                raise InputError(f"{name} must be a positive number, not {getattr(self, name)!r}")
        if self.schedule not in SCHEDULES:
            raise InputError(f'schedule must be "moller" or "netlab", not {self.schedule!r}')

    @classmethod
    def matlab(cls, **options: Any) -> SCG:
        """SCG with the constants of MATLAB's trainscg: sigma 5e-5, lambda 5e-7. options: as in `SCG`."""
        return cls(sigma=5e-5, damping=5e-7, **options)

    @property
    def penalties(self) -> Penalties:
        return Penalties(self.ridge, self.l2, self.curve_penalty)

    def init(self, net: Network, patterns: Patterns, key: int) -> dict[str, Any]:
        return {"lambda": self.damping, "successes": 0}

    def measure(self, net: Network, patterns: Patterns, state: dict[str, Any]) -> tuple[Array, dict[str, Any]]:
        state = measured(net, patterns, trained(net, self.train_curves), self.penalties, state)
        return state["scores"], state

    def step(
        self, net: Network, patterns: Patterns, state: dict[str, Any]
    ) -> tuple[Network, dict[str, Any], dict[str, Any]]:
        """One trial along d. The state holds "d" where it is not G, and after a failure the "curvature" along d."""
        keys, penalties = trained(net, self.train_curves), self.penalties
        state = measured(net, patterns, keys, penalties, state)
        G, J = state["G"], state["J"]
        if "d" in state and not dot(state["d"], G) > 0:
            state = along_gradient(state)
        d = state.get("d", G)
        mu, energy = dot(d, G), dot(d, d)
        info = {"alpha": 0.0, "lambda": state["lambda"], "comparison": None, "success": False}
        info["gradient_norm"] = dot(G, G) ** 0.5
        if not VANISHED < energy < math.inf:
            return net, state, info | {"stop": ("no_descent", "the gradient is 0 or not finite")}
        if "curvature" not in state:
            sigma = self.sigma / energy**0.5
            _, there = trial(net, patterns, keys, penalties, sigma * d)
            state = state | {"curvature": dot(d, G - there["G"]) / sigma}
        delta, lambda_ = damped(state["curvature"], state["lambda"], energy)
        alpha = mu / delta
        fall = alpha * mu / 2  # of the objective, as foreseen
        if not fall > array_namespace(G).finfo(G.dtype).eps * J:
            if "d" in state:
                return net, along_gradient(state) | {"lambda": self.damping}, info
            return net, state, info | {"stop": ("no_descent", "what a step may gain is less than rounding")}
        moved, after = trial(net, patterns, keys, penalties, alpha * d)
        comparison = compared(J, after["J"], fall)
        info |= {"alpha": alpha, "comparison": comparison, "success": comparison > 0}
        lambda_ = SCHEDULES[self.schedule](lambda_, comparison, delta, energy)
        if not info["success"]:
            return net, state | {"lambda": lambda_}, info
        successes = state["successes"] + 1
        after |= {"lambda": lambda_, "successes": successes}
        if successes % sum(net.parts[key].size for key in keys):
            after["d"] = after["G"] + conjugacy(after["G"], G, mu) * d
        return moved, after, info

    def multiplies(self, net: Network, Nv: int) -> tuple[float, float]:
        """Multiplies of an iteration that takes its step: by the literature's formula, and two gradients by our own count."""
        return costs.scg(net, Nv), costs.own_scg(net, Nv)


def along_gradient(state: dict[str, Any]) -> dict[str, Any]:
    """The state from which the next direction is G."""
    return {name: value for name, value in state.items() if name not in ("d", "curvature")}


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
