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
    pd = pytest.importorskip("pandas")
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
    pd = pytest.importorskip("pandas")
    labels = pd.Series(K > 0 if kind == "boolean" else K).astype(kind)
    fitted = classifier().fit(X, labels)
    assert fitted.classes_.dtype.kind == {"Int64": "i", "UInt8": "u", "boolean": "b"}[kind]
    assert fitted.predict(X).dtype == fitted.classes_.dtype
    refuses(lambda: classifier().fit(X, labels.mask(K == 1)), "y holds 13 missing values")


def test_inputs_that_do_not_vary_give_the_mean():
    for t in (Y, np.stack([Y, 10 * Y + 3], axis=1)):
        fitted = pwl.PWLRegressor(max_seconds=1).fit(np.full((40, 3), 2.0), t)
        assert fitted.predict(np.full((1, 3), 2.0))[0] == pytest.approx(t.mean(axis=0), rel=1e-6)
    fitted = pwl.PWLClassifier(max_seconds=1).fit(np.zeros((40, 3)), np.arange(40) % 4 // 3)
    assert fitted.predict_proba(np.zeros((1, 3)))[0] == pytest.approx([0.75, 0.25], abs=0.02)
