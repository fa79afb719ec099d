"""Optimal learning factors by blocks: how far to go along a direction, Eqs. (19)-(22), (24), (25), (28)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from pwl.algorithms.penalties import Penalties
from pwl.network.network import Network
from pwl.reductions.patterns import Patterns
from pwl.reductions.statistics import block_curvature, error, line_curvature
from pwl.runtime.backend import Array, array_namespace
from pwl.solvers.ols import OLS

HALVINGS = 30


class Factors(NamedTuple):
    """change: z_b D_b by slot key; z: the factors in the order of the keys; dependent: indices of the blocks dropped."""

    change: dict[str, Array]
    z: Array
    dependent: tuple[int, ...]


def block_system(
    net: Network, patterns: Patterns, G: Mapping[str, Array], D: Mapping[str, Array], penalties: Penalties
) -> tuple[Array, Array]:
    """H_b (b, b) and g_b (b,) with one block per unit of each key of the direction D, Eq. (19); G: gradients of J."""
    xp = array_namespace(net.theta)
    (H,) = patterns.reduce(block_curvature(D), net)
    g = xp.concat([xp.sum(G[key] * D[key], axis=1) for key in D])
    extra = xp.concat([penalties.curvature(net, key, D[key]) for key in D])
    return H + xp.eye(H.shape[0], dtype=H.dtype) * extra, g


def block_factors(
    net: Network, patterns: Patterns, G: Mapping[str, Array], D: Mapping[str, Array], penalties: Penalties, ols: OLS
) -> Factors:
    """Solves H_b z = g_b by OLS, one factor per unit of each key, Eqs. (19), (21), (22), (25), (28)."""
    H, g = block_system(net, patterns, G, D, penalties)
    z, dependent, _ = ols.solve(H, g)
    change, first = {}, 0
    for key, d in D.items():
        change[key] = z[first : first + d.shape[0]][:, None] * d
        first += d.shape[0]
    return Factors(change, z, dependent)


def one_factor(
    net: Network, patterns: Patterns, G: Mapping[str, Array], D: Mapping[str, Array], penalties: Penalties
) -> Factors:
    """One z = g / h along the whole direction, Eqs. (20), (24); 0 where the direction changes no output."""
    xp = array_namespace(net.theta)
    (curvature,) = patterns.reduce(line_curvature(D), net)
    g = float(sum(xp.sum(G[key] * D[key]) for key in D))
    h = float(curvature) + float(sum(xp.sum(penalties.curvature(net, key, D[key])) for key in D))
    z = 0.0 if h == 0 else g / h
    return Factors({key: z * d for key, d in D.items()}, xp.asarray([z], dtype=net.theta.dtype), ())


def objective(net: Network, patterns: Patterns, penalties: Penalties) -> float:
    """J = E + penalties."""
    return float(patterns.reduce(error(), net)[0][0]) + penalties.value(net)


def guarded(
    net: Network, change: Mapping[str, Array], patterns: Patterns, penalties: Penalties, J: float
) -> tuple[Network, float]:
    """The network moved by `change`, halved until the objective falls below J; unchanged where no step does.

    Returns the network and the share of the change that was taken.
    """
    share = 1.0
    for _ in range(HALVINGS):
        trial = net.moved({key: share * c for key, c in change.items()})
        if objective(trial, patterns, penalties) < J:
            return trial, share
        share /= 2
    return net, 0.0


def norm(parts: Mapping[str, Array]) -> float:
    """Euclidean length of a direction given by slot key."""
    return sum(float(array_namespace(part).sum(part * part)) for part in parts.values()) ** 0.5
