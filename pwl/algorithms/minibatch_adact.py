"""AdAct on minibatches: a factor for every filter's weights and every curve, without a learning rate, Eqs. (63)-(66)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np

from pwl.algorithms import multiplies as costs
from pwl.algorithms.all_weights import dot, trained
from pwl.algorithms.penalties import Penalties
from pwl.algorithms.rates import check_share
from pwl.errors import InputError
from pwl.kernels.reference.updates import running_mean
from pwl.network.network import Network
from pwl.reductions.patterns import Patterns
from pwl.reductions.sampled_blocks import gradient_and_blocks
from pwl.reductions.statistics import gradient
from pwl.runtime.backend import Array, array_namespace, host, like
from pwl.solvers.ols import OLS

EPSILON = 1e-8  # keeps the root from being 0, as in Adam


@dataclass(frozen=True)
class MinibatchAdAct:
    """AdAct for large data and CNNs, one step a batch: `train(..., batch_size=128)`.

    All parameters move along smoothed gradients, each row of them (a filter's or unit's weights, its curve, an output's
    weights) by a factor of its own. The factors solve H z = g like those of AdAct, with g and H averaged over steps and
    damped towards one common factor. There is no learning rate to set: where batches disagree, factors get small. The
    network returned is an average of those stepped on, the latest of which count most.

    beta1, beta2: shares of the running means of the gradient and of its square that are kept in a step.
    memory_g, memory_H: shares of the running means of g and of H that are kept in a step.
    damping: weight of the common factor, in a row's own diagonal of H and the mean one; 0: rows are free, large: one for all.
    averaging: 0: the average counts all steps alike, n: the last of them (n + 1) times as much; very large: it is the last.
    ridge, l2, curve_penalty: penalties on output weights, hidden weights and curves, Eqs. (11), (27), (26).

    Dropout and batch normalisation act as in training while factors are measured, too: of what batch
    normalisation's moments couple, a pattern's share counts as its own.
    """

    beta1: float = 0.9
    beta2: float = 0.999
    memory_g: float = 0.98
    memory_H: float = 0.95
    damping: float = 100.0
    averaging: float = 8.0
    ridge: float = 0.0
    l2: float = 0.0
    curve_penalty: float = 0.0

    def __post_init__(self) -> None:
        for name in ("beta1", "beta2", "memory_g", "memory_H"):
            check_share(name, getattr(self, name))
        for name in ("damping", "averaging"):
            value = getattr(self, name)
            if not isinstance(value, Real) or not 0 <= float(value) < float("inf"):
                raise InputError(f"{name} must be 0 or a positive number, not {value!r}")

    @property
    def penalties(self) -> Penalties:
        return Penalties(self.ridge, self.l2, self.curve_penalty)

    def init(self, net: Network, patterns: Patterns, key: int) -> dict[str, Any]:
        zero = array_namespace(net.theta).zeros_like(net.theta)
        blocks = sum(net.parts[name].shape[0] for name in trained(net, True))
        averages = {"g": np.zeros(blocks), "H": np.zeros((blocks, blocks)), "z": np.zeros(blocks)}
        return {"key": key, "steps": 0, "theta": net.theta, "m": zero, "v": zero} | averages

    def step(
        self, net: Network, patterns: Patterns, state: dict[str, Any]
    ) -> tuple[Network, dict[str, Any], dict[str, Any]]:
        """One step from state["theta"]. The first of a run moves nothing: it finds the direction that the second measures."""
        steps, keys, at = state["steps"], trained(net, True), net.with_theta(state["theta"])
        if steps:
            G, state = self.measured(at, patterns, keys, state)
        else:
            found = patterns.reduce(gradient(keys), at.training(state["key"], steps))[1:]
            G = self.penalties.add_gradient(at, dict(zip(keys, found, strict=True)))
        flat = net.join(G)
        m, v = running_mean(state["m"], flat, self.beta1), running_mean(state["v"], flat * flat, self.beta2)
        state = state | {"steps": steps + 1, "m": m, "v": v}
        info: dict[str, Any] = {"gradient_norm": dot(flat, flat) ** 0.5, "z_common": 0.0}
        if steps:
            z, info["z_common"] = self.factors(state)
            at = at.moved(times_rows(z, self.directions(net, keys, state)))
            state |= {"z": z, "theta": at.theta}
        share = (1 + self.averaging) / (state["steps"] + self.averaging)
        return net.with_theta(net.theta + share * (at.theta - net.theta)), state, info

    def measured(
        self, net: Network, patterns: Patterns, keys: tuple[str, ...], state: dict[str, Any]
    ) -> tuple[dict[str, Array], dict[str, Any]]:
        """G at this network, and the state with g and H averaged anew, both along the last step's direction, Eq. (64)."""
        steps, D = state["steps"], self.directions(net, keys, state)
        u = np.random.default_rng([state["key"], steps]).random(len(patterns), dtype=np.float32)
        statistic = gradient_and_blocks(keys, D, like(u, net.theta))
        _, *found, H = patterns.reduce(statistic, net.training(state["key"], steps))
        G = self.penalties.add_gradient(net, dict(zip(keys, found, strict=True)))
        extra = np.concatenate([host(self.penalties.curvature(net, key, D[key])) for key in keys])
        H = host(H).astype(np.float64) + np.diag(extra)
        g = along_rows(G, D) + H @ state["z"]  # the net has moved by z D since: its gradient was larger before
        g, H = running_mean(state["g"], g, self.memory_g), running_mean(state["H"], H, self.memory_H)
        return G, state | {"g": g, "H": H}

    def factors(self, state: dict[str, Any]) -> tuple[np.ndarray, float]:
        """z of each row, and the factor that is best for all together, Eq. (65)."""
        measured = state["steps"] - 1
        g, H = state["g"] / (1 - self.memory_g**measured), state["H"] / (1 - self.memory_H**measured)
        total = H.sum()
        common = max(float(g.sum() / total), 0.0) if total > 0 else 0.0
        own = np.diagonal(H)
        damping = self.damping * (own + own.mean())  # the mean, or rows of hardly any curvature went astray
        return OLS().solve(H + np.diag(damping), g + damping * common).weights, common

    def directions(self, net: Network, keys: tuple[str, ...], state: dict[str, Any]) -> dict[str, Array]:
        """The smoothed gradient over its root mean square, by slot key: Adam's, Eq. (49)."""
        steps = state["steps"]
        m, v = state["m"] / (1 - self.beta1**steps), state["v"] / (1 - self.beta2**steps)
        parts = net.split(m / (array_namespace(v).sqrt(v) + EPSILON))
        return {key: parts[key] for key in keys}

    def multiplies(self, net: Network, Nv: int) -> tuple[float, float]:
        """Multiplies of one step: no formula is in the literature, so that both are what this code spends."""
        own = costs.own_minibatch_adact(net, Nv)
        return own, own


def along_rows(G: Mapping[str, Array], D: Mapping[str, Array]) -> np.ndarray:
    """<G_b, D_b> of each row b of each key of D, on the host in float64."""
    return np.concatenate([host(array_namespace(d).sum(G[key] * d, axis=1)).astype(np.float64) for key, d in D.items()])


def times_rows(z: np.ndarray, D: Mapping[str, Array]) -> dict[str, Array]:
    """z_b D_b of each row b of each key of D."""
    ends = np.cumsum([d.shape[0] for d in D.values()])
    return {key: like(z[end - d.shape[0] : end], d)[:, None] * d for end, (key, d) in zip(ends, D.items(), strict=True)}
