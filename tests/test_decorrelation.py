"""Inputs that nearly repeat each other: decorrelated columns, and a learner that sees what sets the inputs apart."""

from __future__ import annotations

import json

import numpy as np
import pytest
from toys import waves

import pwl
from pwl.data.scaling import Scaling
from pwl.learners.inputs import View, by_evidence, decorrelated


def collinear(Nv=900, N=5, condition=1e8, noise=1e-4, seed=0):
    """Inputs with a correlation matrix of about this condition, and nearly exact targets that depend on all directions."""
    rng = np.random.default_rng(seed)
    hidden = rng.normal(size=(Nv, N))
    Q = np.linalg.qr(rng.normal(size=(N, N)))[0]
    x = hidden * np.sqrt(np.logspace(0, -np.log10(condition), N)) @ Q.T
    t = np.sin(1.5 * hidden[:, :1]) + hidden[:, 1:2] * hidden[:, -1:] + 0.5 * hidden[:, 2:3]
    return 10 * x + 3, (t - t.mean()) / t.std() + noise * rng.normal(size=t.shape)


def test_the_set_is_collinear():
    x, _ = collinear()
    assert 1e7 < np.linalg.cond(np.corrcoef(x.T)) < 1e9


def test_columns_are_uncorrelated_and_resemble_the_raw_ones():
    x, t = waves(N=4)
    x = np.column_stack([x, x[:, 0] + 0.1 * x[:, 1]])
    preparation = pwl.Preparation.fit(x, t, inputs="decorrelate")
    z = preparation.transform_inputs(x)
    np.testing.assert_allclose(z.mean(axis=0), 0, atol=1e-12)
    values = np.linalg.eigvalsh(z.T @ z / len(z))
    np.testing.assert_allclose(values, [0, 1, 1, 1, 1], atol=1e-9)  # five columns of four dimensions
    x = x[:, :4]
    z = pwl.Preparation.fit(x, t, inputs="decorrelate").transform_inputs(x)
    np.testing.assert_allclose(z.T @ z / len(z), np.eye(4), atol=1e-12)
    assert all(np.corrcoef(x[:, j], z[:, j])[0, 1] > 0.8 for j in range(4))


def test_constant_columns_and_memory_maps(tmp_path):
    x, t = waves(N=3)
    x = np.column_stack([x, np.full(len(x), 7.0)])
    preparation = pwl.Preparation.fit(x, t, inputs="decorrelate")
    z = preparation.transform_inputs(x)
    np.testing.assert_array_equal(z[:, 3], 0)
    np.save(tmp_path / "x.npy", x)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    again = pwl.Preparation.fit(mapped, t, inputs="decorrelate")
    np.testing.assert_allclose(again.transform_inputs(mapped), z, atol=1e-12)
    with pytest.raises(pwl.InputError, match="4"):
        preparation.transform_inputs(x[:, :3])


def test_it_is_kept_with_the_network(tmp_path):
    x, t = waves(N=3, M=1)
    preparation = pwl.Preparation.fit(x, t, inputs="decorrelate")
    again = pwl.Preparation.from_dict(json.loads(json.dumps(preparation.to_dict())))
    np.testing.assert_array_equal(again.transform_inputs(x), preparation.transform_inputs(x))
    net = pwl.initialise(pwl.Network.mlp(3, 4, 1, "tanh"), preparation.transform(x, t)).with_preparation(preparation)
    net.save(tmp_path / "net.safetensors")
    np.testing.assert_array_equal(pwl.Network.load(tmp_path / "net.safetensors").predict(x), net.predict(x))


def test_hwo_does_not_see_it():
    """The direction of HWO is the same function of the inputs whatever their linear map."""
    x, t = waves(N=3)
    E = []
    start = np.random.default_rng(0).normal(size=(6, 4))
    for inputs in ("standardise", "decorrelate"):
        preparation = pwl.Preparation.fit(x, t, inputs=inputs)
        matrix = np.eye(3) if inputs == "standardise" else np.linalg.inv(preparation.inputs.matrix)
        W = np.column_stack([start[:, 0], start[:, 1:] @ matrix])
        net = pwl.Network.mlp(3, 6, 2, "tanh", W=W)
        E.append(pwl.train(net, preparation.transform(x, t), pwl.MOLF(direction="hwo"), iterations=8)[1]["error"])
    np.testing.assert_allclose(E[0], E[1], rtol=1e-6)


