"""What estimators are given: masks, text, dates and frames of pandas, and inputs that do not vary."""

from __future__ import annotations

import numpy as np
import pytest

import pwl

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 3))
Y = np.sin(X[:, 0])
K = np.arange(40) % 3


def regressor(**options):
    return pwl.PWLRegressor(algorithm="molf", iterations=2, hidden=3, **options)


def classifier(**options):
    return pwl.PWLClassifier(algorithm="molf", iterations=2, hidden=3, **options)


def refuses(use, *words):
    with pytest.raises(pwl.InputError) as caught:
        use()
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize(("make", "y"), [(regressor, Y), (classifier, K)])
def test_masked_values_are_not_trained_on(make, y):
    masked, fitted = np.ma.masked_greater(X, 1.5), make().fit(X, y)
    refuses(lambda: make().fit(masked, y), "X came with", "masked values: fill them")
    refuses(lambda: make().fit(X, np.ma.masked_equal(y, y[3])), "y came with", "masked values")
    refuses(
        lambda: make().fit(X, y, sample_weight=np.ma.masked_less(np.arange(40.0), 2)),
        "sample_weight came with 2 masked",
    )
    refuses(lambda: fitted.predict(masked), "X came with")
    unmasked = np.ma.masked_greater(X, 99)
    np.testing.assert_array_equal(make().fit(unmasked, y).predict(unmasked), fitted.predict(X))


@pytest.mark.parametrize(("make", "y"), [(regressor, Y), (classifier, K)])
def test_text_and_dates_are_no_numbers(make, y):
    refuses(lambda: make().fit(X.astype(str), y), "X came as an array of text", "wanted numbers")
    refuses(
        lambda: make().fit(np.full((40, 3), np.datetime64("2020-01-01")), y), "X came as an array of dates or times"
    )


def test_text_is_no_target():
    refuses(lambda: regressor().fit(X, Y.astype(str)), "y came as an array of text")


def test_columns_of_a_frame_are_named():
    pd = pytest.importorskip("pandas", reason="pandas holds the tables")
    frame = pd.DataFrame(X, columns=list("abc"), index=pd.date_range("2020", periods=40))
    for column, kind in (
        (pd.Categorical(np.array(list("pqr"))[K]), "categories"), (frame.index, "dates"), (np.array(list("pqr"))[K], "text")
    ):  # fmt: skip
        refuses(lambda c=column: regressor().fit(frame.assign(b=c), Y), "the column 'b' of X holds", kind)
    series = pd.Series(Y, index=frame.index[::-1])  # in the order of its rows, as in all of scikit-learn
    # a frame's numbers lie column after column, which rounds in another way
    np.testing.assert_allclose(
        regressor().fit(frame, series).predict(frame), regressor().fit(X, Y).predict(X), rtol=1e-7
    )
    gaps = frame.astype("Float64").mask(frame > 1.5)
    same = regressor(missing="mean").fit(np.where(X > 1.5, np.nan, X), Y).predict(X)
    np.testing.assert_allclose(regressor(missing="mean").fit(gaps, Y).predict(frame), same, rtol=1e-7)


@pytest.mark.parametrize("kind", ["Int64", "UInt8", "boolean"])
def test_whole_numbers_of_pandas_stay_whole(kind):
    pd = pytest.importorskip("pandas", reason="pandas holds the tables")
    labels = pd.Series(K > 0 if kind == "boolean" else K).astype(kind)
    fitted = classifier().fit(X, labels)
    assert fitted.classes_.dtype.kind == {"Int64": "i", "UInt8": "u", "boolean": "b"}[kind]
    assert fitted.predict(X).dtype == fitted.classes_.dtype
    refuses(lambda: classifier().fit(X, labels.mask(K == 1)), "y holds 13 missing values")


@pytest.mark.parametrize("kind", ["float64", "Float64", "Int64"])
def test_missing_targets_are_counted(kind):
    pd = pytest.importorskip("pandas", reason="pandas holds the tables")
    series = pd.Series(10 * K, dtype="float64").mask(K == 1).astype(kind)
    for y in (series, series.to_frame(), pd.DataFrame({"a": series, "b": Y})):
        refuses(lambda y=y: regressor().fit(X, y), "y holds 13 missing values: leave out their rows")
    refuses(lambda: regressor().fit(X, np.where(K == 1, np.nan, Y)), "y holds 13 missing values")


@pytest.mark.parametrize("kind", ["string", "category", "object"])
def test_missing_labels_are_counted(kind):
    pd = pytest.importorskip("pandas", reason="pandas holds the tables")
    labels = pd.Series(np.array(list("pqr"))[K]).mask(K == 1).astype(kind)
    refuses(lambda: classifier().fit(X, labels), "y holds 13 missing values, which are not labels")


