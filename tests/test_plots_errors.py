"""Pictures of errors: lines, labels and limits, read from the matplotlib objects."""

import itertools

import numpy as np
import pytest
from comparisons import line, record_of

from pwl import plots
from pwl.errors import InputError
from pwl.plots.history import quartiles
from pwl.plots.labels import spread
from pwl.training.record import Record

# ---- errors


def test_errors_of_one_record_hold_its_series_and_its_best_iteration():
    record = record_of([9.0, 4.0, 2.0, 1.0], validation_error=[9.5, 5.0, 3.0, 4.0])
    record.best_iteration = 2
    figure = plots.errors(record)
    iterations, multiplies, seconds = figure.axes
    for ax in figure.axes:
        assert ax.get_xscale() == ax.get_yscale() == "log"
        assert {t.get_text() for t in ax.texts} == {"training", "validation"}
    np.testing.assert_allclose(line(iterations, "training").get_xydata(), [[1, 4], [2, 2], [3, 1]])
    np.testing.assert_allclose(line(multiplies, "validation").get_xydata(), [[10, 5], [20, 3], [30, 4]])
    np.testing.assert_allclose(line(seconds, "training").get_xydata(), [[0.1, 9], [0.2, 4], [0.3, 2], [0.4, 1]])
    assert [line(ax, "best").get_xdata()[0] for ax in figure.axes] == pytest.approx([2, 20, 0.3])
    assert "iteration 2" in figure.get_suptitle()
    assert "validation error 3" in figure.get_suptitle()


def test_errors_of_several_algorithms_training_above_validation_below(regression):
    outcomes, _ = regression
    records = {name: [o.record for o in outcomes if o.name == name] for name in ("adact", "molf")}
    figure = plots.errors(records)
    assert len(figure.axes) == 6
    for row, series in ((0, "error"), (1, "validation_error")):
        ax = figure.axes[3 * row]
        for name, own in records.items():
            drawn = line(ax, name)
            wanted = np.median([r[series][1:] for r in own], axis=0)
            np.testing.assert_allclose(drawn.get_ydata(), wanted, rtol=1e-12)
            assert np.isfinite(drawn.get_xydata()).all()
        one, other = (line(ax, name) for name in ("adact", "molf"))
        assert one.get_marker() != other.get_marker() and one.get_color() != other.get_color()
        assert one.is_dashed() != other.is_dashed()
        assert len(ax.collections) == 2  # bands


def test_a_list_of_one_record_is_drawn_as_the_record():
    record = record_of([9.0, 4.0, 2.0], validation_error=[9.5, 5.0, 3.0])
    record.best_iteration = 1
    alone = plots.errors(record)
    for records in ([record], (record,)):
        figure = plots.errors(records)
        assert figure.get_suptitle() == alone.get_suptitle()
        for a, b in zip(figure.axes, alone.axes, strict=True):
            for label in ("training", "validation", "best"):
                np.testing.assert_array_equal(line(a, label).get_xydata(), line(b, label).get_xydata())


@pytest.mark.parametrize("kind", [list, tuple])
def test_several_records_of_one_algorithm_share_their_median(regression, kind):
    records = kind(o.record for o in regression[0] if o.name == "adact")
    figure = plots.errors(records)
    assert len(figure.axes) == 3
    assert figure.get_suptitle() == "AdAct: median of 3 runs, band: quartiles"
    wanted = np.median([r["error"][1:] for r in records], axis=0)
    np.testing.assert_allclose(line(figure.axes[0], "training").get_ydata(), wanted, rtol=1e-12)


def test_records_of_several_algorithms_have_a_line_each(regression, classification):
    first = {o.name: o.record for o in regression[0] if o.fold == 0}
    figure = plots.errors([first["adact"], first["molf"]])
    assert len(figure.axes) == 6
    np.testing.assert_allclose(line(figure.axes[0], "AdAct").get_ydata(), first["adact"]["error"][1:], rtol=1e-12)
    np.testing.assert_allclose(line(figure.axes[0], "MOLF").get_ydata(), first["molf"]["error"][1:], rtol=1e-12)
    (record, *_), other = [o.record for o in classification[0]], Record({"algorithm": "AdAct(direction='hwo')"})
    other.series = record.series
    for figure in (plots.errors([record, other]), plots.classification_errors((record, other))):
        np.testing.assert_array_equal(
            line(figure.axes[0], "AdAct 1").get_ydata(), line(figure.axes[0], "AdAct 2").get_ydata()
        )


@pytest.mark.parametrize("draw", [plots.errors, plots.classification_errors])
@pytest.mark.parametrize(
    ("records", "words"),
    [
        (3, "records must be a pwl.Record, .* but an object of type int came"),
        ("a", "with an object of type str in it"),
        ((object(), Record()), "a tuple with an object of type object in it"),
        ([[Record()], [Record()]], "a list with an object of type list in it"),
        ({"a": 3}, r"records\['a'\] must be a pwl.Record or a list of them, but an object of type int came"),
        ({"a": [Record(), None]}, "a list with an object of type NoneType in it"),
        ([], "no iteration"),
        ({}, "no iteration"),
    ],
)
def test_errors_want_records(draw, records, words):
    with pytest.raises(InputError, match=words):
        draw(records)


