"""Damped factors: Levenberg-Marquardt among the learning factors, with each trial judged after OWO, Eq. (77)."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np

from pwl.algorithms import multiplies, owo, span
from pwl.algorithms.algorithm import Algorithm, Info, Step, Stop
from pwl.algorithms.learning_factors import block_system, hidden_weights, norm, times_rows
from pwl.algorithms.molf import (
    DIRECTIONS,
    hwo_direction,
    known_autocorrelation,
    measure_gradient,
    of_input_curves,
    shapes_of_pass,
    spent,
)
from pwl.algorithms.options import flat
from pwl.algorithms.penalties import Penalties
from pwl.algorithms.ridge import Fit, first_ridge, fitted, followed, preferred, refitted
from pwl.errors import InputError
from pwl.network.network import Network
from pwl.reductions.gradients import gradients
from pwl.reductions.patterns import Patterns
from pwl.reductions.reduce import reduce
from pwl.runtime.backend import Array, host, like
from pwl.solvers.levenberg_marquardt import Damped, Damping, Normal, search
from pwl.solvers.ols import OLS
from pwl.validate import not_negative, one_of

TRIALS = 12  # most trials of a step
SMALLEST_MU = 1e-6  # a damping far below could not climb back within the trials of one step
FLOOR = 1e-3  # of diag(H), relative to its mean: the diagonal of a unit that is all but dead would not damp it
DAMPING = Damping(mu=10.0, mu_increase=5.0, mu_decrease=0.5, mu_max=1e6, scaling="diagonal")
EVIDENCE = "evidence"
RECORDED = ("z", "mu", "trials", "gradient_norm")


class DampedState(NamedTuple):
    """R, scores, G: as in `MOLFState`. mu, nu: the present damping. ridge: lambda, held within a step. steps: so far."""

    R: dict[str, Array] | None = None
    scores: Array | None = None
    G: dict[str, Array] | None = None
    mu: float = DAMPING.mu
    nu: float = 2.0
    ridge: float = 0.0
    steps: int = 0


@flat("damping")
@dataclass(frozen=True)
class DampedMOLF(Algorithm):
    """Trains by OWO-MOLF with damped factors: (H_molf + mu diag H_molf) z = g_molf, Eq. (77). `MOLF` is the published form.

    A step is taken if the objective after OWO falls. Otherwise mu grows, up to twelve times. So the objective never rises while
    the ridge stays the same. A run ends with stop_code "mu_max" if no damping up to mu_max lowers it.

    Parameters
    ----------
    direction : {"hwo", "gradient"}
        As in `MOLF`.
    ridge : "evidence" or float
        Weight lambda of the penalty on the output weights, Eq. (11). "evidence" begins with a large one and follows the evidence
        after every step, downwards by 5 % at most, Eqs. (76), (78).
    l2 : float
        Weight of the penalty on the hidden weights, Eq. (27).
    ols : pwl.OLS
        The dependence test of the solves, Eq. (13).
    damping : pwl.Damping
        Can also be given as single options, as in `LM`. By default mu starts at 10, halves after a step that is taken, and grows
        fivefold after a trial that is refused. Its scaling must be "diagonal".
    input_curve_penalty : float
        Weight of the penalty on the rises of curves on inputs, Eq. (73), which the evidence of the ridge does not count.

    Raises
    ------
    InputError
        For an unknown direction, a ridge that is neither "evidence" nor a number, a negative weight, or another scaling.
    """

    direction: str = "hwo"
    ridge: float | str = EVIDENCE
    l2: float = 0.0
    ols: OLS = OLS()
    damping: Damping = DAMPING
    input_curve_penalty: float = 0.0
    State: ClassVar[type] = DampedState
    full_batch: ClassVar[bool] = True
    shares_pass: ClassVar[bool] = True

    def __post_init__(self) -> None:
        one_of("direction", self.direction, DIRECTIONS)
        check_ridge(self.ridge)
        not_negative("the penalty l2", self.l2)
        not_negative("the penalty input_curves", self.input_curve_penalty)
        check_scaling(self.damping)

    @property
    def penalties(self) -> Penalties:
        ridge = 0.0 if self.ridge == EVIDENCE else float(self.ridge)
        return Penalties(ridge, self.l2, input_curves=self.input_curve_penalty)

    def init(self, net: Network, patterns: Patterns, key: int) -> DampedState:
        return started(net, patterns, self.ridge, self.damping)

    def shapes(self, net: Network) -> dict[str, Any]:
        return shapes_of_pass(net)

    def measure(self, net: Network, patterns: Patterns, state: DampedState) -> tuple[Array, DampedState]:
        return measure_gradient(net, patterns, state)

    def step(self, net: Network, patterns: Patterns, state: DampedState) -> Step:
        penalties = dataclasses.replace(self.penalties, ridge=state.ridge)
        net, molf = damped_molf_step(net, patterns, self.direction, penalties, self.ols, self.damping, state)
        fit, ridge, series = weighed(molf.fit, patterns, self.ridge, penalties, self.ols)
        state = spent(state)._replace(mu=molf.mu, nu=molf.nu, ridge=ridge, steps=state.steps + 1)
        series = molf.only(RECORDED) | series
        return Step(fit.net, state, series, Info(molf=molf, owo=fit.info), stopped(molf.mu, self.damping))

    def multiplies(self, net: Network, Nv: int) -> tuple[float, float]:
        """Multiplies of a step with one trial."""
        return multiplies.molf(net, Nv, self.direction == "hwo")

    def further(self, net: Network, Nv: int, series: dict[str, Any]) -> tuple[float, float]:
        return multiplies.further_trials(net, Nv, series["trials"])


def damped_molf_step(
    net: Network,
    patterns: Any,
    direction: str = "hwo",
    penalties: Penalties = Penalties(),
    ols: OLS = OLS(),
    damping: Damping = DAMPING,
    known: Any = None,
) -> tuple[Network, Info]:
    """Moves the hidden weights by damped factors and solves for the output weights, so that the objective falls, Eq. (77).

    If the state knows the inputs' autocorrelation, factors stop where nets would stray far beyond their curves' hinges, Eq. (85).

    Parameters
    ----------
    net : Network
    patterns : (x, t), (x, t, weights) or pwl.Patterns
    direction, ols, damping
        As in `DampedMOLF`.
    penalties : pwl.Penalties
        Penalties of the objective. The ridge is a number here.
    known : DampedState, optional
        The present damping, and results for this very network that need not be computed again.

    Returns
    -------
    net : Network
        The network after the step and OWO, or the same network if every trial was refused.
    info : Info
        "G", "D", "H_molf", "g_molf", "z" and "gradient_norm" as in `molf_step`. "mu" and "nu", the damping of the next step;
        "trials", their number; "fit", the result of OWO with the objective "fit.J".

    Raises
    ------
    InputError
        If data and network do not fit, the direction is unknown, or the network is not initialised.
    """
    net, patterns = Patterns.fitting(net, patterns)
    one_of("direction", direction, DIRECTIONS)
    check_scaling(damping)
    net.check_initialised()
    known = known or DampedState(mu=damping.mu)
    scores, G = (known.scores, known.G) if known.G else reduce(gradients(hidden_weights(net)), net, patterns)
    G = penalties.add_gradient(net, G)
    D = hwo_direction(net, patterns, G, ols, known.R or {}) if direction == "hwo" else G
    H, g = block_system(net, patterns, G, D, penalties)
    J = float(scores[0]) + penalties.value(net)
    start, zero = Fit(net, J, penalties.ridge, None, Info()), np.zeros(H.shape[0])

    inputs = of_input_curves(net, known.R)
    low, high = span.bounds(net, D, known.R or {})

    def trial(z: np.ndarray) -> tuple[float, tuple[np.ndarray, Fit]]:
        z = np.clip(z, low, high)
        fit = fitted(net.moved(times_rows(like(z, net.theta), D)), patterns, penalties, ols, inputs)
        return fit.J, (z, fit)

    # Half of H and g, because `search` takes a system whose step e lowers its objective by g'e + mu e'Qe.
    system = Normal(host(H).astype(np.float64) / 2, host(g).astype(np.float64) / 2)
    least = np.full(len(zero), FLOOR * float(np.mean(system.norms())))
    found = search(system, damping, Damped(known.mu, known.nu, least), trial, J, TRIALS)
    z, fit = (zero, start) if found.value is None else found.value
    info = Info(G=G, D=D, H_molf=H, g_molf=g, z=like(z, net.theta), gradient_norm=norm(G))
    mu = max(found.damped.mu, SMALLEST_MU)
    return fit.net, info | Info(mu=mu, nu=found.damped.nu, trials=found.trials, fit=fit)


def weighed(
    fit: Fit, patterns: Patterns, ridge: float | str, penalties: Penalties, ols: OLS
) -> tuple[Fit, float, dict[str, Any]]:
    """The fit with the ridge for the next step, that ridge, and the series of both. Only "evidence" changes the ridge, Eq. (76).

    A network that did not move keeps its ridge.
    """
    series: dict[str, Any] = {"ridge": penalties.ridge, "effective_output_weights": None}
    if ridge == EVIDENCE and fit.info:
        evidence = preferred(fit, patterns)
        penalties = dataclasses.replace(penalties, ridge=followed(penalties.ridge, evidence.ridge))
        fit = refitted(fit, patterns, penalties, ols)
        series = {"ridge": penalties.ridge, "effective_output_weights": evidence.gamma}
    return fit, penalties.ridge, fit.info.only(owo.RECORDED) | series | {"objective": fit.J}


def started(net: Network, patterns: Patterns, ridge: float | str, damping: Damping) -> DampedState:
    """The state before the first step."""
    if ridge == EVIDENCE and not net.loss.evidence:
        raise InputError(
            f"a ridge by evidence needs the probability of the targets, but loss={net.loss.name!r} has none: give ridge a number, "
            "such as 1e-3, and choose it on held-out data"
        )
    first = first_ridge(net, patterns) if ridge == EVIDENCE else float(ridge)
    return DampedState(R=known_autocorrelation(net, patterns, "hwo"), mu=damping.mu, ridge=first)


def stopped(mu: float, damping: Damping) -> Stop | None:
    """The stop of a run whose damping has passed its bound."""
    if mu <= damping.mu_max:
        return None
    return Stop("mu_max", f"no damping up to mu_max lowers the objective (mu_max = {damping.mu_max:g})")


def check_ridge(ridge: Any) -> None:
    """Raises InputError if a ridge is neither "evidence" nor a number, 0 or more."""
    if not (isinstance(ridge, str) and ridge == EVIDENCE):
        if isinstance(ridge, str):
            raise InputError(f'ridge must be "evidence" or a number, not {ridge!r}')
        not_negative("the penalty ridge", ridge)


def check_scaling(damping: Damping) -> None:
    """Raises InputError if the damping is not relative to the diagonal of H."""
    if damping.scaling != "diagonal":
        raise InputError('factors are damped relative to the diagonal of H: their damping must have scaling="diagonal"')