def test_missing_numbers_of_pandas_are_nan_as_those_of_numpy():
    """So that two targets of which some are unknown train alike."""
    pd = pytest.importorskip("pandas", reason="pandas holds the tables")
    t = np.stack([np.where(K == 1, np.nan, Y), Y], axis=1)
    frame = pd.DataFrame({"a": pd.Series(Y, dtype="Float64").mask(K == 1), "b": Y})
    errors = [pwl.train(pwl.Network.mlp(3, 2, 2), (X, own), pwl.MOLF(), iterations=2)[1]["error"] for own in (t, frame)]
    assert errors[0] == errors[1]


@pytest.mark.parametrize(("weight", "said"), [(1e300, r"1.0e\+300"), (1e308, r"1.0e\+308"), (1e-300, "1.0e-300")])
def test_weights_that_are_too_large_or_too_small_are_said(weight, said):
    for fit in (regressor().fit, pwl.PWLRegressor().fit, lambda *a: pwl.Patterns(a[0], a[1][:, None], a[2])):
        with pytest.raises(pwl.InputError, match=f"the largest pattern weight is {said}, but 1e-70 to 1e\\+70 .*divide all"):
            fit(X, Y, np.full(40, weight))
    some = np.where(K == 1, 1e-100, 1.0)  # as a kernel gives far patterns
    assert np.isfinite(regressor().fit(X, Y, some).predict(X)).all()
    assert len(pwl.Patterns(X, Y, some).take(np.flatnonzero(K == 1))) == 13
    refuses(lambda: regressor().fit(X, Y, np.arange(40) == 3), "one pattern has a weight above 0, wanted two or more")


def test_constant_targets_are_learned_with_deviations_of_zero():
    for t, wanted in ((np.full(40, 5.0), [0.0]), (np.stack([Y, np.full(40, 5.0)], axis=1), [None, 0.0])):
        y, std = pwl.PWLRegressor(max_seconds=1).fit(X, t).predict(X[:3], return_std=True)
        y, std = y.reshape(3, -1), std.reshape(3, -1)
        assert np.allclose(y[:, -1], 5.0) and np.all(std[:, -1] == wanted[-1]) and np.all((std > 0)[:, :-1])


def test_deviations_where_inputs_do_not_vary_are_those_of_a_mean():
    """Of n targets around their mean with the standard deviation s, a new one deviates by s sqrt(1 + 1 / n)."""
    for n, N, t in ((40, 8, Y), (30, 3, np.stack([Y, 10 * Y + 3], axis=1)[:30])):
        fitted = pwl.PWLRegressor(max_seconds=1).fit(np.full((n, N), 2.0), t)
        std = fitted.predict(np.full((1, N), 2.0), return_std=True)[1][0]
        assert std == pytest.approx(np.std(t, axis=0, ddof=1) * np.sqrt(1 + 1 / n), rel=1e-12)


def test_deviations_where_inputs_do_not_vary_by_patterns_left_out():
    """Each network has left out a tenth, on which its deviations are measured, so they are known to some 10 percent."""
    t = np.random.default_rng(0).normal(size=200)
    std = pwl.PWLRegressor(max_seconds=1).fit(np.full((200, 8), 2.0), t).predict(np.full((1, 8), 2.0), return_std=True)[1]
    assert 0.8 * t.std() < std[0] < 1.3 * t.std()


def test_inputs_that_do_not_vary_give_the_mean():
    for t in (Y, np.stack([Y, 10 * Y + 3], axis=1)):
        fitted = pwl.PWLRegressor(max_seconds=1).fit(np.full((40, 3), 2.0), t)
        assert fitted.predict(np.full((1, 3), 2.0))[0] == pytest.approx(t.mean(axis=0), rel=1e-12)
    fitted = pwl.PWLClassifier(max_seconds=1).fit(np.zeros((40, 3)), np.arange(40) % 4 // 3)
    assert fitted.predict_proba(np.zeros((1, 3)))[0] == pytest.approx([0.75, 0.25], abs=0.02)


@pytest.mark.parametrize("algorithm", ["lm", "bayesian-lm", "adact", "molf", "adam"])
def test_a_named_algorithm_has_deviations_as_well(algorithm):
    """Nine of ten new targets lie within 1.645 deviations, for two targets with noise of their own."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=(3000, 3))
    t = np.stack([x[:, 0], 10 * x[:, 1] + 1], axis=1) + np.array([0.5, 5.0]) * rng.normal(size=(3000, 2))
    fitted = pwl.PWLRegressor(algorithm=algorithm, hidden=4, iterations=20).fit(x[:1000], t[:1000])
    y, std = fitted.predict(x[1000:], return_std=True)
    assert y.shape == std.shape == (2000, 2) and np.array_equal(y, fitted.predict(x[1000:]))
    assert np.mean(np.abs(t[1000:] - y) < 1.645 * std, axis=0) == pytest.approx([0.9, 0.9], abs=0.025)


def test_a_fit_that_goes_on_has_no_deviations_and_says_so():
    fitted = pwl.PWLRegressor(algorithm="adam", hidden=4, iterations=3).partial_fit(X[:20], Y[:20])
    fitted.predict(X[:3], return_std=True)  # of the first fit
    with pytest.raises(pwl.InputError, match="with_posterior"):
        fitted.partial_fit(X[:20], Y[:20]).predict(X[:3], return_std=True)
