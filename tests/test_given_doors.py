"""What comes through Python's doors: labels and rows arrive as they were given, and what can't be used is refused in words."""

from __future__ import annotations

import numpy as np
import pytest

import pwl

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 3))
T = np.sin(X[:, :1]) + 0.3 * X[:, 1:2]
LABELS = (X[:, 0] > 0).astype(int)
LARGE = 2**53 + np.where(LABELS, 3, 7)  # floats can't tell them apart from their neighbours


def regressor(**settings):
    return pwl.PWLRegressor(hidden=3, algorithm="lm", iterations=2, **settings)


def classifier(**settings):
    return pwl.PWLClassifier(hidden=3, algorithm="lm", iterations=2, **settings)


def small_net(**settings):
    return pwl.train(pwl.Network.mlp(3, 4, 1, "tanh", bypass=False, **settings), (X, T), pwl.LM(), iterations=3)[0]


# ---- labels


@pytest.mark.parametrize("dtype", ["int64[pyarrow]", "Int64", "int64"])
def test_whole_labels_stay_whole(dtype):
    pandas = pytest.importorskip("pandas")
    if "pyarrow" in dtype:
        pytest.importorskip("pyarrow")
    model = classifier().fit(X, pandas.Series(LARGE, dtype=dtype))
    assert model.classes_.tolist() == sorted(set(LARGE.tolist())) and set(model.predict(X)) <= set(LARGE.tolist())


@pytest.mark.parametrize("dtype", ["bool[pyarrow]", "boolean", "bool"])
def test_truth_values_stay_what_they_are(dtype):
    pandas = pytest.importorskip("pandas")
    if "pyarrow" in dtype:
        pytest.importorskip("pyarrow")
    assert classifier().fit(X, pandas.Series(LABELS > 0, dtype=dtype)).classes_.tolist() == [False, True]


@pytest.mark.parametrize("fit", [lambda t: classifier().fit(X, t), lambda t: pwl.Preparation.fit(X, t)])
def test_numbers_among_texts_are_no_labels(fit):
    with pytest.raises(pwl.InputError, match="kinds"):
        fit(["a" if label else 1 for label in LABELS])
    fit(["a" if label else "1" for label in LABELS])


# ---- rows of parts


def test_parts_are_rows_of_all_that_was_given():
    """Patterns of weight 0 are absent, but the rows keep their numbers."""
    net, w = small_net(), np.r_[np.zeros(10), np.ones(50)]
    parts = np.arange(10, 40), np.arange(40, 50)
    wanted = pwl.evaluate(net, (X[40:50], T[40:50])).error
    for start in (pwl.train, lambda *given, **how: pwl.finetune(*given, **how, new_head=False)):
        record = start(net, (X, T, w), pwl.LM(), iterations=1, parts=parts)[1]
        assert record["validation_error"][0] == pytest.approx(wanted, rel=1e-12)
        assert record.rows == {"training": list(range(10, 40)), "validation": list(range(40, 50))}


@pytest.mark.parametrize("frozen", [0, 1])
def test_new_outputs_know_the_rows_for_training_alone(frozen):
    changed = T.copy()
    changed[40:] = 1e6
    parts, net = (np.arange(40), np.arange(40, 60)), small_net()
    found = [pwl.finetune(net, (X, t), pwl.LM(), iterations=0, parts=parts, frozen=frozen)[0] for t in (T, changed)]
    assert np.array_equal(found[0].theta, found[1].theta)
    net = net.with_preparation(pwl.Preparation.fit(X, T))
    found = [pwl.finetune(net, (X, t), pwl.LM(), iterations=0, parts=parts, frozen=frozen)[0] for t in (T, changed)]
    assert found[0].preparation.targets.scale[0] == found[1].preparation.targets.scale[0]


