"""Small random problems and networks, and difference quotients to hold derivatives against."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

import pwl
from pwl.network.network import Network
from pwl.reductions.statistics import error

LOSSES = ("squared_error", "cross_entropy")
SMOOTH = ("sigmoid", "tanh", "identity")


def activations() -> dict[str, Any]:
    """Every fixed activation, and curves of both kinds: short spans, so that many nets lie outside the hinges."""
    fixed = {name: name for name in pwl.activations.FIXED}
    curves = {f"curves, {outside}": curve(outside) for outside in ("constant", "linear")}
    return fixed | curves | {"curves, general hinges": pwl.PiecewiseLinear("tanh", (-1.4, -1.0, 0.1, 0.4, 1.7))}


def curve(outside: str = "constant", hinges: int = 7) -> pwl.PiecewiseLinear:
    return pwl.PiecewiseLinear("tanh", hinges, span=(-1.5, 1.5), outside=outside)


def random_network(
    activation: Any, hidden: Any = 4, *, inputs: int = 3, outputs: int = 3, seed: int = 0, **options: Any
) -> Network:
    """Network whose parameters, ordinates included, are all random; steps may begin from it as it is."""
    net = Network.mlp(inputs, hidden, outputs, activation, **options)
    theta = 0.7 * np.random.default_rng([seed, 1]).standard_normal(net.n_parameters)
    return dataclasses.replace(net, theta=theta, initialised=True)


def problem(net: Network, Nv: int = 40, *, weights: bool = False, seed: int = 0, margin: float = 0.0) -> pwl.Patterns:
    """Random patterns for a network; with a margin, only those whose nets all lie farther than that from any kink."""
    rng = np.random.default_rng([seed, 2])
    x = rng.standard_normal((Nv, *net.input_shape))
    t = rng.integers(0, net.n_outputs, Nv) if net.loss.classes else rng.standard_normal((Nv, net.n_outputs))
    w = rng.uniform(0.2, 2.0, Nv) if weights else None
    if margin:
        far = kink_distance(net, x) > margin
        x, t, w = x[far], t[far], None if w is None else w[far]
    return pwl.Patterns(x, t, w)


def kink_distance(net: Network, x: np.ndarray) -> np.ndarray:
    """Distance of each pattern's nets to the nearest kink of any activation (Nv,)."""
    found = np.full(len(x), np.inf)
    for index, kept in enumerate(net.body(x)[0]):
        layer = net.layers[index]
        if f"{index}.ns" in net.buffers:
            kinks = net.buffers[f"{index}.ns"]
        elif getattr(layer, "kinks", ()):
            kinks = np.broadcast_to(layer.kinks, (kept.n.shape[1], len(layer.kinks)))
        else:
            continue
        found = np.minimum(found, np.abs(kept.n[:, :, None] - kinks).min(axis=(1, 2)))
    return found


def E_of(net: Network, patterns: pwl.Patterns) -> float:
    return float(patterns.reduce(error(), net)[0][0])


def quotient(f: Callable[[Network], Any], net: Network, direction: Mapping[str, np.ndarray], step: float = 1e-5) -> Any:
    """Central difference quotient of f along a direction by slot key; its error is of second order in the step."""
    up = f(net.moved({key: step * d for key, d in direction.items()}))
    down = f(net.moved({key: -step * d for key, d in direction.items()}))
    return (up - down) / (2 * step)


def random_direction(net: Network, keys: tuple[str, ...], rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Normal numbers for each key, of length 1 all together."""
    parts = {key: rng.standard_normal(net.parts[key].shape) for key in keys}
    length = np.sqrt(sum(np.sum(part**2) for part in parts.values()))
    return {key: part / length for key, part in parts.items()}


def unit_blocks(direction: Mapping[str, np.ndarray]) -> list[dict[str, np.ndarray]]:
    """The direction cut into its blocks: one row of one key each, in the order of the keys."""
    blocks = []
    for key, D in direction.items():
        for k in range(len(D)):
            row = np.zeros_like(D)
            row[k] = D[k]
            blocks.append({key: row})
    return blocks
