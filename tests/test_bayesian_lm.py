"""Bayesian regularisation: the evidence in worked numbers and against brute force, and what it is for."""

from __future__ import annotations

import numpy as np
import pytest
from toys import waves

import pwl
from pwl.algorithms.posterior import Size, eigenvalues, groups_of, many_groups, one_group
from pwl.solvers.levenberg_marquardt import Normal, Wide


def evidence(A, E, w, weight, Nv, M):
    """`one_group` for a single lambda."""
    return one_group(Normal(A, w), E, w, np.array([weight]), (np.arange(len(w)),), Size(Nv, M))


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


def linear(P=6, Nv=30, seed=0):
    """A linear model: rows X, targets t, and groups of its weights."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(Nv, P))
    w = rng.normal(size=P) * np.repeat([2.0, 0.05], P // 2)
    return X, X @ w + 0.3 * rng.normal(size=Nv), (np.arange(P // 2), np.arange(P // 2, P))


def settled(at, X, t, groups, size, steps=3000):
    """Where weights, lambdas and evidence agree."""
    lambdas = np.full(len(groups), 0.01)
    for _ in range(steps):
        d = np.zeros(X.shape[1])
        for each, g in zip(lambdas, groups, strict=True):
            d[g] = each
        w = np.linalg.solve(X.T @ X / len(X) + np.diag(d), X.T @ t / len(X))
        found = many_groups(at, float(np.mean((t - X @ w) ** 2)), w, lambdas, groups, size)
        before, lambdas = lambdas, np.atleast_1d(found["lambda"])
        if np.allclose(lambdas, before, rtol=1e-13, atol=0):
            break
    return found


def test_evidence_of_groups_is_that_of_a_linear_model():
    """-log of the density of targets with covariance I / 2 beta + the sum of X_g X_g' / 2 alpha_g."""
    X, t, groups = linear()
    found = settled(Normal(X.T @ X / 30, X.T @ t / 30), X, t, groups, Size(30, 1))
    covariance = np.eye(30) / (2 * found["beta"])
    covariance += sum(X[:, g] @ X[:, g].T / (2 * a) for a, g in zip(found["alpha"], groups, strict=True))
    wanted = 0.5 * (t @ np.linalg.solve(covariance, t) + np.linalg.slogdet(2 * np.pi * covariance)[1])
    assert found["negative_log_evidence"] == pytest.approx(wanted, rel=1e-6)
    assert found["alpha"][1] > 20 * found["alpha"][0]


@pytest.mark.parametrize("split", [(6,), (3, 6)])
def test_rows_have_the_evidence_and_the_steps_of_normal_equations(split):
    X, t, _ = linear(Nv=5)
    groups = tuple(np.arange(first, last) for first, last in zip((0, *split), split, strict=False))
    J, g, w = X / np.sqrt(5), X.T @ t / 5, np.linspace(-1, 1, 6)
    normal, wide = Normal(J.T @ J, g), Wide(J, g, np.zeros(6))
    lambdas = np.linspace(0.1, 0.4, len(groups))
    one, other = (many_groups(at, 0.1, w, lambdas, groups, Size(5, 1)) for at in (normal, wide))
    assert one == {name: pytest.approx(value, rel=1e-9) for name, value in other.items()}
    d = np.linspace(0.1, 2, 6)
    np.testing.assert_allclose(wide.penalised(d, w).damped(d), normal.penalised(d, w).damped(d), rtol=1e-9)
    np.testing.assert_allclose(wide.penalised(d, w).norms(), normal.penalised(d, w).norms(), rtol=1e-12)


def test_equal_groups_are_one_group():
    X, t, _ = linear()
    at = Normal(X.T @ X / 30, X.T @ t / 30)
    w = np.linalg.solve(at.A + 0.1 * np.eye(6), at.g)
    one = one_group(at, 0.2, w, np.array([0.1]), (np.arange(6),), Size(30, 1))
    many = many_groups(at, 0.2, w, np.full(2, 0.1), (np.arange(3), np.arange(3, 6)), Size(30, 1))
    assert many["effective_parameters"] == pytest.approx(one["effective_parameters"], rel=1e-9)


def test_factors_give_the_evidence_of_eigenvalues():
    X, t, _ = linear()
    at = Normal(X.T @ X / 30, X.T @ t / 30)
    w, all_of_them = np.linspace(-1, 1, 6), (np.arange(6),)
    one, other = (f(at, 0.2, w, np.array([0.1]), all_of_them, Size(30, 1)) for f in (one_group, many_groups))
    assert {name: np.ravel(value) for name, value in other.items()} == {
        name: pytest.approx(np.ravel(value), rel=1e-9) for name, value in one.items()
    }


def test_a_run_by_factors_is_that_by_eigenvalues():
    x, t = waves(Nv=80, M=1)
    net = pwl.initialise(pwl.Network.mlp(3, 4, 1, "tanh"), (x, t))
    runs = [
        pwl.train(net, (x, t), pwl.BayesianLM(starts=(0.1,), evidence=evidence), iterations=10)[1]
        for evidence in ("eigenvalues", "factors")
    ]
    for name in ("error", "lambda", "alpha", "negative_log_evidence"):
        np.testing.assert_allclose(runs[1][name][1:], runs[0][name][1:], rtol=1e-5)


