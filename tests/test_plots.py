"""Pictures and the page: what the matplotlib objects hold, what the files are, what is refused."""

import dataclasses
import re
import sys
from xml.etree import ElementTree

import numpy as np
import pytest
from comparisons import LABELS, T, X, line, record_of

import pwl
from pwl import plots
from pwl.errors import InputError

matplotlib_image = pytest.importorskip("matplotlib.image")

# ---- curves


def test_curves_hold_ordinates_start_and_nets(regression):
    outcomes, folds = regression
    net, x = outcomes[0].net, X[folds[0].train]
    figure = plots.curves(net, x)
    assert len(figure.axes) == 3
    ns, start = net.buffers["1.ns"], net.layers[1].sample(net.buffers["1.ns"])
    n = net.preparation.transform_inputs(x) @ net.W[:, 1:].T + net.W[:, 0]
    for k, ax in enumerate(figure.axes):
        np.testing.assert_array_equal(line(ax, "hinges").get_xydata(), np.c_[ns[k], net.A[k]])
        learned = line(ax, "learned").get_xydata()
        np.testing.assert_allclose(learned[1:-1], np.c_[ns[k], net.A[k]], rtol=1e-12)
        np.testing.assert_allclose(learned[[0, -1], 1], net.A[k, [0, -1]])  # constant outside
        np.testing.assert_allclose(line(ax, "start").get_ydata()[1:-1], start[k], rtol=1e-12)
        counts, edges, _ = ax.patches[0].get_data()
        wanted = np.histogram(n[:, k], edges)[0]
        np.testing.assert_allclose(counts, 0.9 * wanted / wanted.max())


def test_the_start_is_seen_where_a_curve_stayed(regression):
    outcomes, folds = regression
    ax = plots.curves(outcomes[0].net, X[folds[0].train]).axes[0]
    start, learned = line(ax, "start"), line(ax, "learned")
    assert ax.get_lines().index(start) > ax.get_lines().index(learned) and start.get_zorder() == learned.get_zorder()
    assert start.get_linestyle() == "--" and start.get_linewidth() < learned.get_linewidth()
    assert float(start.get_color()) > 0.5 and learned.get_color() == "black"


def test_curves_of_the_first_units_and_of_the_second_layer():
    net = pwl.Network.mlp(3, [25, 2], 1, pwl.PiecewiseLinear("relu", 5))
    net = pwl.initialise(net, (X, T[:, :1]))
    first, second = plots.curves(net, X), plots.curves(net, X, layer=1)
    assert len(first.axes) == 20
    assert "first 20 of 25" in first.get_suptitle()
    assert len(second.axes) == 2
    np.testing.assert_array_equal(line(second.axes[1], "hinges").get_ydata(), net.parts["3.A"][1])


def test_curves_want_curves(regression):
    outcomes, _ = regression
    with pytest.raises(InputError, match="fixed activations"):
        plots.curves(outcomes[1].net, X)
    with pytest.raises(InputError, match="1 layers of curves"):
        plots.curves(outcomes[0].net, X, layer=1)


# ---- targets


def test_predicted_holds_points_r_and_e(regression):
    net = regression[0][0].net
    y = net.predict(X)
    figure = plots.predicted(net, X, T, names=["a", "b"])
    assert len(figure.axes) == 2
    for j, ax in enumerate(figure.axes):
        np.testing.assert_array_equal(line(ax, "patterns").get_xydata(), np.c_[T[:, j], y[:, j]])
        assert ax.get_xlim() == ax.get_ylim()
        r, e = np.corrcoef(T[:, j], y[:, j])[0, 1], np.mean((T[:, j] - y[:, j]) ** 2)
        assert ax.get_title() == f"{'ab'[j]}\nR = {r:.4f}, E = {e:.4g}"
    assert f"E = {np.mean(np.sum((T - y) ** 2, axis=1)):.4g}" in figure.get_suptitle()


def test_residuals_are_counted(regression):
    net = regression[0][0].net
    figure = plots.residuals(net, X, T)
    for ax in figure.axes:
        beyond = sum(int(t.get_text().split()[0]) for t in ax.texts)
        assert sum(bar.get_height() for bar in ax.patches) + beyond == len(X)


def test_six_targets_at_most_and_constant_ones():
    t = np.ones((5, 8))
    figure = plots.predicted_of(t, t)
    assert len(figure.axes) == 6
    assert "first 6" in figure.get_suptitle()
    assert "R = nan" in figure.axes[0].get_title()
    assert len(plots.residuals_of(t, t).axes) == 6
    with pytest.raises(InputError, match="same shape"):
        plots.predicted_of(t, t[:, 0])


@pytest.mark.filterwarnings("error")
def test_targets_without_a_finite_value_say_so():
    t = np.random.default_rng(1).normal(size=(50, 3))
    y = t + 0.1
    t[:, 1], y[3, 0] = np.nan, np.inf
    y[:, 2] = 1e299 * t[:, 2]
    t[:, 2] = -y[:, 2]
    t[5, 2], y[5, 2] = 1.7e308, -1.7e308
    points, bars = plots.predicted_of(t, y), plots.residuals_of(t, y)
    for figure in (points, bars):
        assert plots.png(figure)
        said = [[text.get_text() for text in ax.texts] for ax in figure.axes]
        assert [("no finite values" in texts) for texts in said] == [False, True, False]
    assert "R = -1.0000, E = inf" in points.axes[2].get_title()
    assert np.isfinite([ax.get_xlim() for ax in points.axes]).all()
    assert [ax.texts[0].get_text() for ax in (bars.axes[0], bars.axes[2])] == ["1 beyond", "1 beyond"]


