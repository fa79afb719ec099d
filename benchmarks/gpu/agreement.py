"""Every algorithm on the GPU and the CPU in float64: their distance after one step and after 20 iterations.

The distance is between parameters theta, relative to the length of theta. Both runs begin in the same state. Over
several steps they may part at a decision that depends on rounding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import pwl
from benchmarks.gpu.device import Device
from pwl.learners.named import LEARNERS, Learner
from pwl.runtime.backend import host

ONE_STEP, ITERATIONS, MANY_STEPS = 1e-9, 20, 1e-6  # ONE_STEP and MANY_STEPS are the largest distances allowed


def cells(device: Device, quick: bool) -> Iterator[tuple[str, Callable[[], dict[str, Any]]]]:
    Nv = 500 if quick else 5000
    for name in LEARNERS:
        yield f"{name}-{Nv}", lambda n=name: measure(device, n, Nv)


def measure(device: Device, name: str, Nv: int, iterations: int = ITERATIONS) -> dict[str, Any]:
    contender = LEARNERS[name]
    data = problem(Nv)
    activation = pwl.PiecewiseLinear("tanh", 13) if contender.curves else "tanh"
    net = pwl.initialise(pwl.Network.mlp(4, 8, 2, activation), data)

    def far(run: Callable[[pwl.Network], pwl.Network]) -> float:
        here, there = host(run(net).theta), host(run(net.to(device.xp)).theta)
        return float(np.linalg.norm(there - here) / np.linalg.norm(here))

    return {
        "algorithm": name, "patterns": Nv, "iterations": iterations,
        "one_step": far(lambda net: stepped(contender, net, pwl.Patterns(*data))),
        "many_steps": far(lambda net: trained(contender, net, data, iterations)),
    }  # fmt: skip


def problem(Nv: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((Nv, 4))
    t = np.column_stack([np.sin(x[:, 0]) + x[:, 1] * x[:, 2], np.tanh(x[:, 3] - x[:, 0])])
    return x, t + 0.1 * rng.standard_normal(t.shape)


def stepped(contender: Learner, net: pwl.Network, patterns: pwl.Patterns) -> pwl.Network:
    algorithm = contender.algorithm
    return algorithm.step(net, patterns, algorithm.init(net, patterns, 0)).net


def trained(contender: Learner, net: pwl.Network, data: Any, iterations: int) -> pwl.Network:
    return pwl.train(net, data, contender.algorithm, iterations=iterations, batch_size=contender.batch(data[0]))[0]
