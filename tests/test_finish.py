"""The finishing step: output weights anew, with the ridge of the highest evidence, against other ways to the same weights."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize

import pwl
from pwl.algorithms.penalties import Penalties
from pwl.layers import Conv2d, Dense, Flatten
from pwl.learners import finish as module
from pwl.learners.finish import finish
from pwl.network.passes import outputs


def columns(Nv=200, noise=0.3):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(Nv, 3))
    return x, np.sin(x[:, :1]) + x[:, 1:2] + noise * rng.normal(size=(Nv, 1))


def classes(Nv=150, seed=0):
    rng = np.random.default_rng(seed)
    t = np.arange(Nv) % 3
    return rng.normal(size=(Nv, 5, 4, 1)) + 0.6 * t[:, None, None, None], t


def cnn():
    layers = [Conv2d(3, 2), pwl.PiecewiseLinear("relu", 5), Flatten(), Dense(12), "relu", Dense(3)]
    net = pwl.Network.from_layers(layers, (5, 4, 1), dtype=np.float64)
    return pwl.train(net, classes(), pwl.Adam(0.01), iterations=3, batch_size=30)[0]


def test_numbers_get_the_ridge_of_the_highest_evidence():
    """-log p of a Bayesian linear regression on the layer's outputs, Eq. (76), by hand, is lowest at the ridge."""
    x, t = columns()
    net = pwl.Network.mlp(3, 20, 1, "tanh", bypass=False, seed=1)
    net = pwl.initialise(net, (x, t))
    done, found = finish(net, (x, t))
    o = np.tanh(net.parts["0.W"][:, 0] + x @ net.parts["0.W"][:, 1:].T)
    B, y = o - o.mean(axis=0), (t - t.mean(axis=0))[:, 0]

    def weights(ridge):
        return np.linalg.solve(B.T @ B / 200 + ridge * np.eye(20), B.T @ y / 200)

    def evidence(ridge):
        """Of targets with covariance v (I + B B' / (200 ridge)), the noise v at its best; the mean is known."""
        C = np.eye(200) + B @ B.T / (200 * ridge)
        return 199 / 2 * np.log(y @ np.linalg.solve(C, y)) + np.linalg.slogdet(C)[1] / 2

    np.testing.assert_allclose(done.W_o[0, 1:], weights(found.ridge), rtol=1e-6)
    assert evidence(found.ridge) < min(evidence(1.02 * found.ridge), evidence(found.ridge / 1.02))
    assert found.after == pytest.approx(pwl.evaluate(done, (x, t)).error) and found.kept and 1 < found.gamma < 20


def test_classes_get_the_weights_of_the_lowest_objective():
    net, (x, t) = cnn(), classes()
    done, found = finish(net, (x, t), steps=2000)
    penalties = Penalties(ridge=found.ridge)

    def objective(theta):
        other = done.with_head(theta.reshape(done.W_o.shape))
        return pwl.evaluate(other, (x, t)).error + found.ridge * float(np.sum(other.W_o[:, 1:] ** 2))

    best = minimize(objective, done.W_o.reshape(-1), method="L-BFGS-B", options={"maxiter": 50})
    reached = pwl.evaluate(done, (x, t)).error + penalties.value(done)
    assert reached == pytest.approx(best.fun, rel=1e-4) and found.after < found.before
    for key, part in net.parts.items():
        assert (key == "head.W") != np.array_equal(part, done.parts[key])


def test_more_steps_never_raise_the_objective():
    net, data = cnn(), classes()
    R = np.eye(13)
    head = pwl.network.network.Network(
        (), (12,), 3, False, net.loss, net.W_o.reshape(-1), {}, initialised=True, net_control=False
    )
    o = pwl.Patterns(np.random.default_rng(0).normal(size=(150, 12)), data[1])
    R = np.hstack([np.ones((150, 1)), o.x])
    R = R.T @ R / 150
    values = []
    for steps in range(1, 30):
        moved = module._descended(head, o, R, Penalties(ridge=1e-3), steps)
        values.append(pwl.evaluate(moved, o).error + Penalties(ridge=1e-3).value(moved))
    assert values == sorted(values, reverse=True) and values[-1] < values[0]


def test_a_network_with_a_preparation_in_raw_units_and_rows_of_absent_patterns():
    x, t = columns()
    prep = pwl.Preparation.fit(x, t)
    net = pwl.initialise(pwl.Network.mlp(3, 9, 1, "tanh", bypass=False).with_preparation(prep), (x, t))
    plain = finish(net.with_preparation(None), prep.transform(x, t))[0]
    np.testing.assert_allclose(finish(net, (x, t))[0].W_o, plain.W_o, rtol=1e-12)
    some = np.vstack([x, x]), np.vstack([t, np.full_like(t, np.nan)])
    np.testing.assert_allclose(finish(net, some)[0].W_o, plain.W_o, rtol=1e-9)


def test_validation_decides(monkeypatch):
    net, data = cnn(), classes()
    done, found = finish(net, data, validation=data)
    assert found.kept and not np.array_equal(done.W_o, net.W_o)
    x, t = data
    same, found = finish(net, data, validation=(x, (t + 1) % 3))
    worse = pwl.evaluate(finish(net, data)[0], (x, (t + 1) % 3)).error > pwl.evaluate(net, (x, (t + 1) % 3)).error
    assert worse and not found.kept and np.array_equal(same.W_o, net.W_o)


def test_output_reset_and_many_functions():
    rng = np.random.default_rng(0)
    x, t = rng.normal(size=(120, 4)), np.arange(120) % 2
    x[:, 0] += t
    net = pwl.initialise(pwl.Network.mlp(4, 300, 2, bypass=False, loss="output_reset"), (x, t))
    done, found = finish(net, (x, t))
    assert found.gamma < 120 and np.isfinite(outputs(done, x)).all()


def test_what_cannot_be_finished_is_said():
    x, t = columns()
    net = pwl.initialise(pwl.Network.mlp(3, 4, 1), (x, t))
    with pytest.raises(pwl.InputError, match="past all layers"):
        finish(net, (x, t))
    with pytest.raises(pwl.InputError, match="not been initialised"):
        finish(pwl.Network.mlp(3, 4, 1, bypass=False), (x, t))
    with pytest.raises(pwl.InputError, match="steps must be"):
        finish(net, (x, t), steps=0)
    net = pwl.initialise(pwl.Network.mlp(3, 4, 1, bypass=False), (x, t))
    net = pwl.finetune(net, (x, np.c_[t, t]), pwl.MOLF(), iterations=1)[0]
    with pytest.raises(pwl.InputError, match="all targets in column 2 .* are NaN"):
        finish(net, (x, np.c_[t, np.full(len(t), np.nan)]))
