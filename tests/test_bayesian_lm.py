"""Bayesian regularisation: the evidence in worked numbers and against brute force, and what it is for."""

from __future__ import annotations

import numpy as np
import pytest
from toys import spirals, waves

import pwl
from pwl.algorithms.bayesian_lm import evidence


def test_evidence_in_worked_numbers():
    # a = (1, 3), lambda = 1: gamma = 1/2 + 3/4 = 5/4; |w|^2 = 5/8: alpha = 1; n = 10, Nv E = 2: beta = 8.75 / 4
    w = np.array([0.5, np.sqrt(0.375)])
    found = evidence(np.diag([1.0, 3.0]), E=0.2, w=w, weight=1.0, Nv=10, M=1)
    assert found["effective_parameters"] == pytest.approx(1.25)
    assert found["alpha"] == pytest.approx(1.0) and found["beta"] == pytest.approx(2.1875)
    assert found["lambda"] == pytest.approx(1 / 21.875)


def test_negative_log_evidence_is_that_of_a_linear_model():
    """-log of the probability density of targets that are Gaussian with covariance I / 2 beta + X X' / 2 alpha."""
    rng = np.random.default_rng(0)
    X, w_true = rng.normal(size=(12, 3)), rng.normal(size=3)
    t = X @ w_true + 0.1 * rng.normal(size=12)
    weight = 0.02
    for _ in range(200):  # to the point where alpha, beta and w agree: only there is the quadratic form exact
        w = np.linalg.solve(X.T @ X / 12 + weight * np.eye(3), X.T @ t / 12)
        found = evidence(X.T @ X / 12, float(np.mean((t - X @ w) ** 2)), w, weight, 12, 1)
        weight = found["lambda"]
    covariance = np.eye(12) / (2 * found["beta"]) + X @ X.T / (2 * found["alpha"])
    wanted = 0.5 * (t @ np.linalg.solve(covariance, t) + np.linalg.slogdet(2 * np.pi * covariance)[1])
    assert found["negative_log_evidence"] == pytest.approx(wanted, rel=1e-6)


def test_it_generalises_where_lm_overfits():
    """40 noisy patterns and 61 weights: without validation data, the evidence holds the weights back."""
    rng = np.random.default_rng(1)
    x = np.sort(rng.uniform(-1, 1, 40))[:, None]
    new = np.linspace(-1, 1, 500)[:, None]
    t = np.sin(4 * x) + 0.2 * rng.normal(size=x.shape)
    E = {}
    for algorithm in (pwl.BayesianLM(), pwl.LM()):
        net, record = pwl.train(pwl.Network.mlp(1, 20, 1, "tanh", bypass=False), (x, t), algorithm, iterations=150)
        E[type(algorithm)] = pwl.evaluate(net, (new, np.sin(4 * new))).error
        if "effective_parameters" in record:
            assert 3 < record["effective_parameters"][-1] < 30
            series = record["negative_log_evidence"]
            assert record.best_iteration == 1 + int(np.argmin(series[1:]))
    assert E[pwl.BayesianLM] < 0.7 * E[pwl.LM]


def test_the_objective_recorded_is_what_the_step_lowered():
    x, t = waves()
    _, record = pwl.train(pwl.Network.mlp(3, 6, 2, "tanh"), (x, t), pwl.BayesianLM(), iterations=10)
    for k in range(1, 11):
        assert record["objective"][k] >= record["error"][k]
    assert record["objective"][-1] > record["error"][-1]


def test_cross_entropy_is_refused():
    net = pwl.Network.mlp(2, 4, 3, "tanh", loss="cross_entropy")
    with pytest.raises(pwl.InputError, match="squared_error"):
        pwl.train(net, spirals(), pwl.BayesianLM())
