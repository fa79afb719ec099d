"""Optimal learning factors, the lengths of steps along a direction, Eqs. (19)-(22), (24), (25), (28)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from pwl.algorithms.penalties import Penalties
from pwl.errors import InputError
from pwl.network.layout import unit_rows
from pwl.network.network import Network
from pwl.reductions.curvature import block_curvature, line_curvature
from pwl.reductions.gradients import error
from pwl.reductions.patterns import Patterns
from pwl.reductions.reduce import reduce
from pwl.runtime.backend import Array, array_namespace, plus_diagonal, total
from pwl.runtime.room import check_square

HALVINGS = 30

Parts = Mapping[str, Array]  # by slot key


def hidden_weights(net: Network) -> tuple[str, ...]:
    """Slot keys of the layers' weights. Raises InputError if there are none."""
    return there(net.keys("map"))


def there(keys: tuple[str, ...]) -> tuple[str, ...]:
    """The slot keys of layers. Raises InputError if there are none, as when all layers that have weights are frozen."""
    if not keys:
        raise InputError(
            "the output weights are all that is left to train, but this algorithm moves weights of layers: add a layer, freeze "
            "fewer, or solve for the output weights by pwl.owo_step or pwl.finish"
        )
    return keys


class System(NamedTuple):
    """H z = g for the learning factors z, one per unit of each key of a direction, Eq. (19)."""

    H: Array
    g: Array


def block_system(net: Network, patterns: Patterns, G: Parts, D: Parts, penalties: Penalties) -> System:
    """The system with one block per unit of each key of the direction D. G: negative gradients of the objective."""
    check_square(sum([part.shape[0] for part in D.values()]), "learning factors", "use fewer hidden units")
    H = reduce(block_curvature(net, D), net, patterns)
    xp = array_namespace(H)
    g = xp.concat([total(G[key] * D[key], axis=1) for key in D])
    if not penalties.act_on(net):
        return System(H, g)
    extra = xp.concat([penalties.curvature(net, key, D[key]) for key in D])
    return System(plus_diagonal(H, extra), g)


def times_rows(z: Array, D: Parts) -> dict[str, Array]:
    """z_b D_b, the row of each unit in each key of D times its own factor."""
    return {key: z[rows][:, None] * D[key] for key, rows in unit_rows(D)}


def line_factor(net: Network, patterns: Patterns, G: Parts, D: Parts, penalties: Penalties) -> float:
    """z = g / h along the whole direction D, Eqs. (20), (24), or 0 if the direction changes no output."""
    h = float(reduce(line_curvature(D), net, patterns))
    g = float(sum(total(G[key] * D[key]) for key in D))
    if penalties.act_on(net):
        h += float(sum(total(penalties.curvature(net, key, D[key])) for key in D))
    return 0.0 if h == 0 else g / h


def along_line(z: float, D: Parts) -> dict[str, Array]:
    """z D."""
    return {key: z * d for key, d in D.items()}


def objective(net: Network, patterns: Patterns, penalties: Penalties) -> float:
    """J = E + penalties."""
    return float(reduce(error(), net, patterns)[0]) + penalties.value(net)


def guarded(net: Network, change: Parts, patterns: Patterns, penalties: Penalties, J: float) -> tuple[Network, float]:
    """The network moved by `change`, which is halved until the objective falls below J. If it never does, nothing moves.

    Returns the network and the share of the change that was taken.
    """
    share = 1.0
    for _ in range(HALVINGS):
        trial = net.moved(along_line(share, change))
        if objective(trial, patterns, penalties) < J:
            return trial, share
        share /= 2
    return net, 0.0


def norm(parts: Parts) -> float:
    """Euclidean length of a direction."""
    return sum([float(total(part * part)) for part in parts.values()]) ** 0.5
