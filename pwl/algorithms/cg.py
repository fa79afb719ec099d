"""CG: conjugate gradients on all weights with the optimal learning factor, Eq. (39)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from pwl.algorithms import multiplies as costs
from pwl.algorithms.all_weights import dot, measured, trained, trial
from pwl.algorithms.learning_factors import HALVINGS, one_factor
from pwl.algorithms.penalties import Penalties
from pwl.errors import InputError
from pwl.network.network import Network
from pwl.reductions.patterns import Patterns
from pwl.runtime.backend import Array


def fletcher_reeves(G: Array, G_old: Array) -> float:
    """b = |G|^2 / |G_old|^2, Eq. (39)."""
    energy = dot(G_old, G_old)
    return dot(G, G) / energy if energy else 0.0


def polak_ribiere(G: Array, G_old: Array) -> float:
    """b = <G, G - G_old> / |G_old|^2, not below 0, Eq. (39): where gradients hardly change, it begins anew by itself."""
    energy = dot(G_old, G_old)
    return max(0.0, dot(G, G - G_old) / energy) if energy else 0.0


RULES = {"fletcher-reeves": fletcher_reeves, "polak-ribiere": polak_ribiere}


@dataclass(frozen=True)
class CG:
    """Conjugate gradients: theta += z P, P = G + b P_old, with z = -E'/E'' along P (Eq. (20)); two passes an iteration.

    beta: the rule for b, "fletcher-reeves" or "polak-ribiere".
    restart: begin anew, P = G, every so many iterations; None: only where P does not lead down, and after a step that
        had to be halved.
    train_curves: whether the curves' ordinates move, too.
    ridge, l2, curve_penalty: penalties on output weights, hidden weights and curves, Eqs. (11), (27), (26).

    Under squared error and with weights that enter y linearly the objective is a quadratic, which ends in as many steps
    as there are weights. Elsewhere z is Gauss-Newton, and is halved until the objective falls: it never rises. Records
    have "beta", 0 where P = G, and "share", the part of z taken, 0 where no step was.
    """

    beta: str = "fletcher-reeves"
    restart: int | None = None
    train_curves: bool = False
    ridge: float = 0.0
    l2: float = 0.0
    curve_penalty: float = 0.0
    full_batch: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.beta not in RULES:
            raise InputError(f'beta must be "fletcher-reeves" or "polak-ribiere", not {self.beta!r}')
        if self.restart is not None and (
            not isinstance(self.restart, int) or isinstance(self.restart, bool) or self.restart < 1
        ):
            raise InputError(f"restart must be a whole number of iterations, 1 or more, or None, not {self.restart!r}")

    @property
    def penalties(self) -> Penalties:
        return Penalties(self.ridge, self.l2, self.curve_penalty)

    def init(self, net: Network, patterns: Patterns, key: int) -> dict[str, Any]:
        return {}

    def measure(self, net: Network, patterns: Patterns, state: dict[str, Any]) -> tuple[Array, dict[str, Any]]:
        state = measured(net, patterns, trained(net, self.train_curves), self.penalties, state)
        return state["scores"], state

    def step(
        self, net: Network, patterns: Patterns, state: dict[str, Any]
    ) -> tuple[Network, dict[str, Any], dict[str, Any]]:
        """One step along P. The state holds "P" and "G_old" only where the next direction may build on them."""
        keys, penalties = trained(net, self.train_curves), self.penalties
        state = measured(net, patterns, keys, penalties, state)
        G = state["G"]
        P, b = self.direction(state)
        z = along(net, patterns, keys, penalties, G, P)
        moved, after, share = halved(net, patterns, keys, penalties, z * P, state)
        info = {"z": z, "beta": b, "gradient_norm": dot(G, G) ** 0.5, "share": share}
        steps = state["steps"] + 1 if b else 1
        if share == 1 and steps != self.restart:
            return moved, after | {"P": P, "G_old": G, "steps": steps}, info
        if share or b:  # next time along G
            return moved, after, info
        return net, after, info | {"stop": ("no_descent", f"{HALVINGS} halvings of the step along the gradient")}

    def direction(self, state: dict[str, Any]) -> tuple[Array, float]:
        """P and b; G and 0 at the start, after a restart, and where P would not lead down."""
        G = state["G"]
        if "P" not in state:
            return G, 0.0
        b = RULES[self.beta](G, state["G_old"])
        P = G + b * state["P"]
        return (P, b) if dot(G, P) > 0 else (G, 0.0)

    def multiplies(self, net: Network, Nv: int) -> tuple[float, float]:
        """Multiplies of an iteration whose first trial is taken: our own count twice, as the literature has no formula."""
        own = costs.own_cg(net, Nv)
        return own, own


def along(net: Network, patterns: Patterns, keys: tuple[str, ...], penalties: Penalties, G: Array, P: Array) -> float:
    """z = <G, P> / (curvature of the objective along P), Eq. (39). One pass over the data."""
    slopes, changes = net.split(G), net.split(P)
    factors = one_factor(
        net, patterns, {key: slopes[key] for key in keys}, {key: changes[key] for key in keys}, penalties
    )
    return float(factors.z[0])


def halved(
    net: Network,
    patterns: Patterns,
    keys: tuple[str, ...],
    penalties: Penalties,
    change: Array,
    state: dict[str, Any],
) -> tuple[Network, dict[str, Any], float]:
    """The network moved by a share 1, 1/2, 1/4, ... of the change, the first that lowers the objective of the state.

    Returns it, what is measured there, and the share; the same network, its own measures and 0 where no share does.
    """
    share = 1.0
    for _ in range(HALVINGS):
        moved, found = trial(net, patterns, keys, penalties, share * change)
        if found["J"] < state["J"]:
            return moved, found, share
        share /= 2
    return net, {name: state[name] for name in ("scores", "J", "G")}, 0.0
