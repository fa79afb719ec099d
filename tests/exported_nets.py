"""Random networks of every kind, with data around them, for tests that hold exports equal to `predict`."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from hypothesis import reject
from hypothesis import strategies as st

import pwl
from pwl.layers import (
    AdaptiveAvgPool2d,
    Add,
    AvgPool2d,
    BatchNorm2d,
    Conv2d,
    Dense,
    Dropout,
    Flatten,
    From,
    GlobalAvgPool2d,
    MaxPool2d,
    Pad2d,
)
from pwl.network.predict import outputs_of

SETTINGS = {"deadline": None, "derandomize": True}
LABELS = ((0, 1, 2), (7, -1, 40), ("low", 'mi"d\\', "höch??"), (False, True))


@st.composite
def activations(draw: Any) -> Any:
    curve = st.sampled_from(["relu", "tanh", "leaky_relu"])
    outside = st.sampled_from(["constant", "linear"])
    positions = st.sampled_from([[-1.0, 2.0], [-2.0, -0.5, 0.25], [-1.5, -1.0, 0.0, 0.1, 2.0]])
    return draw(
        st.one_of(
            st.sampled_from(["relu", "leaky_relu", "sigmoid", "tanh", "identity", "apl", "spline", "tansig"]),
            st.builds(pwl.PLU, st.floats(0, 1), st.floats(0.2, 2)),
            st.builds(pwl.APL, st.integers(1, 3)),
            st.builds(pwl.Spline, curve, st.integers(4, 9), st.just((-2.0, 2.0))),
            st.builds(pwl.PiecewiseLinear, curve, st.integers(2, 9), outside=outside),
            st.builds(pwl.PiecewiseLinear, curve, positions, outside=outside),
            st.builds(pwl.PiecewiseLinear, curve, st.just("auto"), span=st.just("nets")),
            st.builds(pwl.ScaledActivation, st.sampled_from(["tanh", "sigmoid", "relu"]), st.floats(1, 3)),
        )
    )


@st.composite
def curved_inputs(draw: Any, n: int) -> Any:
    own = st.lists(st.integers(-4, 4).map(lambda v: v / 2), min_size=2, max_size=5, unique=True).map(sorted)
    each = st.lists(st.one_of(st.just([]), own), min_size=n, max_size=n)
    return draw(st.one_of(st.none(), st.none(), st.integers(2, 5), own, each))


@st.composite
def mlps(draw: Any, dtype: Any = None) -> tuple[pwl.Network, np.ndarray]:
    """A multilayer perceptron and inputs in its units."""
    n, widths = draw(st.integers(1, 5)), draw(st.lists(st.integers(1, 6), min_size=1, max_size=3))
    loss = draw(st.sampled_from(["squared_error", "squared_error", "cross_entropy", "output_reset"]))
    labels = draw(st.sampled_from(LABELS))
    M = draw(st.integers(1, 3)) if loss == "squared_error" else len(labels)
    net = pwl.Network.mlp(
        n, widths, M, draw(activations()), bypass=draw(st.booleans()), loss=loss, input_hinges=draw(curved_inputs(n)),
        dtype=dtype or draw(st.sampled_from([np.float32, np.float64])),
    )  # fmt: skip
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    x = rng.normal(size=(40, n))
    x[:, 0] = draw(st.sampled_from([2000.0, 0.0, -3e5])) + draw(st.sampled_from([1.0, 0.01, 100.0])) * x[:, 0]
    t = rng.normal(size=(40, M)) * 3 + 50 if loss == "squared_error" else np.array(labels)[rng.integers(0, M, 40)]
    inputs = draw(st.sampled_from(["standardise", "minmax", "common", "decorrelate", None]))
    if inputs is None and (net.loss.classes and labels != (0, 1, 2)):
        inputs = "standardise"
    if inputs is None:
        x[:, 0] = rng.normal(size=40)
    else:
        targets = draw(st.sampled_from(["standardise", "centre", "minmax", "none"]))
        classes = labels if net.loss.classes else None
        net = net.with_preparation(pwl.Preparation.fit(x, t, inputs=inputs, targets=targets, classes=classes))
    net = shaken(pwl.initialise(net, (x, t), ridge=1e-3), rng)
    return net, np.concatenate([x, 3 * (x - x.mean(axis=0)) + x.mean(axis=0)])


@st.composite
def cnns(draw: Any, dtype: Any = None) -> tuple[pwl.Network, np.ndarray]:
    """A network for images and images."""
    height, width, channels = draw(st.integers(6, 9)), draw(st.integers(6, 9)), draw(st.sampled_from([1, 2, 4]))
    shape, layers = (height, width, channels), []
    for _ in range(draw(st.integers(1, 2))):
        layers += draw(blocks(channels))
        channels = layers[-1].filters if isinstance(layers[-1], Conv2d) else channels
        layers += draw(st.lists(st.one_of(activations(), st.just(Dropout(0.3)), st.just(BatchNorm2d())), max_size=2))
    layers.append(
        draw(
            st.sampled_from(
                [MaxPool2d(2), MaxPool2d((2, 3), 1), AvgPool2d(2, 1), AvgPool2d((1, 2)), Pad2d((0, 2)), Dropout(0.5),
                 AdaptiveAvgPool2d((3, 4))]
            )
        )
    )
    layers += [draw(st.sampled_from([Flatten(), GlobalAvgPool2d()]))]
    layers += [Dense(4), draw(activations()), Dense(3)]
    kind, bypass = dtype or draw(st.sampled_from([np.float32, np.float64])), draw(st.booleans())
    try:
        net = pwl.Network.from_layers(layers, shape, bypass=bypass, dtype=kind)
    except pwl.InputError:  # a window does not fit what the layers before it leave of the images
        reject()
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    x, t = rng.integers(0, 256, (12, *net.input_shape)), np.arange(12) % 3
    net = net.with_preparation(pwl.Preparation.fit(x, t))
    net = shaken(pwl.initialise(net, (x, t)), rng)
    buffers = {
        k: np.abs(b + 0.1).astype(b.dtype) if k.endswith(("mean", "variance")) else b for k, b in net.buffers.items()
    }
    return dataclasses.replace(net, buffers=buffers), x.astype(np.float64)


@st.composite
def blocks(draw: Any, channels: int) -> list[Any]:
    """A convolution, after a residual block or not."""
    same = Conv2d(channels, 3, padding="same")
    residual = draw(
        st.sampled_from(
            [[], [same, "relu", same, Add(3)], ["tanh", Add(1)], [same, "tanh", From(2), Conv2d(channels, 1), Add(2)]]
        )
    )
    groups = draw(st.sampled_from([g for g in (1, 2) if channels % g == 0]))
    conv = Conv2d(
        groups * draw(st.integers(1, 2)), draw(st.sampled_from([1, 2, 3, (2, 1)])), groups=groups, bias=draw(st.booleans()),
        stride=draw(st.sampled_from([1, 1, (1, 2)])), padding=draw(st.sampled_from(["same", 1, (0, 2)])),
        dilation=draw(st.sampled_from([1, 1, 2])),
    )  # fmt: skip
    return [*residual, conv]


def shaken(net: pwl.Network, rng: np.random.Generator) -> pwl.Network:
    """The network with other weights near its own."""
    return net.with_theta((net.theta + 0.2 * rng.normal(size=net.theta.shape)).astype(net.theta.dtype))


@st.composite
def ensembles(draw: Any) -> tuple[pwl.Ensemble, np.ndarray]:
    """Several networks that fit together, with weights and perhaps bounds."""
    net, x = draw(mlps())
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    nets = [net, *(shaken(net, rng) for _ in range(draw(st.integers(0, 2))))]
    weights = rng.uniform(0.1, 1, len(nets))
    bounds = None
    if not net.loss.classes and draw(st.booleans()):
        y = net.predict(x)
        bounds = np.quantile(y, [0.2, 0.8], axis=0)
    return pwl.Ensemble(nets, bounds, weights), x


def any_nets() -> Any:
    return st.one_of(mlps(), cnns(), ensembles())


def wide(net: pwl.Network) -> pwl.Network:
    """The network with its numbers in float64, so that its own rounding is none of the export's."""
    buffers = {key: b.astype(np.float64) for key, b in net.buffers.items()}
    return dataclasses.replace(net, theta=net.theta.astype(np.float64), buffers=buffers)


