"""Is it right on my network and data? What the engine computes, against finite differences and brute force.

The engine works on the device asked for; what it is compared with is computed on the CPU.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from pwl.algorithms import adact_step, owo_step
from pwl.algorithms.adact import exact
from pwl.algorithms.all_weights import trained
from pwl.algorithms.learning_factors import block_system
from pwl.algorithms.penalties import Penalties
from pwl.layers import MaxPool2d
from pwl.network.network import HEAD, Network, check_seed
from pwl.reductions.jacobian import system
from pwl.reductions.patterns import Patterns
from pwl.reductions.statistics import gradient
from pwl.runtime.backend import Array, host, like
from pwl.training.initialise import initialise

PATTERNS = 200  # at most, drawn without replacement
ENTRIES = 16  # of a parameter, checked one by one
BLOCKS = 16  # of H
AWAY = 0.1  # share of the outputs by which the output weights move first: at a minimum, gradients of 0 say nothing
STEP = 1e-5  # along directions that change a unit's outputs by about their own size
STEEPEST = 100.0  # change of an output along a direction, under cross-entropy
# The five-point quotient errs by STEP^4 from curvature and by eps / STEP = 2e-11 from rounding, where all numbers are
# of order 1. That leaves four digits for nets that are worse, and three between the tolerance and an error of 0.1 %.
TOLERANCE = 1e-6
ALL_CROSS = "every pattern drawn crosses a hinge between the points of the quotient"
WEIGHTS = 5000  # of a network whose J'J is checked
TOO_MANY = f"J'J is checked for networks of up to {WEIGHTS} weights"
EPS = float(np.finfo(np.float64).eps)

Direction = Mapping[str, np.ndarray]


class Row(NamedTuple):
    """One comparison.

    quantity: what was computed. where: the slot keys of the parameters. against: what it was compared with.
    difference: largest difference relative to the largest number compared with. patterns: how many were used.
    note: why it can't be checked, else empty.
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


class Probe(NamedTuple):
    """Where it is checked: a float64 network, some patterns in memory, each parameter's unit of length, and chance; `there`
    is the network on the device that is checked."""

    net: Network
    there: Network
    patterns: Patterns
    units: dict[str, np.ndarray]
    rng: np.random.Generator


class Quotients(NamedTuple):
    """Difference quotients of E (directions,) and of the outputs y (directions, Nv, M), with their rounding errors."""

    dE: np.ndarray
    dy: np.ndarray
    noise_E: float
    noise_y: float


def check(net: Network, data: Any, seed: int = 0, device: str = "cpu") -> list[Row]:
    """Compares gradients, tangents, curvatures, the step of the curves and the output step with brute force.

    data: (x, t), (x, t, weights) or pwl.Patterns. It is done in float64 on up to 200 patterns, less those that cross a hinge
    between the points of a difference quotient. device: "cpu", "cuda" or "auto", that computes what is checked, whatever the
    network's arrays are; what that is compared with comes from the CPU. A network that is not initialised is started on
    the data first; the output weights are then moved by a tenth, away from minima.
    A row that no pattern is left for neither passes nor fails; its note says so.
    Raises InputError where data and network do not fit, and where the device can't be used.
    """
    check_seed(seed)
    rng = np.random.default_rng([seed, 0])
    patterns, net = Patterns.of(data), in_double(net)
    patterns.check(net)
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


# ---- where


def in_double(net: Network) -> Network:
    """The network in float64 on the CPU."""
    net = net.to("cpu")
    buffers = {key: b.astype(np.float64) for key, b in net.buffers.items()}
    return dataclasses.replace(net, theta=net.theta.astype(np.float64), buffers=buffers)


def draw(net: Network, patterns: Patterns, rng: np.random.Generator) -> Patterns:
    """Some of the patterns that weigh something, prepared and in memory."""
    counted = np.arange(len(patterns)) if patterns.weights is None else np.flatnonzero(patterns.weights)
    rows = np.sort(rng.permutation(counted)[:PATTERNS])
    return Patterns(*patterns.take(rows).block(net, 0, len(rows)))


def away(net: Network, x: np.ndarray, rng: np.random.Generator) -> Network:
    """The network with output weights moved so that the outputs change by about a tenth."""
    signals = net.forward(x)
    unit = size(signals.y) / size(net.basis(x, signals.o))
    return net.moved({HEAD: AWAY * random_part(unit, net.W_o.shape, rng)})