@pytest.mark.parametrize(
    ("data", "parts", "said"),
    [
        ((X, T), ([], [0, 1]), "no rows for training"),
        (X, ([1, 2], [0]), "data must be"),
        (None, ([1, 2], [0]), "data must be"),
        ((X, T), ([1, [2]], [0]), "rows of training"),
        ((X, T), ([0, 60], [1]), "from 0 to 59"),
    ],
)
def test_parts_that_do_not_divide_are_refused(data, parts, said):
    with pytest.raises(pwl.InputError, match=said):
        pwl.train(pwl.Network.mlp(3, 4, 1), data, pwl.LM(), parts=parts)


# ---- ensembles


def test_bounds_on_one_side_are_kept_and_exported(tmp_path):
    net = small_net()
    one = pwl.Ensemble([net], bounds=[[0.1], [np.inf]])
    one.save(tmp_path / "net")
    again = pwl.Ensemble.load(tmp_path / "net")
    assert np.array_equal(again.bounds, [[0.1], [np.inf]])
    assert np.array_equal(again.predict(X), np.maximum(net.predict(X), 0.1)) and np.any(net.predict(X) < 0.1)
    assert "e+308" in one.to_c()


def test_weights_of_any_size_are_shares():
    net = small_net()
    assert np.allclose(pwl.Ensemble([net, net], weights=[1e308, 1e308]).predict(X), net.predict(X), rtol=1e-14)


# ---- estimators


@pytest.mark.parametrize(("kind", "t"), [(regressor, T[:, 0]), (classifier, LABELS)])
def test_missing_inputs_of_validation_data_are_filled(kind, t):
    holes, plain = X.copy(), X.copy()
    holes[5, 1], plain[5, 1] = np.nan, X[:, 1].mean()
    found = kind(missing="mean").fit(X, t, X_val=holes[:10], y_val=t[:10])
    wanted = kind(missing="mean").fit(X, t, X_val=plain[:10], y_val=t[:10])
    assert found.record_["validation_error"] == pytest.approx(wanted.record_["validation_error"], rel=1e-9)


@pytest.mark.parametrize(("kind", "t"), [(regressor, T[:, 0]), (classifier, LABELS)])
def test_a_fit_that_goes_on_wants_the_same_columns(kind, t):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X + np.array([0, 100, -100]), columns=list("abc"))
    model = kind(warm_start=True).fit(frame, t)
    with pytest.raises(ValueError, match="order"):
        model.fit(frame[["c", "a", "b"]], t)
    assert model.feature_names_in_.tolist() == ["a", "b", "c"] and model.fit(frame, t).n_iter_ == 2


def test_dates_and_texts_are_no_numbers():
    pandas = pytest.importorskip("pandas")
    dates = pandas.Series(pandas.date_range("2020", periods=60))
    for t in (dates, pandas.DatetimeIndex(dates), list(dates), dates.to_numpy(), dates - dates[0]):
        with pytest.raises(pwl.InputError, match="dates or times"):
            regressor().fit(X, t)
    with pytest.raises(pwl.InputError, match="dates or times"):
        regressor().fit(X, T[:, 0], sample_weight=dates - dates[0])
    for x, t in ((X, ["a"] * 60), (X.astype(str).tolist(), T[:, 0]), (X, pandas.Series(["1"] * 60))):
        with pytest.raises(pwl.InputError, match="text"):
            regressor().fit(x, t)
    with pytest.raises(pwl.InputError, match="dates or times"):
        pwl.least_squares(lambda w: w - 1, None, np.array([0], dtype="M8[s]"))


def test_class_weights_take_one_weight_for_all_patterns():
    found = classifier(class_weight="balanced").fit(X, LABELS, sample_weight=2.0)
    wanted = classifier(class_weight="balanced").fit(X, LABELS, sample_weight=np.full(60, 2.0))
    assert np.array_equal(found.predict_proba(X), wanted.predict_proba(X))
    with pytest.raises(ValueError, match="sample_weight"):
        classifier(class_weight="balanced").fit(X, LABELS, sample_weight=[1.0, 2.0])