def wanted(net: Any, x: np.ndarray, dtype: Any) -> tuple[np.ndarray, np.ndarray | None]:
    """Outputs as exports give them, and labels for classes, by the network in float64 for the inputs that the export sees."""
    nets, weights = (net.nets, net.weights) if isinstance(net, pwl.Ensemble) else ((net,), (1.0,))
    nets, x = [wide(one) for one in nets], x.astype(dtype).astype(np.float64)
    net = pwl.Ensemble(nets, net.bounds, weights) if isinstance(net, pwl.Ensemble) else nets[0]
    if not net.loss.classes:
        return net.predict(x), None
    if net.loss.probabilities:
        return net.predict_proba(x), net.predict(x)
    return sum(w * outputs_of(one, x) for one, w in zip(nets, weights, strict=True)), net.predict(x)


def classes_of(net: Any) -> np.ndarray:
    """The labels of a network in the order of their numbers."""
    return np.arange(net.n_outputs) if net.preparation is None else np.asarray(net.preparation.classes)


def check_equal(y: np.ndarray, labels: np.ndarray | None, net: Any, x: np.ndarray, dtype: Any) -> None:
    """Holds outputs, and the labels of classes, equal to `predict`: to 1e-12 in float64 and 1e-5 in float32."""
    tolerance = 1e-12 if dtype == np.float64 else 1e-5
    expected, found = wanted(net, x, dtype)
    assert y.dtype == dtype and y.shape == expected.shape
    scale = max(1.0, float(np.max(np.abs(expected))))
    np.testing.assert_allclose(y, expected, rtol=0, atol=tolerance * scale)
    if found is not None:
        clear = np.ptp(np.sort(expected, axis=1)[:, -2:], axis=1) > 10 * tolerance * scale
        assert np.array_equal(np.asarray(labels)[clear], found[clear])
