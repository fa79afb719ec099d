"""MOLF: multiple optimal learning factors, one per hidden unit, Eqs. (16), (19), (21)-(23), (28)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, TypeVar

from pwl.algorithms import multiplies, owo
from pwl.algorithms.algorithm import Algorithm, Info, Step
from pwl.algorithms.all_weights import shape_of_scores
from pwl.algorithms.learning_factors import block_system, guarded, hidden_weights, norm, times_rows
from pwl.algorithms.options import check_shared, flat
from pwl.algorithms.owo import owo_step
from pwl.algorithms.penalties import Penalties
from pwl.network.network import Network
from pwl.reductions.correlations import input_autocorrelation
from pwl.reductions.gradients import gradients
from pwl.reductions.patterns import Patterns
from pwl.reductions.reduce import reduce
from pwl.runtime.backend import Array
from pwl.runtime.room import check_square
from pwl.solvers.ols import OLS
from pwl.validate import one_of

if TYPE_CHECKING:
    from pwl.algorithms.damped import DampedMOLF

DIRECTIONS = ("gradient", "hwo")
RECORDED = ("z", "dependent_factors", "gradient_norm", "share")


class MOLFState(NamedTuple):
    """R: autocorrelations, by slot key, of inputs that never change. scores, G: those of the present network, if known."""

    R: dict[str, Array] | None = None
    scores: Array | None = None
    G: dict[str, Array] | None = None


@flat("penalties")
@dataclass(frozen=True)
class MOLF(Algorithm):
    """Trains by OWO-MOLF: each iteration is a MOLF step on the hidden weights, then OWO, Eqs. (10), (21).

    Parameters
    ----------
    direction : {"gradient", "hwo"}
        "gradient" is D = G, as in the published text. "hwo" is D R_i = G, as in the authors' program. It converges far
        faster, Eq. (23).
    safeguard : bool
        Whether the step is halved until the objective falls. It is off by default, so E may rise, because MOLF is a Gauss-Newton
        method.
    ols : pwl.OLS
        The dependence test of the solves, Eq. (13).
    penalties : pwl.Penalties
        Can also be given as ridge, l2 and input_curve_penalty, Eqs. (11), (27), (73).

    Raises
    ------
    InputError
        For an unknown direction.
    """

    direction: str = "gradient"
    safeguard: bool = False
    ols: OLS = OLS()
    penalties: Penalties = Penalties()
    State: ClassVar[type] = MOLFState
    shares_pass: ClassVar[bool] = True

    def __post_init__(self) -> None:
        one_of("direction", self.direction, DIRECTIONS)

    @staticmethod
    def damped(**options: Any) -> DampedMOLF:
        """The damped form, with the options of `pwl.DampedMOLF`, Eq. (77)."""
        from pwl.algorithms.damped import DampedMOLF  # which is built on this module

        return DampedMOLF(**options)

    def init(self, net: Network, patterns: Patterns, key: int) -> MOLFState:
        return MOLFState(R=known_autocorrelation(net, patterns, self.direction))

    def shapes(self, net: Network) -> dict[str, Any]:
        return shapes_of_pass(net)

    def measure(self, net: Network, patterns: Patterns, state: MOLFState) -> tuple[Array, MOLFState]:
        return measure_gradient(net, patterns, state)

    def step(self, net: Network, patterns: Patterns, state: MOLFState) -> Step:
        net, molf = molf_step(net, patterns, self.direction, self.penalties, self.ols, self.safeguard, state)
        net, output = owo_step(net, patterns, self.penalties, self.ols, of_input_curves(net, state.R))
        series = molf.only(RECORDED) | output.only(owo.RECORDED)
        return Step(net, spent(state), series, Info(molf=molf, owo=output))

    def multiplies(self, net: Network, Nv: int) -> tuple[float, float]:
        return multiplies.molf(net, Nv, self.direction == "hwo")


def molf_step(
    net: Network,
    patterns: Any,
    direction: str = "gradient",
    penalties: Penalties = Penalties(),
    ols: OLS = OLS(),
    safeguard: bool = False,
    known: MOLFState | None = None,
) -> tuple[Network, Info]:
    """Moves the hidden weights by W += diag(z) D in every layer. OLS solves H_molf z = g_molf, Eqs. (21), (22), (28).

    Parameters
    ----------
    net : Network
    patterns : (x, t), (x, t, weights) or pwl.Patterns
    direction, penalties, ols, safeguard
        As in `MOLF`.
    known : MOLFState, optional
        Results for this very network that need not be computed again.

    Returns
    -------
    net : Network
        The network after the step.
    info : Info
        By slot key "G", the negative gradient (Nh, N+1), and "D", the direction. "H_molf" (Nh, Nh), "g_molf" (Nh,) and "z" (Nh,),
        with the units of several layers one after another. "dependent_factors", the indices of dropped factors;
        "gradient_norm"; and "share", the part of the step that the safeguard allowed.

    Raises
    ------
    InputError
        If data and network do not fit, the direction is unknown, or the network is not initialised.
    """
    net, patterns = Patterns.fitting(net, patterns)
    check_shared(penalties, ols)
    one_of("direction", direction, DIRECTIONS)
    net.check_initialised()
    known = known or MOLFState()
    scores, G = (known.scores, known.G) if known.G else reduce(gradients(hidden_weights(net)), net, patterns)
    G = penalties.add_gradient(net, G)
    D = hwo_direction(net, patterns, G, ols, known.R or {}) if direction == "hwo" else G
    H, g = block_system(net, patterns, G, D, penalties)
    z, dependent, _ = ols.solve(H, g)
    change = times_rows(z, D)
    info = Info(G=G, D=D, H_molf=H, g_molf=g, z=z, dependent_factors=dependent, gradient_norm=norm(G), share=1.0)
    if not safeguard:
        return net.moved(change), info
    assert scores is not None
    net, share = guarded(net, change, patterns, penalties, float(scores[0]) + penalties.value(net))
    return net, info | {"share": share}


StateWithGradient = TypeVar("StateWithGradient", bound=NamedTuple)


def measure_gradient(
    net: Network, patterns: Patterns, state: StateWithGradient
) -> tuple[Array, StateWithGradient]:
    """The scores of a network, and the state with the scores and the gradients for a step from this network.

    One pass over the data then serves the record of one iteration and the step of the next.
    """
    scores, G = reduce(gradients(hidden_weights(net)), net, patterns)
    return scores, state._replace(scores=scores, G=G)


def spent(state: StateWithGradient) -> StateWithGradient:
    """The state without scores and gradients, after the network has moved."""
    return state._replace(scores=None, G=None)


def hwo_direction(
    net: Network, patterns: Patterns, G: Mapping[str, Array], ols: OLS, known: Mapping[str, Array]
) -> dict[str, Array]:
    """D with D R_i = G in every layer, where R_i is the autocorrelation of the layer's inputs, Eq. (23)."""
    D, ols = {}, ols.of_functions_like(net.theta)
    for key, g in G.items():
        R = known[key] if key in known else _inputs_of(net, patterns, key)
        D[key] = ols.solve(R, g).weights
    return D