def test_the_evidence_of_classes_is_the_laplace_approximation():
    """-log of the integral over w of exp(-Nv E - alpha |w|^2), divided by that of the prior, at a minimum."""
    from scipy import integrate, optimize

    rng = np.random.default_rng(0)
    x = rng.normal(size=400)
    y = (rng.uniform(size=400) < 1 / (1 + np.exp(-1.5 * x))) * 2 - 1.0
    weight = 0.01
    for _ in range(60):
        def J(w, weight=weight):
            return np.mean(np.logaddexp(0, -y * w * x)) + weight * w**2

        w = optimize.minimize_scalar(J, bracket=(0, 2)).x
        p = 1 / (1 + np.exp(-w * x))
        at = Normal(np.array([[np.mean(p * (1 - p) * x**2) / 2]]), np.zeros(1))
        found = one_group(at, J(w) - weight * w**2, np.array([w]), np.array([weight]), (np.arange(1),), Size(400, 2, False))
        weight = found["lambda"]
    alpha = found["alpha"]
    top = 400 * (J(w) - weight * w**2) + alpha * w**2
    area = integrate.quad(lambda v: np.exp(top - 400 * np.mean(np.logaddexp(0, -y * v * x)) - alpha * v**2), w - 2, w + 2)[0]
    assert found["negative_log_evidence"] == pytest.approx(top - np.log(area * np.sqrt(alpha / np.pi)), abs=0.02)


def test_groups_of_repeated_inputs_have_an_evidence_from_lambda_zero():
    x, t = waves(M=1)
    net = pwl.Network.mlp(7, 9, 1, "tanh")
    repeated = np.column_stack([x, x, 0 * x[:, :1]])
    _, record = pwl.train(net, (repeated, t), pwl.BayesianLM(groups="inputs"), iterations=15)
    assert np.all(np.isfinite(record["negative_log_evidence"][1:])) and record["error"][-1] < record["error"][0]


def test_groups_hold_every_weight_once():
    net = pwl.Network.mlp(3, (4, 2), 2, pwl.PiecewiseLinear("tanh", 5))
    keys = net.keys("map", "activation", "head")
    groups = groups_of(net, keys)
    assert list(groups) == [
        "thresholds", "input 0", "input 1", "input 2", "curves 1.A", "weights 2.W", "curves 3.A", "output constants", "bypass",
        "output weights",
    ]  # fmt: skip
    assert sorted(np.concatenate(list(groups.values()))) == list(range(net.layout.size_of(keys)))
    theta = np.arange(net.layout.size, dtype=float)
    parts = net.split(theta)
    W = np.concatenate([parts[key].reshape(-1) for key in keys])
    np.testing.assert_array_equal(W[groups["input 1"]], parts["0.W"][:, 2])
    np.testing.assert_array_equal(W[groups["thresholds"]], np.r_[parts["0.W"][:, 0], parts["2.W"][:, 0]])
    np.testing.assert_array_equal(W[groups["bypass"]], parts["head.W"][:, 1:4].reshape(-1))


def test_rows_give_the_steps_of_normal_equations():
    x, t = waves(Nv=25, M=1)
    net = pwl.Network.mlp(3, 12, 1, "tanh")
    for groups in ("one", "inputs"):
        both = [pwl.BayesianLM(solver=solver, groups=groups, starts=(0.01,)) for solver in ("cholesky", "rows")]
        found = [pwl.train(net, (x, t), algorithm, iterations=8)[1] for algorithm in both]
        for name in ("error", "negative_log_evidence", "objective", "effective_parameters"):
            np.testing.assert_allclose(found[0][name][1:], found[1][name][1:], rtol=1e-5)


