"""From one network to another: weights by name, other activations, new outputs, frozen layers; lists of activations."""

from __future__ import annotations

import numpy as np
import pytest

import pwl
from pwl.layers import Add, BatchNorm2d, Conv2d, CurvedDense, Dense, Dropout, Flatten, MaxPool2d


def data(n=120):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(n, 3)) * [1, 10, 0.1] + [0, 50, 2]
    return x, np.sin(x[:, :1]) + x[:, 1:2] / 10


def images(n=60):
    rng = np.random.default_rng(1)
    x = rng.normal(size=(n, 8, 8, 1))
    t = np.arange(n) % 2
    x[:, :4] += np.where(t, 1.0, -1.0)[:, None, None, None]
    return x, t


def cnn(**options):
    layers = [Conv2d(4, 3, padding="same"), "relu", MaxPool2d(2), Conv2d(6, 3), BatchNorm2d(), "relu", Flatten(), Dense(5), "relu",
              Dropout(0.2), Dense(3)]  # fmt: skip
    net = pwl.Network.from_layers(layers, (8, 8, 1), dtype=np.float64, **options)
    x, t = images()
    return pwl.train(net, (x, t), pwl.Adam(0.01), iterations=2, batch_size=20)[0]


# ---- lists of activations


def test_one_activation_per_hidden_layer():
    net = pwl.Network.mlp(2, (3, 4), 1, activation=["tanh", pwl.PiecewiseLinear(hinges=5)])
    assert [type(layer).__name__ for layer in net.layers] == ["Dense", "Fixed", "Dense", "PiecewiseLinear"]
    assert net.layers[1].name == "tanh" and net.parts["3.A"].shape == (4, 5)
    same = pwl.Network.mlp(2, (3, 4), 1, activation=["tanh", "tanh"])
    assert np.array_equal(same.theta, pwl.Network.mlp(2, (3, 4), 1, activation="tanh").theta)
    for wrong in (["tanh"], ["tanh"] * 3, []):
        with pytest.raises(pwl.InputError, match="2 hidden layers"):
            pwl.Network.mlp(2, (3, 4), 1, activation=wrong)


# ---- weights by name


def test_names_of_the_weights_of_a_multilayer_perceptron():
    net = pwl.Network.mlp(2, 3, 1, pwl.PiecewiseLinear(hinges=5), W=np.arange(9.0).reshape(3, 3))
    w = net.weights()
    assert list(w) == [
        "0.thresholds",
        "0.weights",
        "1.ordinates",
        "output.constants",
        "output.inputs",
        "output.weights",
    ]
    assert w["0.thresholds"].tolist() == [0, 3, 6] and w["0.weights"].tolist() == [[1, 2], [4, 5], [7, 8]]
    assert w["output.inputs"].shape == (1, 2) and w["output.weights"].shape == (1, 3)
    with pytest.raises(ValueError, match="read-only"):
        w["0.weights"][0] = 1


def test_names_of_other_layers():
    layers = [
        CurvedDense(4, [0.0, 1.0, 2.0]),
        "apl",
        Dense(2),
        pwl.ScaledActivation("tanh"),
        Dense(1),
        "spline",
        Dense(1),
    ]
    net = pwl.Network.from_layers(layers, (2,), loss="squared_error", bypass=True)
    net = pwl.initialise(net, (np.random.default_rng(0).normal(size=(30, 2)), np.zeros((30, 1))), ridge=1.0)
    shapes = {name: a.shape for name, a in net.weights().items()}
    assert (
        shapes["0.rises"] == (4, 4)
        and shapes["1.slopes"] == shapes["1.hinges"] == (4, 5)
        and shapes["3.scales"] == (2, 1)
    )
    assert shapes["5.ordinates"] == (1, 13) and shapes["output.rises"] == (1, 4)
    assert sum(map(np.prod, shapes.values())) == net.n_parameters
    image = cnn().weights()
    assert image["0.weights"].shape == (4, 3, 3, 1) and image["4.scales"].shape == image["4.shifts"].shape == (6,)


@pytest.mark.parametrize(
    "net", [cnn(), pwl.Network.mlp(2, (3, 2), 2, pwl.PiecewiseLinear(hinges=5))], ids=["cnn", "mlp"]
)
def test_weights_go_in_as_they_came_out(net):
    given = {name: np.random.default_rng(0).normal(size=a.shape) for name, a in net.weights().items()}
    other = net.with_weights(given)
    assert all(np.array_equal(a, given[name]) for name, a in other.weights().items())
    some = net.with_weights({"output.constants": given["output.constants"]})
    assert (
        np.array_equal(some.theta == net.theta, some.theta != other.theta)
        or np.sum(some.theta != net.theta) == net.n_outputs
    )
    assert np.array_equal(other.with_weights(net.weights()).theta, net.theta)


