"""One iteration of AdAct, MOLF, LM, CG and SCG on the GPU beside its bare matrix products, in float64.

The bare products are the matrix products in the passes of the iteration. The same library computes them block by block
from existing arrays. Patterns are in the device's memory. There are 20 inputs, 200 hidden units and 1 output, and
curves have 25 hinges. LM gets fewer patterns and units because its matrices grow with the square of the number of
weights.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

import pwl
from benchmarks.gpu.device import Device
from benchmarks.shared.jobs import same_iteration
from pwl.algorithms.all_weights import trained
from pwl.reductions.blocks import block_rows
from pwl.reductions.jacobian import normal_equations

N, M, HINGES = 20, 1, 25

# The factors of every product of a block of b patterns; ' marks a transpose. Shapes: X (b, N+1), W (Nh, N+1), V (b, Nh),
# basis B (b, Nu), w_o (M, Nu), y (b, M). Z (weights + 1, b) holds the rows of LM's Jacobian side by side.
PRODUCTS = {
    "nets": ("X", "W'"),  # or their change along a direction
    "outputs": ("B", "w_o'"),
    "G": ("V'", "X"),
    "G_o": ("y'", "B"),
    "H": ("V'", "V"),
    "R": ("B'", "B"),
    "C": ("B'", "y"),
    "J'J": ("Z", "Z'"),
}
GRADIENT, BLOCKS, OUTPUT_STEP = ("nets", "outputs", "G"), ("nets", "nets", "H"), ("nets", "R", "C")
FORWARD, WHOLE, LINE = (
    ("nets", "outputs"),
    ("nets", "outputs", "G", "G_o"),
    ("nets", "outputs", "nets", "outputs", "outputs"),
)
JACOBIAN = ("nets", "outputs", "J'J")

# Each algorithm with the passes of an iteration that accepts its first trial. Every further trial repeats the last pass.
ALGORITHMS = {
    "AdAct": (pwl.AdAct(), (GRADIENT, BLOCKS, FORWARD, FORWARD, OUTPUT_STEP)),
    "MOLF": (pwl.MOLF(), (GRADIENT, BLOCKS, OUTPUT_STEP)),
    "CG": (pwl.CG(), (LINE, WHOLE)),
    "SCG": (pwl.SCG(), (WHOLE, WHOLE)),
    "LM": (pwl.LM(solver="cholesky"), (JACOBIAN, FORWARD)),
}
SIZES = dict.fromkeys(ALGORITHMS, (10_000_000, 200)) | {"LM": (1_000_000, 100)}  # patterns, hidden units
QUICK = dict.fromkeys(ALGORITHMS, (1_000_000, 200)) | {"LM": (100_000, 50)}


def cells(device: Device, quick: bool) -> Iterator[tuple[str, Callable[[], dict[str, Any]]]]:
    for name, (Nv, Nh) in (QUICK if quick else SIZES).items():
        yield f"{name}-{Nv}-{Nh}", lambda n=name, size=(Nv, Nh): measure(device, n, *size)


def measure(device: Device, name: str, Nv: int, Nh: int, repeats: int = 5) -> dict[str, Any]:
    net, patterns, iteration = iterated(device.xp, name, Nv, Nh)
    counted = ALGORITHMS[name][1]
    before = patterns.passes
    iteration()
    passes = patterns.passes - before
    counted += (counted[-1],) * (round(passes) - len(counted))
    floats = normal_equations(net, trained(net, False)).floats if name == "LM" else 0
    products = bare(device.xp, net, counted, Nv, block_rows(net, floats))
    jobs = {"iteration": iteration, "bare products": products}
    seconds = device.seconds(jobs, repeats)
    return {
        "algorithm": name, "patterns": Nv, "inputs": N, "hidden": Nh, "dtype": "float64", "passes": passes,
        "seconds": seconds, "ratio": seconds["iteration"] / seconds["bare products"],
    }  # fmt: skip


class Iterated(NamedTuple):
    """job(): an iteration, always the same one. It begins at this network, on these patterns."""

    net: pwl.Network
    patterns: pwl.Patterns
    job: Callable[[], None]


def iterated(xp: Any, name: str, Nv: int, Nh: int) -> Iterated:
    """An iteration of an algorithm on a network that was just initialised."""
    algorithm, patterns = ALGORITHMS[name][0], problem(xp, Nv)
    net = pwl.Network.mlp(N, Nh, M, pwl.PiecewiseLinear("sigmoid", HINGES) if name == "AdAct" else "sigmoid")
    net = pwl.initialise(net.to(xp), patterns)
    return Iterated(net, patterns, same_iteration(algorithm, net, patterns))


@functools.lru_cache(maxsize=1)
def problem(xp: Any, Nv: int) -> pwl.Patterns:
    """Random inputs and a smooth target, in the device's memory. Algorithms with as many patterns share them."""
    x = np.random.default_rng(0).standard_normal((Nv, N))
    t = np.sin(x[:, :1]) + x[:, 1:2] * x[:, 2:3]
    return pwl.Patterns(xp.asarray(x), xp.asarray(t))


def bare(xp: Any, net: pwl.Network, passes: tuple[tuple[str, ...], ...], Nv: int, rows: int) -> Callable[[], None]:
    """The products of all passes, in blocks of equal size with at most `rows` patterns."""
    blocks = -(-Nv // rows)
    b, Nh, Nu = -(-Nv // blocks), net.W.shape[0], net.n_basis
    shapes = {"X": (b, N + 1), "W": (Nh, N + 1), "V": (b, Nh), "B": (b, Nu), "w_o": (M, Nu), "y": (b, M)}
    shapes["Z"] = (Nh * (N + 1) + M * Nu + 1, b)
    used = {name.rstrip("'") for names in passes for product in names for name in PRODUCTS[product]}
    rng = np.random.default_rng(0)
    arrays = {name: xp.asarray(rng.standard_normal(shapes[name])) for name in sorted(used)}
    arrays |= {f"{name}'": a.T for name, a in arrays.items()}

    def products() -> None:
        for names in passes:
            for _ in range(blocks):
                for left, right in map(PRODUCTS.__getitem__, names):
                    xp.matmul(arrays[left], arrays[right])

    return products
