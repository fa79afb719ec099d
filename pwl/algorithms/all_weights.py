"""Tools for methods that move all weights at once: trained parameters, objective, gradient and trial points."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from pwl.algorithms.penalties import Penalties
from pwl.network.network import Network
from pwl.reductions.gradients import gradients, joined_gradients
from pwl.reductions.patterns import Patterns
from pwl.reductions.reduce import reduce
from pwl.runtime.backend import Array, array_namespace, total


class Point(NamedTuple):
    """The results of one pass: the scores, the objective J, and its negative gradient G.

    G is a vector like theta, with 0 for parameters that are not trained.
    """

    scores: Array
    J: float
    G: Array


class Problem(NamedTuple):
    """The constants of a step: the network at its start, the patterns, the trained parameters, and the penalties."""

    net: Network
    patterns: Patterns
    keys: tuple[str, ...]
    penalties: Penalties

    def here(self) -> Point:
        """The point of the network itself. It takes one pass over the data."""
        scores, G = scores_and_gradient(self.net, self.patterns, self.keys, self.penalties)
        return Point(scores, float(scores[0]) + self.penalties.value(self.net), G)

    def trial(self, change: Array) -> tuple[Network, Point]:
        """The network moved by a vector like theta, and its point. It takes one pass over the data."""
        with np.errstate(over="ignore", invalid="ignore"):  # after a step too far, the objective is not finite
            moved = self.net.with_theta(self.net.theta + change)
            return moved, self._replace(net=moved).here()


def trained(net: Network, train_curves: bool) -> tuple[str, ...]:
    """Slot keys of all weights and, if asked for, of the curves' ordinates, in the order of theta."""
    return net.keys("map", "activation", "head") if train_curves else net.keys("map", "head")


def shapes_of_point(net: Network) -> dict[str, Any]:
    """The shapes of the arrays of a `Point` in a state."""
    return {"scores": shape_of_scores(net), "G": net.theta.shape}


def shape_of_scores(net: Network) -> tuple[int]:
    """The shape of a network's scores: E, and under losses of classes the share of wrong patterns."""
    return (2 if net.loss.classes else 1,)


def scores_and_gradient(
    net: Network, patterns: Patterns, keys: tuple[str, ...], penalties: Penalties
) -> tuple[Array, Array]:
    """The scores and the negative gradient of the objective, a vector like theta. No number is read from the device."""
    scores, G = reduce(gradients(keys), net, patterns)
    return scores, net.join(penalties.add_gradient(net, G))


def gradient_alone(net: Network, patterns: Patterns, keys: tuple[str, ...], penalties: Penalties) -> Array:
    """The gradient of `scores_and_gradient` without the scores, which cost a device a dozen small kernels."""
    G = reduce(joined_gradients(keys), net, patterns)
    parts = net.layout.split(G)
    added = penalties.add_gradient(net, {key: parts[key] for key in keys})
    return G if all(added[key] is parts[key] for key in keys) else net.join(added)


def dot(a: Array, b: Array) -> float:
    """<a, b> of two vectors like theta."""
    return float(total(a * b))


def length(G: Array) -> Array:
    """|G| of a vector like theta, as an array of one number, because reading it would wait for the device."""
    return array_namespace(G).sqrt(total(G * G))
