"""Solutions of lesson 14: squares, and steps along signs."""

import runpy
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np

import pwl
from pwl.activations import Fixed
from pwl.algorithms import Algorithm, Step
from pwl.reductions.gradients import gradients
from pwl.reductions.reduce import reduce

lesson = runpy.run_path(str(Path(__file__).parents[1] / "14_parts_of_your_own.py"))

# 1. (w1 x1 + w2 x2)^2 of one unit has a mixed term, so it takes two units, whose mixed terms cancel.

SQUARE = Fixed("square", lambda n: n * n, lambda n, o: 2 * n)
print("square:", lesson["verdict"](pwl.Network.mlp(3, 4, 1, SQUARE)))
assert lesson["verdict"](pwl.Network.mlp(3, 4, 1, SQUARE)).endswith("none")
rng = np.random.default_rng(0)
x = rng.uniform(-1, 1, size=(100, 2))
t = np.sum(x**2, axis=1, keepdims=True)
lowest = {}
for units in (1, 2):
    _, record = pwl.train(pwl.Network.mlp(2, units, 1, SQUARE, seed=0), (x, t), pwl.LM(), iterations=50)
    lowest[units] = min(record["error"])
    print(f"{units} units: fits exactly: {lowest[units] < 1e-20}")
assert lowest[1] > 1e-3 and lowest[2] < 1e-20

# 2. E comes from the same pass as the gradient.


class SignState(NamedTuple):
    rate: float
    E: float = np.inf
    theta: Any = None


@dataclass(frozen=True)
class Signs(Algorithm):
    """theta += rate sign(G). The rate grows if E fell. If not, it halves, and the step is taken back."""

    first: float = 0.01
    State: ClassVar[type] = SignState

    def init(self, net, patterns, key):
        return SignState(self.first)

    def step(self, net, patterns, state):
        scores, G = reduce(gradients(net.keys("map", "activation", "head")), net, patterns)
        E, rate = float(scores[0]), state.rate
        if E > state.E:
            return Step(net.with_theta(state.theta), state._replace(rate=rate / 2, E=np.inf), {"rate": rate / 2})
        change = rate * np.sign(net.join(G))
        return Step(net.with_theta(net.theta + change), SignState(1.1 * rate, E, net.theta), {"rate": rate})


_, record = pwl.train(lesson["start"], (lesson["x"], lesson["t"]), Signs(), iterations=200)
print(f"signs: E from {record['error'][0]:.3f}, below a third of it: {min(record['error']) < record['error'][0] / 3}")
assert min(record["error"]) < record["error"][0] / 3