def units(net: Network, x: np.ndarray) -> dict[str, np.ndarray]:
    """By slot key, the length of each entry that changes its unit's outputs by about their own size."""
    found: dict[str, np.ndarray] = {}
    for index, layer in enumerate(net.layers):
        p, b = net.layer_parameters[index], net.layer_buffers[index]
        if not p:
            continue
        a, out = net.input_of(index, x), net.input_of(index + 1, x)
        if layer.kind == "map" or layer.linear:
            inputs = input_sizes(layer, a) if layer.kind == "map" else np.ones(1)
            found |= {f"{index}.{name}": sizes(out)[:, None] / inputs for name in p}
        else:
            found |= {f"{index}.{name}": unit for name, unit in shape_units(layer, p, b, a).items()}
    return found | {HEAD: size(net.outputs(x)) / sizes(net.basis(x, net.features(x)))}


def shape_units(layer: Any, p: dict, b: dict, n: np.ndarray) -> dict[str, np.ndarray]:
    """Lengths for parameters in which an activation is not linear: none is much longer than the parameter itself."""
    out, saved = layer.forward(p, b, n)
    found = {}
    for name, each in layer.columns(p, b, saved, np.ones_like(out)).items():
        change = np.sqrt(np.mean(each**2, axis=2))
        found[name] = np.minimum(np.maximum(1, np.abs(p[name])), sizes(out)[:, None] / np.maximum(change, EPS))
    return found


def input_sizes(layer: Any, a: np.ndarray) -> np.ndarray:
    """Size of each input that a unit sees, the threshold's too; one for all where filters in groups see different ones."""
    if getattr(layer, "elementwise", False):  # of channels that were normalised
        return np.ones(1)
    return np.full(1, size(a)) if getattr(layer, "groups", 1) > 1 else sizes(layer.inputs(a))


def shortened(
    net: Network, x: np.ndarray, lengths: dict[str, np.ndarray], rng: np.random.Generator
) -> dict[str, np.ndarray]:
    """Lengths that change no output by much more than STEEPEST: the curvature of cross-entropy is of order 1."""
    if net.loss.quadratic:  # its quotients are exact whatever the step
        return lengths
    found, y = {}, net.outputs(x)
    for key, unit in lengths.items():
        change = {key: random_part(unit, net.parts[key].shape, rng)}
        found[key] = unit / max(1.0, float(np.max(np.abs(moved(net, 1, change).outputs(x) - y))) / (STEEPEST * STEP))
    return found


def size(a: np.ndarray) -> float:
    """Root of the mean square, 1 where all are 0."""
    return float(np.sqrt(np.mean(a * a))) or 1.0


def sizes(a: np.ndarray) -> np.ndarray:
    """The same of each column, or channel."""
    return np.array([size(column) for column in a.reshape(-1, a.shape[-1]).T])