def test_a_convolution_by_name_is_the_one_of_the_window():
    net = cnn()
    w = np.zeros((4, 3, 3, 1))
    w[:, 1, 1] = 1.0  # the pixel itself
    net = net.with_weights({"0.weights": w, "0.thresholds": np.arange(4.0)})
    x = images()[0]
    n = net.layers[0].apply(*net.layer(0)[1:], x)
    assert np.allclose(n, x + np.arange(4.0))


@pytest.mark.parametrize(
    ("given", "said"),
    [({"0.weigths": 1}, "did you mean '0.weights'"), ({"0.weights": [1.0]}, "shape \\(3, 2\\)"),
     ({"0.thresholds": [1, 2, np.nan]}, "finite"), ({"0.thresholds": ["a", "b", "c"]}, "finite numbers")],
)  # fmt: skip
def test_weights_that_do_not_fit_are_refused(given, said):
    with pytest.raises(pwl.InputError, match=said):
        pwl.Network.mlp(2, 3, 1).with_weights(given)


# ---- other activations


def test_curves_that_replace_relu_leave_the_function_as_it_is():
    net, (x, _) = cnn(), images()
    for where in ("all", "last", 1, [1, 5]):
        curved = net.replace_activations(where, pwl.PiecewiseLinear(hinges=13, outside="linear"))
        np.testing.assert_allclose(curved.predict_proba(x), net.predict_proba(x), atol=1e-12)
    assert [i for i, layer in enumerate(curved.layers) if isinstance(layer, pwl.PiecewiseLinear)] == [1, 5]
    assert curved.parts["5.A"].shape == (6, 13) and curved.weights().keys() > net.weights().keys()
    assert np.array_equal(curved.weights()["7.weights"], net.weights()["7.weights"])
    assert np.array_equal(curved.buffers["4.mean"], net.buffers["4.mean"])


def test_other_functions_are_sampled_at_the_hinges():
    x, t = data()
    net = pwl.initialise(pwl.Network.mlp(3, 4, 1, "tanh"), (x, t))
    curved = net.replace_activations("all", pwl.PiecewiseLinear("relu", [-2.0, -0.5, 1.0]))
    assert np.array_equal(curved.A, np.tanh(np.tile([-2.0, -0.5, 1.0], (4, 1))))
    other = curved.with_weights({"1.ordinates": np.arange(12.0).reshape(4, 3)})
    again = other.replace_activations(1, pwl.PiecewiseLinear(hinges=[-1.25, 1.0]))
    assert np.array_equal(again.A, [[0.5, 2.0], [3.5, 5.0], [6.5, 8.0], [9.5, 11.0]])
    smooth = net.replace_activations("all", pwl.Spline(hinges=9, span=(-3, 3)))
    assert np.allclose(smooth.parts["1.Q"], np.tanh(np.linspace(-3, 3, 9)))
    assert net.replace_activations("all", "relu").layers[1].name == "relu"


def test_hinges_over_the_nets_of_the_data():
    x, t = data()
    net = pwl.initialise(pwl.Network.mlp(3, 4, 1, "tanh").with_preparation(pwl.Preparation.fit(x, t)), (x, t))
    new = pwl.PiecewiseLinear("relu", 41, span="nets")
    with pytest.raises(pwl.InputError, match="data="):
        net.replace_activations("all", new)
    curved = net.replace_activations("all", new, (x, t))
    n = net.layers[0].apply(*net.layer(0)[1:], net.preparation.transform(x))
    ns = curved.buffers["1.ns"]
    assert np.all(ns[:, 0] <= n.min(axis=0)) and np.all(ns[:, -1] >= n.max(axis=0))
    assert np.max(np.abs(curved.predict(x) - net.predict(x))) < 0.01 * np.ptp(t)


@pytest.mark.parametrize("where", ["first", 0, [1, 0], [], None, 1.0, -1, True])
def test_places_without_an_activation_are_refused(where):
    with pytest.raises(
        pwl.InputError, match='where must be "all", "last", or numbers of layers that are activations, 1, 3'
    ):
        pwl.Network.mlp(2, (3, 3), 1).replace_activations(where, "relu")


# ---- fine-tuning


