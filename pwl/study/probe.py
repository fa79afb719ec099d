"""The setting of a check: float64, some patterns, and directions of a sensible length."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from pwl.errors import InputError
from pwl.layers import BatchNorm2d
from pwl.layers.layer import Activated, Layer
from pwl.network.layout import HEAD
from pwl.network.network import Network
from pwl.network.passes import basis, features, input_of, outputs, saved_from
from pwl.reductions.patterns import Patterns
from pwl.study.quotients import EPS, STEP, Direction, moved

PATTERNS = 200  # most patterns, drawn without replacement
ENTRIES = 16  # entries of a parameter that are checked one by one
AWAY = 0.1  # share of the outputs by which output weights move first, because gradients of 0 at a minimum tell nothing
STEEPEST = 100.0  # largest change of an output along a direction, under cross-entropy
BENT = 1e-3  # largest change of a net in a step, as sigmoid and tanh bend within about 1; its fourth power is the quotient's error


class Probe(NamedTuple):
    """The setting of a check.

    net: the network in float64. there: the same on the device of the engine. patterns: some patterns in memory. units: the unit
    of length of each parameter. rng: the random numbers.
    """

    net: Network
    there: Network
    patterns: Patterns
    units: dict[str, np.ndarray]
    rng: np.random.Generator


def draw(net: Network, patterns: Patterns, rng: np.random.Generator) -> Patterns:
    """Some of the patterns of weight above 0, prepared and in memory."""
    counted = np.arange(len(patterns)) if patterns.weights is None else np.flatnonzero(patterns.weights)
    rows = np.sort(rng.permutation(counted)[:PATTERNS])
    return Patterns(*patterns.take(rows).block(net, 0, len(rows)))


def away(net: Network, x: np.ndarray, rng: np.random.Generator) -> Network:
    """The network with moved output weights, so that the outputs change by about a tenth."""
    unit = size(outputs(net, x)) / size(basis(net, x, features(net, x)))
    return net.moved({HEAD: AWAY * random_part(unit, net.W_o.shape, rng)})


def units(net: Network, x: np.ndarray) -> dict[str, np.ndarray]:
    """By slot key, the change of each entry that changes its unit's outputs by about their own size."""
    found: dict[str, np.ndarray] = {}
    for index, layer in enumerate(net.layers):
        a, out = input_of(net, index, x), input_of(net, index + 1, x)
        if layer.kind == "map" or layer.linear:
            inputs = input_sizes(layer, net.layer_buffers[index], a) if layer.kind == "map" else np.ones(1)
            found |= {slot.key: sizes(out)[:, None] / inputs for slot in net.layout.of_layer(index)}
        elif net.layout.of_layer(index):
            found |= net.layout.keyed(index, shape_units(*net.layer(index), a))
    return found | {HEAD: size(outputs(net, x)) / sizes(basis(net, x, features(net, x)))}


def shape_units(layer: Layer, p: dict, b: dict, n: np.ndarray) -> dict[str, np.ndarray]:
    """Lengths for parameters in which an activation is not linear. None is much longer than the parameter itself."""
    out, saved = layer.forward(p, b, n)
    found = {}
    for name, each in layer.columns(p, b, saved, np.ones_like(out)).items():
        change = np.sqrt(np.mean(each**2, axis=2))
        found[name] = np.minimum(np.maximum(1, np.abs(p[name])), sizes(out)[:, None] / np.maximum(change, EPS))
    return found


def input_sizes(layer: Layer, b: dict, a: np.ndarray) -> np.ndarray:
    """Size of each input of a unit, with 1 for the threshold. One size for all if units see different inputs."""
    if isinstance(layer, BatchNorm2d):  # channels were normalised
        return np.ones(1)
    try:
        return sizes(layer.inputs(b, a))
    except InputError:
        return np.full(1, size(a))


def shortened(
    net: Network, x: np.ndarray, lengths: dict[str, np.ndarray], rng: np.random.Generator
) -> dict[str, np.ndarray]:
    """Lengths of which a step of a quotient changes no net by much more than BENT, where an activation may bend.

    They change no output by much more than STEEPEST either, unless the loss is quadratic: its quotients are exact for any step.
    """
    found, y, n = {}, outputs(net, x), nets(net, x)
    for key, unit in lengths.items():
        there = moved(net, 1, {key: random_part(unit, net.parts[key].shape, rng)})
        excess = [1.0, *(largest(b - a) / BENT for a, b in zip(n, nets(there, x), strict=True))]
        if not net.loss.quadratic:
            excess.append(largest(outputs(there, x) - y) / (STEEPEST * STEP))
        found[key] = unit / max(excess)
    return found


def nets(net: Network, x: np.ndarray) -> list[np.ndarray]:
    """The nets of each activation."""
    return [saved.n for saved in saved_from(net, x, 0) if isinstance(saved, Activated)]


def largest(a: np.ndarray) -> float:
    """The largest magnitude, or 0 if it is not a number."""
    return float(np.nan_to_num(np.max(np.abs(a), initial=0.0)))


def size(a: np.ndarray) -> float:
    """Root of the mean square, or 1 if all numbers are 0."""
    return float(np.sqrt(np.mean(a * a))) or 1.0


def sizes(a: np.ndarray) -> np.ndarray:
    """`size` of each column or channel."""
    return np.array([size(column) for column in a.reshape(-1, a.shape[-1]).T])


def random_part(unit: Any, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Random change (rows, columns) of a parameter, which changes each unit's output by about its own size."""
    return unit * rng.standard_normal(shape) / shape[1] ** 0.5


def part_directions(at: Probe, key: str) -> list[Direction]:
    """A random direction of one parameter, and directions of some or all of its single entries."""
    shape = at.net.parts[key].shape
    unit = np.broadcast_to(at.units[key], shape)
    found: list[Direction] = [{key: random_part(unit, shape, at.rng)}]
    for entry in at.rng.permutation(unit.size)[:ENTRIES]:
        alone = np.zeros(shape)
        alone.flat[entry] = unit.flat[entry]
        found.append({key: alone})
    return found
