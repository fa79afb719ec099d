"""Networks that carry a preparation work in raw units everywhere, and weights reach the preparation."""

from __future__ import annotations

import numpy as np
import pytest

import pwl
from pwl.data.preparation import Preparation

R = np.random.default_rng(0)
X = R.uniform(10, 90, (80, 3))
T = np.c_[100 * np.sin(X[:, 0] / 20) + X[:, 1], X[:, 2] / 1000]
ALGORITHMS = [
    pwl.AdAct(), pwl.AdAct(direction="hwo"), pwl.MOLF(), pwl.OWOBP(), pwl.CG(), pwl.SCG(), pwl.LM(), pwl.VarPro(),
    pwl.BayesianLM(), pwl.LBFGS(),
]  # fmt: skip


@pytest.mark.parametrize("targets", ["standardise", "common"])
def test_training_evaluating_and_predicting_agree(targets):
    preparation = Preparation.fit(X, T, targets=targets)
    plain = pwl.Network.mlp(3, 4, 2, pwl.PiecewiseLinear("relu", 5), seed=1)
    seen = []
    net, record = pwl.train(
        plain.with_preparation(preparation), (X, T), pwl.AdAct(), iterations=4, validation=(X[:9], T[:9]),
        callback=lambda at, _: seen.append(at.preparation is preparation),
    )  # fmt: skip
    own, prepared = pwl.train(
        plain, preparation.transform(X, T), pwl.AdAct(), iterations=4, validation=preparation.transform(X[:9], T[:9])
    )
    np.testing.assert_array_equal(net.theta, own.theta)
    assert record["error"] == prepared["error"] and "raw_error" not in prepared
    assert net.preparation is preparation and all(seen)
    raw = float(np.mean(np.sum((net.predict(X) - T) ** 2, axis=1)))
    assert pwl.evaluate(net, (X, T)).error == pytest.approx(raw, rel=1e-10)
    best = record.best_iteration
    assert record["raw_error"][best] == pytest.approx(raw, rel=1e-10)
    assert record["validation_raw_error"][best] == pytest.approx(pwl.evaluate(net, (X[:9], T[:9])).error, rel=1e-10)
    assert all(row.passed or row.note for row in pwl.check(net, (X, T)))
    stepped, _ = pwl.owo_step(net, (X, T))
    assert pwl.evaluate(stepped, (X, T)).error <= raw * 1.01


def test_one_owner_prepares():
    preparation = Preparation.fit(X, T)
    same = Preparation.from_dict(preparation.to_dict())
    net = pwl.initialise(pwl.Network.mlp(3, 4, 2).with_preparation(preparation), (X, T))
    wanted = pwl.evaluate(net, (X, T)).error
    for given in (preparation, same):
        assert pwl.evaluate(net, pwl.Patterns(X, T, preparation=given)).error == pytest.approx(wanted, rel=1e-12)
    other = pwl.Patterns(X, T, preparation=Preparation.fit(X + 1, T))
    for use in (pwl.evaluate, pwl.initialise, pwl.check, lambda *a: pwl.train(*a, pwl.MOLF()), pwl.molf_step):
        with pytest.raises(pwl.InputError, match="came with another one"):
            use(net, other)


@pytest.mark.parametrize("method", ["standardise", "centre", "minmax", "common", "none"])
def test_weights_in_a_preparation(method):
    w = np.arange(80) % 3
    x, t = X.copy(), T.copy()
    x[w == 0], t[w == 0] = 1e9, np.nan
    weighted = Preparation.fit(x, t, inputs=method, targets=method, weights=w).to_dict()
    repeated = Preparation.fit(
        np.repeat(X, w, axis=0), np.repeat(T, w, axis=0), inputs=method, targets=method
    ).to_dict()
    for part in ("inputs", "targets"):
        for name in ("offset", "scale"):
            np.testing.assert_allclose(weighted[part][name], repeated[part][name], rtol=1e-12)
    labels = np.where(w == 0, 9, np.arange(80) % 2)
    assert Preparation.fit(X, labels, weights=w).classes == (0, 1)


@pytest.mark.parametrize("algorithm", ALGORITHMS, ids=repr)
def test_weight_0_is_absence_and_weight_2_a_repeated_row(algorithm):
    """Absence to the bit, and repetition up to rounding, in the error of the first iterations."""
    preparation = Preparation.fit(X, T, targets="common")
    x, t = preparation.transform(X, T)
    t = t + 0.1 * np.random.default_rng(1).standard_normal(t.shape)
    w = np.arange(80) % 3
    hurt, hurt_t = x.copy(), t.copy()
    hurt[w == 0], hurt_t[w == 0] = np.nan, np.inf
    curves = isinstance(algorithm, pwl.AdAct)
    net = pwl.Network.mlp(3, 3, 2, pwl.PiecewiseLinear("tanh", 5) if curves else "tanh")
    runs = [
        pwl.train(net, data, algorithm, iterations=3)[1]["error"]
        for data in (
            (hurt, hurt_t, w.astype(float)),
            (x[w > 0], t[w > 0], w[w > 0].astype(float)),
            (np.repeat(x, w, axis=0), np.repeat(t, w, axis=0)),
        )
    ]
    assert runs[0] == runs[1]
    np.testing.assert_allclose(runs[0], runs[2], rtol=1e-5)


def test_a_pattern_of_weight_0_does_not_matter_to_an_estimator():
    sklearn = pytest.importorskip("sklearn")
    assert sklearn
    y = T[:, 0]
    wanted = pwl.PWLRegressor(iterations=5).fit(X, y).score(X, y)
    more = np.r_[X, np.full((1, 3), 1e9)]
    found = pwl.PWLRegressor(iterations=5).fit(more, np.r_[y, 0], sample_weight=np.r_[np.ones(80), 0]).score(X, y)
    assert found == wanted


def test_masked_arrays_and_frames():
    with pytest.raises(pwl.InputError, match="inputs x came with 1 masked values"):
        Preparation.fit(np.ma.masked_greater(X, np.sort(X, axis=None)[-2]), T)
    np.testing.assert_array_equal(Preparation.fit(np.ma.array(X), T).inputs.offset, Preparation.fit(X, T).inputs.offset)
    for bad in (X.astype(complex), X.astype(str), X.astype("M8[s]")):
        for use in (lambda bad=bad: Preparation.fit(bad, T), lambda bad=bad: Preparation.fit(X, T).transform(bad)):
            with pytest.raises(pwl.InputError, match="real numbers"):
                use()
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X, columns=["a", "b", "c"])
    assert Preparation.fit(frame, frame["a"]).targets is not None
    assert Preparation.fit(frame, pandas.Series(list("ab" * 40)).astype("category")).classes == ("a", "b")
    for column, words in (
        (pandas.date_range("2020-01-01", periods=80), "'b' of inputs x holds dates"),
        (pandas.Series(list("ab" * 40)).astype("category"), "'b' of inputs x holds categories"),
        (pandas.Series([None] + [1] * 79, dtype="Int64"), "'b' of inputs x holds 1 missing values"),
        (pandas.Series([None] + [1.0] * 79, dtype="Float64"), "row 0, column 1 is nan"),
    ):
        with pytest.raises(pwl.InputError, match=words):
            pwl.train(pwl.Network.mlp(3, 2, 1), (frame.assign(b=column), frame["a"]), pwl.MOLF())