@pytest.mark.parametrize(
    ("frozen", "algorithm"), [(0, pwl.Adam(0.01)), (3, pwl.Adam(0.01)), (7, pwl.AdAct()), (7, pwl.MOLF())]
)
def test_frozen_layers_stay_and_the_rest_learns(frozen, algorithm):
    net, (x, t) = cnn(), images()
    if isinstance(algorithm, pwl.AdAct):
        net = net.replace_activations("last", pwl.PiecewiseLinear(hinges=13, outside="linear"))
    words = np.array(["dark", "bright"])[t]
    net = net.with_preparation(pwl.Preparation.fit(x, np.arange(60) % 3))
    tuned, record = pwl.finetune(net, (x, words), algorithm, frozen=frozen, iterations=25, test=(x, words))
    assert tuned.n_outputs == 2 and set(tuned.predict(x)) == {"dark", "bright"}
    assert np.mean(tuned.predict(x) == words) > 0.95
    for key, part in net.parts.items():
        layer = net.layout.by_key[key].layer
        assert layer >= len(net.layers) or np.array_equal(part, tuned.parts[key]) == (layer < frozen), key
    assert record["error"][-1] < record["error"][0] < np.log(2), "it begins with an output step, and goes on"
    assert frozen == 0 or np.array_equal(tuned.buffers["4.mean"], net.buffers["4.mean"]) == (frozen > 4)


def test_training_above_frozen_layers_is_training_on_their_outputs():
    """Against the features by hand."""
    net, (x, t) = cnn(), images()
    tuned, record = pwl.finetune(net, (x, t), pwl.MOLF(), frozen=7, iterations=3)
    o = x
    for index in range(7):
        o = net.layers[index].apply(*net.layer(index)[1:], o)
    upper = pwl.Network.from_layers([Dense(5), "relu", Dropout(0.2), Dense(2)], o.shape[1:], dtype=np.float64)
    upper, _ = pwl.owo_step(upper.with_parts({"0.W": net.parts["7.W"], "head.W": 0 * upper.W_o}), pwl.Patterns(o, t))
    wanted, same = pwl.train(upper, (o, t), pwl.MOLF(), iterations=3)
    assert record["error"] == same["error"]
    assert np.array_equal(tuned.parts["7.W"], wanted.parts["0.W"]) and np.array_equal(tuned.W_o, wanted.W_o)
    np.testing.assert_allclose(tuned.predict_proba(x), wanted.predict_proba(o), rtol=1e-12)


def test_the_old_outputs_may_be_trained_on():
    x, t = data()
    net = pwl.Network.mlp(3, 4, 1, "tanh").with_preparation(pwl.Preparation.fit(x, t))
    net, record = pwl.train(net, (x, t), pwl.MOLF(), iterations=5)
    _, more = pwl.finetune(net, (x, t), pwl.MOLF(), new_head=False, iterations=5)
    assert more["error"][0] == pytest.approx(record["error"][-1]) and more["error"][-1] < more["error"][0]
    other, _ = pwl.finetune(net, (x, np.hstack([100 * t, -t])), pwl.MOLF(), iterations=5)
    assert other.predict(x).shape == (120, 2) and np.corrcoef(other.predict(x)[:, 0], t[:, 0])[0, 1] > 0.9


def test_fine_tuning_that_cannot_be_is_said():
    net, (x, t) = cnn(), images()
    skipping = pwl.Network.from_layers([Dense(4), "relu", Dense(4), Add(2), "tanh", Dense(2)], (4,))
    flat = np.random.default_rng(0).normal(size=(20, 4))
    cases = [
        (lambda: pwl.finetune(net, (x, t), pwl.MOLF(), frozen=11), "from 0 to 9"),
        (lambda: pwl.finetune(net, (x, t), pwl.MOLF(), frozen=True), "frozen must be"),
        (lambda: pwl.finetune(net, (x, 1.0 * t[:, None]), pwl.MOLF(), frozen=7), "labels, one per pattern"),
        (lambda: pwl.finetune(pwl.Network.mlp(4, 3, 1), (flat, flat[:, :1]), pwl.MOLF()), "not been initialised"),
        (
            lambda: pwl.finetune(skipping, (flat, np.arange(20) % 2), pwl.Adam(), frozen=2),
            "freeze 1 layers at most, or 4 at least",
        ),
        (lambda: pwl.finetune(cnn(bypass=True), (x, t), pwl.Adam(), frozen=2), "bypass=False"),
        (lambda: pwl.finetune(net, (x, t), pwl.Adam(), frozen=2, augment=pwl.Augmentation(9)), "out of sight"),
    ]
    for call, said in cases:
        with pytest.raises(pwl.InputError, match=said):
            call()


# ---- records


def test_a_record_as_a_data_frame():
    pandas = pytest.importorskip("pandas", reason="data frames are pandas's")
    x, t = data()
    _, record = pwl.train(pwl.Network.mlp(3, 2, 1, "tanh"), (x, t), pwl.MOLF(), iterations=3)
    frame = record.to_pandas()
    assert isinstance(frame, pandas.DataFrame) and tuple(frame.columns) == record.names == tuple(record.series)
    assert frame["error"].dtype == float and frame["error"].tolist() == record["error"]
    assert frame.index.name == "iteration" and len(frame) == 4 and frame["z"][0] is None


def test_without_pandas_a_sentence_says_what_to_install(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(pwl.InputError, match="pip install pandas"):
        pwl.Record().to_pandas()
