"""Pictures that lessons draw: curves of every trained activation, E along a direction, Hessians, animations."""

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest
from comparisons import line

import pwl
from pwl import plots
from pwl.reductions.gradients import error
from pwl.reductions.reduce import reduce


def waves(activation, units, inputs=1):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, inputs))
    t = np.sin(2 * x[:, :1])
    return x, t, pwl.initialise(pwl.Network.mlp(inputs, units, 1, activation), (x, t))


# ---- curves

TRAINED = [pwl.PiecewiseLinear("relu", 7), pwl.Spline("tanh", 7), pwl.APL(3), pwl.ScaledActivation("tanh")]


@pytest.mark.parametrize("activation", TRAINED, ids=lambda a: type(a).__name__)
def test_curves_of_every_trained_activation(activation):
    x, t, start = waves(activation, 2)
    net, _ = pwl.train(start, (x, t), pwl.AdAct(), iterations=3)
    for ax, k in zip(plots.curves(net, x, before=start).axes, (0, 1), strict=True):
        for network, label in ((net, "learned"), (start, "start")):
            points, drawn = line(ax, label).get_xydata().T
            layer, p, b = network.layer(1)
            np.testing.assert_allclose(drawn, layer.apply(p, b, np.stack([points, points], axis=1))[:, k], rtol=1e-12)


def test_hinges_of_apl_are_those_of_its_formula():
    _, _, net = waves(pwl.APL(2), 1)
    (ax,) = plots.curves(net).axes
    places, on_curve = line(ax, "hinges").get_xydata().T
    a, b = net.parts["1.a"][0], net.parts["1.b"][0]
    np.testing.assert_allclose(places, np.sort([0, *b]))
    o = np.maximum(0, places) + sum(a[s] * np.maximum(0, b[s] - places) for s in (0, 1))  # Eq. (44)
    np.testing.assert_allclose(on_curve, o, rtol=1e-12, atol=1e-15)
    assert not ax.patches  # no patterns, no histogram
    assert "start" not in [each.get_label() for each in ax.get_lines()]  # APL's start is random


@pytest.mark.parametrize("units", [1, 2])
def test_one_or_two_units_have_room_for_key_and_heading(units):
    x, _, net = waves(pwl.PiecewiseLinear("relu", 7), units)
    figure = plots.curves(net, x)
    figure.draw_without_rendering()
    box = figure.bbox
    for part in (*figure.legends, figure._suptitle):
        inside = part.get_window_extent()
        assert inside.x0 >= box.x0 and inside.x1 <= box.x1 and inside.y0 >= box.y0 and inside.y1 <= box.y1


def test_curves_in_given_axes():
    _, _, net = waves(pwl.PiecewiseLinear("relu", 7), 3)
    figure, axes = plt.subplots(1, 3)
    assert plots.curves(net, ax=axes) is figure
    assert [ax.get_title() for ax in axes] == ["unit 1", "unit 2", "unit 3"]
    plots.curves(net, ax=axes[0], most=1)
    with pytest.raises(pwl.InputError, match="3 curves need as many matplotlib Axes"):
        plots.curves(net, ax=axes[:2])
    with pytest.raises(pwl.InputError, match="matplotlib Axes"):
        plots.curves(net, ax=7, most=1)
    plt.close(figure)


def test_before_must_be_the_same_network():
    _, _, net = waves(pwl.PiecewiseLinear("relu", 7), 3)
    _, _, other = waves(pwl.PiecewiseLinear("relu", 9), 3)
    with pytest.raises(pwl.InputError, match="same network at an earlier time"):
        plots.curves(net, before=other)


# ---- steps


def test_line_search_is_e_and_its_parabola():
    x, t, net = waves(pwl.PiecewiseLinear("relu", 7), 3)
    _, info = pwl.molf_step(net, (x, t))
    (ax,) = plots.line_search(net, (x, t), info.D).axes
    z, E = line(ax, "E along the direction").get_xydata().T
    k = 50
    there = net.moved({key: z[k] * d for key, d in info.D.items()})
    assert E[k] == pytest.approx(float(np.mean((t - there.predict(x)) ** 2)), rel=1e-12)
    parabola = line(ax, "parabola from E, g and h").get_ydata()
    near = np.argmin(abs(z))  # the two touch at z = 0, so that they differ in the third order of z
    assert abs(parabola[near] - E[near]) < 1e-3 * np.ptp(E)


