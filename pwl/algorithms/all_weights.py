"""Methods that move all weights at once: which parameters, the objective and its gradient in one pass, trial points."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pwl.algorithms.penalties import Penalties
from pwl.network.network import Network
from pwl.reductions.gradients import gradients
from pwl.reductions.patterns import Patterns
from pwl.reductions.reduce import reduce
from pwl.runtime.backend import Array, array_namespace


class Point(NamedTuple):
    """What one pass tells of a network: the scores, the objective J, and its negative gradient G, a vector like theta with 0
    for parameters that are not trained."""

    scores: Array
    J: float
    G: Array


class Problem(NamedTuple):
    """What stays the same in a step: the network that it starts from, the patterns, the trained parameters, the penalties."""

    net: Network
    patterns: Patterns
    keys: tuple[str, ...]
    penalties: Penalties

    def here(self) -> Point:
        """The point of the network itself. One pass over the data."""
        scores, G = scores_and_gradient(self.net, self.patterns, self.keys, self.penalties)
        return Point(scores, float(scores[0]) + self.penalties.value(self.net), G)

    def trial(self, change: Array) -> tuple[Network, Point]:
        """The network moved by a vector like theta, and the point there. One pass over the data."""
        with np.errstate(over="ignore", invalid="ignore"):  # a step too far: its objective is then no finite number
            moved = self.net.with_theta(self.net.theta + change)
            return moved, self._replace(net=moved).here()


def trained(net: Network, train_curves: bool) -> tuple[str, ...]:
    """Slot keys of all weights and, if asked for, of the curves' ordinates, in the order of theta."""
    return net.keys("map", "activation", "head") if train_curves else net.keys("map", "head")


def scores_and_gradient(
    net: Network, patterns: Patterns, keys: tuple[str, ...], penalties: Penalties
) -> tuple[Array, Array]:
    """The scores and the negative gradient of the objective, a vector like theta. No number is read from the device."""
    scores, G = reduce(gradients(keys), net, patterns)
    return scores, net.join(penalties.add_gradient(net, G))


def dot(a: Array, b: Array) -> float:
    """<a, b> of two vectors like theta."""
    return float(array_namespace(a).sum(a * b))


def length(G: Array) -> Array:
    """|G| of a vector like theta, as an array of one number: reading it would wait for the device."""
    xp = array_namespace(G)
    return xp.sqrt(xp.sum(G * G))