def random_part(unit: Any, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Random change (rows, columns) of a parameter that changes each unit's output by about its own size."""
    return unit * rng.standard_normal(shape) / shape[1] ** 0.5


def part_directions(at: Probe, key: str) -> list[Direction]:
    """A random direction of one parameter, and some or all of its entries alone."""
    shape = at.net.parts[key].shape
    unit = np.broadcast_to(at.units[key], shape)
    found: list[Direction] = [{key: random_part(unit, shape, at.rng)}]
    for entry in at.rng.permutation(unit.size)[:ENTRIES]:
        alone = np.zeros(shape)
        alone.flat[entry] = unit.flat[entry]
        found.append({key: alone})
    return found


# ---- difference quotients


def moved(net: Network, steps: float, direction: Direction) -> Network:
    return net.moved({key: steps * STEP * d for key, d in direction.items()})


def average(a: np.ndarray, patterns: Patterns) -> float:
    """Mean over patterns by their weights."""
    return float(np.average(a, weights=patterns.weights))


def error(net: Network, patterns: Patterns) -> float:
    """E in one piece."""
    return average(net.loss.errors(net.outputs(patterns.x), patterns.t), patterns)


def quotients(net: Network, patterns: Patterns, directions: Iterable[Direction]) -> Quotients:
    """Derivatives of E and of the outputs along each direction by a quotient of fourth order."""
    dE, dy = [], []
    for direction in directions:
        y = [moved(net, steps, direction).outputs(patterns.x) for steps in (-2, -1, 1, 2)]
        dy.append(five_point(y))
        dE.append(five_point([average(net.loss.errors(outputs, patterns.t), patterns) for outputs in y]))
    return Quotients(np.array(dE), np.array(dy), *rounding(net, patterns))


def five_point(f: Sequence[Any]) -> Any:
    """Derivative from the values at -2, -1, 1 and 2 steps."""
    return (8 * (f[2] - f[1]) - (f[3] - f[0])) / (12 * STEP)


def rounding(net: Network, patterns: Patterns) -> tuple[float, float]:
    """What rounding alone may do to quotients of E and of the outputs: terms that cancel in y count in full."""
    signals = net.forward(patterns.x)
    terms = np.abs(net.basis(signals.x, signals.o)) @ np.abs(net.W_o).T
    noise_y = 8 * EPS / STEP * float(np.max(terms))
    pull = average(np.sum(np.abs(net.loss.d(signals.y, patterns.t)), axis=1), patterns)
    return pull * noise_y + 8 * EPS / STEP * error(net, patterns), noise_y


def relative(found: Any, wanted: Any, noise: float) -> float:
    """Largest difference relative to the largest number wanted; see `share` for the noise."""
    return share(np.max(np.abs(np.asarray(found) - wanted)), np.max(np.abs(wanted)), noise)


def share(difference: Any, whole: Any, noise: float) -> float:
    """difference / whole; a whole so small that its tolerance is below the noise counts as one that is not."""
    whole = np.maximum(whole, noise / TOLERANCE)
    return float(difference / whole) if whole else float(difference)


def without_kinks(net: Network, patterns: Patterns, directions: Iterable[Direction]) -> Patterns | None:
    """The patterns whose units all stay between the same hinges along every direction; None where there are none."""
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
    """Between which hinges each unit of each pattern lies, and where each maximum is found (Nv, ...), as whole numbers."""
    found = [np.zeros((len(x), 0), dtype=int)]
    for index, saved in enumerate(net.body(x)[0]):
        layer, p, b = net.layers[index], net.layer_parameters[index], net.layer_buffers[index]
        if layer.kind == "activation":
            found += layer.pieces(p, b, saved.n)
        elif isinstance(layer, MaxPool2d):
            found.append(saved.place)
    return np.concatenate([where.reshape(len(x), -1) for where in found], axis=1)


# ---- rows


def part_rows(at: Probe, key: str) -> list[Row]:
    """The gradient of one parameter and, within the body, its tangents J v and their transpose J'u."""
    net, body = at.net, key != HEAD
    name = ("G" if key in net.keys("map") else "G_a") if body else "G_o"
    directions = part_directions(at, key)
    patterns = without_kinks(net, at.patterns, directions) if body else at.patterns
    if patterns is None:
        return [nothing(quantity, key) for quantity in ((name, "dy", "J'u") if body else (name,))]
    q = quotients(net, patterns, directions)
    G = host(patterns.reduce(gradient((key,)), at.there)[1])
    along = [-np.sum(G * v[key]) for v in directions]
    rows = [Row(name, key, "quotients of E", relative(along, q.dE, q.noise_E), len(patterns))]
    if body:
        saved, _ = at.there.body(like(patterns.x, at.there.theta))
        dy = [host(at.there.tangent(saved, moved_there(v, at.there))) for v in directions]
        u = at.rng.standard_normal(q.dy.shape[1:])
        JTu = host(transposed(at.there, saved, key, like(u, at.there.theta)))
        back, forth = [np.sum(JTu * v[key]) for v in directions], np.sum(u * q.dy, axis=(1, 2))
        rows += [
            Row("dy", key, "quotients of y", relative(dy, q.dy, q.noise_y), len(patterns)),
            Row("J'u", key, "<u, quotients of y>", relative(back, forth, q.noise_y * norm(u)), len(patterns)),
        ]
    return rows


def moved_there(direction: Direction, net: Network) -> dict[str, Array]:
    """A direction as arrays of the network's kind."""
    return {key: like(d, net.theta) for key, d in direction.items()}


def transposed(net: Network, saved: tuple[Any, ...], key: str, u: Array) -> Array:
    """J'u of one parameter of the body, for u (Nv, M) at the outputs."""
    layer, name = key.split(".")
    index = int(layer)
    ((_, g),) = net.backpropagate(saved, u, (index,))
    p, b = net.layer_parameters[index], net.layer_buffers[index]
    return net.layers[index].gradient(p, b, saved[index], g)[name]


def block_rows(at: Probe, keys: tuple[str, ...], name: str) -> list[Row]:
    """H and g with a block per unit of each key along random directions, Eqs. (19), (21), (22), (28)."""
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
    _, *values = patterns.reduce(gradient(keys), at.there)
    G = dict(zip(keys, values, strict=True))
    H, g = map(host, block_system(at.there, patterns, G, moved_there(D, at.there), Penalties()))
    wanted = curvature(net, patterns, q.dy)
    noise = 4 * q.noise_y * float(np.max(np.sum(np.abs(q.dy), axis=2)))
    H_differs, g_differs = relative(H[np.ix_(some, some)], wanted, noise), relative(g[some], -q.dE, q.noise_E)
    return [
        Row(f"H_{name}", where, "J'SJ of quotients of y", H_differs, len(patterns)),
        Row(f"g_{name}", where, "quotients of E", g_differs, len(patterns)),
    ]


def system_rows(at: Probe) -> list[Row]:
    """Levenberg-Marquardt's J'J and J'r over all parameters, along random directions of them, Eq. (41)."""
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
    A, g = system(at.there, patterns, keys, "cholesky")
    noise = 4 * q.noise_y * float(np.max(np.sum(np.abs(q.dy), axis=2)))
    A_differs = relative(2 * D @ A @ D.T, curvature(net, patterns, q.dy), noise)
    return [
        Row("J'J", "all", "J'SJ of quotients of y", A_differs, len(patterns)),
        Row("J'r", "all", "quotients of E", relative(2 * D @ g, -q.dE, q.noise_E), len(patterns)),
    ]


def unit_alone(D: Direction, key: str, k: int) -> Direction:
    row = np.zeros_like(D[key])
    row[k] = D[key][k]
    return {key: row}


def curvature(net: Network, patterns: Patterns, dy: np.ndarray) -> np.ndarray:
    """J'SJ (b, b) in one piece, from the change of the outputs dy (b, Nv, M) along each block."""
    if net.loss.quadratic:
        S_dy = 2 * dy
    else:
        y = net.outputs(patterns.x)
        pi = np.exp(y - y.max(axis=1, keepdims=True))
        pi /= pi.sum(axis=1, keepdims=True)
        S_dy = pi * (dy - np.sum(pi * dy, axis=2, keepdims=True))
    w = np.ones(len(patterns)) if patterns.weights is None else patterns.weights
    return np.tensordot(dy * w[:, None], S_dy, axes=([1, 2], [1, 2])) / np.sum(w)


def curve_step_row(at: Probe) -> Row:
    """z of the AdAct step, Eq. (24)."""
    net, where, patterns = at.net, ", ".join(at.net.keys("activation")), at.patterns
    if exact(net):
        return Row("z", where, "dE/dz = 0", slope_left(at), len(patterns))
    while True:  # without some of the patterns there is another gradient
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
    """|dE/dz| at the engine's z relative to that at 0, where E is quadratic in z: quotients of any step are exact."""
    direction, length = curve_direction(at, at.patterns)
    z = curve_factor(at.there, at.patterns) / length
    down, up, before, after = (
        error(at.net.moved({key: steps * d for key, d in direction.items()}), at.patterns)
        for steps in (-1, 1, z - 1, z + 1)
    )
    return share(abs(after - before), abs(up - down), 8 * EPS * max(up, down))


def curve_direction(at: Probe, patterns: Patterns) -> tuple[Direction, float]:
    """The engine's gradient G_a of all curves times a length, and the length: it changes curves by their own size."""
    keys = at.net.keys("activation")
    G_a = dict(zip(keys, map(host, patterns.reduce(gradient(keys), at.there)[1:]), strict=True))
    length = min(size(at.units[key]) / (size(g) * g.shape[1] ** 0.5) for key, g in G_a.items())
    return {key: length * g for key, g in G_a.items()}, length


def curve_factor(net: Network, patterns: Patterns) -> float:
    """The engine's z along G_a."""
    return float(adact_step(net, patterns)[1]["z_curve"][0])


def output_step_row(at: Probe) -> Row:
    """After the output step no change of the output weights lowers E, Eq. (10).

    Slopes are relative to 2 sqrt(E) before times the size of the change, the steepest there could be: what a dependent
    function that OLS drops leaves over is below the tolerance of that.
    """
    steepest = 2 * error(at.net, at.patterns) ** 0.5 * size(at.net.outputs(at.patterns.x))
    net = owo_step(at.there, at.patterns)[0].to("cpu")
    q = quotients(net, at.patterns, part_directions(at, HEAD))
    difference = share(np.max(np.abs(q.dE)), steepest, q.noise_E)
    return Row("OWO", HEAD, "dE/dW_o = 0", difference, len(at.patterns))


def nothing(quantity: str, where: str, note: str = ALL_CROSS) -> Row:
    """A row that can't be checked, most often for want of patterns."""
    return Row(quantity, where, "nothing", float("nan"), 0, note=note)


def norm(a: np.ndarray) -> float:
    return float(np.linalg.norm(a))
