"""What the tests work on: data, networks, stub algorithms, each kind under one name; and the doors to the engine.

The functions of the last section are the only ones that call the passes and the reductions of the package, so that a change
of these is a change of one place.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
from fake_ranks import Asked, everywhere

import pwl
from pwl.algorithms import Algorithm, Step
from pwl.layers import Dense
from pwl.network import passes
from pwl.network.layout import HEAD
from pwl.network.network import Network
from pwl.reductions import blocks
from pwl.reductions.gradients import error, gradients
from pwl.reductions.reduce import reduce as reduced
from pwl.study.quotients import without_kinks

LOSSES = ("squared_error", "cross_entropy")


# ---- data


def waves(Nv=120, N=3, M=2, seed=0):
    """Smooth nonlinear targets (Nv, M) of inputs (Nv, N) with offsets and different scales, a little noise."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(Nv, N)) * np.arange(1, N + 1) + np.arange(N)
    phases = (x - x.mean(axis=0)) / x.std(axis=0) @ rng.normal(size=(N, M))
    return x, np.sin(1.5 * phases) + 0.05 * rng.normal(size=(Nv, M))


def spirals(Nv=150, M=3, seed=0):
    """Labels 0..M-1 of points on M noisy arms of a spiral (Nv, 2)."""
    rng = np.random.default_rng(seed)
    t = np.arange(Nv) % M
    r = rng.uniform(0.2, 1, Nv)
    angle = 2 * np.pi * t / M + 5 * r + 0.5 * rng.normal(size=Nv)
    return np.stack([r * np.cos(angle), r * np.sin(angle)], axis=1), t


def problem(
    net: Network, Nv: int = 40, *, weights: bool = False, seed: int = 0, margin: float = 0.0, **options: Any
) -> pwl.Patterns:
    """Random patterns that fit a network; with a margin, only those whose nets all lie farther than that from any kink."""
    rng = np.random.default_rng([seed, 2])
    x = rng.standard_normal((Nv, *net.input_shape))
    t = rng.integers(0, net.n_outputs, Nv) if net.loss.classes else rng.standard_normal((Nv, net.n_outputs))
    w = rng.uniform(0.2, 2.0, Nv) if weights else None
    if margin:
        far = kink_distance(net, x) > margin
        x, t, w = x[far], t[far], None if w is None else w[far]
    return pwl.Patterns(x, t, w, **options)


def kink_distance(net: Network, x: np.ndarray) -> np.ndarray:
    """Distance of each pattern's nets to the nearest kink of any activation (Nv,)."""
    found = np.full(len(x), np.inf)
    for index, kept in enumerate(kept_by_layers(net, x)):
        layer = net.layers[index]
        if f"{index}.ns" in net.buffers:
            kinks = net.buffers[f"{index}.ns"]
        elif getattr(layer, "kinks", ()):
            kinks = np.broadcast_to(layer.kinks, (kept.n.shape[1], len(layer.kinks)))
        else:
            continue
        found = np.minimum(found, np.abs(kept.n[:, :, None] - kinks).min(axis=(1, 2)))
    return found


def away_from_kinks(net: Network, patterns: pwl.Patterns, directions: list[dict[str, np.ndarray]]) -> pwl.Patterns:
    """Those patterns, ten at least, that meet no kink a little way along any of the directions."""
    found = without_kinks(net, patterns, directions)
    assert found is not None and len(found) >= 10
    return found


# ---- activations and networks


def activations() -> dict[str, Any]:
    """Every fixed activation, and curves of both kinds: short spans, so that many nets lie outside the hinges."""
    fixed = {name: name for name in pwl.activations.FIXED}
    curves = {f"curves, {outside}": curve(outside) for outside in ("constant", "linear")}
    return fixed | curves | {"curves, general hinges": pwl.PiecewiseLinear("tanh", (-1.4, -1.0, 0.1, 0.4, 1.7))}


def curve(outside: str = "constant", hinges: int = 7) -> pwl.PiecewiseLinear:
    """A trained activation whose span is short."""
    return pwl.PiecewiseLinear("tanh", hinges, span=(-1.5, 1.5), outside=outside)


