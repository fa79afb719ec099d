"""SGD: steps along the negative gradient with momentum, Eq. (48)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

from pwl.algorithms import multiplies
from pwl.algorithms.algorithm import Algorithm, Info, Step
from pwl.algorithms.all_weights import gradient_alone, length, trained
from pwl.algorithms.options import flat
from pwl.algorithms.penalties import Penalties
from pwl.algorithms.rates import Factors, Rate, check_rates, in_order, rates
from pwl.kernels import array_engine
from pwl.network.network import Network
from pwl.reductions.patterns import Patterns
from pwl.runtime.backend import Array, array_namespace
from pwl.validate import share


class SGDState(NamedTuple):
    """steps: number of steps so far. key: seeds the layers' random numbers. velocity: a vector like theta."""

    steps: int
    key: int
    velocity: Array


@flat("penalties")
@dataclass(frozen=True)
class SGD(Algorithm):
    """Trains all weights by gradient descent with momentum, Eq. (48). Use it with batches, `train(..., batch_size=32)`.

    Parameters
    ----------
    learning_rate : float or function of the number of steps so far
        Learning rate of the weights. A checkpoint identifies a run by the repr of its algorithm. Thus a function needs a
        telling repr if the run is to be resumed in another process. The schedules in pwl.schedules have one, and so has any
        frozen dataclass with `__call__(self, step)`. The repr of a plain function is only its address.
    momentum : float
        Share of the last velocity that is kept, in [0, 1).
    nesterov : bool
        Whether the step looks ahead along the velocity.
    curve_rate : float or function, optional
        Learning rate of the curves' ordinates. None means the same rate.
    train_curves : bool
        Whether the curves' ordinates are trained, too.
    penalties : pwl.Penalties
        Can also be given as ridge, l2, curve_penalty and input_curve_penalty, Eqs. (11), (27), (26), (73).
    factors : mapping
        Factors of the learning rates of single parameters by their keys, {"0.W": 0.1}. 0 leaves a parameter as it is, apart from
        penalties and decay, which follow the rate. `pwl.finetune` makes them from names of layers.

    Raises
    ------
    InputError
        If a rate is negative or not finite, or the momentum is outside [0, 1).
    """

    learning_rate: Rate = 0.01
    momentum: float = 0.9
    nesterov: bool = False
    curve_rate: Rate | None = None
    train_curves: bool = True
    penalties: Penalties = Penalties()
    factors: Factors = ()
    State: ClassVar[type] = SGDState

    def __post_init__(self) -> None:
        check_rates(self.learning_rate, self.curve_rate)
        object.__setattr__(self, "factors", in_order(self.factors))
        share("momentum", self.momentum)

    def init(self, net: Network, patterns: Patterns, key: int) -> SGDState:
        return SGDState(0, key, array_namespace(net.theta).zeros_like(net.theta))

    def shapes(self, net: Network) -> dict[str, Any]:
        return {"velocity": net.theta.shape}

    def step(self, net: Network, patterns: Patterns, state: SGDState) -> Step:
        keys = trained(net, self.train_curves)
        G = gradient_alone(net.training(state.key, state.steps), patterns, keys, self.penalties)
        rate = rates(net, keys, self.learning_rate, self.curve_rate, state.steps, self.factors)
        step = array_engine(net.theta).momentum_step
        theta, velocity = step(net.theta, G, state.velocity, rate, self.momentum, self.nesterov)
        state = SGDState(state.steps + 1, state.key, velocity)
        return Step(net.with_theta(theta), state, {"gradient_norm": length(G)}, Info(G=G))

    def multiplies(self, net: Network, Nv: int) -> tuple[float, float]:
        return multiplies.first_order(net, Nv)
