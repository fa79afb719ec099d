"""Adam: steps along the mean gradient over its root mean square, each weight by itself, Eq. (49)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from pwl.algorithms import multiplies
from pwl.algorithms.algorithm import Algorithm, Info, Step
from pwl.algorithms.all_weights import length, scores_and_gradient, trained
from pwl.algorithms.options import flat
from pwl.algorithms.penalties import Penalties
from pwl.algorithms.rates import Rate, check_rates, rates
from pwl.kernels import engine
from pwl.network.network import Network
from pwl.reductions.patterns import Patterns
from pwl.runtime.backend import Array, array_namespace
from pwl.validate import not_negative, positive, share


class AdamState(NamedTuple):
    """steps: made so far. key: of what layers draw. m, v: running means of the gradient and of its square, like theta."""

    steps: int
    key: int
    m: Array
    v: Array


@flat("penalties")
@dataclass(frozen=True)
class Adam(Algorithm):
    """Adam (AdamW with a weight decay) on all weights, Eq. (49), one step per batch: `train(..., batch_size=32)`.

    Parameters
    ----------
    learning_rate, curve_rate
        As in `SGD`: numbers, or functions of the steps made so far.
    beta1, beta2 : float
        Shares of the running means of the gradient and of its square that are kept.
    epsilon : float
        Added to the root.
    weight_decay : float
        Every trained parameter, thresholds and ordinates too, shrinks by this share of its learning rate in each step. It is
        no penalty: the objective does not contain it.
    train_curves, penalties
        As in `SGD`.

    Raises
    ------
    InputError
        For rates that are negative or not finite, betas outside [0, 1), an epsilon that is not positive, and a negative decay.
    """

    learning_rate: Rate = 0.001
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    curve_rate: Rate | None = None
    weight_decay: float = 0.0
    train_curves: bool = True
    penalties: Penalties = Penalties()
    State: ClassVar[type] = AdamState

    def __post_init__(self) -> None:
        check_rates(self.learning_rate, self.curve_rate)
        share("beta1", self.beta1)
        share("beta2", self.beta2)
        positive("epsilon", self.epsilon)
        not_negative("weight_decay", self.weight_decay)

    def init(self, net: Network, patterns: Patterns, key: int) -> AdamState:
        zero = array_namespace(net.theta).zeros_like(net.theta)
        return AdamState(0, key, zero, zero)

    def step(self, net: Network, patterns: Patterns, state: AdamState) -> Step:
        keys, steps = trained(net, self.train_curves), state.steps + 1
        _, G = scores_and_gradient(net.training(state.key, state.steps), patterns, keys, self.penalties)
        rate = rates(net, keys, self.learning_rate, self.curve_rate, state.steps)
        settings = (self.beta1, self.beta2, self.epsilon, self.weight_decay)
        theta, m, v = engine(net.theta).adam_step(net.theta, G, state.m, state.v, rate, *settings, steps)
        return Step(net.with_theta(theta), AdamState(steps, state.key, m, v), {"gradient_norm": length(G)}, Info(G=G))

    def multiplies(self, net: Network, Nv: int) -> tuple[float, float]:
        return multiplies.first_order(net, Nv)
