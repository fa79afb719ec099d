"""Checks pwl on a network and data of your own: results of the engine against finite differences and brute force.

The engine works on a device of your choice. The results for the comparison are computed on the CPU.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from pwl import validate
from pwl.algorithms.adact import adact_step, exact
from pwl.algorithms.all_weights import trained
from pwl.algorithms.learning_factors import block_system
from pwl.algorithms.owo import owo_step
from pwl.algorithms.penalties import Penalties
from pwl.network import passes
from pwl.network.layout import HEAD
from pwl.network.network import Network
from pwl.reductions.gradients import gradients
from pwl.reductions.jacobian import system
from pwl.reductions.patterns import Patterns
from pwl.reductions.reduce import reduce
from pwl.runtime.backend import Array, host, like
from pwl.study.probe import Probe, away, draw, part_directions, random_part, shortened, size, units
from pwl.study.quotients import EPS, TOLERANCE, Direction, error, quotients, relative, share, without_kinks
from pwl.training.initialise import initialise

BLOCKS = 16  # blocks of H that are compared
ALL_CROSS = "every pattern in the check crosses a hinge between the points of the quotient"
WEIGHTS = 5000  # most weights of a network whose J'J is checked
MANY = 1_000_000  # patterns, for which J'J may be summed in another way than for few: both are checked
TOO_MANY = f"J'J is checked for networks of up to {WEIGHTS} weights"


class Row(NamedTuple):
    """The result of one comparison.

    Attributes
    ----------
    quantity : str
        Name of the quantity from the engine.
    where : str
        Slot keys of the parameters.
    against : str
        Name of the quantity for the comparison.
    difference : float
        Largest difference, relative to the largest number in the comparison.
    patterns : int
        Number of patterns.
    tolerance : float
        Bound on the difference.
    note : str
        The reason why the quantity can't be checked, or nothing.
    passed, failed : bool
        Whether the difference is within the tolerance. Both are False if there is a note.
    """

    quantity: str
    where: str
    against: str
    difference: float
    patterns: int
    tolerance: float = TOLERANCE
    note: str = ""

    @property
    def passed(self) -> bool:
        return not self.note and self.difference <= self.tolerance

    @property
    def failed(self) -> bool:
        return not self.note and not self.passed  # NaN fails


def check(net: Network, data: Any, seed: int = 0, device: str = "cpu") -> list[Row]:
    """Compares gradients, tangents, curvatures, the curve step and the output step with brute force.

    The check is in float64 on up to 200 patterns, without those that cross a hinge between the points of a difference quotient.
    A network that is not initialised is first initialised on the data. The output weights are moved by a tenth, away from
    minima. If no pattern is left for a row, it neither passes nor fails, and its note says so.

    Parameters
    ----------
    net : Network
    data : (x, t), (x, t, weights) or pwl.Patterns
    seed : int
        Seed of the patterns and the directions.
    device : {"cpu", "cuda", "auto"}
        Device of the engine, wherever the arrays of the network are. The numbers for the comparison come from the CPU.

    Returns
    -------
    list of Row

    Raises
    ------
    InputError
        If data and network do not fit, or if the device can't be used.
    """
    validate.seed(seed)
    rng = np.random.default_rng([seed, 0])
    patterns = Patterns.of(data).in_units_of(net)
    patterns.check(net)
    net = patterns.suited(net).to("cpu").in_double().with_preparation(None)  # the patterns are in the network's units
    if not net.initialised:
        net = initialise(net, patterns)
    patterns = draw(net, patterns, rng)
    net = away(net, patterns.x, rng)
    at = Probe(net, net.to(device), patterns, shortened(net, patterns.x, units(net, patterns.x), rng), rng)
    maps, curves = net.keys("map"), net.keys("activation")
    rows = [row for key in (*maps, *curves, HEAD) for row in part_rows(at, key)]
    rows += block_rows(at, maps, "molf")
    if curves:
        rows += [*block_rows(at, curves, "a"), curve_step_row(at)]
    rows += system_rows(at)
    return [*rows, output_step_row(at)] if net.loss.quadratic else rows


def part_rows(at: Probe, key: str) -> list[Row]:
    """Rows for the gradient of one parameter and, in the body, for its tangents J v and their transpose J'u."""
    net, body = at.net, key != HEAD
    name = ("G" if key in net.keys("map") else "G_a") if body else "G_o"
    directions = part_directions(at, key)
    patterns = without_kinks(net, at.patterns, directions) if body else at.patterns
    if patterns is None:
        return [nothing(quantity, key) for quantity in ((name, "dy", "J'u") if body else (name,))]
    q = quotients(net, patterns, directions)
    G = host(reduce(gradients((key,)), at.there, patterns).G[key])
    along = [-np.sum(G * v[key]) for v in directions]
    rows = [Row(name, key, "quotients of E", relative(along, q.dE, q.noise_E), len(patterns))]
    if body:
        signals = passes.forward(at.there, like(patterns.x, at.there.theta), (key,))
        dy = [host(passes.tangent(at.there, signals, moved_there(v, at.there))) for v in directions]
        u = at.rng.standard_normal(q.dy.shape[1:])
        JTu = host(passes.gradients(at.there, signals, like(u, at.there.theta), (key,))[key])
        back, forth = [np.sum(JTu * v[key]) for v in directions], np.sum(u * q.dy, axis=(1, 2))
        rows += [
            Row("dy", key, "quotients of y", relative(dy, q.dy, q.noise_y), len(patterns)),
            Row("J'u", key, "<u, quotients of y>", relative(back, forth, q.noise_y * norm(u)), len(patterns)),
        ]
    return rows


