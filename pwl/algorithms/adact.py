"""AdAct: MOLF step, curve step, output step (Rane, Tyagi, Chugh, Murali: Algorithm 1), Eqs. (17), (24)-(26), (47), (57)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from pwl.activations.knots import KNOTS, knots_at
from pwl.algorithms import molf, multiplies, owo
from pwl.algorithms.algorithm import Algorithm, Info, Step
from pwl.algorithms.curve_newton import newton_directions
from pwl.algorithms.learning_factors import along_line, block_system, guarded, line_factor, norm, times_rows
from pwl.algorithms.molf import (
    DIRECTIONS,
    MOLFState,
    known_autocorrelation,
    measure_gradient,
    molf_step,
    of_input_curves,
    shapes_of_pass,
    spent,
)
from pwl.algorithms.options import check_shared, flat
from pwl.algorithms.owo import owo_step
from pwl.algorithms.penalties import Penalties
from pwl.algorithms.span import of_basis, units_outside
from pwl.errors import InputError
from pwl.network.network import Network
from pwl.reductions.gradients import gradients
from pwl.reductions.patterns import Patterns
from pwl.reductions.reduce import reduce
from pwl.runtime.backend import Array, array_namespace
from pwl.solvers.ols import OLS
from pwl.validate import one_of, whole

if TYPE_CHECKING:
    from pwl.algorithms.damped_adact import DampedAdAct

CURVE_FACTORS = ("scalar", "unit")
CURVE_DIRECTIONS = ("gradient", "newton")
RECORDED = ("z_curve", "curve_gradient_norm", "curve_share")


class AdActState(NamedTuple):
    """R, scores, G: as in `MOLFState`. steps: number of steps so far."""

    R: dict[str, Array] | None = None
    scores: Array | None = None
    G: dict[str, Array] | None = None
    steps: int = 0


@flat("penalties")
@dataclass(frozen=True)
class AdAct(Algorithm):
    """Trains by Algorithm 1: each iteration is a MOLF step on W, a step on the curves' ordinates A, and OWO, Eq. (47).

    Other activations with parameters are trained in the same way.

    Parameters
    ----------
    direction : {"gradient", "hwo"}
        Direction of the MOLF step, as in `MOLF`.
    curve_factor : {"scalar", "unit"}
        "scalar" is one factor z for all curves, as published, Eq. (24). "unit" is one factor per curve, Eq. (25).
    refine : int
        Steps between refinements. With hinges="auto", curves have 3 knots at first, then 5, 9 and 17, Eq. (57).
    safeguard : bool
        Whether the MOLF step is halved until the objective falls, as in `MOLF`.
    ols : pwl.OLS
        The dependence test of the solves, Eq. (13).
    penalties : pwl.Penalties
        Can also be given as ridge, l2, curve_penalty and input_curve_penalty, Eqs. (11), (27), (26), (73).

    Raises
    ------
    InputError
        For an unknown direction or curve_factor, or if refine is below 1.
    """

    direction: str = "gradient"
    curve_factor: str = "scalar"
    refine: int = 25
    safeguard: bool = False
    ols: OLS = OLS()
    penalties: Penalties = Penalties()
    State: ClassVar[type] = AdActState
    shares_pass: ClassVar[bool] = True

    def __post_init__(self) -> None:
        one_of("direction", self.direction, DIRECTIONS)
        one_of("curve_factor", self.curve_factor, CURVE_FACTORS)
        whole("refine", self.refine, unit=" of steps")

    @staticmethod
    def damped(**options: Any) -> DampedAdAct:
        """The damped form, with the options of `pwl.DampedAdAct`, Eq. (77)."""
        from pwl.algorithms.damped_adact import DampedAdAct  # which is built on this module

        return DampedAdAct(**options)

    def init(self, net: Network, patterns: Patterns, key: int) -> AdActState:
        check_curves(net)
        return AdActState(R=known_autocorrelation(net, patterns, self.direction))

    def shapes(self, net: Network) -> dict[str, Any]:
        return shapes_of_pass(net)

    def measure(self, net: Network, patterns: Patterns, state: AdActState) -> tuple[Array, AdActState]:
        return measure_gradient(net, patterns, state)

    def step(self, net: Network, patterns: Patterns, state: AdActState) -> Step:
        known, knots = MOLFState(state.R, state.scores, state.G), knots_at(state.steps, self.refine)
        net, hidden = molf_step(net, patterns, self.direction, self.penalties, self.ols, self.safeguard, known)
        net, curves = adact_step(net, patterns, self.curve_factor, self.penalties, self.ols, knots)
        net, output = owo_step(net, patterns, self.penalties, self.ols, of_input_curves(net, state.R))
        series = hidden.only(molf.RECORDED) | curves.only(RECORDED) | output.only(owo.RECORDED)
        series |= units_outside(net, state.R or of_basis(net, output.R, self.penalties))
        state = spent(state)._replace(steps=state.steps + 1)
        return Step(net, state, series, Info(molf=hidden, adact=curves, owo=output))

    def multiplies(self, net: Network, Nv: int) -> tuple[float, float]:
        return multiplies.adact(net, Nv, self.direction == "hwo", self.curve_factor == "unit")


def adact_step(
    net: Network,
    patterns: Any,
    curve_factor: str = "scalar",
    penalties: Penalties = Penalties(),
    ols: OLS = OLS(),
    knots: int = KNOTS[-1],
    curve_direction: str = "gradient",
) -> tuple[Network, Info]:
    """Moves the ordinates by A += z D with one z for all curves, Eq. (24), or one per unit, Eq. (25).

    D is G_a, or a smooth direction for hinges="auto", Eq. (57). Under squared error the outputs are linear in the A of the last
    layer, so z is the exact minimum along D and E cannot rise. In all other cases z is a Gauss-Newton step, which is halved
    until the objective falls. These are cross-entropy, curves in several layers, and activations that are not linear in
    their parameters.

    Parameters
    ----------
    net : Network
    patterns : (x, t), (x, t, weights) or pwl.Patterns
    curve_factor, penalties, ols
        As in `AdAct`.
    knots : int
        Number of knots of curves with hinges="auto". Other curves have none.
    curve_direction : {"gradient", "newton"}
        "newton" divides each unit's gradient by its own tridiagonal curvature, Eqs. (86), (87).

    Returns
    -------
    net : Network
        The network after the step.
    info : Info
        By slot key "G_a", the negative gradient (Nh, K), and "D", the direction. "z", one number or one per unit, also under
        the name "z_curve"; "curve_gradient_norm"; and "curve_share", the part of the step that was taken.

    Raises
    ------
    InputError
        If data and network do not fit, if the activations are fixed, or if the network is not initialised.
    """
    net, patterns = Patterns.fitting(net, patterns)
    check_shared(penalties, ols)
    one_of("curve_factor", curve_factor, CURVE_FACTORS)
    one_of("curve_direction", curve_direction, CURVE_DIRECTIONS)
    check_curves(net)
    net.check_initialised()
    scores, G_a = reduce(gradients(net.keys("activation")), net, patterns)
    G_a = penalties.add_gradient(net, G_a)
    if curve_direction == "newton":
        D = newton_directions(net, patterns, G_a, knots, ols)
    else:
        D = {key: net.layer_of(key).curve_direction(g, knots) for key, g in G_a.items()}
    if curve_factor == "unit":
        z = ols.solve(*block_system(net, patterns, G_a, D, penalties)).weights
        change = times_rows(z, D)
    else:
        factor = line_factor(net, patterns, G_a, D, penalties)
        z, change = array_namespace(net.theta).asarray([factor], dtype=net.theta.dtype), along_line(factor, D)
    info = Info(G_a=G_a, D=D, z=z, z_curve=z, curve_gradient_norm=norm(G_a), curve_share=1.0)
    if exact(net):
        return net.moved(change), info
    net, share = guarded(net, change, patterns, penalties, float(scores[0]) + penalties.value(net))
    return net, info | {"curve_share": share}


def exact(net: Network) -> bool:
    """Whether E is quadratic in the parameters of the activations, so that z is its exact minimum."""
    last = len(net.layers) - 1
    return net.loss.quadratic and net.layout.layers(net.keys("activation")) == [last] and net.layers[last].linear


def check_curves(net: Network) -> None:
    """Raises InputError if the activations of the network are fixed."""
    if not net.keys("activation"):
        raise InputError(
            "AdAct trains the activations, but this net's are fixed: "
            "build it with activation=pwl.PiecewiseLinear(...), or use pwl.MOLF()"
        )
