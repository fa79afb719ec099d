"""What is trained on several ranks: every algorithm on problems of every kind, and the parts that the ranks get."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from toys import spirals, waves

import pwl
from pwl.data.augmentation import Augmentation

ALGORITHMS = {
    "adact": pwl.AdAct(), "adact hwo": pwl.AdAct(direction="hwo"), "adact damped": pwl.AdAct.damped(), "molf": pwl.MOLF(),
    "molf damped": pwl.MOLF.damped(), "owo-bp": pwl.OWOBP(), "cg": pwl.CG(), "scg": pwl.SCG(), "lm": pwl.LM(solver="cholesky"),
    "lm qr": pwl.LM(solver="qr"), "varpro": pwl.VarPro(), "bayesian lm": pwl.BayesianLM(), "bayesian lm rows":
    pwl.BayesianLM(solver="rows"), "lbfgs": pwl.LBFGS(), "sgd": pwl.SGD(), "adam": pwl.Adam(), "minibatch": pwl.MinibatchAdAct(),
}  # fmt: skip
BATCHES = ("sgd", "adam", "minibatch")  # algorithms that take batches
ONLY_NUMBERS = ("varpro",)
VECTORS = ("numbers", "weights", "classes", "output reset", "input curves", "float32")


class Case(NamedTuple):
    """A network, its data (x, t) or (x, t, weights), and options of `train`."""

    net: pwl.Network
    data: tuple[np.ndarray, ...]
    options: dict


def begun(name: str, kind: str, batches: bool = False) -> Case:
    """The problem for an algorithm. Those of first order begin away from the best output weights.

    There, gradients are rounding, of which Adam takes the signs.
    """
    net, data, options = case(kind, batches)
    if name in BATCHES:
        net = pwl.initialise(net, data)
        net = net.with_theta(net.theta + 0.1 * np.random.default_rng(7).standard_normal(net.n_parameters).astype(net.theta.dtype))
    if name == "bayesian lm rows":  # for fewer rows than weights
        data = tuple(a[:12] for a in data)
    return Case(net, data, options)


def case(kind: str, batches: bool = False) -> Case:
    """A small problem of a kind. With batches, 90 patterns make two steps, as the first of minibatch AdAct moves nothing."""
    options = {"batch_size": 50, "seed": 3} if batches else {}
    curves = pwl.PiecewiseLinear("tanh", hinges=7)
    if kind in ("classes", "output reset"):
        loss = "cross_entropy" if kind == "classes" else "output_reset"
        return Case(pwl.Network.mlp(2, 5, 3, curves, loss=loss, seed=1), spirals(90), options)
    if kind == "images":
        return Case(*images(), options | ({"augment": Augmentation(1, True)} if batches else {}))
    x, t = waves(90)
    inputs = 5 if kind == "input curves" else None
    dtype = np.float32 if kind == "float32" else np.float64
    net = pwl.Network.mlp(3, 5, 2, curves, seed=1, input_hinges=inputs, dtype=dtype)
    return Case(net, (x, t, 0.5 + np.arange(90) % 4) if kind == "weights" else (x, t), options)


def images() -> tuple[pwl.Network, tuple[np.ndarray, np.ndarray]]:
    """A small CNN with everything that draws or measures: curves, batch normalisation in groups of 8, dropout."""
    rng = np.random.default_rng(4)
    x, t = rng.standard_normal((90, 6, 6, 1)), np.arange(90) % 3
    layers = pwl.layers
    body = [
        layers.Conv2d(4, 3, padding="same"), layers.BatchNorm2d(group=8), pwl.PiecewiseLinear("relu", hinges=5),
        layers.MaxPool2d(2), layers.Flatten(), layers.Dropout(0.25), layers.Dense(3),
    ]  # fmt: skip
    return pwl.Network.from_layers(body, input_shape=(6, 6, 1), loss="cross_entropy", seed=2, dtype=np.float64), (x, t)


def fits(name: str, kind: str) -> bool:
    """Whether an algorithm can train a kind of problem."""
    if kind == "images":
        return name in BATCHES
    if (name, kind) == ("bayesian lm rows", "input curves"):  # which fit so few patterns exactly, so that E is rounding
        return False
    numbers = kind not in ("classes", "output reset")
    evidence = "bayesian" in name or "damped" in name
    return (numbers or name not in ONLY_NUMBERS) and not (kind == "output reset" and evidence)


def parts(data: tuple[np.ndarray, ...], cuts: list[int]) -> list[tuple[np.ndarray, ...]]:
    """The data of each rank. cuts: where ranks begin."""
    ends = [*cuts[1:], len(data[0])]
    return [tuple(a[first:last] for a in data) for first, last in zip(cuts, ends, strict=True)]


def trained(net: pwl.Network, data, name: str, iterations: int = 1, **options) -> tuple[pwl.Network, pwl.Record]:
    return pwl.train(net, data, ALGORITHMS[name], iterations=iterations, **options)


def differences(one: tuple[pwl.Network, pwl.Record], other: tuple[pwl.Network, pwl.Record], determined: bool = True) -> float:
    """The larger difference of two runs, in errors relative to the first or, where the data determine them, in networks."""
    errors = np.abs(np.array(one[1]["error"]) - np.array(other[1]["error"])).max() / other[1]["error"][0]
    return max(float(errors), distance(one[0], other[0]) if determined else 0.0)


def distance(one: pwl.Network, other: pwl.Network) -> float:
    """The largest difference of two networks' parameters and buffers, relative to the largest parameter."""
    pairs = [(one.theta, other.theta), *((one.buffers[key], other.buffers[key]) for key in one.buffers)]
    return max(float(np.max(np.abs(a - b), initial=0.0)) / max(1.0, float(np.max(np.abs(b), initial=0.0))) for a, b in pairs)
