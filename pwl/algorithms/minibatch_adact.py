"""AdAct on batches: a factor for each filter's weights and each curve, without a learning rate, Eqs. (63)-(66), (101)-(103)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np

from pwl.algorithms import multiplies
from pwl.algorithms.algorithm import Algorithm, Info, Step
from pwl.algorithms.all_weights import dot, trained
from pwl.algorithms.learning_factors import times_rows
from pwl.algorithms.options import flat
from pwl.algorithms.penalties import Penalties
from pwl.algorithms.sides import conditioned, covariances, inverse_root, sides
from pwl.kernels.reference.updates import running_mean
from pwl.network.network import Network
from pwl.reductions.gradients import gradients
from pwl.reductions.patterns import Patterns
from pwl.reductions.reduce import reduce
from pwl.reductions.sampled_blocks import gradients_and_blocks
from pwl.runtime.backend import Array, array_namespace, host, like
from pwl.solvers.ols import OLS
from pwl.validate import not_negative, positive, share, whole

EPSILON = 1e-8  # keeps the root from being 0, as in Adam
FIRST = 64  # steps that are all measured, and whose factors are as long as they are found to be
ROOTS_EVERY = 10  # steps from one inverse root of the covariances to the next; the first ones all find it


class MinibatchAdActState(NamedTuple):
    """The state of a run.

    key: seeds the layers' random numbers. steps: number of steps so far. theta: the point of the last step; the network is an
    average of such points. m, v: running means of the gradient and of its square, like theta. g, H: running means of the system,
    on the host. z: the last factors, and common the one that they are drawn to. mean: of the common factors of all measured steps.
    covariances, roots: of the sides of weights, as in `sides.py`; None before the first step.
    """

    key: int
    steps: int
    theta: Array
    m: Array
    v: Array
    g: np.ndarray
    H: np.ndarray
    z: np.ndarray
    common: float = 0.0
    mean: float = 0.0
    covariances: dict[str, Array] | None = None
    roots: dict[str, Array] | None = None


@flat("penalties")
@dataclass(frozen=True)
class MinibatchAdAct(Algorithm):
    """Trains large data sets and CNNs by AdAct, a step per batch, Eqs. (63)-(66), (101)-(103). Use `train(..., batch_size=128)`.

    All parameters move along smoothed gradients, and those of weights are turned by the covariances of their rows and columns.
    Each row has a factor of its own. A row holds the weights of a filter or unit, its curve, or the weights of an output. The
    factors solve H z = g as in AdAct, but g and H are averaged over steps and damped towards one common factor. There is no
    learning rate to set, because the factors are measured. After the first steps the common factor does not fall below half the
    mean of all that were measured: where batches disagree, steps that get short do less than steps that stay long and are
    averaged. The network that `train` returns is an average over the steps, in which the latest steps count most.

    Dropout and batch normalisation act as in training, also when factors are measured. The moments of batch normalisation
    couple patterns, and each pattern's share of them counts as its own.

    Parameters
    ----------
    beta1, beta2 : float
        Shares of the running means of the gradient and of its square that are kept in a step, in [0, 1).
    memory_g, memory_H : float
        Shares of the running means of g and of H that are kept in a step, in [0, 1).
    damping : float
        Weight of the common factor, in units of a row's diagonal entry of H plus the mean entry. With 0 every row is free, and a
        large damping gives all rows the same factor.
    averaging : float
        With 0 the average counts all steps alike, and with n the last step counts (n + 1) times as much. A very large number
        leaves only the last step.
    holding : float
        Share of the mean of the common factors below which the common factor does not fall. With 0 it may get as small as it is
        measured.
    measure_every : int
        After the first 64 steps, factors are measured in every so-many-th step, and stay as they are in the others.
    memory_sides : float
        Share of the running means of the sides' covariances that is kept in a step, in [0, 1).
    side_damping : float
        A positive number that is added to the covariances' eigenvalues, in units of their mean. A large one leaves directions as
        in Adam, but in the lengths of single numbers.
    largest_side : int
        Sides of weights with more numbers have no covariance, because its roots would take long. With 1 none has, and all
        directions are as in Adam.
    penalties : pwl.Penalties
        Can also be given as ridge, l2, curve_penalty and input_curve_penalty, Eqs. (11), (27), (26), (73).

    Raises
    ------
    InputError
        If a share is outside [0, 1), damping, averaging or holding is negative, side_damping is not positive, or measure_every or
        largest_side is below 1.
    """

    beta1: float = 0.9
    beta2: float = 0.999
    memory_g: float = 0.98
    memory_H: float = 0.95
    damping: float = 100.0
    averaging: float = 8.0
    holding: float = 0.5
    measure_every: int = 4
    memory_sides: float = 0.99
    side_damping: float = 0.1
    largest_side: int = 300
    penalties: Penalties = Penalties()
    State: ClassVar[type] = MinibatchAdActState

    def __post_init__(self) -> None:
        for name in ("beta1", "beta2", "memory_g", "memory_H", "memory_sides"):
            share(name, getattr(self, name))
        for name in ("damping", "averaging", "holding"):
            not_negative(name, getattr(self, name))
        positive("side_damping", self.side_damping)
        whole("measure_every", self.measure_every)
        whole("largest_side", self.largest_side)

    def init(self, net: Network, patterns: Patterns, key: int) -> MinibatchAdActState:
        zero = array_namespace(net.theta).zeros_like(net.theta)
        blocks = sum(net.parts[name].shape[0] for name in trained(net, True))
        averages = np.zeros(blocks), np.zeros((blocks, blocks)), np.zeros(blocks)
        return MinibatchAdActState(key, 0, net.theta, zero, zero, *averages)

    def shapes(self, net: Network) -> dict[str, Any]:
        n, moved = sum(net.parts[name].shape[0] for name in trained(net, True)), net.theta.shape
        squares = {name: (n, n) for name, n in sides(net, trained(net, True), self.largest_side).items()}
        means = {"covariances": squares, "roots": squares}
        return {"theta": moved, "m": moved, "v": moved, "g": (n,), "H": (n, n), "z": (n,), **means}

    def step(self, net: Network, patterns: Patterns, state: MinibatchAdActState) -> Step:
        """One step from the state's theta, and the average over all steps, Eqs. (63), (66).

        The first step of a run moves nothing. It finds the direction that the second step measures.
        """
        steps, keys, at = state.steps, trained(net, True), net.with_theta(state.theta)
        measuring = steps > 0 and (steps <= FIRST or steps % self.measure_every == 0)
        if measuring:
            G, state = self.measured(at, patterns, keys, state)
        else:
            G = self.penalties.add_gradient(at, reduce(gradients(keys), at.training(state.key, steps), patterns).G)
        joined = net.join(G)
        m, v = running_mean(state.m, joined, self.beta1), running_mean(state.v, joined * joined, self.beta2)
        state = self.turned(net, keys, G, state)._replace(steps=steps + 1, m=m, v=v)
        series = {"gradient_norm": dot(joined, joined) ** 0.5, "z_common": 0.0}
        if measuring:
            z, common = self.factors(state)
            mean = state.mean + (common - state.mean) / self.count(steps)
            state = state._replace(z=z, common=self.held(common, state), mean=mean)
        if steps:
            series["z_common"] = state.common
            at = at.moved(times_rows(like(state.z, net.theta), self.directions(net, keys, state)))
            state = state._replace(theta=at.theta)
        part = (1 + self.averaging) / (state.steps + self.averaging)
        average = net.with_theta(net.theta + part * (at.theta - net.theta))
        return Step(average, state, series, Info(G=G, z=state.z))

    def measured(
        self, net: Network, patterns: Patterns, keys: tuple[str, ...], state: MinibatchAdActState
    ) -> tuple[dict[str, Array], MinibatchAdActState]:
        """G of this network, and the state with new means g and H along the direction of the last step, Eq. (64)."""
        D = self.directions(net, keys, state)
        u = np.random.default_rng([state.key, state.steps]).random(patterns.count(), dtype=np.float32)
        u = u[patterns.first : patterns.first + len(patterns)]
        statistic = gradients_and_blocks(keys, D, like(u, net.theta))
        _, G, H = reduce(statistic, net.training(state.key, state.steps), patterns)
        G = self.penalties.add_gradient(net, G)
        extra = np.concatenate([host(self.penalties.curvature(net, key, D[key])) for key in keys])
        H = host(H).astype(np.float64) + np.diag(extra)
        g = along_rows(G, D) + H @ state.z  # the network has since moved by z D, and its gradient was larger before
        g, H = running_mean(state.g, g, self.memory_g), running_mean(state.H, H, self.memory_H)
        return G, state._replace(g=g, H=H)

    def factors(self, state: MinibatchAdActState) -> tuple[np.ndarray, float]:
        """z of each row, and the best common factor of all rows, Eq. (65)."""
        count = self.count(state.steps - 1)
        g, H = state.g / (1 - self.memory_g**count), state.H / (1 - self.memory_H**count)
        total = H.sum()
        common = max(float(g.sum() / total), 0.0) if total > 0 else 0.0
        own = np.diagonal(H)
        damping = self.damping * (own + own.mean())  # without the mean, rows with hardly any curvature would go astray
        return OLS().solve(H + np.diag(damping), g + damping * self.held(common, state)).weights, common

    def held(self, common: float, state: MinibatchAdActState) -> float:
        """The common factor, or the share of the mean of earlier ones below which it does not fall, Eq. (101)."""
        return max(common, self.holding * state.mean) if state.steps - 1 > FIRST else common

    def count(self, steps: int) -> int:
        """Number of measured steps among steps 1, 2, .., `steps`."""
        later = steps // self.measure_every - FIRST // self.measure_every
        return min(steps, FIRST) + (later if steps > FIRST else 0)

    def turned(
        self, net: Network, keys: tuple[str, ...], G: Mapping[str, Array], state: MinibatchAdActState
    ) -> MinibatchAdActState:
        """The state with the covariances of a further gradient, Eq. (102), and now and then with their roots, Eq. (103).

        A run that version 0.1.0 began has none, and goes on as it began.
        """
        if state.steps and state.covariances is None:
            return state
        names = sides(net, keys, self.largest_side)
        found = covariances(state.covariances or {}, G, names, self.memory_sides)
        if state.steps < ROOTS_EVERY or state.steps % ROOTS_EVERY == 0:
            state = state._replace(roots={name: inverse_root(C, self.side_damping) for name, C in found.items()})
        return state._replace(covariances=found)

    def directions(self, net: Network, keys: tuple[str, ...], state: MinibatchAdActState) -> dict[str, Array]:
        """The smoothed gradient by slot key, divided by its root mean square, Eq. (63), or turned by its sides, Eq. (103)."""
        m, v = state.m / (1 - self.beta1**state.steps), state.v / (1 - self.beta2**state.steps)
        means, parts = net.split(m), net.split(m / (array_namespace(v).sqrt(v) + EPSILON))
        return conditioned({key: parts[key] for key in keys}, means, state.roots or {})

    def multiplies(self, net: Network, Nv: int) -> tuple[float, float]:
        return multiplies.minibatch_adact(net, Nv, sides(net, trained(net, True), self.largest_side))


def along_rows(G: Mapping[str, Array], D: Mapping[str, Array]) -> np.ndarray:
    """<G_b, D_b> for each row b of each key of D, on the host in float64."""
    return np.concatenate([host(array_namespace(d).sum(G[key] * d, axis=1)).astype(np.float64) for key, d in D.items()])
