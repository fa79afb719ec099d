"""`benchmarks tables` on made-up cells: means, ranks, critical differences, calibration; and one learner on one fold."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("benchmarks.tables.report", reason="the benchmarks are not part of the installed package")
pytest.importorskip("sklearn")
from benchmarks.tables import measures, people, report
from benchmarks.tables.measures import calibration_error, fitted, measured
from benchmarks.tables.rivals import CLASSIFIERS, REGRESSORS, runs


def cell(rmse):
    return {
        "rmse": rmse, "r2": 0.5, "squares": [rmse**2], "nll": 1.0, "cover50": 0.5, "cover90": 0.9, "seconds": 1.0, "memory": 2.0,
    }  # fmt: skip


def made_up(sets=("a", "b", "c"), folds=2, **factors):
    return {
        f"{name}/{learner}/{fold}": cell(factor * (1 + place) + 0.1 * fold)
        for place, name in enumerate(sets)
        for learner, factor in factors.items()
        for fold in range(folds)
    }


def test_measures_of_worked_numbers():
    t, y = np.array([[0.0, 0.0], [2.0, 4.0]]), np.array([[1.0, 0.0], [2.0, 2.0]])
    found = measured(t, y, np.array([1.0, 2.0]))
    np.testing.assert_allclose(found["squares"], [0.5, 2.0])
    assert found["rmse"] == pytest.approx(1.25**0.5) and found["r2"] == pytest.approx((0.5 + 0.5) / 2)
    assert found["z2"] == pytest.approx((1 + 0 + 0 + 1) / 4) and found["cover50"] == 0.5 and found["cover90"] == 1.0
    assert found["nll"] == pytest.approx(0.5 * 0.5 + np.log(2) / 2 + 0.5 * np.log(2 * np.pi))


def test_the_gaussian_of_all_residuals():
    assert report.gaussian([cell(1.0), cell(3.0)]) == pytest.approx(0.5 * np.log(2 * np.pi * np.e * 5.0))


def test_the_calibration_error():
    confidence, right = np.repeat([0.6, 0.9], 50), np.concatenate([np.arange(50) < 30, np.arange(50) < 40])
    assert calibration_error(confidence, right, bins=2) == pytest.approx(0.5 * 0.0 + 0.5 * 0.1)


def test_tables_show_what_there_is_and_compare_equal_folds():
    found = made_up(PWLRegressor=1.0, HistGradientBoosting=2.0)
    found["a/Ridge/0"], found["a/HistGradientBoosting/2"] = {"rmse": 5.0, "r2": 0.1, "squares": [25.0], "seconds": 0.1}, cell(99.0)
    text = report.of_numbers(found, ("a", "b", "c"))
    assert "| a | 2 | PWLRegressor | 1.05 +- 0.05 |" in text
    assert "| a | 1 | Ridge | 5 | 0.1 |  | " in text  # no likelihood
    assert "99" not in text  # a fold that ours has not run
    own, names, errors = report.complete(found, ("a", "b", "c", "d"))
    assert own == ["a", "b", "c"] and names == ["PWLRegressor", "HistGradientBoosting"] and errors.shape == (3, 2)
    assert "average rank" in report.ranking(found, ("a", "b", "c")) and report.picture(found, ("a", "b", "c"))[:4] == b"\x89PNG"
    assert report.ranking({}, ("a",)).startswith("no ranks") and report.picture({}, ("a",)) is None


def test_classes_are_compared_fold_by_fold():
    found = {}
    for fold, (ours, base) in enumerate([(0.1, 0.2), (0.3, 0.3)]):
        for learner, loss in (("PWLClassifier", ours), ("LogisticRegression", base)):
            found[f"iris/{learner}/{fold}"] = {
                "accuracy": 0.9, "log_loss": loss, "seconds": 1.0, "memory": 1.0, "right": [1, 0], "confidence": [0.9, 0.6],
            }  # fmt: skip
    assert "-0.0500 +- 0.05" in report.of_classes(found, ("iris",))


def test_demsars_critical_differences():
    """His table of q / sqrt(2) at .05 begins 1.960, 2.343, 2.569, 2.728."""
    for k, q in ((2, 1.960), (3, 2.343), (4, 2.569), (5, 2.728)):
        assert report.critical_difference(k, 14) == pytest.approx(q * (k * (k + 1) / (6 * 14)) ** 0.5, rel=1e-3)
    assert report.groups(np.array([1.0, 1.5, 2.2, 4.0]), 1.0) == [(1.0, 1.5), (1.5, 2.2)]
    assert report.groups(np.array([1.0, 3.0]), 1.0) == []


def test_a_rival_on_one_fold():
    found = measures.regression("concrete", "Ridge", 0)
    assert 9 < found["rmse"] < 11.5 and 0.8 < found["cover90"] < 1 and found["seconds"] < 60
    assert runs("Ridge", "california") and not runs("kernel ridge, tuned", "california") and runs("kernel ridge, tuned", "concrete")
    assert next(iter(REGRESSORS)) == "PWLRegressor" and next(iter(CLASSIFIERS)) == "PWLClassifier"


def test_means_over_people_are_of_folds_that_both_ways_have():
    row = {"r2": 0.1, "nll": 2.0, "cover50": 0.5, "cover90": 0.9, "seconds": 1.0, "squares": [4.0]}
    found = {f"{own}/{fold}": row | {"rmse": 1.0 + fold} for own in people.LEARNERS[1:3] for fold in range(3)}
    assert "| Ridge | 3 | 2 +- 0.58 |" in people.table(found)
    found |= {f"{people.GROUPED}/{fold}": row | {"rmse": 5.0 + fold} for fold in (0, 2)}
    assert "| Ridge | 2 | 2 +- 1 |" in people.table(found) and f"| {people.GROUPED} | 2 | 6 +- 1 |" in people.table(found)


def test_no_person_both_trains_and_tests(data_home, monkeypatch):
    seen = []
    monkeypatch.setattr(people, "fitted", lambda model, x, t, **beside: seen.append(x) or fitted(model, x, t, **beside))
    x, t, person = people.recordings()
    assert len(x) == len(t) == len(person) == 5875 and len(np.unique(person)) == 42
    found = people.measure("Ridge", 3)
    assert 2 < found["rmse"] < 20 and len(seen[0]) + 400 < 5875
    trained = {tuple(row) for row in seen[0]}
    whose = np.array([tuple(row) in trained for row in x])
    assert all(len(set(whose[person == one])) == 1 for one in np.unique(person))