def test_quartiles_over_runs_of_different_length():
    records = [record_of([8.0, 1.0, 1.0, 1.0]), record_of([8.0, 2.0]), record_of([8.0, 3.0, 3.0])]
    x, low, middle, high = quartiles(records, "error", "iterations")
    np.testing.assert_allclose(x, [1, 2, 3])
    np.testing.assert_allclose((low[2], middle[2], high[2]), (1.5, 2, 2.5))


def test_a_run_with_a_slow_start_does_not_hide_the_others():
    records = [record_of([8.0, 4.0, 2.0], seconds=[s, 2 * s, 4 * s]) for s in (1.0, 1.0, 100.0)]
    x, _, middle, _ = quartiles(records, "error", "seconds")
    np.testing.assert_allclose(x, [1, 2, 4, 100, 200, 400])
    np.testing.assert_allclose(middle, [8, 4, 2, 2, 2, 2])


def test_labels_keep_their_order_and_distance_and_stay_inside():
    wanted = np.array([0.5, 0.51, 0.02, 0.99, 0.985])
    placed = spread(wanted, 0.1)
    assert (np.argsort(placed) == np.argsort(wanted)).all()
    assert np.diff(np.sort(placed)).min() >= 0.1 - 1e-12
    assert placed.min() >= 0
    assert placed.max() <= 1 + 1e-12
    np.testing.assert_allclose(placed[:2], [0.455, 0.555])


def test_labels_of_lines_that_end_together_do_not_overlap():
    records = {f"algorithm-{i}": record_of([9.0, 4.0, 1.0 + 1e-3 * i], validation_error=[9.0] * 3) for i in range(8)}
    figure = plots.errors(records)
    figure.draw_without_rendering()
    for ax in figure.axes:
        boxes = sorted((t.get_window_extent() for t in ax.texts), key=lambda box: box.y0)
        assert all(a.y1 <= b.y0 + 0.5 for a, b in itertools.pairwise(boxes))


def test_errors_want_an_iteration():
    with pytest.raises(InputError, match="no iteration"):
        plots.errors(record_of([3.0]))
    figure = plots.errors({"none": record_of([3.0]), "one": [record_of([3.0]), record_of([3.0, 2.0, 1.0])]})
    np.testing.assert_array_equal(line(figure.axes[0], "training").get_ydata(), [2, 1])
    assert figure.get_suptitle() == "one"


def test_each_row_has_limits_of_its_own():
    figure = plots.errors({name: record_of([9.0, 4.0, 1e-6], validation_error=[5.5, 5.0, 4.0]) for name in "ab"})
    assert figure.axes[0].get_ylim()[0] < 1e-6
    assert {ax.get_ylim() for ax in figure.axes[3:]} == {figure.axes[3].get_ylim()}
    assert 3 < figure.axes[3].get_ylim()[0] < 4 < 5 < figure.axes[3].get_ylim()[1] < 6


@pytest.mark.filterwarnings("error")
def test_errors_without_a_finite_value_say_so():
    nan, inf = float("nan"), float("inf")
    records = {
        "a": record_of([3.0, 2.0, 1.0], validation_error=[nan] * 3),
        "b": record_of([3.0, None, 0.5], validation_error=[nan, inf, 1e305]),
    }
    figure = plots.errors(records)
    assert plots.png(figure)
    np.testing.assert_array_equal(line(figure.axes[0], "b").get_xydata(), [[2, 0.5]])
    assert [t.get_text() for ax in figure.axes[3:] for t in ax.texts] == ["no finite values"] * 3
    assert plots.png(plots.errors(record_of([nan] * 3)))
    assert plots.png(plots.errors(record_of([1e199, 1.0, 1e-199], validation_error=[1e300, 1e306, 1e-310])))


def test_classification_errors_in_per_cent(classification):
    records = [outcome.record for outcome in classification[0]]
    training, validation = plots.classification_errors({"adact": records, "again": records}).axes
    for ax, series in ((training, "classification_error"), (validation, "validation_classification_error")):
        wanted = 100 * np.median([record[series][1:] for record in records], axis=0)
        np.testing.assert_allclose(line(ax, "adact").get_xydata(), np.c_[[1, 2], wanted])
        assert ax.get_yscale() == "linear" and ax.get_ylim()[0] == 0
    none_wrong = record_of([1.0, 0.5], classification_error=[0.5, 0.0], validation_classification_error=[0.5, 0.25])
    (ax,) = plots.classification_errors(none_wrong).axes
    np.testing.assert_array_equal(line(ax, "training").get_ydata(), [0])
    np.testing.assert_array_equal(line(ax, "validation").get_ydata(), [25])
    with pytest.raises(InputError, match="of a regression"):
        plots.classification_errors(record_of([2.0, 1.0]))


def test_what_was_solved_without_iterations_is_a_level():
    solved = record_of([2.5], validation_error=[3.0])
    del solved.series["multiplies"]
    solved.stop("solved", "")
    figure = plots.errors({"a": record_of([9.0, 4.0, 2.0], validation_error=[9.0, 5.0, 3.0]), "ridge": solved})
    for ax, level in zip(figure.axes, [2.5] * 3 + [3.0] * 3, strict=True):
        drawn = line(ax, "ridge")
        assert list(drawn.get_ydata()) == [level, level]
        assert tuple(drawn.get_xdata()) == ax.get_xlim()
        assert ax.get_ylim()[0] < level < ax.get_ylim()[1]
    with pytest.raises(InputError, match="no iteration"):
        plots.errors({"ridge": solved})
