"""
14. An activation, a layer and an algorithm of your own
=======================================================

What the package does with its parts it does with yours: it trains, checks, saves and loads them. Each of the
three below would be one short file. ``pwl.check`` finds the mistakes in them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import matplotlib.pyplot as plt
import numpy as np

import pwl
from pwl.activations import Fixed
from pwl.algorithms import Algorithm, Step
from pwl.layers import Dense, Layer
from pwl.layers.layer import Activated
from pwl.reductions.gradients import gradients
from pwl.reductions.reduce import reduce

rng = np.random.default_rng(0)
x = rng.normal(size=(120, 3))
t = np.sin(x @ [[1.0], [0.5], [-0.5]])


def verdict(net):
    """The names of the rows of pwl.check that failed."""
    rows = pwl.check(net, (x, t))
    return f"{len(rows)} rows, failed: {sorted({row.quantity for row in rows if row.failed}) or 'none'}"


# %%
# A fixed activation: two functions
# ---------------------------------
# The value f(n) and its slope, which may use the value o. That is all.


def softsign(n):
    return n / (1 + abs(n))


def softsign_slope(n, o):
    return (1 - abs(o)) ** 2


SOFTSIGN = Fixed("softsign", softsign, softsign_slope)
print("softsign:", verdict(pwl.Network.mlp(3, 4, 1, SOFTSIGN)))

# %%
# With a wrong slope training would still run, only badly. The check says so at once.

WRONG = Fixed("wrong", softsign, lambda n, o: 1 - abs(o))
print("wrong slope:", verdict(pwl.Network.mlp(3, 4, 1, WRONG)))

# %%
# A trained activation
# --------------------
# o = c1 sin n + c2 n, with c trained for each unit. A layer says its shapes, its start, its value, and three
# derivatives: how signals go back through it, the gradient of its own parameters (summed over patterns, and
# pattern by pattern), and its change along a direction. Second-order methods need the last two.


@dataclass(frozen=True)
class Wave(Layer):
    """o = c[k, 0] sin n + c[k, 1] n."""

    kind: ClassVar[str] = "activation"
    linear: ClassVar[bool] = True  # o is linear in c, so that the AdAct step is exact

    def output_shape(self, input_shape):
        return input_shape

    def shapes(self, input_shape):
        return {"c": (input_shape[-1], 2)}

    def start_parameters(self, input_shape, rng):
        return {"c": np.tile([0.5, 0.5], (input_shape[-1], 1))}

    def apply(self, p, b, n):
        return p["c"][:, 0] * np.sin(n) + p["c"][:, 1] * n

    def forward(self, p, b, n):
        return self.apply(p, b, n), Activated(n, p["c"][:, 0] * np.cos(n) + p["c"][:, 1])

    def keep(self, p, b, n):
        return Activated(n, None)

    def backward(self, p, b, saved, g):
        return g * saved.slope

    def gradient(self, p, b, saved, g):
        return {"c": np.stack([np.sum(g * np.sin(saved.n), axis=0), np.sum(g * saved.n, axis=0)], axis=1)}

    def columns(self, p, b, saved, g):
        return {"c": np.stack([(g * np.sin(saved.n)).T, (g * saved.n).T], axis=1)}

    def tangent(self, p, b, saved, d, dn):
        through = None if dn is None else dn * saved.slope
        if "c" not in d:
            return through
        own = self.apply(d, b, saved.n)
        return own if through is None else own + through


wave_start = pwl.initialise(pwl.Network.mlp(3, 4, 1, Wave()), (x, t))
print("Wave:", verdict(wave_start))
waved, wave_record = pwl.train(wave_start, (x, t), pwl.AdAct(), iterations=20)
print(f"trained by AdAct: E from {wave_record['error'][0]:.4f} to below 1e-3: {min(wave_record['error']) < 1e-3}")

figure, axes = plt.subplots(1, 4, figsize=(10, 2.4), layout="constrained")
pwl.plots.curves(waved, x, before=wave_start, ax=axes)

# %%
# A layer without parameters
# --------------------------
# The running mean of neighbours. Its value is a product with a fixed matrix, so signals go back through the
# transpose.


@dataclass(frozen=True)
class Neighbours(Layer):
    """(x[:, 1:] + x[:, :-1]) / 2."""

    kind: ClassVar[str] = "shape"

    def output_shape(self, input_shape):
        return (input_shape[0] - 1,)

    def apply(self, p, b, x):
        return (x[:, 1:] + x[:, :-1]) / 2

    def forward(self, p, b, x):
        return self.apply(p, b, x), None

    def keep(self, p, b, x):
        return None

    def backward(self, p, b, saved, g):
        zero = np.zeros((len(g), 1), dtype=g.dtype)
        return (np.concatenate([zero, g], axis=1) + np.concatenate([g, zero], axis=1)) / 2

    def tangent(self, p, b, saved, d, dx):
        return None if dx is None else self.apply(p, b, dx)


smoothed = pwl.Network.from_layers(
    [Dense(6), "tanh", Neighbours(), Dense(1)], (3,), loss="squared_error", dtype=np.float64
)
print("Neighbours:", verdict(smoothed))

# %%
# An algorithm
# ------------
# A frozen value with ``init`` and ``step``. What it remembers between steps is a NamedTuple. This one goes
# along the gradient by the rate of Barzilai and Borwein: the squared length of the last move, over how much
# the gradient has changed along it. It does not go down at every step, but it gets there.


class BBState(NamedTuple):
    theta: np.ndarray | None = None
    G: np.ndarray | None = None


@dataclass(frozen=True)
class BarzilaiBorwein(Algorithm):
    """theta += rate G, with rate = <s, s> / <s, y> of the last move s and the fall y of the negative gradient."""

    first: float = 0.01
    State: ClassVar[type] = BBState

    def init(self, net, patterns, key):
        return BBState()

    def step(self, net, patterns, state):
        G = net.join(reduce(gradients(net.keys("map", "activation", "head")), net, patterns).G)
        rate = self.first
        if state.G is not None:
            s, y = net.theta - state.theta, state.G - G
            rate = (s @ s) / (s @ y) if s @ y > 0 else self.first
        return Step(net.with_theta(net.theta + rate * G), BBState(net.theta, G), {"rate": rate})


start = pwl.initialise(pwl.Network.mlp(3, 8, 1, "tanh", seed=0), (x, t))
race = {}
for name, algorithm in {
    "Barzilai-Borwein": BarzilaiBorwein(),
    "gradient": pwl.SGD(learning_rate=0.01, momentum=0.0),
    "CG": pwl.CG(),
}.items():
    _, race[name] = pwl.train(start, (x, t), algorithm, iterations=200)

figure, ax = plt.subplots(figsize=(6, 3.2), layout="constrained")
for name, record in race.items():
    ax.semilogy(record["error"], label=name)
ax.set(xlabel="iteration", ylabel="E")
ax.legend(frameon=False)
plt.show()
lowest = {name: min(record["error"]) for name, record in race.items()}
print("Barzilai-Borwein below a half of the gradient's E:", lowest["Barzilai-Borwein"] < lowest["gradient"] / 2)

# %%
# Records, validation, stopping rules, checkpoints, plots and ``pwl.compare`` work for it as for all others.
# Networks with parts of your own are saved by name and loaded with ``pwl.Network.load(path, layers=[Wave])``.
#
# Try it
# ------
# Break one line of ``Wave`` after the other: ``gradient``, ``columns``, ``tangent``. Which row of the check
# fails?
#
# Exercises
# ---------
# 1. Write the fixed activation f(n) = n² with its slope, check it, and fit x1² + x2² with it. How many units
#    does it take?
# 2. Write an algorithm that goes along the sign of the gradient with a rate that grows by 1.1 if E fell and
#    halves if not. Its state holds the rate and the last E.
#
# Solutions: ``examples/solutions/14_parts_of_your_own.py``.
