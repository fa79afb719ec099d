"""SGD: a step along the negative gradient with momentum, Eq. (48)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pwl.algorithms import multiplies as costs
from pwl.algorithms.all_weights import length, scores_and_gradient, trained
from pwl.algorithms.penalties import Penalties
from pwl.algorithms.rates import Rate, check_rates, check_share, rates
from pwl.kernels import updates_engine
from pwl.network.network import Network
from pwl.reductions.patterns import Patterns
from pwl.runtime.backend import array_namespace


@dataclass(frozen=True)
class SGD:
    """Stochastic gradient descent with momentum on all weights, one step a batch: `train(..., batch_size=32)`.

    learning_rate: a number, or a function of the steps made so far that gives one. A run is known again by its
        algorithm's repr: to resume from a checkpoint in another process, a function needs a repr that says what it is,
        such as that of a frozen dataclass with `__call__(self, step)`; that of a plain function is its address.
    momentum: share of the last velocity that is kept. nesterov: look ahead by one step of it.
    curve_rate: learning rate of the curves' ordinates, likewise; None: the same.
    ridge, l2, curve_penalty: penalties on output weights, hidden weights and curves, Eqs. (11), (27), (26).
    train_curves: whether ordinates move at all.
    """

    learning_rate: Rate = 0.01
    momentum: float = 0.9
    nesterov: bool = False
    curve_rate: Rate | None = None
    ridge: float = 0.0
    l2: float = 0.0
    curve_penalty: float = 0.0
    train_curves: bool = True

    def __post_init__(self) -> None:
        check_rates(self.learning_rate, self.curve_rate)
        check_share("momentum", self.momentum)

    @property
    def penalties(self) -> Penalties:
        return Penalties(self.ridge, self.l2, self.curve_penalty)

    def init(self, net: Network, patterns: Patterns, key: int) -> dict[str, Any]:
        return {"steps": 0, "key": key, "velocity": array_namespace(net.theta).zeros_like(net.theta)}

    def step(
        self, net: Network, patterns: Patterns, state: dict[str, Any]
    ) -> tuple[Network, dict[str, Any], dict[str, Any]]:
        keys, steps = trained(net, self.train_curves), state["steps"]
        _, G = scores_and_gradient(net.training(state["key"], steps), patterns, keys, self.penalties)
        rate = rates(net, keys, self.learning_rate, self.curve_rate, steps)
        step = updates_engine(net.theta).momentum_step
        theta, velocity = step(net.theta, G, state["velocity"], rate, self.momentum, self.nesterov)
        state = state | {"steps": steps + 1, "velocity": velocity}
        return net.with_theta(theta), state, {"gradient_norm": length(G)}

    def multiplies(self, net: Network, Nv: int) -> tuple[float, float]:
        """Multiplies of one step: no formula is in the literature, so that both are what this code spends."""
        own = costs.own_whole_gradient(net, Nv)
        return own, own
