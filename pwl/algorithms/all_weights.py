"""Methods that move all weights at once: which parameters, E and their gradient as one vector in one pass, trial points."""

from __future__ import annotations

from typing import Any

import numpy as np

from pwl.algorithms.penalties import Penalties
from pwl.network.network import HEAD, Network
from pwl.reductions.patterns import Patterns
from pwl.reductions.statistics import gradient
from pwl.runtime.backend import Array, array_namespace


def trained(net: Network, train_curves: bool) -> tuple[str, ...]:
    """Slot keys of all weights and, if asked for, of the curves' ordinates, in the order of theta."""
    kinds = ("map", "activation") if train_curves else ("map",)
    wanted = {key for kind in kinds for key in net.keys(kind)} | {HEAD}
    return tuple(slot.key for slot in net.layout.slots if slot.key in wanted)


def measured(
    net: Network, patterns: Patterns, keys: tuple[str, ...], penalties: Penalties, state: dict[str, Any]
) -> dict[str, Any]:
    """The state with "scores", the objective "J" and its negative gradient "G" at this network.

    G is a vector like theta, 0 where a parameter is not trained. One pass over the data; none where the last step
    left them: it knows them of the trial that it accepted.
    """
    if "scores" in state:
        return state
    scores, G = scores_and_gradient(net, patterns, keys, penalties)
    return state | {"scores": scores, "J": float(scores[0]) + penalties.value(net), "G": G}


def scores_and_gradient(
    net: Network, patterns: Patterns, keys: tuple[str, ...], penalties: Penalties
) -> tuple[Array, Array]:
    """The scores and the negative gradient of the objective, a vector like theta. No number is read from the device."""
    scores, *values = patterns.reduce(gradient(keys), net)
    return scores, net.join(penalties.add_gradient(net, dict(zip(keys, values, strict=True))))


def trial(
    net: Network, patterns: Patterns, keys: tuple[str, ...], penalties: Penalties, change: Array
) -> tuple[Network, dict[str, Any]]:
    """The network moved by a vector like theta, and what is `measured` there. One pass over the data."""
    with np.errstate(over="ignore", invalid="ignore"):  # a step too far: its objective is then no finite number
        moved = net.with_theta(net.theta + change)
        return moved, measured(moved, patterns, keys, penalties, {})


def dot(a: Array, b: Array) -> float:
    """<a, b> of two vectors like theta."""
    return float(array_namespace(a).sum(a * b))


def length(G: Array) -> Array:
    """|G| of a vector like theta, as an array of one number: reading it would wait for the device."""
    xp = array_namespace(G)
    return xp.sqrt(xp.sum(G * G))
