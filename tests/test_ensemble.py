"""Ensembles: weighted means, deviations, bounds and files, Eq. (91)."""

from __future__ import annotations

import numpy as np
import pytest

import pwl
from pwl.learners.ensemble import likely


def nets(count=2, loss="squared_error", classes=None):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 3)) * 5 + 2
    t = np.arange(60) % 3 if classes else 3 * x[:, :1] - x[:, 1:2] ** 2
    preparation = pwl.Preparation.fit(x, t)
    data = preparation.transform(x, t)
    found = []
    for seed in range(count):
        net = pwl.Network.mlp(3, 4, 3 if classes else 1, "tanh", seed=seed, loss=loss)
        algorithm = pwl.MOLF(direction="hwo")
        net, record = pwl.train(net, data, algorithm, iterations=5)
        if loss == "squared_error":
            net = pwl.with_posterior(net, data, algorithm, record)
        found.append(net.with_preparation(preparation))
    return found, x, t


def test_the_mean_and_its_deviation_by_hand():
    (a, b), x, _ = nets()
    y = pwl.Ensemble([a, b], weights=[3, 1]).predict(x)
    ya, yb = a.predict(x), b.predict(x)
    assert np.allclose(y, 0.75 * ya + 0.25 * yb, rtol=1e-12)
    y, std = pwl.Ensemble([a, b]).predict(x, return_std=True)
    within = (a.predict(x, return_std=True)[1] ** 2 + b.predict(x, return_std=True)[1] ** 2) / 2
    assert np.allclose(std**2, within + ((ya - yb) / 2) ** 2, rtol=1e-12)
    assert np.allclose(y, (ya + yb) / 2, rtol=1e-12)


def test_predictions_stay_within_the_bounds():
    found, x, t = nets()
    far = np.full((1, 3), 1e9)
    bounds = likely(t)
    assert np.array_equal(bounds, [[2 * t.min() - t.max()], [2 * t.max() - t.min()]])
    free, held = pwl.Ensemble(found), pwl.Ensemble(found, bounds)
    assert not bounds[0, 0] <= free.predict(far)[0, 0] <= bounds[1, 0]
    assert bounds[0, 0] <= held.predict(far)[0, 0] <= bounds[1, 0]
    assert np.array_equal(held.predict(x), np.clip(free.predict(x), *bounds))


def test_an_end_that_many_targets_share_is_a_limit():
    """Of 600 known targets twelve are a fiftieth. A fiftieth of 100 is fewer than ten, and no sign of a limit."""
    t = np.random.default_rng(0).uniform(1, 9, size=(601, 4))
    t[:12, 0], t[20:31, 1], t[:12, 2], t[:12, 3] = 0.0, 0.0, 10.0, 0.0
    t[-1] = np.nan
    low, high = np.nanmin(t, axis=0), np.nanmax(t, axis=0)
    width = high - low
    bounds = likely(t)
    assert np.array_equal(bounds[0], [0.0, low[1] - width[1], low[2] - width[2], 0.0])
    assert np.array_equal(bounds[1], [high[0] + width[0], high[1] + width[1], 10.0, high[3] + width[3]])
    few = np.append(t[20:111, 0], np.zeros(9))[:, None]
    assert likely(few)[0, 0] < 0 == likely(np.append(few, [[0.0]], axis=0))[0, 0]


def test_deviations_stay_within_the_bounds():
    """Far away each network deviates by more than the bounds: half their width and the distance of its output are left."""
    found, x, t = nets()
    far, bounds = np.full((1, 3), 1e4), likely(t)
    width = float(bounds[1, 0] - bounds[0, 0])
    assert all(net.predict(far, return_std=True)[1][0, 0] > width for net in found)
    each = np.array([np.clip(net.predict(far), *bounds)[0, 0] for net in found])
    y, std = pwl.Ensemble(found, bounds).predict(far, return_std=True)
    assert std[0, 0] ** 2 == pytest.approx(width**2 / 4 + np.mean((each - y[0, 0]) ** 2), rel=1e-12)
    near, free = pwl.Ensemble(found, bounds).predict(x, return_std=True), pwl.Ensemble(found).predict(x, return_std=True)
    assert near[1] == pytest.approx(free[1], rel=1e-12)


@pytest.mark.parametrize("loss", ["cross_entropy", "output_reset"])
def test_classes(loss, tmp_path):
    found, x, _ = nets(3, loss, classes=True)
    both = pwl.Ensemble(found, weights=[1, 2, 3])
    if loss == "cross_entropy":
        p = sum(w * net.predict_proba(x) for w, net in zip((1 / 6, 2 / 6, 3 / 6), found, strict=True))
        assert np.allclose(both.predict_proba(x), p, rtol=1e-12)
        assert np.array_equal(both.predict(x), np.argmax(p, axis=1))
    else:
        assert set(both.predict(x)) <= {0, 1, 2}
        with pytest.raises(pwl.InputError, match="cross_entropy"):
            both.predict_proba(x)
    with pytest.raises(pwl.InputError, match="classes"):
        both.predict(x, return_std=True)
    both.save(tmp_path / "e")
    assert np.array_equal(pwl.Ensemble.load(tmp_path / "e").predict(x), both.predict(x))


def test_files_keep_every_bit(tmp_path):
    found, x, t = nets()
    ensemble = pwl.Ensemble(found, likely(t), [1, 4])
    ensemble.save(tmp_path / "e.safetensors")
    again = pwl.Ensemble.load(tmp_path / "e.safetensors")
    for one, other in zip(ensemble.predict(x, return_std=True), again.predict(x, return_std=True), strict=True):
        assert np.array_equal(one, other)
    assert np.array_equal(again.bounds, ensemble.bounds) and np.array_equal(again.weights, [0.2, 0.8])
    found[1].save(tmp_path / "one.safetensors")
    assert np.array_equal(pwl.Ensemble.load(tmp_path / "one.safetensors").predict(x), found[1].predict(x))


def test_damaged_files_are_refused(tmp_path):
    found, _, _ = nets()
    path = tmp_path / "e.safetensors"
    pwl.Ensemble(found).save(path)
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    for place in rng.integers(0, len(whole), 40):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 16]) + whole[place + 1 :])
        with pytest.raises(pwl.InputError):
            pwl.Ensemble.load(path)


def test_networks_that_do_not_fit_together():
    found, _, _ = nets()
    other, _, _ = nets(1, "cross_entropy", classes=True)
    for wrong, words in (
        ([], "one network or more"),
        (found[0], "one network or more"),
        ([found[0], other[0]], "3 outputs, not 1"),
        ([found[0], found[1].with_preparation(None)], "no preparation"),
        ([pwl.Network.mlp(3, 4, 1)], "initialised"),
    ):
        with pytest.raises(pwl.InputError, match=words):
            pwl.Ensemble(wrong)
    for weights in ([1], [1, -1], [0, 0], [1, np.nan]):
        with pytest.raises(pwl.InputError, match="a weight per network"):
            pwl.Ensemble(found, weights=weights)
    with pytest.raises(pwl.InputError, match="bounds of shape"):
        pwl.Ensemble(found, [[1.0], [0.0]])
