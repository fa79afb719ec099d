"""An activation, a trained activation, a layer and an algorithm from outside the package: they train, check, save and load."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np
import pytest

import pwl
from pwl.activations import Fixed
from pwl.algorithms import Algorithm, Step
from pwl.layers import Dense, Layer
from pwl.layers.layer import Activated
from pwl.reductions.gradients import gradients
from pwl.reductions.reduce import reduce
from pwl.runtime.backend import array_namespace

# ---- a fixed activation: its value and its slope


def bump(n):
    return array_namespace(n).exp(-n * n)


def bump_slope(n, o):
    return -2 * n * o


BUMP = Fixed("bump", bump, bump_slope)


# ---- a trained activation: o = a sin(n) + b n for each unit


@dataclass(frozen=True)
class Wave(Layer):
    """o = c[k, 0] sin(n) + c[k, 1] n with coefficients c trained for each unit."""

    start: float = 1.0
    kind: ClassVar[str] = "activation"
    linear: ClassVar[bool] = True

    def output_shape(self, input_shape):
        return input_shape

    def shapes(self, input_shape):
        return {"c": (input_shape[-1], 2)}

    def start_parameters(self, input_shape, rng):
        return {"c": np.tile([self.start, 0.0], (input_shape[-1], 1))}

    def apply(self, p, b, n):
        return p["c"][:, 0] * array_namespace(n).sin(n) + p["c"][:, 1] * n

    def forward(self, p, b, n):
        return self.apply(p, b, n), Activated(n, p["c"][:, 0] * array_namespace(n).cos(n) + p["c"][:, 1])

    def keep(self, p, b, n):
        return Activated(n, None)

    def backward(self, p, b, saved, g):
        return g * saved.slope

    def gradient(self, p, b, saved, g):
        xp = array_namespace(g)
        return {"c": xp.stack([xp.sum(g * xp.sin(saved.n), axis=0), xp.sum(g * saved.n, axis=0)], axis=1)}

    def columns(self, p, b, saved, g):
        xp = array_namespace(g)
        return {"c": xp.stack([(g * xp.sin(saved.n)).T, (g * saved.n).T], axis=1)}

    def tangent(self, p, b, saved, d, dn):
        through = None if dn is None else dn * saved.slope
        if "c" not in d:
            return through
        own = self.apply(d, b, saved.n)
        return own if through is None else own + through


# ---- a layer without parameters: differences of neighbours


@dataclass(frozen=True)
class Differences(Layer):
    """x[:, 1:] - x[:, :-1]."""

    kind: ClassVar[str] = "shape"

    def output_shape(self, input_shape):
        return (input_shape[0] - 1,)

    def apply(self, p, b, x):
        return x[:, 1:] - x[:, :-1]

    def forward(self, p, b, x):
        return self.apply(p, b, x), None

    def keep(self, p, b, x):
        return None

    def backward(self, p, b, saved, g):
        xp = array_namespace(g)
        zero = xp.zeros((g.shape[0], 1), dtype=g.dtype)
        return xp.concat([zero, g], axis=1) - xp.concat([g, zero], axis=1)

    def tangent(self, p, b, saved, d, dx):
        return None if dx is None else self.apply(p, b, dx)


# ---- an algorithm: signs of the gradient, shrinking steps


class SignState(NamedTuple):
    steps: int = 0


@dataclass(frozen=True)
class SignDescent(Algorithm):
    """theta += rate / (steps + 1) sign(G)."""

    rate: float = 0.01
    State: ClassVar[type] = SignState

    def init(self, net: pwl.Network, patterns: pwl.Patterns, key: int) -> SignState:
        return SignState()

    def step(self, net: pwl.Network, patterns: pwl.Patterns, state: Any) -> Step:
        G = net.join(reduce(gradients(net.keys("map", "activation", "head")), net, patterns).G)
        change = self.rate / (state.steps + 1) * array_namespace(G).sign(G)
        return Step(net.with_theta(net.theta + change), SignState(state.steps + 1), {"rate": self.rate})


def data(seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(80, 3))
    return x, np.sin(x @ [[1.0], [0.5], [-0.5]])


NETWORKS = {
    "fixed activation": (lambda: pwl.Network.mlp(3, 4, 1, BUMP), [BUMP]),
    "trained activation": (lambda: pwl.Network.mlp(3, 4, 1, Wave(0.5)), [Wave]),
    "layer": (
        lambda: pwl.Network.from_layers(
            [Dense(6), "tanh", Differences(), Dense(1)], (3,), loss="squared_error", dtype=np.float64
        ),
        [Differences],
    ),
}


@pytest.mark.core
@pytest.mark.parametrize("kind", NETWORKS)
@pytest.mark.parametrize("algorithm", [pwl.MOLF(), pwl.LM(), SignDescent(), pwl.AdAct()], ids=lambda a: type(a).__name__)
def test_it_trains(kind, algorithm):
    net = NETWORKS[kind][0]()
    if isinstance(algorithm, pwl.AdAct) and not net.keys("activation"):
        with pytest.raises(pwl.InputError, match="AdAct trains the activations"):
            pwl.train(net, data(), algorithm, iterations=4)
        return
    _, record = pwl.train(net, data(), algorithm, iterations=4)
    assert record["error"][record.best_iteration] < record["error"][0]


@pytest.mark.core
@pytest.mark.parametrize("kind", NETWORKS)
def test_it_passes_the_check(kind):
    rows = pwl.check(NETWORKS[kind][0](), data())
    assert len(rows) > 5
    assert [row for row in rows if not row.passed] == []


@pytest.mark.parametrize("kind", NETWORKS)
def test_it_is_saved_and_loaded_by_name(kind, tmp_path):
    make, own = NETWORKS[kind]
    net, record = pwl.train(make(), data(), pwl.MOLF(), iterations=2)
    path = tmp_path / "net.safetensors"
    net.save(path, record)
    loaded = pwl.Network.load(path, layers=own)
    assert loaded.layers == net.layers
    np.testing.assert_array_equal(loaded.predict(data()[0]), net.predict(data()[0]))
    with pytest.raises(pwl.InputError, match=r"not part of pwl. If the layer is your own, name it"):
        pwl.Network.load(path)


@pytest.mark.parametrize("kind", NETWORKS)
def test_a_run_is_written_down_and_goes_on(kind, tmp_path):
    make = NETWORKS[kind][0]
    path = tmp_path / "run.checkpoint"
    pwl.train(make(), data(), SignDescent(), iterations=3, checkpoint=path)
    _, resumed = pwl.train(make(), data(), SignDescent(), iterations=6, resume=path)
    _, whole = pwl.train(make(), data(), SignDescent(), iterations=6)
    assert resumed["error"] == whole["error"]
    assert "multiplies" not in whole  # nobody has counted them
    with pytest.raises(pwl.InputError, match="checkpoint of another run: its algorithm"):
        pwl.train(make(), data(), SignDescent(0.02), iterations=6, resume=path)