def test_several_starts_find_the_higher_evidence_and_resume_to_the_same_bits(tmp_path):
    """Noise and many units: from lambda near 0 the evidence ends in a maximum that overfits; large ones first find a higher."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(150, 6))
    t = x[:, :1] + 0.5 * np.sin(2 * x[:, 1:2]) + rng.normal(size=(150, 1))
    net = pwl.Network.mlp(6, 15, 1, "tanh")
    algorithm = pwl.BayesianLM(starts=pwl.BayesianLM.STARTS, damping=pwl.Damping(mu=5e-3, schedule="gain"))
    best, record = pwl.train(net, (x, t), algorithm, iterations=400)
    assert record.stop_code == "evidence" and set(record["start"][1:]) == {0, 1, 2, 3}
    series = record["negative_log_evidence"]
    assert record.best_iteration == 1 + int(np.argmin(series[1:]))
    last = min(s for s, k in zip(series[1:], record["start"][1:], strict=True) if k == 3)
    assert series[record.best_iteration] < last - 5
    path = tmp_path / "run.checkpoint"
    k = record["start"].index(1) + 2
    pwl.train(net, (x, t), algorithm, iterations=k, checkpoint=path)
    again, resumed = pwl.train(net, (x, t), algorithm, iterations=400, resume=path)
    assert np.array_equal(best.theta, again.theta) and resumed["lambda"] == record["lambda"]


def test_inputs_of_no_use_get_a_large_lambda_of_their_own():
    rng = np.random.default_rng(3)
    x = rng.normal(size=(300, 4))
    t = np.sin(2 * x[:, :1]) + 0.5 * x[:, 1:2] ** 2 + 0.1 * rng.normal(size=(300, 1))
    net = pwl.Network.mlp(4, 8, 1, "tanh")
    algorithm = pwl.BayesianLM(groups="inputs", starts=(0.01,))
    trained, record = pwl.train(net, (x, t), algorithm, iterations=80)
    names = list(groups_of(trained, trained.keys("map", "head")))
    lambdas = dict(zip(names, record["lambda"][-1], strict=True))
    assert min(lambdas["input 2"], lambdas["input 3"]) > 10 * max(lambdas["input 0"], lambdas["input 1"])
    size = np.abs(trained.W[:, 1:]).max(axis=0)
    assert size[2:].max() < 0.1 * size[:2].min()


def test_classes_are_weighed_too():
    """Labels that follow a circle are worth many weights, and the same labels shuffled almost none."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 2))
    t = (np.sum(x**2, axis=1) > 1.4).astype(int)
    for labels, low, high in ((t, 8, 60), (rng.permutation(t), -1, 4)):
        net = pwl.Network.mlp(2, 8, 2, "tanh", loss="cross_entropy")
        algorithm = pwl.BayesianLM(starts=(1.0, 0.1, 0.01))
        _, record = pwl.train(net, (x, labels), algorithm, iterations=150)
        assert low < record["effective_parameters"][record.best_iteration] < high


@pytest.mark.parametrize("wrong", [{"starts": ()}, {"starts": [1.0]}, {"starts": (-1.0,)}, {"groups": "all"}, {"solver": "qr"}])
def test_bad_settings_are_refused(wrong):
    with pytest.raises(pwl.InputError):
        pwl.BayesianLM(**wrong)


def test_the_group_of_an_input_holds_its_curve_too():
    x, t = waves(Nv=100, M=1)
    net = pwl.initialise(pwl.Network.mlp(3, 4, 1, "tanh", input_hinges=4), (x, t))
    keys = net.keys("map", "head")
    groups = groups_of(net, keys)
    assert sorted(np.concatenate(list(groups.values()))) == list(range(net.layout.size_of(keys)))
    assert len(groups["input 1"]) == 4 * (1 + 3) and len(groups["bypass"]) == 3 and len(groups["bypass curves"]) == 9
    moved = net.moved({"0.W": np.zeros(net.W.shape)})
    W = np.zeros(net.W.size)
    W[groups["input 1"]] = 1.0
    change = net.moved({"0.W": W.reshape(net.W.shape)})
    other = x + np.array([0.3, 0.0, -0.2])  # the change of the nets depends on input 1 alone
    from toys import input_of

    one = input_of(change, 1, x) - input_of(moved, 1, x)
    two = input_of(change, 1, other) - input_of(moved, 1, other)
    np.testing.assert_allclose(one, two, atol=1e-9)
    assert np.abs(one).max() > 0.1
    _, record = pwl.train(net, (x, t), pwl.BayesianLM(groups="inputs", starts=(0.01,)), iterations=5)
    assert record["error"][-1] < record["error"][0]


def test_patience_ends_a_single_start_and_changes_no_step():
    x, t = waves(Nv=80, M=1)
    net = pwl.initialise(pwl.Network.mlp(3, 4, 1, "tanh"), (x, t))
    _, long = pwl.train(net, (x, t), pwl.BayesianLM(starts=(0.1,)), iterations=60)
    _, short = pwl.train(net, (x, t), pwl.BayesianLM(starts=(0.1,), patience=4), iterations=60)
    values = short["negative_log_evidence"][1:]
    assert short.stop_code == "evidence" and short.iterations < 60
    assert values == long["negative_log_evidence"][1 : 1 + len(values)]
    lowest, last_gain = np.inf, 0
    for iteration, value in enumerate(values, 1):
        if value < lowest - 0.1:
            lowest, last_gain = value, iteration
    assert short.iterations - last_gain == 4
    with pytest.raises(pwl.InputError, match="patience"):
        pwl.BayesianLM(patience=0)


@pytest.mark.parametrize("rows", [3, 5, 12])
def test_eigenvalues_of_few_rows_and_of_many(rows):
    J = np.random.default_rng(0).normal(size=(rows, 5))
    found = eigenvalues(Wide(J, np.zeros(5), np.zeros(5)))
    np.testing.assert_allclose(np.sort(found), np.clip(np.linalg.eigvalsh(J.T @ J), 0, None), atol=1e-12)
