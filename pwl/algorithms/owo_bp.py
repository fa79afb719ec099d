"""OWO-BP: a gradient step on the hidden weights, then OWO, Eqs. (16), (20), (30)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

from pwl.algorithms import multiplies, owo
from pwl.algorithms.algorithm import Algorithm, Info, Step
from pwl.algorithms.learning_factors import along_line, guarded, hidden_weights, line_factor, norm
from pwl.algorithms.molf import measure_gradient, shapes_of_pass, spent
from pwl.algorithms.options import flat
from pwl.algorithms.owo import owo_step
from pwl.algorithms.penalties import Penalties
from pwl.network.network import Network
from pwl.reductions.gradients import Gradients, gradients
from pwl.reductions.patterns import Patterns
from pwl.reductions.reduce import reduce
from pwl.runtime.backend import Array, array_namespace
from pwl.solvers.ols import OLS
from pwl.validate import kind, one_of, positive

STEP_RULES = ("optimal", "heuristic")
RECORDED = ("z", "rejected", "gradient_norm", "share")


class OWOBPState(NamedTuple):
    """scores, G: those of the present network, if known. The rest is for the heuristic rule, Eq. (30).

    z: the step. z_1: the factor. J, theta, direction: the objective, the parameters and the direction (like theta) at the last
    accepted step.
    """

    scores: Array | None = None
    G: dict[str, Array] | None = None
    z: float = 0.0
    z_1: float = 0.0
    J: float = float("inf")
    theta: Array | None = None
    direction: Array | None = None


@flat("penalties")
@dataclass(frozen=True)
class OWOBP(Algorithm):
    """Trains by OWO-BP: each iteration is a gradient step W += z G, then OWO, Eqs. (16), (10).

    Parameters
    ----------
    step_rule : {"optimal", "heuristic"}
        "optimal" is z = -E'/E'' along G, the optimal learning factor, Eq. (20). "heuristic" is a step that grows by a tenth as
        long as the objective falls. When the objective rises, the weights are restored and the step is halved, Eq. (30).
    z : float
        First step of the heuristic rule.
    safeguard : bool
        Whether the step of the optimal rule is halved until the objective falls.
    ols : pwl.OLS
        The dependence test of the solves, Eq. (13).
    penalties : pwl.Penalties
        Can also be given as ridge, l2 and input_curve_penalty, Eqs. (11), (27), (73).

    Raises
    ------
    InputError
        For an unknown rule, or if the first step is not positive.
    """

    step_rule: str = "optimal"
    z: float = 0.01
    safeguard: bool = False
    ols: OLS = OLS()
    penalties: Penalties = Penalties()
    State: ClassVar[type] = OWOBPState
    shares_pass: ClassVar[bool] = True

    def __post_init__(self) -> None:
        one_of("step_rule", self.step_rule, STEP_RULES)
        positive("the first step z", self.z)

    def init(self, net: Network, patterns: Patterns, key: int) -> OWOBPState:
        if self.step_rule == "optimal":
            return OWOBPState()
        return OWOBPState(z=self.z, theta=net.theta, direction=net.theta * 0)

    def shapes(self, net: Network) -> dict[str, Any]:
        moved = net.theta.shape
        return shapes_of_pass(net) | {"R": {}, "theta": moved, "direction": moved}

    def measure(self, net: Network, patterns: Patterns, state: OWOBPState) -> tuple[Array, OWOBPState]:
        return measure_gradient(net, patterns, state)

    def step(self, net: Network, patterns: Patterns, state: OWOBPState) -> Step:
        if self.step_rule == "optimal":
            net, gradient = owo_bp_step(net, patterns, self.penalties, self.safeguard, state)
        else:
            net, state, gradient = heuristic_step(net, patterns, self.penalties, state)
        net, output = owo_step(net, patterns, self.penalties, self.ols)
        series = gradient.only(RECORDED) | output.only(owo.RECORDED)
        return Step(net, spent(state), series, Info(owo_bp=gradient, owo=output))

    def multiplies(self, net: Network, Nv: int) -> tuple[float, float]:
        return multiplies.owo_bp(net, Nv)


def owo_bp_step(
    net: Network,
    patterns: Any,
    penalties: Penalties = Penalties(),
    safeguard: bool = False,
    known: OWOBPState | None = None,
) -> tuple[Network, Info]:
    """Moves the hidden weights by W += z G with the optimal learning factor z = g / h along G, Eq. (20).

    Parameters
    ----------
    net : Network
    patterns : (x, t), (x, t, weights) or pwl.Patterns
    penalties, safeguard
        As in `OWOBP`.
    known : OWOBPState, optional
        Scores and gradients of this very network.

    Returns
    -------
    net : Network
        The network after the step.
    info : Info
        "G" by slot key, "z" (1,), "gradient_norm", and "share", the part of the step that the safeguard allowed.

    Raises
    ------
    InputError
        If data and network do not fit, or the network is not initialised.
    """
    net, patterns = Patterns.fitting(net, patterns)
    kind("penalties", penalties, Penalties, "a pwl.Penalties")
    net.check_initialised()
    scores, G = _measured(net, patterns, penalties, known or OWOBPState())
    factor = line_factor(net, patterns, G, G, penalties)
    change = along_line(factor, G)
    z = array_namespace(net.theta).asarray([factor], dtype=net.theta.dtype)
    info = Info(G=G, z=z, gradient_norm=norm(G), share=1.0)
    if not safeguard:
        return net.moved(change), info
    net, share = guarded(net, change, patterns, penalties, float(scores[0]) + penalties.value(net))
    return net, info | {"share": share}


def heuristic_step(
    net: Network, patterns: Patterns, penalties: Penalties, state: OWOBPState
) -> tuple[Network, OWOBPState, Info]:
    """W += z_1 G. After a rise it takes the last accepted weights and direction with half the step, Eq. (30)."""
    scores, G = _measured(net, patterns, penalties, state)
    J = float(scores[0]) + penalties.value(net)
    rejected = not state.J >= J
    if rejected:
        net = net.with_theta(state.theta)
        state = state._replace(z=state.z / 2, z_1=state.z_1 / 2)
    else:
        z = 1.1 * state.z
        energy = norm(G) ** 2
        z_1 = z * J / energy if energy else 0.0
        state = state._replace(z=z, z_1=z_1, J=J, theta=net.theta, direction=net.join(G))
    parts = net.split(state.direction)
    G = {key: parts[key] for key in net.keys("map")}
    info = Info(G=G, z=state.z, rejected=rejected, gradient_norm=norm(G))
    return net.moved(along_line(state.z_1, G)), state, info


def _measured(net: Network, patterns: Patterns, penalties: Penalties, known: OWOBPState) -> Gradients:
    """Scores and negative gradients of the objective."""
    scores, G = (known.scores, known.G) if known.G else reduce(gradients(hidden_weights(net)), net, patterns)
    return Gradients(scores, penalties.add_gradient(net, G))
