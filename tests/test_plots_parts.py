"""MATLAB's pictures: regression and errors by parts, the state of a run, receiver operating characteristics."""

from __future__ import annotations

import numpy as np
import pytest
from comparisons import line, record_of

import pwl
from pwl import plots
from pwl.errors import InputError
from pwl.plots.parts import line_of
from pwl.plots.roc import characteristic
from pwl.plots.state import fails

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 2))
T = 3 + 2 * X[:, :1]
LABELS = (X[:, 0] > 0).astype(int) + (X[:, 1] > 0.5)


@pytest.fixture(scope="module")
def net():
    noise = np.random.default_rng(7).normal(size=T.shape)
    return pwl.train(pwl.Network.mlp(2, 3, 1, "tanh"), (X, T + noise), pwl.CG(), iterations=3)[0]


@pytest.fixture(scope="module")
def classifier():
    start = pwl.Network.mlp(2, 4, 3, "tanh", loss="cross_entropy")
    return pwl.train(start, (X, LABELS), pwl.SCG(), iterations=5)[0]


PARTS = {"training": (X[:40], T[:40]), "test": (X[40:], T[40:])}


def test_the_fitted_line_in_numbers():
    assert line_of(np.array([0.0, 1.0, 2.0]), np.array([1.0, 3.0, 5.0])) == pytest.approx((2, 1))


def test_regression_has_a_panel_for_each_part_and_one_for_all(net):
    figure = plots.regression(net, PARTS)
    assert [ax.get_title().split(":")[0] for ax in figure.axes] == ["training", "test", "all"]
    for ax, rows in zip(figure.axes, (slice(40), slice(40, 60), slice(60)), strict=True):
        t, y = T[rows, 0], net.predict(X[rows])[:, 0]
        np.testing.assert_allclose(line(ax, "patterns").get_xydata(), np.c_[t, y], rtol=1e-6)
        a, b = np.polyfit(t, y, 1)
        drawn = next(each for each in ax.get_lines() if each.get_label().startswith(f"y = {a:.3g} t"))
        np.testing.assert_allclose(drawn.get_ydata(), a * drawn.get_xdata() + b, rtol=1e-5)
        assert f"R = {np.corrcoef(t, y)[0, 1]:.5f}" in ax.get_title()
    assert len(plots.regression(net, {"mine": PARTS["test"]}).axes) == 1


def test_bars_of_the_error_histogram_count_the_patterns_of_each_part(net):
    ax = plots.error_histogram(net, PARTS, bins=7).axes[0]
    e = (T - net.predict(X))[:, 0]
    edges = np.histogram_bin_edges(e, 7)
    for container, rows in zip(ax.containers, (slice(40), slice(40, 60)), strict=True):
        np.testing.assert_array_equal([bar.get_height() for bar in container], np.histogram(e[rows], edges)[0])
    assert {text.get_text() for text in ax.get_legend().get_texts()} == {"training", "test", "zero error"}


def test_parts_that_are_none_are_refused(net, classifier):
    for parts, words in (({}, "must be a dictionary"), (X, "must be a dictionary"), ({"a": X}, "the part 'a' must be")):
        with pytest.raises(InputError, match=words):
            plots.regression(net, parts)
    with pytest.raises(InputError, match=r"use pwl\.plots\.confusion or pwl\.plots\.roc"):
        plots.error_histogram(classifier, {"a": (X, LABELS)})


def test_the_state_of_a_run_shows_its_series_and_counts_failures():
    record = record_of([4.0, 3.0, 2.0, 1.0], validation_error=[5.0, 4.0, 4.5, 4.0], mu=[None, 1e-3, 1e-2, 1e-5])
    record.series["output_step"] = [None, "a", "b", "c"]
    figure = plots.training_state(record)
    assert [ax.get_ylabel() for ax in figure.axes] == ["mu", "validation fails"]
    assert figure.axes[0].get_yscale() == "log"
    np.testing.assert_array_equal(figure.axes[0].get_lines()[0].get_ydata(), [np.nan, 1e-3, 1e-2, 1e-5])
    np.testing.assert_array_equal(figure.axes[1].get_lines()[0].get_ydata(), [0, 0, 1, 2])
    assert list(fails(record)) == [0, 0, 1, 2]
    with pytest.raises(InputError, match="errors only"):
        plots.training_state(record_of([2.0, 1.0]))


def test_failures_are_those_that_end_a_run():
    start = pwl.Network.mlp(2, 6, 1, "tanh")
    noise = np.random.default_rng(7).normal(size=(60, 1))
    _, record = pwl.train(start, (X[:30], noise[:30]), pwl.LM(), validation=(X[30:], noise[30:]), max_fail=4, iterations=200)
    assert record.stop_code == "max_fail" and fails(record)[-1] == 4


def test_a_characteristic_in_numbers():
    false, true = characteristic(np.array([0.9, 0.8, 0.7, 0.6]), np.array([True, False, True, False]))
    assert false.tolist() == [0, 0, 0.5, 0.5, 1] and true.tolist() == [0, 0.5, 0.5, 1, 1]
    tied = characteristic(np.array([0.5, 0.5]), np.array([True, False]))
    assert [a.tolist() for a in tied] == [[0, 1], [0, 1]]


def test_areas_are_those_of_scikit_learn(classifier):
    metrics = pytest.importorskip("sklearn.metrics")
    ax = plots.roc(classifier, X, LABELS).axes[0]
    p = classifier.predict_proba(X)
    for c in range(3):
        drawn = next(each for each in ax.get_lines() if each.get_label().startswith(f"{c}, "))
        area = np.trapezoid(drawn.get_ydata(), drawn.get_xdata())
        assert area == pytest.approx(metrics.roc_auc_score(c == LABELS, p[:, c]), abs=1e-12)
        assert f"area {area:.4f}" in drawn.get_label()


def test_what_has_no_probabilities_has_no_characteristic(net, classifier):
    with pytest.raises(InputError, match="predict_proba"):
        plots.roc(net, X, LABELS)
    with pytest.raises(InputError, match="a label per pattern"):
        plots.roc(classifier, X, LABELS[:5])