def shapes_of_pass(net: Network) -> dict[str, Any]:
    """The shapes of R, scores and G in a state of `measure_gradient`."""
    keys = hidden_weights(net)
    first = keys[0]
    n = math.prod(net.parts[first].shape[1:])
    G = {key: net.parts[key].shape for key in keys}
    return {"R": {first: (n, n)}, "scores": shape_of_scores(net), "G": G}


def known_autocorrelation(net: Network, patterns: Patterns, direction: str) -> dict[str, Array]:
    """The autocorrelation of the first layer's inputs by slot key, if it will be needed. It does not change in a run.

    HWO needs it, and OWO needs it for curves on the inputs, where it costs as much as the rest of the step.
    """
    if net.layers[0].kind != "map" or not (direction == "hwo" or net.layout.direct_rises):
        return {}
    key = net.keys("map")[0]
    return {key: _inputs_of(net, patterns, key)}


def _inputs_of(net: Network, patterns: Patterns, key: str) -> Array:
    """R_i of the inputs of the layer with the weights `key`, Eq. (23), if it fits the memory that is left."""
    slot = net.layout.by_key[key]
    check_square(math.prod(slot.shape[1:]), "inputs of a layer", 'use fewer inputs or units, or direction="gradient"')
    return reduce(input_autocorrelation(slot.layer), net, patterns)


def of_input_curves(net: Network, known: Mapping[str, Array] | None) -> Array | None:
    """The known autocorrelation of curves on the inputs, if the outputs of the network see them."""
    return (known or {}).get(net.keys("map")[0]) if net.layout.direct_rises else None