# ---- numbers out of range


def test_deviations_that_are_not_finite_are_refused():
    model = regressor().fit(X, T[:, 0])
    with pytest.raises(pwl.InputError, match="deviation of the prediction for row 1"):
        model.predict(X[:2] * [[1.0], [1e200]], return_std=True)


@pytest.mark.parametrize("size", [1e155, 1e160, 1e200, 1.0])
def test_a_fit_is_done_where_the_residuals_vanish(size):
    fit = pwl.least_squares(lambda w: size * w - 1, None, [0.0])
    assert fit.converged and size * fit.w[0] == pytest.approx(1, rel=1e-14)


def test_tiny_derivatives_are_no_minimum():
    size = 1e-160  # whose square vanishes
    fit = pwl.least_squares(lambda w: size * w - 1, lambda w: np.array([[size]]), [0.0])
    assert fit.converged and size * fit.w[0] == pytest.approx(1, rel=1e-14)


def test_errors_of_a_schedule_are_its_own():
    def wrong(step):
        return 1 / 0

    with pytest.raises(pwl.InputError, match="ZeroDivisionError"):
        pwl.train(small_net(), (X, T), pwl.Adam(wrong), batch_size=20, iterations=1)
    with pytest.raises(pwl.InputError, match="too large"):
        pwl.schedules.Steps(0.1, (1, 2), factor=1e300)(5)


# ---- words in place of raw exceptions

PREPARATION = pwl.Preparation.fit(X, LABELS)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: list(pwl.compare(X, np.where(LABELS, "a", "b"), ["lm"], k=3, iterations=1)), "class numbers"),
        (lambda: list(pwl.compare(X, T, ["lm"], k=3, network="x")), "vgg1"),
        (lambda: pwl.Preparation.fit(X, LABELS, classes=2), "classes must be"),
        (lambda: pwl.Preparation.fit(X, LABELS, classes=[[0], [1]]), "classes must be"),
        (lambda: pwl.Preparation.fit(X, LABELS, comm=3), "pwl.ranks"),
        (lambda: PREPARATION.inverse_targets(np.array([2])), "from 0 to 1"),
        (lambda: PREPARATION.inverse_targets(np.array([-1])), "from 0 to 1"),
        (lambda: pwl.Network.mlp(3, 4, 1, net_control="no"), "net_control"),
        (lambda: pwl.Network.from_layers([pwl.layers.Dense(3)], input_shape=(3.7,)), "input_shape"),
        (lambda: pwl.plots.curves(pwl.Ensemble([small_net()])), "net must be"),
        (lambda: pwl.plots.roc(classifier().fit(X, LABELS), X, LABELS), "net must be"),
        (lambda: pwl.plots.regression(regressor().fit(X, T[:, 0]), {"all": (X, T)}), "net must be"),
    ],
)
def test_what_came_and_what_was_wanted(call, said):
    with pytest.raises(pwl.InputError, match=said):
        call()


def test_a_record_of_another_training_tells_no_posterior():
    net, record = pwl.train(pwl.Network.mlp(3, 4, 1, "tanh"), (X, T), pwl.LM(), iterations=2)
    with pytest.raises(pwl.InputError, match="BayesianLM"):
        pwl.with_posterior(net, (X, T), pwl.BayesianLM(), record)


def test_new_outputs_for_huge_labels_do_not_fit_into_memory():
    start = pwl.Network.mlp(3, 4, 2, "tanh", bypass=False, loss="cross_entropy")
    net, _ = pwl.train(start, (X, LABELS), pwl.LM(), iterations=1)
    with pytest.raises(pwl.InputError, match="memory"):
        pwl.finetune(net, (X, np.where(LABELS, 10**12, 0)), pwl.LM())


def test_types_that_numpy_lacks_are_named():
    torch = pytest.importorskip("torch")
    with pytest.raises(pwl.InputError, match="bfloat16"):
        small_net().predict(torch.tensor(X).bfloat16())
