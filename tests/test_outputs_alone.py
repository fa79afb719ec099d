"""Networks whose output weights are all there is to train, such as those above frozen layers."""

from __future__ import annotations

import numpy as np
import pytest

import pwl
from pwl.learners.named import LEARNERS

MOVE_LAYERS = {
    "owo-bp", "molf", "hwo-molf", "molf-damped", "adact", "hwo-adact", "adact-damped", "varpro", "curved-varpro",
}  # fmt: skip


def data(n=60):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(n, 4))
    return x, np.c_[np.sin(x[:, 0]), x[:, 1] * x[:, 2]]


def least(x, t):
    B = np.c_[np.ones(len(x)), np.maximum(x, 0)]
    return np.sum((t - B @ np.linalg.lstsq(B, t, rcond=None)[0]) ** 2) / len(x)


def outputs_alone(activation="relu"):
    return pwl.Network.from_layers([activation, pwl.layers.Dense(2)], (4,), loss="squared_error")


@pytest.mark.parametrize("name", sorted(MOVE_LAYERS))
def test_algorithms_that_move_layers_say_what_to_do(name):
    net = outputs_alone(pwl.PiecewiseLinear() if "adact" in name else "relu")
    with pytest.raises(pwl.InputError, match="all that is left to train.*pwl.owo_step or pwl.finish"):
        pwl.train(net, data(), LEARNERS[name].algorithm, iterations=2)


@pytest.mark.parametrize("name", ["bayesian-lm", "cg", "lbfgs", "lm", "scg"])
def test_the_others_find_the_least_squares_solution(name):
    x, t = data()
    _, record = pwl.train(outputs_alone(), (x, t), LEARNERS[name].algorithm, iterations=40)
    assert min(record["error"]) == pytest.approx(least(x, t), rel=0.02 if name == "bayesian-lm" else 1e-4)


@pytest.mark.parametrize("solver", ["cholesky", "qr"])
def test_varpro_by_both_solvers(solver):
    with pytest.raises(pwl.InputError, match="all that is left to train"):
        pwl.train(outputs_alone(), data(), pwl.VarPro(solver=solver), iterations=2)


@pytest.mark.parametrize("step", [pwl.molf_step, pwl.algorithms.owo_bp.owo_bp_step])
def test_steps_by_hand(step):
    net = pwl.initialise(outputs_alone(), data())
    with pytest.raises(pwl.InputError, match="all that is left to train"):
        step(net, data())


def test_its_first_weights_are_asked_for():
    with pytest.raises(pwl.InputError, match="no layer of this network has weights: W_o"):
        _ = outputs_alone().W


def test_minibatch_adact_finds_the_solution():
    x, t = data()
    net = outputs_alone().with_head(np.full((2, 5), 3.0))
    _, record = pwl.train(net, (x, t), pwl.MinibatchAdAct(), batch_size=20, iterations=60)
    assert record["error"][0] > 10 * least(x, t)
    assert min(record["error"]) < 1.1 * least(x, t)
