"""Variances of predictions: against a direct computation, by coverage, through files, and where there are none."""

from __future__ import annotations

import os

import numpy as np
import pytest
from oracles import jacobian, unit_elements
from toys import spirals, waves

import pwl
from pwl.network.posterior import Posterior

BAYESIAN = pwl.BayesianLM(damping=pwl.Damping(mu=5e-3, schedule="gain"))


def noisy(Nv, seed):
    rng = np.random.default_rng(seed)
    x = rng.uniform(-1, 1, (Nv, 2))
    return x, np.sin(3 * x[:, :1]) * x[:, 1:] + 0.1 * rng.normal(size=(Nv, 1))


def fitted(algorithm=BAYESIAN, data=None, activation="tanh", M=1, iterations=60, **options):
    data = noisy(300, 0) if data is None else data
    net = pwl.Network.mlp(data[0].shape[1], 8, M, activation)
    net, record = pwl.train(net, data, algorithm, iterations=iterations)
    return pwl.with_posterior(net, data, algorithm, record, **options), record


@pytest.mark.parametrize("groups", ["one", "inputs"])
def test_the_variance_of_all_weights_is_that_of_the_formula(groups):
    """1 / 2 beta + j' (2 beta Nv (J'J + Lambda))^-1 j with J by difference quotients."""
    x, t = noisy(80, 1)
    algorithm = pwl.BayesianLM(groups=groups, starts=(0.01,))
    net, record = fitted(algorithm, (x, t), iterations=30)
    keys = net.keys("map", "head")
    units = unit_elements(net, keys)
    J, j = jacobian(net, x, units)[:, 0], jacobian(net, x[:7] + 0.3, units)[:, 0]
    b = record.best_iteration
    d = np.zeros(J.shape[1])
    for value, indices in zip(np.atleast_1d(record["lambda"][b]), algorithm.indices(net, keys), strict=True):
        d[indices] = value
    A = J.T @ J / 80 + np.diag(d)
    gamma = len(d) - d @ np.diag(np.linalg.inv(A))
    beta = (80 - gamma) / (2 * 80 * pwl.evaluate(net, (x, t)).error)
    if groups == "one":
        assert beta == pytest.approx(record["beta"][b], rel=1e-4)
    wanted = 1 / (2 * beta) + np.einsum("pn,nm,pm->p", j, np.linalg.inv(2 * beta * 80 * A), j)
    _, std = net.predict(x[:7] + 0.3, return_std=True)
    np.testing.assert_allclose(std[:, 0] ** 2, wanted, rtol=1e-5)


@pytest.mark.parametrize("algorithm", [pwl.AdAct.damped(), pwl.MOLF(ridge=0.01), pwl.LM()])
def test_the_variance_of_the_output_weights_is_that_of_the_formula(algorithm):
    x, t = waves(Nv=150)
    activation = pwl.PiecewiseLinear("tanh") if isinstance(algorithm, pwl.DampedAdAct) else "tanh"
    net, record = fitted(algorithm, (x, t), activation, M=2, iterations=10)
    ridge = record["ridge"][record.best_iteration] if "ridge" in record else algorithm.penalties.ridge
    from toys import basis

    B, b = basis(net, x), basis(net, x[:5] + 0.1)
    inverse = np.linalg.inv(B.T @ B / 150 + ridge * np.diag([0.0] + [1.0] * (B.shape[1] - 1)))
    q = np.einsum("pn,nm,pm->p", b, inverse, b)
    y, std = net.predict(x[:5] + 0.1, return_std=True)
    np.testing.assert_array_equal(y, net.predict(x[:5] + 0.1))
    np.testing.assert_allclose(std**2, net.posterior.noise * (1 + q[:, None] / 150), rtol=1e-6)
    gamma = B.shape[1] - ridge * np.trace(inverse[1:, 1:]) + (net.n_parameters - net.W_o.size) / 2
    E = np.mean((t - net.predict(x)) ** 2, axis=0)
    np.testing.assert_allclose(net.posterior.noise, E * 150 / (150 - gamma), rtol=1e-6)


