"""AdAct: MOLF step, curve step, output step (Rane, Tyagi, Chugh, Murali: Algorithm 1), Eqs. (17), (24)-(26), (47), (57)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from pwl.activations.knots import KNOTS, knots_at
from pwl.algorithms import multiplies as costs
from pwl.algorithms.learning_factors import block_factors, guarded, norm, one_factor
from pwl.algorithms.molf import check_direction, known_autocorrelation, measure_gradient, molf_step, spent
from pwl.algorithms.owo import owo_step
from pwl.algorithms.penalties import Penalties
from pwl.errors import InputError
from pwl.network.network import Network
from pwl.reductions.patterns import Patterns
from pwl.reductions.statistics import gradient, layer_of
from pwl.runtime.backend import Array
from pwl.solvers.ols import OLS


@dataclass(frozen=True)
class AdAct:
    """Algorithm 1: each iteration is a MOLF step on W, an AdAct step on the curves' ordinates A, and OWO.

    Other activations with parameters are trained likewise: what is said of A holds for theirs.

    direction: of the MOLF step, "gradient" or "hwo", as in `MOLF`.
    curve_factor: "scalar", one z over A as published, or "unit", a factor per unit's curve, Eq. (25).
    refine: with hinges="auto", after so many steps the curves get more knots: 3, then 5, 9, 17, Eq. (57).
    curve_penalty: weight of the curves' second differences in the objective, Eq. (26).
    ridge, l2, safeguard, ols: as in `MOLF`.
    """

    direction: str = "gradient"
    curve_factor: str = "scalar"
    refine: int = 25
    curve_penalty: float = 0.0
    ridge: float = 0.0
    l2: float = 0.0
    safeguard: bool = False
    ols: OLS = OLS()

    def __post_init__(self) -> None:
        check_direction(self.direction)
        check_curve_factor(self.curve_factor)
        if not isinstance(self.refine, (int, np.integer)) or isinstance(self.refine, bool) or self.refine < 1:
            raise InputError(f"refine must be a whole number of steps, 1 or more, not {self.refine!r}")

    @property
    def penalties(self) -> Penalties:
        return Penalties(ridge=self.ridge, l2=self.l2, curves=self.curve_penalty)

    def init(self, net: Network, patterns: Patterns, key: int) -> dict[str, Any]:
        check_curves(net)
        return known_autocorrelation(net, patterns, self.direction) | {"steps": 0}

    def measure(self, net: Network, patterns: Patterns, state: dict[str, Any]) -> tuple[Array, dict[str, Any]]:
        return measure_gradient(net, patterns, state)

    def step(
        self, net: Network, patterns: Patterns, state: dict[str, Any]
    ) -> tuple[Network, dict[str, Any], dict[str, Any]]:
        net, molf = molf_step(net, patterns, self.direction, self.penalties, self.ols, self.safeguard, state)
        steps = state.get("steps", 0)
        knots = knots_at(steps, self.refine)
        net, adact = adact_step(net, patterns, self.curve_factor, self.penalties, self.ols, knots)
        net, owo = owo_step(net, patterns, self.penalties, self.ols)
        return net, spent(state) | {"steps": steps + 1}, molf | adact | owo

    def multiplies(self, net: Network, Nv: int) -> tuple[float, float]:
        """Multiplies of one step: by the literature's formulas, and what this code spends in matrix products."""
        hwo = self.direction == "hwo"
        own = (
            costs.own_molf(net, Nv, hwo)
            + costs.own_adact(net, Nv, self.curve_factor == "unit")
            + costs.own_owo(net, Nv)
        )
        return costs.owo_molf(net, Nv, hwo) + costs.adact(net, Nv), own


def adact_step(
    net: Network,
    patterns: Any,
    curve_factor: str = "scalar",
    penalties: Penalties = Penalties(),
    ols: OLS = OLS(),
    knots: int = KNOTS[-1],
) -> tuple[Network, dict[str, Any]]:
    """A += z D, with one z over all curves, Eq. (24), or one per unit, Eq. (25); D = G_a, or smooth for hinges="auto", Eq. (57).

    Under squared error the outputs are linear in the last layer's A: z is then the exact minimum along D and E cannot
    rise. Otherwise (cross-entropy, curves in several layers, activations that are not linear in their parameters) z is
    Gauss-Newton and is halved until the objective falls.
    knots: of curves with hinges="auto"; others have none. Returns the network and "z_curve", "curve_share" (of the step taken).
    """
    check_curves(net)
    check_curve_factor(curve_factor)
    net.check_initialised()
    patterns = Patterns.fitting(net, patterns)
    keys = net.keys("activation")
    scores, *values = patterns.reduce(gradient(keys), net)
    G_a = penalties.add_gradient(net, dict(zip(keys, values, strict=True)))
    D = {key: direction(net.layers[layer_of(key)], g, knots) for key, g in G_a.items()}
    if curve_factor == "unit":
        factors = block_factors(net, patterns, G_a, D, penalties, ols)
    else:
        factors = one_factor(net, patterns, G_a, D, penalties)
    info = {"z_curve": factors.z, "curve_gradient_norm": norm(G_a), "curve_share": 1.0}
    if exact(net):
        return net.moved(factors.change), info
    net, share = guarded(net, factors.change, patterns, penalties, float(scores[0]) + penalties.value(net))
    return net, info | {"curve_share": share}


def direction(layer: Any, G_a: Array, knots: int) -> Array:
    """Of a step on an activation's parameters: smooth where the hinges follow knots, Eq. (57), otherwise G_a."""
    return layer.smoothed(G_a, knots) if getattr(layer, "smooth", False) else G_a


def exact(net: Network) -> bool:
    """Whether E is a quadratic along any change of the activations' parameters, so that z is its exact minimum."""
    layers = {layer_of(key) for key in net.keys("activation")}
    return net.loss.quadratic and layers == {len(net.layers) - 1} and net.layers[-1].linear


def check_curve_factor(curve_factor: str) -> None:
    if curve_factor not in ("scalar", "unit"):
        raise InputError(f'curve_factor must be "scalar" or "unit", not {curve_factor!r}')


def check_curves(net: Network) -> None:
    if not net.keys("activation"):
        raise InputError(
            "AdAct trains the activations, but this net's are fixed: "
            "build it with activation=pwl.PiecewiseLinear(...), or use pwl.MOLF()"
        )
