"""The output step and HWO of convolutional nets, in float32: from a hundred to thousands of functions, many nearly dependent."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from toys import LOSSES, E_of, gradients_of, input_of

import pwl
from pwl.algorithms.molf import hwo_direction
from pwl.layers import Conv2d, Dense, Flatten

CURVES = pwl.PiecewiseLinear("relu", 13)


def smooth_images(net, Nv, seed=0):
    """Sums of a few plane waves, as smooth as photographs: features of neighbouring places nearly repeat each other."""
    rng = np.random.default_rng(seed)
    height, width, channels = net.input_shape
    t = np.arange(Nv) % net.n_outputs
    k, phase = rng.uniform(0, 0.5, (2, Nv, 4, channels)), rng.uniform(0, 2 * np.pi, (Nv, 4, channels))
    k = k * np.where(t % 2, 1.0, 0.5)[:, None, None]
    y, x = np.arange(height)[:, None, None, None], np.arange(width)[:, None, None]
    images = [np.cos(k[0, p] * y + k[1, p] * x + phase[p]).sum(axis=2) for p in range(Nv)]
    return pwl.Patterns(np.array(images, np.float32), t if net.loss.classes else np.eye(net.n_outputs)[t])


def flat(filters, loss):
    """Convolution, curves, and the outputs right on its 7 x 7 places: 49 filters + 1 functions."""
    return pwl.Network.from_layers(
        [Conv2d(filters, 3, 4, padding=1), CURVES, Flatten(), Dense(4)], (28, 28, 1), loss=loss
    )


def assert_goes_down(net, patterns, steps):
    E = [E_of(net, patterns)]
    for _ in range(steps):
        net, info = pwl.owo_step(net, patterns)
        E.append(E_of(net, patterns))
        assert net.theta.dtype == np.float32
    assert np.all(np.diff(E) <= 1e-5 * E[0]) and E[-1] < 0.8 * E[0], (E, len(info["dependent"]))
    return E


@pytest.mark.parametrize("blocks", [1, 2])
def test_vgg(blocks):
    net = pwl.models.vgg(blocks, CURVES, input_shape=(8, 8, 3), n_classes=4)
    assert net.n_basis == 129
    assert_goes_down(net, smooth_images(net, 500), 3)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize(
    ("filters", "patterns", "steps"), [(16, 900, 2), pytest.param(42, 2100, 1, marks=pytest.mark.slow)]
)
def test_thousands_of_functions(filters, patterns, steps, loss):
    net = flat(filters, loss)
    assert net.n_basis == 49 * filters + 1
    assert_goes_down(net, smooth_images(net, patterns), steps)


def test_float32_comes_close_to_float64():
    net = flat(16, "squared_error")
    patterns = smooth_images(net, 900)
    double = pwl.Network.from_layers([*net.layers, Dense(4)], (28, 28, 1), loss="squared_error", dtype=np.float64)
    double = double.with_theta(net.theta.astype(np.float64))
    single, exact = (E_of(pwl.owo_step(at, patterns)[0], patterns) for at in (net, double))
    assert exact <= single < exact + 0.02 * E_of(net, patterns)


def test_the_hwo_direction_of_a_wide_layer():
    """A dense layer on 2,058 features, in float32: D R = G but for what is dropped, R summed here in float64."""
    layers = [Conv2d(42, 3, 4, padding=1), CURVES, Flatten(), Dense(5), "tanh", Dense(4)]
    net = pwl.Network.from_layers(layers, (28, 28, 1))
    patterns = smooth_images(net, 700)
    G = gradients_of(net, patterns, ("3.W",))
    D = hwo_direction(net, patterns, G, pwl.OLS(), {})["3.W"]
    rows = net.layers[3].inputs({}, input_of(net, 3, patterns.x)).astype(np.float64)
    assert np.linalg.norm(D @ (rows.T @ rows / 700) - G["3.W"]) < 0.05 * np.linalg.norm(G["3.W"])


@pytest.mark.slow
def test_memory_does_not_grow_with_the_patterns():
    """Three times as many blocks, of which a few are under way at once, each with an R of its own."""
    net, peaks = flat(4, "cross_entropy"), []
    few = smooth_images(net, 200)
    pwl.owo_step(net, few)  # compiled kernels stay in memory
    for copies in (12, 36):  # in either case more runs of blocks than are under way
        x, t = np.tile(few.x, (copies, 1, 1, 1)), np.tile(few.t, copies)
        patterns = pwl.Patterns(x, t, block_bytes=2**21)
        tracemalloc.start()
        pwl.owo_step(net, patterns)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.4 * peaks[0]
