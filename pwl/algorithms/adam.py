"""Adam: steps along the mean gradient over its root mean square, each weight by itself, Eq. (49)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pwl.algorithms import multiplies as costs
from pwl.algorithms.all_weights import length, scores_and_gradient, trained
from pwl.algorithms.penalties import Penalties
from pwl.algorithms.rates import Rate, check_rates, check_share, rates
from pwl.errors import InputError
from pwl.kernels import updates_engine
from pwl.network.network import Network
from pwl.reductions.patterns import Patterns
from pwl.runtime.backend import array_namespace


@dataclass(frozen=True)
class Adam:
    """Adam (AdamW with a weight decay) on all weights, one step a batch: `train(..., batch_size=32)`.

    learning_rate, curve_rate: as in `SGD`, numbers or functions of the steps made so far.
    beta1, beta2: shares of the running means of the gradient and of its square that are kept. epsilon: added to the root.
    weight_decay: every trained parameter, thresholds and ordinates too, shrinks by this share of its learning rate in
        each step. It is no penalty: the objective does not contain it.
    ridge, l2, curve_penalty, train_curves: as in `SGD`.
    """

    learning_rate: Rate = 0.001
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    curve_rate: Rate | None = None
    weight_decay: float = 0.0
    ridge: float = 0.0
    l2: float = 0.0
    curve_penalty: float = 0.0
    train_curves: bool = True

    def __post_init__(self) -> None:
        check_rates(self.learning_rate, self.curve_rate)
        check_share("beta1", self.beta1)
        check_share("beta2", self.beta2)
        if not 0 < self.epsilon < float("inf"):
            raise InputError(f"epsilon must be positive, not {self.epsilon!r}: it keeps the root from being 0")
        if not 0 <= self.weight_decay < float("inf"):
            raise InputError(f"weight_decay must be 0 or a positive number, not {self.weight_decay!r}")

    @property
    def penalties(self) -> Penalties:
        return Penalties(self.ridge, self.l2, self.curve_penalty)

    def init(self, net: Network, patterns: Patterns, key: int) -> dict[str, Any]:
        zero = array_namespace(net.theta).zeros_like(net.theta)
        return {"steps": 0, "key": key, "m": zero, "v": zero}

    def step(
        self, net: Network, patterns: Patterns, state: dict[str, Any]
    ) -> tuple[Network, dict[str, Any], dict[str, Any]]:
        keys, steps = trained(net, self.train_curves), state["steps"] + 1
        _, G = scores_and_gradient(net.training(state["key"], steps - 1), patterns, keys, self.penalties)
        rate = rates(net, keys, self.learning_rate, self.curve_rate, steps - 1)
        settings = (self.beta1, self.beta2, self.epsilon, self.weight_decay)
        step = updates_engine(net.theta).adam_step
        theta, m, v = step(net.theta, G, state["m"], state["v"], rate, *settings, steps)
        return net.with_theta(theta), state | {"steps": steps, "m": m, "v": v}, {"gradient_norm": length(G)}

    def multiplies(self, net: Network, Nv: int) -> tuple[float, float]:
        """Multiplies of one step: no formula is in the literature, so that both are what this code spends."""
        own = costs.own_whole_gradient(net, Nv)
        return own, own
