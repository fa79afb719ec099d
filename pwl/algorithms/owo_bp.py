"""OWO-BP: a gradient step on the hidden weights, then OWO, Eqs. (16), (20), (30)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pwl.algorithms import multiplies as costs
from pwl.algorithms.learning_factors import guarded, norm, one_factor
from pwl.algorithms.molf import measure_gradient, spent
from pwl.algorithms.owo import owo_step
from pwl.algorithms.penalties import Penalties
from pwl.errors import InputError
from pwl.network.network import Network
from pwl.reductions.patterns import Patterns
from pwl.runtime.backend import Array
from pwl.solvers.ols import OLS


@dataclass(frozen=True)
class OWOBP:
    """OWO-BP: W += z G, then OWO.

    step_rule: "optimal", z = -E'/E'' along G (the optimal learning factor, Eq. (20)); or "heuristic", a step that grows
        by a tenth while the objective falls and is halved, weights restored, when it rises (Eq. (30)).
    z: first step of the heuristic rule.
    ridge, l2, safeguard, ols: as in `MOLF`; the safeguard is for the optimal rule.
    """

    step_rule: str = "optimal"
    z: float = 0.01
    ridge: float = 0.0
    l2: float = 0.0
    safeguard: bool = False
    ols: OLS = OLS()

    def __post_init__(self) -> None:
        if self.step_rule not in ("optimal", "heuristic"):
            raise InputError(f'step_rule must be "optimal" or "heuristic", not {self.step_rule!r}')
        if not 0 < self.z < float("inf"):
            raise InputError(f"the first step z must be positive, not {self.z!r}")

    @property
    def penalties(self) -> Penalties:
        return Penalties(ridge=self.ridge, l2=self.l2)

    def init(self, net: Network, patterns: Patterns, key: int) -> dict[str, Any]:
        if self.step_rule == "optimal":
            return {}
        return {"z": self.z, "z_1": 0.0, "J": float("inf"), "theta": net.theta, "direction": net.theta * 0}

    def measure(self, net: Network, patterns: Patterns, state: dict[str, Any]) -> tuple[Array, dict[str, Any]]:
        return measure_gradient(net, patterns, state)

    def step(
        self, net: Network, patterns: Patterns, state: dict[str, Any]
    ) -> tuple[Network, dict[str, Any], dict[str, Any]]:
        if self.step_rule == "optimal":
            net, bp = owo_bp_step(net, patterns, self.penalties, self.safeguard, state)
        else:
            net, state, bp = heuristic_step(net, patterns, self.penalties, state)
        net, owo = owo_step(net, patterns, self.penalties, self.ols)
        return net, spent(state), bp | owo

    def multiplies(self, net: Network, Nv: int) -> tuple[float, float]:
        """Multiplies of one step: by the literature's formula, and what this code spends in matrix products."""
        return costs.owo_bp(net, Nv), costs.own_gradient_step(net, Nv) + costs.own_owo(net, Nv)


def owo_bp_step(
    net: Network,
    patterns: Any,
    penalties: Penalties = Penalties(),
    safeguard: bool = False,
    known: Mapping[str, Any] | None = None,
) -> tuple[Network, dict[str, Any]]:
    """W += z G with the optimal learning factor z = g / h along G, Eq. (20).

    known: scores and gradients at this very network, as `measure_gradient` left them.
    Returns the network and "z", "gradient_norm", "share" (of the step taken under the safeguard; 1 otherwise).
    """
    net.check_initialised()
    patterns = Patterns.fitting(net, patterns)
    E, G = _gradient(net, patterns, penalties, known or {})
    factors = one_factor(net, patterns, G, G, penalties)
    info = {"z": factors.z, "gradient_norm": norm(G), "share": 1.0}
    if not safeguard:
        return net.moved(factors.change), info
    net, share = guarded(net, factors.change, patterns, penalties, E + penalties.value(net))
    return net, info | {"share": share}


def heuristic_step(
    net: Network, patterns: Patterns, penalties: Penalties, state: dict[str, Any]
) -> tuple[Network, dict[str, Any], dict[str, Any]]:
    """W += z_1 G: after a rise the last accepted weights and direction with half the step, else a new G, Eq. (30).

    Returns the network, the state ("z", "z_1", "J" and "theta" last accepted, "direction" there) and "z", "rejected",
    "gradient_norm".
    """
    E, G = _gradient(net, patterns, penalties, state)
    J = E + penalties.value(net)
    rejected = not state["J"] >= J
    if rejected:
        net = net.with_theta(state["theta"])
        state = state | {"z": state["z"] / 2, "z_1": state["z_1"] / 2}
    else:
        z = 1.1 * state["z"]
        energy = norm(G) ** 2
        z_1 = z * J / energy if energy else 0.0
        state = state | {"z": z, "z_1": z_1, "J": J, "theta": net.theta, "direction": net.join(G)}
    G = {key: g for key, g in net.split(state["direction"]).items() if key in net.keys("map")}
    info = {"z": state["z"], "rejected": rejected, "gradient_norm": norm(G)}
    return net.moved({key: state["z_1"] * g for key, g in G.items()}), state, info


def _gradient(
    net: Network, patterns: Patterns, penalties: Penalties, known: Mapping[str, Any]
) -> tuple[float, dict[str, Array]]:
    found = known if "scores" in known else measure_gradient(net, patterns, {})[1]
    G = penalties.add_gradient(net, {key: found[f"G.{key}"] for key in net.keys("map")})
    return float(found["scores"][0]), G