@pytest.mark.parametrize("algorithm", [BAYESIAN, pwl.AdAct.damped()])
def test_intervals_cover_new_targets(algorithm):
    """On average over six sets of 200 patterns. AdAct's noise is measured on patterns that were held out."""
    new, t = noisy(1000, 7)
    covered = []
    for seed in range(6):
        curves = algorithm != BAYESIAN
        options = {"validation": noisy(200, 100 + seed)} if curves else {}
        net, _ = fitted(algorithm, noisy(200, seed), pwl.PiecewiseLinear("tanh") if curves else "tanh", **options)
        y, std = net.predict(new, return_std=True)
        covered.append([np.mean(np.abs(t - y) <= width * std) for width in (0.674, 1.645, 1.960)])
    np.testing.assert_allclose(np.mean(covered, axis=0), [0.50, 0.90, 0.95], atol=0.02)


def test_far_from_the_data_it_is_less_sure():
    net, _ = fitted()
    _, std = net.predict(np.array([[0.0, 0.0], [2.5, -2.5]]), return_std=True)
    assert std[1] > 3 * std[0]


def test_raw_units_and_files(tmp_path):
    x, t = noisy(200, 2)
    x, t = 50 * x + 7, 1000 * t - 5
    preparation = pwl.Preparation.fit(x, t)
    prepared = preparation.transform(x, t)
    net, record = fitted(data=prepared)
    raw = net.with_preparation(preparation)
    y, std = raw.predict(x[:9], return_std=True)
    inner = net.predict(prepared[0][:9], return_std=True)
    np.testing.assert_allclose(std, inner[1] * preparation.target_scale)
    raw.save(tmp_path / "net.safetensors", record)
    again = pwl.Network.load(tmp_path / "net.safetensors")
    assert isinstance(again.posterior, Posterior)
    for one, other in zip(again.predict(x[:9], return_std=True), (y, std), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_file_grows_by_four_megabytes_at_most(tmp_path):
    """Of 600 weights and more, a network keeps the factor of all or that of the output weights."""
    sizes = {}
    for units in (59, 60, 200):  # 10 weights per unit and output: 9 inputs
        rng = np.random.default_rng(0)
        x = rng.normal(size=(250, 8))
        net = pwl.initialise(pwl.Network.mlp(8, units, 1, "tanh", bypass=False), (x, x[:, :1]), ridge=0.1)
        algorithm = pwl.BayesianLM(starts=(1.0,))
        net, record = pwl.train(net, (x, x[:, :1]), algorithm, iterations=1)
        net.save(tmp_path / "bare.safetensors")
        full = pwl.with_posterior(net, (x, x[:, :1]), algorithm, record)
        full.save(tmp_path / "full.safetensors")
        sizes[units] = os.path.getsize(tmp_path / "full.safetensors") - os.path.getsize(tmp_path / "bare.safetensors")
        assert sizes[units] < 4e6
        assert full.posterior.keys == (("0.W", "head.W") if units == 59 else ("head.W",))
    assert sizes[59] > 2e6 > 4e5 > sizes[200] > sizes[60]


def test_other_parameters_have_no_posterior():
    net, _ = fitted()
    assert net.with_theta(net.theta).posterior is None and net.with_head(net.W_o).posterior is None
    assert net.to("cpu").posterior is net.posterior


def test_networks_without_it_say_so():
    net, record = fitted()
    with pytest.raises(pwl.InputError, match="with_posterior"):
        net.with_theta(net.theta).predict(np.zeros((1, 2)), return_std=True)
    classes = pwl.initialise(pwl.Network.mlp(2, 4, 3, "tanh", loss="cross_entropy"), spirals())
    with pytest.raises(pwl.InputError, match="squared_error"):
        pwl.with_posterior(classes, spirals(), pwl.MOLF(), record)
    wide = pwl.initialise(pwl.Network.mlp(2, 750, 1, "tanh"), noisy(800, 0))
    with pytest.raises(pwl.InputError, match="700"):
        pwl.with_posterior(wide, noisy(800, 0), pwl.MOLF(), record)


@pytest.mark.parametrize("algorithm", [pwl.MOLF(), pwl.BayesianLM(solver="rows")])
def test_networks_of_many_functions_keep_the_errors_on_other_patterns(algorithm, tmp_path):
    (x, t), (others, targets) = noisy(60, 0), noisy(300, 1)
    net, record = pwl.train(pwl.Network.mlp(2, 750, 1, "tanh"), (x, t), algorithm, iterations=2)
    with pytest.raises(pwl.InputError, match="validation="):
        pwl.with_posterior(net, (x, t), algorithm, record)
    net = pwl.with_posterior(net, (x, t), algorithm, record, (others, targets))
    y, std = net.predict(others, return_std=True)
    rounding = np.finfo(np.float64).eps * np.abs(net.W_o).max()  # of sums whose terms are that large
    np.testing.assert_allclose(std, np.sqrt(np.mean((targets.reshape(-1, 1) - y) ** 2)), rtol=1e-13, atol=rounding)
    net.save(tmp_path / "net.safetensors")
    kept = pwl.Network.load(tmp_path / "net.safetensors").predict(others, return_std=True)
    assert np.array_equal(kept[0], y) and np.array_equal(kept[1], std)


def test_wide_tables_have_deviations_by_default():
    """More than 700 inputs: the errors of what each network has left out are its deviations."""
    pytest.importorskip("sklearn")
    rng = np.random.default_rng(0)
    x = rng.normal(size=(500, 720))
    t = x[:, 0] + 0.3 * rng.normal(size=500)
    model = pwl.PWLRegressor((2,)).fit(x[:100], t[:100])
    assert all(net.posterior.keys == () for net in model.net_.nets)
    y, std = model.predict(x[100:], return_std=True)
    assert np.mean(np.abs(y - t[100:]) < 1.645 * std) == pytest.approx(0.9, abs=0.03)


@pytest.mark.parametrize("hidden", [2, 20, 90])
def test_functions_that_depend_on_others_are_not_counted(hidden):
    """Where inputs do not vary, one number is fitted, however many functions there are: the mean, whose error is known."""
    t = np.random.default_rng(0).normal(size=(300, 1))
    net = pwl.initialise(pwl.Network.mlp(8, hidden, 1, "tanh"), (np.full((300, 8), 0.5), t))
    record = pwl.train(net, (np.full((300, 8), 0.5), t), pwl.MOLF(), iterations=1)[1]
    record.best_iteration = 0  # rounding may have it that the training was of use
    net = pwl.with_posterior(net, (np.full((300, 8), 0.5), t), pwl.MOLF(), record)
    _, std = net.predict(np.full((1, 8), 0.5), return_std=True)
    assert net.posterior.noise == pytest.approx(np.var(t, ddof=1), rel=1e-10)
    assert std[0, 0] == pytest.approx(np.std(t, ddof=1) * np.sqrt(1 + 1 / 300), rel=1e-10)


def test_validation_data_without_a_targets_values_leave_its_noise_as_it_is():
    rng = np.random.default_rng(0)
    x, t = rng.normal(size=(60, 2)), rng.normal(size=(60, 2))
    net, record = pwl.train(pwl.Network.mlp(2, 3, 2, "tanh"), (x, t), pwl.MOLF(), iterations=3)
    gone = t[:20].copy()
    gone[:, 0] = np.nan
    given = (x[:20], gone), (x[:20], t[:20]), None
    own, full, none = (pwl.with_posterior(net, (x, t), pwl.MOLF(), record, data).posterior.noise for data in given)
    assert own[0] == none[0] and own[1] == pytest.approx(full[1], rel=1e-12) and own[1] != none[1]
