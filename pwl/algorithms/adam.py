"""Adam: each weight moves along its mean gradient divided by the root mean square, Eq. (49)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

from pwl.algorithms import multiplies
from pwl.algorithms.algorithm import Algorithm, Info, Step
from pwl.algorithms.all_weights import gradient_alone, length, trained
from pwl.algorithms.options import flat
from pwl.algorithms.penalties import Penalties
from pwl.algorithms.rates import Factors, Rate, check_rates, in_order, rates
from pwl.kernels import update_engine
from pwl.network.network import Network
from pwl.reductions.patterns import Patterns
from pwl.runtime.backend import Array, array_namespace
from pwl.validate import not_negative, positive, share


class AdamState(NamedTuple):
    """steps: number of steps so far. key: seeds the layers' random numbers. m, v: running means of G and its square."""

    steps: int
    key: int
    m: Array
    v: Array


@flat("penalties")
@dataclass(frozen=True)
class Adam(Algorithm):
    """Trains all weights by Adam, or by AdamW with a weight decay, Eq. (49). Use it with batches, `train(..., batch_size=32)`.

    Parameters
    ----------
    learning_rate, curve_rate : float or function of the number of steps so far
        Learning rates of the weights and of the curves' ordinates, as in `SGD`.
    beta1, beta2 : float
        Shares of the running means of the gradient and of its square that are kept in a step, in [0, 1).
    epsilon : float
        A positive number that is added to the root.
    weight_decay : float
        In each step every trained parameter shrinks by its learning rate times this number, thresholds and ordinates
        included. The objective does not contain it.
    train_curves : bool
        Whether the curves' ordinates are trained, too.
    penalties : pwl.Penalties
        As in `SGD`.
    factors : mapping
        As in `SGD`.

    Raises
    ------
    InputError
        If a rate is negative or not finite, a beta is outside [0, 1), epsilon is not positive, or the decay is negative.
    """

    learning_rate: Rate = 0.001
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    curve_rate: Rate | None = None
    weight_decay: float = 0.0
    train_curves: bool = True
    penalties: Penalties = Penalties()
    factors: Factors = ()
    State: ClassVar[type] = AdamState

    def __post_init__(self) -> None:
        check_rates(self.learning_rate, self.curve_rate)
        object.__setattr__(self, "factors", in_order(self.factors))
        share("beta1", self.beta1)
        share("beta2", self.beta2)
        positive("epsilon", self.epsilon)
        not_negative("weight_decay", self.weight_decay)

    def init(self, net: Network, patterns: Patterns, key: int) -> AdamState:
        zero = array_namespace(net.theta).zeros_like(net.theta)
        return AdamState(0, key, zero, zero)

    def shapes(self, net: Network) -> dict[str, Any]:
        return {"m": net.theta.shape, "v": net.theta.shape}

    def step(self, net: Network, patterns: Patterns, state: AdamState) -> Step:
        keys, steps = trained(net, self.train_curves), state.steps + 1
        G = gradient_alone(net.training(state.key, state.steps), patterns, keys, self.penalties)
        rate = rates(net, keys, self.learning_rate, self.curve_rate, state.steps, self.factors)
        settings = (self.beta1, self.beta2, self.epsilon, self.weight_decay)
        theta, m, v = update_engine(net.theta).adam_step(net.theta, G, state.m, state.v, rate, *settings, steps)
        return Step(net.with_theta(theta), AdamState(steps, state.key, m, v), {"gradient_norm": length(G)}, Info(G=G))

    def multiplies(self, net: Network, Nv: int) -> tuple[float, float]:
        return multiplies.first_order(net, Nv)
