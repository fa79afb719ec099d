"""AdAct with damped factors, and a step on the curves that is as robust, Eqs. (76), (77)."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, ClassVar

from pwl.activations.knots import knots_at
from pwl.algorithms import adact, multiplies
from pwl.algorithms.adact import CURVE_DIRECTIONS, CURVE_FACTORS, adact_step, check_curves
from pwl.algorithms.algorithm import Algorithm, Info, Step
from pwl.algorithms.damped import (
    DAMPING,
    EVIDENCE,
    RECORDED,
    DampedState,
    check_ridge,
    check_scaling,
    damped_molf_step,
    started,
    stopped,
    weighed,
)
from pwl.algorithms.molf import DIRECTIONS, measure_gradient, of_input_curves, shapes_of_pass, spent
from pwl.algorithms.options import flat
from pwl.algorithms.penalties import Penalties
from pwl.algorithms.ridge import fitted
from pwl.algorithms.span import units_outside
from pwl.network.network import Network
from pwl.reductions.patterns import Patterns
from pwl.runtime.backend import Array
from pwl.solvers.levenberg_marquardt import Damping
from pwl.solvers.ols import OLS
from pwl.validate import not_negative, one_of, whole


@flat("damping")
@dataclass(frozen=True)
class DampedAdAct(Algorithm):
    """Trains by AdAct with damped factors: a damped MOLF step, a step on the curves, and OWO, Eqs. (24), (77).

    `AdAct` is the published form.

    Parameters
    ----------
    direction, ridge, l2, ols, damping
        As in `DampedMOLF`.
    curve_direction : {"gradient", "newton"}
        Direction of the step on the curves. "newton" divides each unit's gradient by its own curvature, Eqs. (86), (87). It lowers
        the training error faster, and on most tables it overfits more.
    curve_factor, refine
        As in `AdAct`.
    curve_penalty : float
        Weight of the penalty on the curves' second differences, Eq. (26).
    input_curve_penalty : float
        As in `DampedMOLF`.

    Raises
    ------
    InputError
        As in `DampedMOLF` and `AdAct`.
    """

    direction: str = "hwo"
    ridge: float | str = EVIDENCE
    l2: float = 0.0
    curve_direction: str = "gradient"
    curve_factor: str = "scalar"
    refine: int = 25
    curve_penalty: float = 0.0
    ols: OLS = OLS()
    damping: Damping = DAMPING
    input_curve_penalty: float = 0.0
    State: ClassVar[type] = DampedState
    full_batch: ClassVar[bool] = True
    shares_pass: ClassVar[bool] = True

    def __post_init__(self) -> None:
        one_of("direction", self.direction, DIRECTIONS)
        one_of("curve_direction", self.curve_direction, CURVE_DIRECTIONS)
        one_of("curve_factor", self.curve_factor, CURVE_FACTORS)
        whole("refine", self.refine, unit=" of steps")
        check_ridge(self.ridge)
        not_negative("the penalty l2", self.l2)
        not_negative("the penalty curves", self.curve_penalty)
        not_negative("the penalty input_curves", self.input_curve_penalty)
        check_scaling(self.damping)

    @property
    def penalties(self) -> Penalties:
        ridge = 0.0 if self.ridge == EVIDENCE else float(self.ridge)
        return Penalties(ridge, self.l2, self.curve_penalty, self.input_curve_penalty)

    def init(self, net: Network, patterns: Patterns, key: int) -> DampedState:
        check_curves(net)
        return started(net, patterns, self.ridge, self.damping)

    def shapes(self, net: Network) -> dict[str, Any]:
        return shapes_of_pass(net)

    def measure(self, net: Network, patterns: Patterns, state: DampedState) -> tuple[Array, DampedState]:
        return measure_gradient(net, patterns, state)

    def step(self, net: Network, patterns: Patterns, state: DampedState) -> Step:
        penalties = dataclasses.replace(self.penalties, ridge=state.ridge)
        net, molf = damped_molf_step(net, patterns, self.direction, penalties, self.ols, self.damping, state)
        knots = knots_at(state.steps, self.refine)
        net, curves = adact_step(net, patterns, self.curve_factor, penalties, self.ols, knots, self.curve_direction)
        fit, ridge, series = weighed(
            fitted(net, patterns, penalties, self.ols, of_input_curves(net, state.R)), patterns, self.ridge, penalties, self.ols
        )
        state = spent(state)._replace(mu=molf.mu, nu=molf.nu, ridge=ridge, steps=state.steps + 1)
        series = molf.only(RECORDED) | curves.only(adact.RECORDED) | series | units_outside(fit.net, state.R or {})
        return Step(fit.net, state, series, Info(molf=molf, adact=curves, owo=fit.info), stopped(molf.mu, self.damping))

    def multiplies(self, net: Network, Nv: int) -> tuple[float, float]:
        """Multiplies of a step with one trial."""
        return multiplies.damped_adact(net, Nv, self.direction == "hwo", self.curve_factor == "unit")

    def further(self, net: Network, Nv: int, series: dict[str, Any]) -> tuple[float, float]:
        return multiplies.further_trials(net, Nv, series["trials"])
