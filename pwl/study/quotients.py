"""Difference quotients: derivatives of E and of the outputs without backward passes or tangents."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from pwl.network.network import Network
from pwl.network.passes import basis, features, outputs, saved_from
from pwl.reductions.patterns import Patterns

STEP = 1e-5  # along directions that change a unit's outputs by about their own size
# If all numbers are of order 1, the five-point quotient errs by STEP^4 from curvature and by eps / STEP = 2e-11 from
# rounding. That leaves four digits for worse networks, and three digits between the tolerance and an error of 0.1 %.
TOLERANCE = 1e-6
DRAWS = 4  # of random changes
CHANGE = 1e-8  # relative, of weights: so that curvature is left out, and rounding does not count
EPS = float(np.finfo(np.float64).eps)

Direction = Mapping[str, np.ndarray]


class Quotients(NamedTuple):
    """Difference quotients of E (directions,) and of the outputs y (directions, Nv, M), with their rounding errors."""

    dE: np.ndarray
    dy: np.ndarray
    noise_E: float
    noise_y: float


def moved(net: Network, steps: float, direction: Direction) -> Network:
    return net.moved({key: steps * STEP * d for key, d in direction.items()})


def average(a: np.ndarray, patterns: Patterns) -> float:
    """Mean over the patterns with their weights."""
    return float(np.average(a, weights=patterns.weights))


def error(net: Network, patterns: Patterns) -> float:
    """E in one piece."""
    return average(net.loss.errors(outputs(net, patterns.x), patterns.t), patterns)


def quotients(net: Network, patterns: Patterns, directions: Iterable[Direction]) -> Quotients:
    """Derivatives of E and of the outputs along each direction, by a quotient of fourth order."""
    dE, dy = [], []
    for direction in directions:
        y = [outputs(moved(net, steps, direction), patterns.x) for steps in (-2, -1, 1, 2)]
        dy.append(five_point(y))
        dE.append(five_point([average(net.loss.errors(outputs, patterns.t), patterns) for outputs in y]))
    return Quotients(np.array(dE), np.array(dy), *rounding(net, patterns))


def five_point(f: Sequence[Any]) -> Any:
    """Derivative from the values at -2, -1, 1 and 2 steps."""
    return (8 * (f[2] - f[1]) - (f[3] - f[0])) / (12 * STEP)


def rounding(net: Network, patterns: Patterns) -> tuple[float, float]:
    """Bounds on the rounding of quotients of E and of the outputs. Terms that cancel in y count in full."""
    B, y = basis(net, patterns.x, features(net, patterns.x)), outputs(net, patterns.x)
    terms = float(np.max(np.abs(B) @ np.abs(net.W_o).T)) + rounded_below(net, patterns.x, y)
    noise_y = 8 * EPS / STEP * terms
    pull = average(np.sum(np.abs(net.loss.d(y, patterns.t)), axis=1), patterns)
    return pull * noise_y + 8 * EPS / STEP * error(net, patterns), noise_y


def rounded_below(net: Network, x: np.ndarray, y: np.ndarray) -> float:
    """How much rounding within the body moves an output, for each unit of rounding: as much as weights with random changes do."""
    rng, most = np.random.default_rng(0), 0.0
    for _ in range(DRAWS if net.keys("map") else 0):
        changes = {key: CHANGE * net.parts[key] * rng.choice((-1.0, 1.0), net.parts[key].shape) for key in net.keys("map")}
        most = max(most, float(np.nan_to_num(np.max(np.abs(outputs(net.moved(changes), x) - y)))))
    return most / CHANGE


def relative(found: Any, wanted: Any, noise: float) -> float:
    """Largest difference relative to the largest wanted number. `share` explains the noise."""
    return share(np.max(np.abs(np.asarray(found) - wanted)), np.max(np.abs(wanted)), noise)


def share(difference: Any, whole: Any, noise: float) -> float:
    """difference / whole, where whole is at least as large as the noise demands for the tolerance."""
    whole = np.maximum(whole, noise / TOLERANCE)
    return float(difference / whole) if whole else float(difference)


def without_kinks(net: Network, patterns: Patterns, directions: Iterable[Direction]) -> Patterns | None:
    """The patterns whose units all stay between the same hinges along every direction. None if there are none."""
    if not segments(net, patterns.x).shape[1]:
        return patterns
    same = np.ones(len(patterns), dtype=bool)
    for direction in directions:
        up, down = (segments(moved(net, steps, direction), patterns.x) for steps in (2, -2))
        same &= np.all(up == down, axis=1)
    if not np.any(same):
        return None
    w = patterns.weights
    return Patterns(patterns.x[same], patterns.t[same], None if w is None else w[same])


def segments(net: Network, x: np.ndarray) -> np.ndarray:
    """The segment of each unit and the place of each maximum, per pattern (Nv, ...), as whole numbers."""
    found = [np.zeros((len(x), 0), dtype=int)]
    for index, saved in enumerate(saved_from(net, x, 0)):
        layer, p, b = net.layer(index)
        found += layer.pieces(p, b, saved)
    return np.concatenate([where.reshape(len(x), -1) for where in found], axis=1)
