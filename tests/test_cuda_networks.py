"""Whole networks on the GPU's engine where there is no GPU: its kernels, compiled as C++, in place of the CPU's.

Arrays are NumPy's; what is tested is that layers, losses and algorithms give the kernels what these want, and take what they give.
"""

from __future__ import annotations

import contextlib

import numpy as np
import pytest
from cuda_shim import device
from test_devices import BODIES, assert_near, image_net, scores_and_gradients
from test_devices_inputs import curved_net
from toys import LOSSES, activations, problem, random_network, take_step

import pwl
from pwl import kernels
from pwl.layers import BatchNorm2d, Conv2d, Flatten, MaxPool2d

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(device.COMPILER is None, reason="no C++ compiler (g++ or c++) was found"),
]
SOURCES = (
    "activations", "curves", "curve_sums", "net_sums", "input_curves", "pooling", "convolution", "tensor_convolution", "sums",
    "softmax", "updates",
)  # fmt: skip


@pytest.fixture(scope="module")
def engine(compiled):
    return device.engine(compiled)


@pytest.fixture
def gpu(engine, monkeypatch):
    """A context in which all arrays are taken for the GPU's; `used` has the names of the sources whose kernels were launched."""
    used, kernel = set(), engine.launch.kernel

    def noted(source, *instance):
        used.add(source)
        return kernel(source, *instance)

    for name in SOURCES:
        monkeypatch.setattr(vars(engine)[name], "kernel", noted)

    @contextlib.contextmanager
    def taken():
        with monkeypatch.context() as patch:
            patch.setattr(kernels, "is_numpy_array", lambda a: False)
            patch.setattr(kernels, "is_cupy_array", lambda a: True)
            patch.setattr(kernels, "_cuda", lambda: engine)
            patch.setattr("pwl.runtime.threads.workers", lambda: 1)  # the shim has one set of fibers
            yield

    taken.used = used
    return taken


def fresh(patterns, **options):
    """The same patterns, of which no pass has left anything behind for the next one."""
    return pwl.Patterns(patterns.x, patterns.t, patterns.weights, **options)


def assert_same_gradients(gpu, net, patterns):
    wanted = scores_and_gradients(net, patterns)
    with gpu():
        found = scores_and_gradients(net, fresh(patterns))
    for key in wanted:
        assert_near(np.asarray(found[key]), wanted[key], 500 * np.finfo(net.theta.dtype).eps)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("form", ["as it is", "as it trains"])
@pytest.mark.parametrize("body", BODIES)
def test_networks_for_images(gpu, body, form, dtype):
    net = image_net(*BODIES[body], dtype=dtype)
    net = net.training(7, 0) if form == "as it trains" else net
    assert_same_gradients(gpu, net, problem(net, 13, weights=True))
    assert {"convolution" if dtype == np.float64 else "tensor_convolution", "sums", "softmax"} <= gpu.used


@pytest.mark.parametrize(
    "activation", ["relu", pwl.PiecewiseLinear("tanh", 5), pwl.PiecewiseLinear(hinges=[-1, 0, 2], outside="linear")], ids=str
)
def test_activations_are_put_by_convolutions(gpu, engine, activation, monkeypatch):
    """One kernel gives both in passes that save arrays and in passes that don't, and errors are those of two kernels."""
    net = image_net(Conv2d(4, 3), activation, Conv2d(5, 2), activation, Flatten(), dtype=np.float32)
    patterns, launched, launch = problem(net, 9), [], engine.tensor_convolution.launch
    monkeypatch.setattr(engine.tensor_convolution, "launch", lambda *args, **more: (launched.append(args), launch(*args, **more)))
    with gpu():
        together, y = scores_and_gradients(net, patterns), net.predict(patterns.x)
    assert "curves" not in gpu.used or activation != "relu"
    monkeypatch.setattr(engine, "FUSED", False)
    with gpu():
        apart, z = scores_and_gradients(net, patterns), net.predict(patterns.x)
    for key, found in together.items():
        assert np.asarray(found).tobytes() == np.asarray(apart[key]).tobytes()
    assert np.asarray(y).tobytes() == np.asarray(z).tobytes()
    assert len(launched) > 8


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("name", [name for name in activations() if "curves" in name])
def test_curves(gpu, name, loss):
    net = random_network(activations()[name], (4, 3), loss=loss)
    assert_same_gradients(gpu, net, problem(net, 30, weights=True))
    assert {"curves", "curve_sums"} <= gpu.used


@pytest.mark.parametrize(
    "algorithm", [pwl.SGD(0.01), pwl.SGD(0.01, nesterov=True), pwl.Adam(weight_decay=0.1)], ids=repr
)
def test_runs_in_batches(gpu, algorithm):
    """Labels of bytes, groups of patterns, a last batch that is smaller."""
    layers = [
        Conv2d(4, 3, padding="same"),
        BatchNorm2d(group=4),
        pwl.PiecewiseLinear("relu", 5),
        MaxPool2d(2),
        Flatten(),
    ]
    net = image_net(*layers)
    x, t = problem(net, 19).x, problem(net, 19).t.astype(np.uint8)
    wanted, record = pwl.train(net, (x, t), algorithm, iterations=2, batch_size=8)
    with gpu():
        found, there = pwl.train(net, (x, t), algorithm, iterations=2, batch_size=8)
    others = {"activations", "net_sums", "input_curves", "tensor_convolution"}  # fixed ones, dense layers, float32
    assert gpu.used == set(SOURCES) - others
    np.testing.assert_allclose(there["error"], record["error"], rtol=1e-8)
    assert_near(np.asarray(found.theta), wanted.theta, 1e-7)  # Adam's roots of small squares enlarge rounding
    assert np.linalg.norm(wanted.theta - net.theta) > 1e-3


@pytest.mark.parametrize("outputs", [1, 2])
@pytest.mark.parametrize(
    "algorithm",
    [pwl.AdAct(), pwl.AdAct("hwo", "unit"), pwl.LM(train_curves=True), pwl.SCG()],
    ids=lambda a: type(a).__name__,
)
def test_second_order_steps(gpu, algorithm, outputs):
    net = random_network(activations()["curves, linear"], 4, outputs=outputs)
    patterns = problem(net, 40)
    wanted, _, _ = take_step(algorithm, net, patterns)
    with gpu():
        found, _, _ = take_step(algorithm, net, fresh(patterns, block_bytes=2**15))
    assert ("net_sums" in gpu.used) == (outputs == 1 and not isinstance(algorithm, pwl.SCG))
    assert_near(np.asarray(found.theta), wanted.theta, 1e-9)


@pytest.mark.parametrize("algorithm", [pwl.AdAct(), pwl.MOLF("hwo")], ids=lambda a: type(a).__name__)
def test_curves_on_inputs(gpu, algorithm):
    net, patterns = curved_net("tanh" if isinstance(algorithm, pwl.MOLF) else pwl.PiecewiseLinear("tanh", 7))
    assert_same_gradients(gpu, net, patterns)
    wanted, _, _ = take_step(algorithm, net, patterns)
    with gpu():
        found, _, _ = take_step(algorithm, net, patterns)
    assert_near(np.asarray(found.theta), wanted.theta, 1e-9)
    assert "input_curves" in gpu.used
