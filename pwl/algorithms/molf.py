"""MOLF: multiple optimal learning factors, one per hidden unit, Eqs. (16), (19), (21)-(23), (28)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pwl.algorithms import multiplies as costs
from pwl.algorithms.learning_factors import block_factors, guarded, norm
from pwl.algorithms.owo import owo_step
from pwl.algorithms.penalties import Penalties
from pwl.errors import InputError
from pwl.network.network import Network
from pwl.reductions.patterns import Patterns
from pwl.reductions.statistics import gradient, input_autocorrelation, layer_of
from pwl.runtime.backend import Array
from pwl.solvers.ols import OLS

DIRECTIONS = ("gradient", "hwo")


@dataclass(frozen=True)
class MOLF:
    """OWO-MOLF: a MOLF step on the hidden weights, then OWO.

    direction: "gradient", D = G as the published text has it; or "hwo", D R_i = G as the authors' program has it,
        which converges far faster (Eq. (23)).
    ridge, l2: penalties on output and hidden weights, Eqs. (11), (27).
    safeguard: halve the step until the objective falls. Off by default: MOLF is Gauss-Newton and may raise E.
    ols: the dependence test of the solves, Eq. (13).
    """

    direction: str = "gradient"
    ridge: float = 0.0
    l2: float = 0.0
    safeguard: bool = False
    ols: OLS = OLS()

    def __post_init__(self) -> None:
        check_direction(self.direction)

    @property
    def penalties(self) -> Penalties:
        return Penalties(ridge=self.ridge, l2=self.l2)

    def init(self, net: Network, patterns: Patterns, key: int) -> dict[str, Any]:
        return known_autocorrelation(net, patterns, self.direction)

    def measure(self, net: Network, patterns: Patterns, state: dict[str, Any]) -> tuple[Array, dict[str, Any]]:
        return measure_gradient(net, patterns, state)

    def step(
        self, net: Network, patterns: Patterns, state: dict[str, Any]
    ) -> tuple[Network, dict[str, Any], dict[str, Any]]:
        net, molf = molf_step(net, patterns, self.direction, self.penalties, self.ols, self.safeguard, state)
        net, owo = owo_step(net, patterns, self.penalties, self.ols)
        return net, spent(state), molf | owo

    def multiplies(self, net: Network, Nv: int) -> tuple[float, float]:
        """Multiplies of one step: by the literature's formulas, and what this code spends in matrix products."""
        return costs.owo_molf(net, Nv, self.direction == "hwo"), costs.own_molf(
            net, Nv, self.direction == "hwo"
        ) + costs.own_owo(net, Nv)


def molf_step(
    net: Network,
    patterns: Any,
    direction: str = "gradient",
    penalties: Penalties = Penalties(),
    ols: OLS = OLS(),
    safeguard: bool = False,
    known: Mapping[str, Array] | None = None,
) -> tuple[Network, dict[str, Any]]:
    """W += diag(z) D in every layer, with H_molf z = g_molf solved by OLS, Eqs. (21), (22), (28).

    known: what need not be computed again: autocorrelations of layer inputs that never change as "R.<slot key>", and
        at this very network the scores and gradients, as `measure_gradient` left them.
    Returns the network and "z", "dependent_factors" (indices of factors dropped), "gradient_norm", "share" (of the
    step taken under the safeguard; 1 otherwise).
    """
    check_direction(direction)
    net.check_initialised()
    patterns, known = Patterns.fitting(net, patterns), known or {}
    found = known if "scores" in known else measure_gradient(net, patterns, {})[1]
    G = penalties.add_gradient(net, {key: found[f"G.{key}"] for key in net.keys("map")})
    D = hwo_direction(net, patterns, G, ols, known) if direction == "hwo" else G
    factors = block_factors(net, patterns, G, D, penalties, ols)
    info = {"z": factors.z, "dependent_factors": factors.dependent, "gradient_norm": norm(G), "share": 1.0}
    if not safeguard:
        return net.moved(factors.change), info
    net, share = guarded(net, factors.change, patterns, penalties, float(found["scores"][0]) + penalties.value(net))
    return net, info | {"share": share}


def measure_gradient(net: Network, patterns: Patterns, state: dict[str, Any]) -> tuple[Array, dict[str, Any]]:
    """Scores of a network, and the state with them and with the gradients that a step from this network begins with.

    One pass over the data then serves the record of one iteration and the step of the next.
    """
    keys = net.keys("map")
    scores, *G = patterns.reduce(gradient(keys), net)
    return scores, state | {"scores": scores} | {f"G.{key}": g for key, g in zip(keys, G, strict=True)}


def spent(state: dict[str, Any]) -> dict[str, Any]:
    """The state without what `measure_gradient` left in it: the network has moved."""
    return {key: value for key, value in state.items() if key != "scores" and not key.startswith("G.")}


def hwo_direction(
    net: Network, patterns: Patterns, G: Mapping[str, Array], ols: OLS, known: Mapping[str, Array]
) -> dict[str, Array]:
    """D with D R_i = G in every layer, R_i the autocorrelation of the layer's inputs, Eq. (23)."""
    found, ols = {}, ols.of_functions_like(net.theta)
    for key, g in G.items():
        R = known[f"R.{key}"] if f"R.{key}" in known else patterns.reduce(input_autocorrelation(layer_of(key)), net)[0]
        found[key] = ols.solve(R, g).weights
    return found


def known_autocorrelation(net: Network, patterns: Patterns, direction: str) -> dict[str, Array]:
    """The first layer's input autocorrelation by slot key where HWO will need it: the data do not change."""
    if direction != "hwo" or net.layers[0].kind != "map":
        return {}
    return {f"R.{net.keys('map')[0]}": patterns.reduce(input_autocorrelation(0), net)[0]}


def check_direction(direction: str) -> None:
    if direction not in DIRECTIONS:
        raise InputError(f'direction must be "gradient" or "hwo", not {direction!r}')