def curve_network(N=3, Nh=5, M=2, seed=0, **options):
    """Multilayer network with curves, not initialised."""
    return Network.mlp(N, Nh, M, pwl.PiecewiseLinear("relu", hinges=13), seed=seed, **options)


def random_network(
    activation: Any, hidden: Any = 4, *, inputs: int = 3, outputs: int = 3, seed: int = 0, **options: Any
) -> Network:
    """Multilayer network whose parameters, ordinates included, are all random; steps may begin from it as it is."""
    return randomised(Network.mlp(inputs, hidden, outputs, activation, **options), seed, 0.7)


def random_layers(
    layers: list[Any],
    shape: tuple[int, ...],
    *,
    outputs: int = 3,
    seed: int = 1,
    size: float = 0.6,
    dtype: Any = np.float64,
    **options: Any,
) -> Network:
    """The layers and an output layer on inputs of that shape, all parameters random, moments of 0 and 1."""
    return randomised(Network.from_layers([*layers, Dense(outputs)], shape, dtype=dtype, **options), seed, size)


def randomised(net: Network, seed: int = 0, size: float = 0.7) -> Network:
    """The network with random numbers of that size in place of all its parameters."""
    theta = size * np.random.default_rng([seed, 1]).standard_normal(net.n_parameters)
    return dataclasses.replace(net, theta=theta.astype(net.theta.dtype), initialised=True)


# ---- algorithms


def short(algorithm):
    """A test's name for an algorithm: what differs from the defaults."""
    if not dataclasses.is_dataclass(algorithm):
        return str(algorithm)
    fields = dataclasses.fields(algorithm)
    changed = [str(value) for f in fields if (value := getattr(algorithm, f.name)) != f.default]
    return f"{type(algorithm).__name__}({','.join(changed)})"


class Steps(NamedTuple):
    """A state that counts."""

    steps: int = 0


class Stub(Algorithm):
    """An algorithm that does nothing; the sub-classes say what it does instead."""

    State = Steps

    def init(self, net, patterns, key):
        return Steps()

    def step(self, net, patterns, state):
        state = Steps(state.steps + 1)
        return Step(self.changed(net, state.steps), state, {})

    def changed(self, net, step):
        return net

    def multiplies(self, net, Nv):
        return 1.0 * Nv, 2.0 * Nv


class Worse(Stub):
    """Every step takes the output weights farther from the least squares solution."""

    def changed(self, net, step):
        return net.with_head(net.W_o + 1)


class NotFinite(Stub):
    """The steps from `at` on give NaN."""

    def __init__(self, at):
        self.at = at

    def changed(self, net, step):
        return net.with_theta(net.theta * np.nan) if step >= self.at else net.with_head(0.5 * net.W_o)


class Watching(Stub):
    """Keeps the first input of every pattern of every batch."""

    def __init__(self):
        self.batches = []

    def step(self, net, patterns, state):
        self.batches.append(np.asarray(patterns.x[:, 0]).tolist())
        return Step(net, state, {})


# ---- the doors to the engine


def outputs(net: Network, x: Any) -> Any:
    """y (Nv, M)."""
    return passes.outputs(net, x)


def below(net: Network, down_to: int) -> tuple[str, ...]:
    """Keys of the parameters of the body from a layer on; those of the head if there are none."""
    return tuple(s.key for s in net.layout.slots if down_to <= s.layer < len(net.layers)) or (HEAD,)


def outputs_keeping(net: Network, x: Any, down_to: int) -> Any:
    """y (Nv, M) of the pass that keeps what a backward pass down to that layer needs."""
    return passes.forward(net, x, below(net, down_to)).y


def features(net: Network, x: Any) -> Any:
    """o (Nv, Nh), what the output layer gets from the body."""
    return passes.features(net, x)


def basis(net: Network, x: Any) -> Any:
    """[1, x, o] or [1, o] (Nv, Nu)."""
    return basis_of(net, x, features(net, x))


def basis_of(net: Network, x: Any, o: Any) -> Any:
    """[1, x, o] or [1, o] (Nv, Nu), of features that are there."""
    return passes.basis(net, x, o)