# ---- classes


def test_confusion_by_hand():
    figure = plots.confusion_of(np.array([0, 0, 1, 2, 2, 2]), np.array([0, 1, 1, 2, 2, 0]), names=["x", "y", "z"])
    (ax,) = figure.axes
    np.testing.assert_allclose(ax.images[0].get_array(), [[1 / 2, 1 / 2, 0], [0, 1, 0], [1 / 3, 0, 2 / 3]])
    cells = {t.get_position(): t.get_text() for t in ax.texts}
    assert [[cells[j, i] for j in range(3)] for i in range(3)] == [["1", "1", "0"], ["0", "1", "0"], ["1", "0", "2"]]
    assert cells[2.6, 2] == "66.7 %"  # of the true
    assert cells[0, -0.55] == "50.0 %"  # of the predicted
    assert ax.get_title() == "2 of 6 patterns wrong (33.33 %)"
    assert [t.get_text() for t in ax.get_yticklabels()] == ["x", "y", "z"]


def test_confusion_of_a_net_knows_its_labels():
    names = np.array(["ash", "oak", "elm"])[LABELS]
    preparation = pwl.Preparation.fit(X, names)
    net = pwl.Network.mlp(3, 4, 3, loss="cross_entropy")
    net = pwl.initialise(net, preparation.transform(X, names))
    net = dataclasses.replace(net, preparation=preparation)
    (ax,) = plots.confusion(net, X, names).axes
    assert [t.get_text() for t in ax.get_yticklabels()] == ["ash", "elm", "oak"]
    assert ax.get_title().startswith(f"{np.sum(net.predict(X) != names)} of 90")


def test_confusion_wants_class_numbers():
    with pytest.raises(InputError, match="class numbers"):
        plots.confusion_of(np.array([0.5, 1]), np.array([0, 1]))
    with pytest.raises(InputError, match="for 2 classes"):
        plots.confusion_of(np.array([0, 2]), np.array([0, 1]), names=["a", "b"])


# ---- files and the page


def test_pictures_of_a_comparison(regression, tmp_path):
    outcomes, folds = regression
    pictures = plots.draw(outcomes, X, T, folds, tmp_path / "pictures", names={"targets": ["a", "b"]})
    names = ["errors", "curves-adact", "predicted-adact", "residuals-adact", "predicted-molf", "residuals-molf"]
    assert [p.path.stem for p in pictures] == names
    assert sorted(p.name for p in (tmp_path / "pictures").iterdir()) == sorted(f"{name}.svg" for name in names)
    assert [p.of for p in pictures] == ["", "adact", "adact", "adact", "molf", "molf"]
    for p in pictures:
        ElementTree.fromstring(p.path.read_text())
    assert "adact lowest with" in pictures[0].alternative or "molf lowest with" in pictures[0].alternative
    assert re.search(r"The curve of unit \d+ has moved most from its start, by up to", pictures[1].alternative)
    assert "a: correlation 0." in pictures[2].alternative and "b: correlation" in pictures[2].alternative


def test_pictures_of_classes(classification, tmp_path):
    outcomes, folds = classification
    pictures = plots.draw(outcomes, X, LABELS, folds, tmp_path, names={"classes": ["p", "q", "r"]})
    assert [p.path.stem for p in pictures] == ["errors", "classification-errors", "curves-adact", "confusion-adact"]
    assert "all folds" in pictures[-1].caption
    assert re.search(r"\d+ of \d+ patterns are wrong", pictures[-1].alternative)


def test_the_same_figure_gives_the_same_svg_and_pictures_share_no_ids(regression):
    net = regression[0][0].net
    one, same, other = (plots.svg(plots.predicted(net, X, T), name) for name in ("a", "a", "b"))
    assert one == same
    ids, others = (set(re.findall(r'\bid="([^"]+)"', text)) for text in (one, other))
    assert ids and not ids & others
    used = set(re.findall(r'(?:href="#|url\(#)([^")]+)', one))
    assert used and used <= ids


def test_notebooks_can_show_a_figure():
    assert plots.errors(record_of([2.0, 1.0]))._repr_png_().startswith(b"\x89PNG")


def test_missing_matplotlib_is_said(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    for draw in (lambda: plots.errors(record_of([2.0, 1.0])), lambda: plots.draw([], X, T, [], tmp_path)):
        with pytest.raises(InputError, match=re.escape("pictures need matplotlib: pip install matplotlib")):
            draw()


@pytest.mark.parametrize(
    ("low", "high", "labels"), [(2e6, 7e7, ["3e6", "1e7", "3e7"]), (1.5e6, 4e6, ["2e6", "3e6", "4e6"])]
)
def test_long_numbers_on_a_short_axis_do_not_run_into_one_another(low, high, labels):
    from pwl.plots.figure import panels
    from pwl.plots.ticks import plain_ticks

    figure, (ax,) = panels(1, 1, 3, 3)
    ax.set_xscale("log")
    ax.set_xlim(low, high)
    plain_ticks(ax.xaxis)
    figure.draw_without_rendering()
    shown = [tick.label1.get_text() for tick in ax.xaxis.get_major_ticks() if low <= tick.get_loc() <= high]
    assert shown == labels
    assert not any(tick.label1.get_text() for tick in ax.xaxis.get_minor_ticks())