def test_the_evidence_prefers_decorrelated_inputs_where_they_nearly_repeat():
    """There, Levenberg-Marquardt's test error falls from a quarter of the targets' variance to almost nothing."""
    x, t = collinear()
    train, new = (x[:600], t[:600]), (x[600:], t[600:])
    chosen = by_evidence(*train, lambda: pwl.Network.mlp(5, 12, 1, "tanh"), iterations=150)
    assert chosen.record.settings["inputs"] == "decorrelate"
    assert chosen.negative_log["decorrelate"] < chosen.negative_log["standardise"] - 1000
    assert np.mean((chosen.net.predict(new[0]) - new[1]) ** 2) < 2e-4
    standard = by_evidence(*train, lambda: pwl.Network.mlp(5, 12, 1, "tanh"), iterations=150, kinds=("standardise",))
    assert np.mean((standard.net.predict(new[0]) - new[1]) ** 2) > 0.05


@pytest.mark.slow
def test_the_default_learner_tells_inputs_apart_that_nearly_repeat():
    """Networks on standardised inputs alone, which stay far off, have next to no share in the mean."""
    pytest.importorskip("sklearn")
    x, t = collinear()
    model = pwl.PWLRegressor(max_seconds=60).fit(x[:600], t[:600, 0])
    y, std = model.predict(x[600:], return_std=True)
    assert np.mean((y - t[600:, 0]) ** 2) < 5e-4 and "decorrelated inputs" in model.record_.settings["forms"]
    assert np.mean(np.abs(t[600:, 0] - y) < 1.645 * std) > 0.8
    shares = zip(model.net_.nets, model.net_.weights, strict=True)
    assert sum(share for net, share in shares if isinstance(net.preparation.inputs, Scaling)) < 0.01


def test_inputs_that_repeat_exactly_or_hardly_need_no_further_networks():
    x, t = waves(N=3, M=1)
    for columns in (x, np.column_stack([x, x[:, :1]]), np.column_stack([x, np.full(len(x), 7.0)])):
        preparation = pwl.Preparation.fit(columns, t)
        assert decorrelated(View(pwl.Patterns(*preparation.transform(columns, t)), None, preparation)) is None


def test_the_turned_view_is_that_of_its_preparation():
    x, t = collinear()
    preparation = pwl.Preparation.fit(x[:600], t[:600])
    view = View(*(pwl.Patterns(*preparation.transform(x[part], t[part])) for part in (slice(600), slice(600, None))), preparation)
    turned = decorrelated(view)
    np.testing.assert_allclose(turned.preparation.transform_inputs(x[600:]), turned.validation.x, atol=1e-9)
    wanted = pwl.Preparation.fit(x[:600], t[:600], inputs="decorrelate").transform_inputs(x[:600])
    np.testing.assert_allclose(turned.patterns.x, wanted, atol=1e-4)  # directions of little variance lose digits twice


def test_it_prefers_standardised_inputs_where_only_they_are_simple():
    """One input of six decides, and correlations are there but tell nothing."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=(120, 1)) + 0.5 * rng.normal(size=(120, 6))
    t = np.sin(2 * x[:, :1]) + 0.3 * rng.normal(size=(120, 1))
    algorithm = pwl.BayesianLM(starts=(1.0, 0.1), groups="inputs")
    chosen = by_evidence(x, t, lambda: pwl.Network.mlp(6, 6, 1, "tanh"), algorithm=algorithm, iterations=120)
    assert chosen.record.settings["inputs"] == "standardise"


def test_weights_decorrelate_like_repeated_rows():
    """A weight of 2 is a repeated pattern, and one of 0 is absent, even if it holds no numbers."""
    x, t = np.random.default_rng(0).normal(size=(40, 3)), np.arange(40.0)
    x[:, 2] = x[:, 0] + 0.1 * x[:, 1]
    weights = np.arange(40) % 3
    repeated = np.repeat(np.arange(40), weights)
    holes = np.where(weights[:, None] == 0, np.nan, x)
    found = pwl.Preparation.fit(holes, t, inputs="decorrelate", weights=weights)
    wanted = pwl.Preparation.fit(x[repeated], t[repeated], inputs="decorrelate")
    assert np.allclose(found.inputs.matrix, wanted.inputs.matrix, rtol=1e-9, atol=1e-9)