def test_along_the_ordinates_e_is_its_parabola():
    x, t, net = waves(pwl.PiecewiseLinear("relu", 7), 3)
    moved, info = pwl.adact_step(net, (x, t))
    figure, ax = plt.subplots()
    assert plots.line_search(net, (x, t), info.G_a, ax=ax) is figure
    E, parabola = (line(ax, label).get_ydata() for label in ("E along the direction", "parabola from E, g and h"))
    np.testing.assert_allclose(E, parabola, rtol=1e-12)
    (mark,) = (each for each in ax.get_lines() if str(each.get_label()).startswith("z = g / h"))
    assert mark.get_xdata()[0] == pytest.approx(info.z[0], rel=1e-12)
    assert mark.get_ydata()[0] == pytest.approx(float(reduce(error(), moved, pwl.Patterns(x, t))[0]), rel=1e-12)
    plt.close(figure)


@pytest.mark.parametrize(
    ("direction", "words"),
    [
        (7, "dictionary by slot key"),
        ({"9.W": np.ones((2, 2))}, "has no '9.W'"),
        ({"0.W": np.ones((2, 2))}, "must have shape"),
        ({"0.W": np.zeros((3, 2))}, "does not change"),
    ],
)
def test_bad_directions(direction, words):
    x, t, net = waves("tanh", 3)
    with pytest.raises(pwl.InputError, match=words):
        plots.line_search(net, (x, t), direction)


def test_hessian_in_numbers_and_colours():
    H = np.array([[4.0, -1.0], [-1.0, 4.0]])
    figure = plots.hessian(H)
    ax = figure.axes[0]
    np.testing.assert_array_equal(ax.images[0].get_array(), H)
    assert ax.images[0].get_clim() == (-4, 4)
    assert [text.get_text() for text in ax.texts] == ["4", "-1", "-1", "4"]
    assert ax.get_title() == "2 x 2, condition number 1.7"  # 5 / 3
    assert plots.hessian(np.ones((2, 2))).axes[0].get_title() == "2 x 2, singular"
    assert not plots.hessian(np.eye(20)).axes[0].texts
    for wrong in (np.ones(3), np.ones((2, 3)), np.full((2, 2), np.nan)):
        with pytest.raises(pwl.InputError, match="square matrix"):
            plots.hessian(wrong)


# ---- animations


def test_an_animation_has_a_frame_per_network_and_a_player():
    x, t, net = waves(pwl.PiecewiseLinear("relu", 7), 2)
    nets = [net]
    pwl.train(net, (x, t), pwl.AdAct(), iterations=2, callback=lambda each, record: nets.append(each))
    page = plots.animate(nets)._repr_html_()
    assert page.count("data:image/png;base64") == 3
    seen = []
    player = plots.animate("abc", lambda frame, figure: seen.append((frame, len(figure.axes))), figure=plt.figure())
    player.to_jshtml()
    assert [frame for frame, _ in seen[-3:]] == ["a", "b", "c"]
    plt.close("all")


def test_bad_frames():
    with pytest.raises(pwl.InputError, match="sequence of one frame or more"):
        plots.animate([])
    with pytest.raises(pwl.InputError, match="need `draw`"):
        plots.animate(["a"])
    _, _, net = waves("tanh", 2)
    with pytest.raises(pwl.InputError, match="no curves"):
        plots.animate([net])


def test_given_figures():
    x, _, net = waves(pwl.PiecewiseLinear("relu", 7), 2)
    _, record = pwl.train(net, (x, np.sin(2 * x)), pwl.AdAct(), iterations=3)
    figure = plt.figure()
    assert plots.errors({"adact": record}, figure=figure) is figure
    assert len(figure.axes) == 3
    plt.close(figure)