def outputs_of(net: Network, x: Any, o: Any) -> Any:
    """y (Nv, M), of features that are there."""
    return passes.weighted_sum(net, net.W_o, x, o)


def input_of(net: Network, index: int, x: Any) -> Any:
    """What a layer gets."""
    return passes.input_of(net, index, x)


def kept_by_layers(net: Network, x: Any) -> Any:
    """What each layer of the body keeps for the passes back."""
    return passes.saved_from(net, x, 0)


def layer_of(net: Network, index: int) -> tuple[Any, dict[str, Any], dict[str, Any]]:
    """(layer, its parameters, its buffers)."""
    return net.layer(index)


def tangents(net: Network, x: Any, directions: list[Mapping[str, Any]], down_to: int = 0) -> list[Any]:
    """The change of the outputs along each of several directions in the body, from one pass forward."""
    signals = passes.forward(net, x, below(net, down_to))
    return [passes.tangent(net, signals, v) for v in directions]


def tangent(net: Network, x: Any, direction: Mapping[str, Any], down_to: int = 0) -> Any:
    """The change of the outputs along a direction in the body."""
    return tangents(net, x, [direction], down_to)[0]


def passes_back(net: Network, x: Any, u: Any, layers: Any = None) -> Iterator[tuple[int, Any, Any]]:
    """(index, what the layer kept, the signal at its output) for signals u at the outputs; a signal lasts for one turn."""
    layers = range(len(net.layers)) if layers is None else layers
    saved = passes.saved_from(net, x, min(layers))
    saved = (*saved, (x.shape[0], *net.layout.shapes[-1]))  # what outputs that sum joined signals keep
    for index, g in passes.backpropagate(net, saved, u, layers):
        yield index, saved[index], g


def pulled_back(net: Network, x: Any, u: Any, layers: Any = None) -> dict[str, Any]:
    """J'u by slot key, for signals u at the outputs."""
    found = {}
    for index, saved, g in passes_back(net, x, u, layers):
        layer, p, b = layer_of(net, index)
        found |= net.layout.keyed(index, layer.gradient(p, b, saved, g))
    return found


def reduce(patterns: pwl.Patterns, statistic: Any, net: Network) -> Any:
    """The means over patterns of a statistic."""
    return everywhere(lambda own: reduced(statistic, net, own), patterns, Asked.ranks if statistic.beside is None else 1)


def block_rows(patterns: pwl.Patterns, net: Network, floats: int = 0) -> int:
    """Patterns per block of a reduction."""
    return blocks.block_rows(net, floats, patterns.block_bytes)


def E_of(net: Network, patterns: pwl.Patterns) -> float:
    """E as the package sums it."""
    return float(reduce(patterns, error(), net)[0])


def gradients_of(net: Network, patterns: pwl.Patterns, keys: Any = None) -> dict[str, Any]:
    """Negative gradients of E by slot key; of all parameters unless keys are given."""
    return reduce(patterns, gradients(tuple(net.parts) if keys is None else tuple(keys)), net).G


def take_step(
    algorithm: Any, net: Network, patterns: pwl.Patterns, state: Any = None
) -> tuple[Network, Any, dict[str, Any]]:
    """(net, state, series) after a step, and in the series "stop" if there was one; from a state made with seed 0 unless one
    is given."""

    def step(own: pwl.Patterns) -> Step:
        return algorithm.step(net, own, algorithm.init(net, own, 0) if state is None else state)

    net, state, series, _, stop = everywhere(step, patterns)
    return net, state, series if stop is None else series | {"stop": stop}


def iterate(
    algorithm: Any, net: Network, patterns: pwl.Patterns, steps: int
) -> tuple[list[Network], list[dict[str, Any]]]:
    """The networks from the first on, and what each step said."""
    state, nets, said = everywhere(lambda own: algorithm.init(net, own, 0), patterns), [net], []
    for _ in range(steps):
        net, state, series = take_step(algorithm, net, patterns, state)
        nets.append(net)
        said.append(series)
    return nets, said