def moved_there(direction: Direction, net: Network) -> dict[str, Array]:
    """A direction as arrays of the network's kind."""
    return {key: like(d, net.theta) for key, d in direction.items()}


def block_rows(at: Probe, keys: tuple[str, ...], name: str) -> list[Row]:
    """Rows for H and g with a block per unit of each key, along random directions, Eqs. (19), (21), (22), (28)."""
    net, where = at.net, ", ".join(keys)
    D = {key: random_part(at.units[key], net.parts[key].shape, at.rng) for key in keys}
    blocks = [(key, k) for key in keys for k in range(len(D[key]))]
    each = max(1, BLOCKS // len(keys))
    drawn = {key: at.rng.permutation(len(D[key]))[:each] for key in keys}
    some = [b for b, (key, k) in enumerate(blocks) if k in drawn[key]]
    directions = [unit_alone(D, *blocks[b]) for b in some]
    patterns = without_kinks(net, at.patterns, directions)
    if patterns is None:
        return [nothing(f"H_{name}", where), nothing(f"g_{name}", where)]
    q = quotients(net, patterns, directions)
    G = reduce(gradients(keys), at.there, patterns).G
    H, g = map(host, block_system(at.there, patterns, G, moved_there(D, at.there), Penalties()))
    wanted = curvature(net, patterns, q.dy)
    noise = 4 * q.noise_y * float(np.max(np.sum(np.abs(q.dy), axis=2)))
    H_differs, g_differs = relative(H[np.ix_(some, some)], wanted, noise), relative(g[some], -q.dE, q.noise_E)
    return [
        Row(f"H_{name}", where, "J'SJ of quotients of y", H_differs, len(patterns)),
        Row(f"g_{name}", where, "quotients of E", g_differs, len(patterns)),
    ]


def system_rows(at: Probe) -> list[Row]:
    """Rows for J'J and J'r of Levenberg-Marquardt over all parameters, along random directions, Eq. (41)."""
    net, keys = at.net, trained(at.net, True)
    directions = [
        {key: random_part(at.units[key], net.parts[key].shape, at.rng) for key in keys} for _ in range(BLOCKS)
    ]
    patterns = without_kinks(net, at.patterns, directions)
    if patterns is None:
        return [nothing("J'J", "all"), nothing("J'r", "all")]
    if sum(net.parts[key].size for key in keys) > WEIGHTS:
        return [nothing("J'J", "all", TOO_MANY), nothing("J'r", "all", TOO_MANY)]
    q = quotients(net, patterns, directions)
    D = np.stack([np.concatenate([d[key].reshape(-1) for key in keys]) for d in directions])
    few, many = (system(at.there, patterns, keys, "cholesky", Nv) for Nv in (1, MANY))
    noise = 4 * q.noise_y * float(np.max(np.sum(np.abs(q.dy), axis=2)))
    wanted = curvature(net, patterns, q.dy)
    A_differs = max(relative(2 * D @ form[0] @ D.T, wanted, noise) for form in (few, many))
    g_differs = max(relative(2 * D @ form[1], -q.dE, q.noise_E) for form in (few, many))
    return [
        Row("J'J", "all", "J'SJ of quotients of y", A_differs, len(patterns)),
        Row("J'r", "all", "quotients of E", g_differs, len(patterns)),
    ]


def unit_alone(D: Direction, key: str, k: int) -> Direction:
    row = np.zeros_like(D[key])
    row[k] = D[key][k]
    return {key: row}


def curvature(net: Network, patterns: Patterns, dy: np.ndarray) -> np.ndarray:
    """J'SJ (b, b) in one piece, from the changes dy (b, Nv, M) of the outputs along each block."""
    if net.loss.constant:
        S_dy = 2 * dy * ~np.isnan(patterns.t) if net.loss.own_patterns else 2 * dy
    else:
        y = passes.outputs(net, patterns.x)
        pi = np.exp(y - y.max(axis=1, keepdims=True))
        pi /= pi.sum(axis=1, keepdims=True)
        S_dy = pi * (dy - np.sum(pi * dy, axis=2, keepdims=True))
    w = np.ones(len(patterns)) if patterns.weights is None else patterns.weights
    return np.tensordot(dy * w[:, None], S_dy, axes=([1, 2], [1, 2])) / np.sum(w)


def curve_step_row(at: Probe) -> Row:
    """The row for z of the AdAct step, Eq. (24)."""
    net, where, patterns = at.net, ", ".join(at.net.keys("activation")), at.patterns
    if exact(net):
        return Row("z", where, "dE/dz = 0", slope_left(at), len(patterns))
    while True:  # the gradient changes if patterns are left out
        direction, length = curve_direction(at, patterns)
        kept = without_kinks(net, patterns, [direction])
        if kept is None:
            return nothing("z", where)
        if len(kept) == len(patterns):
            break
        patterns = kept
    q = quotients(net, patterns, [direction])
    h = curvature(net, patterns, q.dy)[0, 0]
    z = curve_factor(at.there, patterns) / length
    return Row("z", where, "g / h of quotients", relative(z * h, -q.dE[0], q.noise_E), len(patterns))


def slope_left(at: Probe) -> float:
    """|dE/dz| at the engine's z relative to that at 0. E is quadratic in z, so quotients of any step are exact."""
    direction, length = curve_direction(at, at.patterns)
    z = curve_factor(at.there, at.patterns) / length
    down, up, before, after = (
        error(at.net.moved({key: steps * d for key, d in direction.items()}), at.patterns)
        for steps in (-1, 1, z - 1, z + 1)
    )
    return share(abs(after - before), abs(up - down), 8 * EPS * max(up, down))


def curve_direction(at: Probe, patterns: Patterns) -> tuple[Direction, float]:
    """The direction of the engine's curve step times a length, and the length: it changes curves by their own size."""
    D = {key: host(d) for key, d in adact_step(at.there, patterns)[1]["D"].items()}
    length = min(size(at.units[key]) / (size(d) * d.shape[1] ** 0.5) for key, d in D.items())
    return {key: length * d for key, d in D.items()}, length


def curve_factor(net: Network, patterns: Patterns) -> float:
    """z of the engine along that direction."""
    return float(adact_step(net, patterns)[1]["z"][0])


def output_step_row(at: Probe) -> Row:
    """The row for the output step, after which no change of the output weights lowers E, Eq. (10).

    Slopes are relative to the steepest possible slope, 2 sqrt(E) before the step times the size of the change. The rest that a
    dropped dependent function leaves is below the tolerance of that.
    """
    steepest = 2 * error(at.net, at.patterns) ** 0.5 * size(passes.outputs(at.net, at.patterns.x))
    net = owo_step(at.there, at.patterns)[0].to("cpu")
    q = quotients(net, at.patterns, part_directions(at, HEAD))
    difference = share(np.max(np.abs(q.dE)), steepest, q.noise_E)
    return Row("OWO", HEAD, "dE/dW_o = 0", difference, len(at.patterns))


def nothing(quantity: str, where: str, note: str = ALL_CROSS) -> Row:
    """A row that can't be checked, most often because no patterns are left."""
    return Row(quantity, where, "nothing", float("nan"), 0, note=note)


def norm(a: np.ndarray) -> float:
    return float(np.linalg.norm(a))
