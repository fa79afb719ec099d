"""Targets that are not known: their units, the deviations of predictions, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from test_known_targets import GAPS, RNG, UNKNOWN, M, T, W, X, net_for

import pwl
from pwl.errors import InputError


@pytest.mark.parametrize("method", ["standardise", "common", "minmax", "centre", "none"])
def test_the_scale_of_a_target_is_that_of_its_known_values(method):
    preparation = pwl.Preparation.fit(X, GAPS, targets=method, weights=W)
    own = "standardise" if method == "common" else method
    columns = [
        pwl.Preparation.fit(X[M[:, i]], GAPS[M[:, i], i], targets=own, weights=W[M[:, i]]).targets for i in range(3)
    ]
    np.testing.assert_allclose(preparation.targets.offset, [c.offset[0] for c in columns], rtol=1e-13)
    scale = np.array([c.scale[0] for c in columns])
    wanted = np.full(3, np.sqrt(np.mean(scale**2))) if method == "common" else scale
    np.testing.assert_allclose(preparation.target_scale, wanted, rtol=1e-13)
    t = preparation.transform(X, GAPS)[1]
    np.testing.assert_array_equal(np.isnan(t), UNKNOWN)
    full = pwl.Preparation.fit(X, T, targets=method)
    np.testing.assert_array_equal(full.transform(X, GAPS)[1][M], full.transform(X, T)[1][M])


def test_raw_errors_are_of_the_known_targets():
    net = net_for().with_preparation(pwl.Preparation.fit(X, GAPS))
    net, record = pwl.train(net, (X, GAPS), pwl.LM(), iterations=3)
    E = np.mean(np.nansum((GAPS - net.predict(X)) ** 2, axis=1))
    assert record["raw_error"][record.best_iteration] == pytest.approx(E, rel=1e-11)
    assert pwl.evaluate(net, (X, GAPS)).error == pytest.approx(E, rel=1e-11)


@pytest.mark.parametrize(
    "algorithm", [pwl.BayesianLM(), pwl.MOLF.damped(), pwl.MOLF(ridge=1e-3)], ids=lambda a: type(a).__name__
)
def test_deviations_of_predictions_follow_from_each_outputs_own_patterns(algorithm, tmp_path):
    """An output that knows few patterns is less sure than one that knows all."""
    gaps = np.c_[T[:, 0], T[:, 0], T[:, 0]] + 0.1 * RNG.normal(size=T.shape)
    gaps[:60, 1] = np.nan
    net, record = pwl.train(net_for(), (X, gaps), algorithm, iterations=8)
    net = pwl.with_posterior(net, (X, gaps), algorithm, record)
    far = 4 * X[:20]
    _, std = net.predict(far, return_std=True)
    spread = np.sqrt(std**2 / net.posterior.noise - 1)
    assert np.all(spread[:, 1] > spread[:, 0])
    net.save(tmp_path / "net.safetensors")
    loaded = pwl.Network.load(tmp_path / "net.safetensors")
    np.testing.assert_array_equal(loaded.predict(far, return_std=True)[1], std)


def test_an_output_without_a_known_target_is_refused():
    gaps = T.copy()
    gaps[:, 1] = np.nan
    for f in (
        lambda: pwl.train(net_for(), (X, gaps), pwl.LM(), iterations=1),
        lambda: pwl.initialise(net_for(), (X, gaps)),
        lambda: pwl.Preparation.fit(X, gaps),
    ):
        with pytest.raises(InputError, match=r"column 2 \(counted from 1\) are NaN.*leave the column out"):
            f()
    net = pwl.initialise(net_for(), (X, T))
    wanted = np.mean(np.sum((T - net.predict(X))[:, [0, 2]] ** 2, axis=1))
    assert pwl.evaluate(net, (X, gaps)).error == pytest.approx(wanted, rel=1e-12)  # a test set may lack an output
