"""Convolutions on the GPU engine equal the specification, on tensor cores and without them, as test_cuda.py says of the rest."""

from __future__ import annotations

import numpy as np
import pytest
from cuda_engine import same, whole_numbers
from hypothesis import given, settings
from hypothesis import strategies as st

from pwl.kernels.reference import convolution
from pwl.kernels.window import Window

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("aligned")]

WAYS = {"float64": (np.float64, 0), "float32": (np.float32, 0), "split TF32": (np.float32, 3), "TF32": (np.float32, 1)}
MAIN = ("float64", "float32", "split TF32")  # TF32 is the same kernel with fewer products


@pytest.fixture
def dtype(gpu, way, monkeypatch):
    """The type of the numbers. Products of float32 are made by tensor cores or not, as the way says."""
    found, products = WAYS[way]
    take_way(gpu, products, monkeypatch)
    return found


def take_way(gpu, products, monkeypatch):
    if products and not gpu.tensor_convolution.products():
        pytest.skip("the card has no tensor cores for TF32")
    monkeypatch.setattr(gpu.tensor_convolution, "products", lambda: products)


CONVOLUTIONS = {
    "1": Window((1, 1), (1, 1), ((0, 0), (0, 0)), (1, 1)),
    "same": Window((3, 3), (1, 1), ((1, 1), (1, 1)), (1, 1)),
    "uneven": Window((4, 2), (1, 1), ((1, 2), (0, 1)), (1, 1)),
    "strides": Window((3, 2), (2, 3), ((1, 1), (0, 2)), (1, 1)),
    "dilated": Window((3, 2), (1, 2), ((2, 2), (0, 3)), (2, 3)),
    "gaps": Window((1, 2), (3, 4), ((0, 0), (1, 1)), (1, 1)),
    "borders": Window((2, 3), (1, 2), ((4, 0), (2, 5)), (1, 1)),
}


@pytest.mark.parametrize("window", CONVOLUTIONS.values(), ids=CONVOLUTIONS)
@pytest.mark.parametrize("way", MAIN)
@pytest.mark.parametrize("size", [(3, 7, 8, 3), (2, 9, 7, 4), (1, 5, 6, 1), (2, 5, 6, 8)], ids=str)
def test_convolution_equals_the_specification(gpu, size, dtype, window, monkeypatch):
    """Small whole numbers: products and sums are exact, so that results are equal. Some signals are spread in parts."""
    monkeypatch.setattr(gpu.convolution, "SPREAD_BYTES", 5000)
    assert_convolution(gpu, size, 5, dtype, window)


def assert_convolution(gpu, size, filters, dtype, window):
    rng = np.random.default_rng(5)
    x, W = whole_numbers(rng, size, dtype), whole_numbers(rng, (filters, *window.size, size[3]), dtype)
    threshold = whole_numbers(rng, (filters,), dtype)
    wanted = convolution.convolve(x, W, window)
    g = whole_numbers(rng, wanted.shape, dtype)
    images, weights, signals = map(gpu.array, (x, W, g))
    same(gpu, gpu.convolution.convolve(images, weights, window), wanted)
    found = gpu.convolution.convolve(images, weights, window, gpu.array(threshold))
    same(gpu, found, convolution.convolve(x, W, window, threshold))
    G = gpu.convolution.weight_gradient(images, signals, window)
    same(gpu, G, convolution.weight_gradient(x, g, window))
    dx = gpu.convolution.input_gradient(signals, weights, window, *size[1:3])
    same(gpu, dx, convolution.input_gradient(g, W, window, *size[1:3]))


@pytest.mark.parametrize("filters", [1, 36, *(pytest.param(n, marks=pytest.mark.slow) for n in (32, 64, 128, 130))])
@pytest.mark.parametrize("way", MAIN)
@pytest.mark.parametrize("size", [(0, 5, 5, 3), (3, 10, 9, 3), (2, 12, 11, 20), (9, 5, 7, 16)], ids=str)
@pytest.mark.slow
def test_convolution_in_tiles(gpu, size, dtype, filters):
    """Tiles of all sizes, full ones and ends, some and many parts of the sums."""
    assert_convolution(gpu, size, filters, dtype, CONVOLUTIONS["same"])


@pytest.mark.parametrize("way", ["float32", "split TF32"])
def test_convolution_of_arrays_that_begin_at_any_address(gpu, way, dtype):
    rng, window = np.random.default_rng(5), CONVOLUTIONS["same"]
    x = whole_numbers(rng, (2, 5, 6, 8), np.float32)
    W, g = whole_numbers(rng, (4, 3, 3, 8), np.float32), whole_numbers(rng, (2, 5, 6, 4), np.float32)
    images, signals = (gpu.array(np.zeros(a.size + 1, a.dtype))[1:].reshape(a.shape) for a in (x, g))
    images[...], signals[...] = gpu.array(x), gpu.array(g)
    same(gpu, gpu.convolution.convolve(images, gpu.array(W), window), convolution.convolve(x, W, window))
    same(gpu, gpu.convolution.weight_gradient(images, signals, window), convolution.weight_gradient(x, g, window))
    found = gpu.convolution.input_gradient(signals, gpu.array(W), window, 5, 6)
    same(gpu, found, convolution.input_gradient(g, W, window, 5, 6))


# ---- any shape


@st.composite
def problems(draw):
    """Sizes of images, filters, and a window that fits."""
    height, width, channels, filters = (draw(st.integers(1, most)) for most in (8, 9, 9, 70))
    size, stride, dilation = ((draw(st.integers(1, most)), draw(st.integers(1, most))) for most in (3, 3, 2))
    padding = tuple((draw(st.integers(0, 2)), draw(st.integers(0, 2))) for _ in range(2))
    window = Window(size, stride, padding, dilation)
    fits = min(window.output(height, width)) > 0
    return (draw(st.integers(0, 3)), height, width, channels), filters, window if fits else window._replace(size=(1, 1))


@pytest.mark.parametrize("way", ["split TF32", "TF32"])
@settings(max_examples=25, deadline=None)
@given(problem=problems())
@pytest.mark.slow
def test_convolution_of_any_shape(gpu, way, problem):
    size, filters, window = problem
    with pytest.MonkeyPatch.context() as patch:
        take_way(gpu, WAYS[way][1], patch)
        assert_convolution(gpu, size, filters, np.float32, window)


def test_many_images_are_convolved_in_parts(gpu, monkeypatch):
    """As many as 32 bits can count the numbers of."""
    monkeypatch.setattr(gpu.tensor_convolution, "NUMBERS", 700)
    take_way(gpu, 3, monkeypatch)
    assert_convolution(gpu, (5, 6, 7, 8), 9, np.float32, CONVOLUTIONS["same"])


def test_large_windows_take_no_tensor_cores(gpu, monkeypatch):
    window = Window((17, 1), (1, 1), ((8, 8), (0, 0)), (1, 1))
    assert not gpu.tensor_convolution.takes(np.dtype("float32"), window, (17, 2, 3))
    monkeypatch.setattr(gpu.tensor_convolution, "products", lambda: 3)
    assert gpu.tensor_convolution.takes(np.dtype("float32"), window._replace(size=(16, 1)), (17, 2, 3))
    assert_convolution(gpu, (2, 17, 2, 3), 4, np.float32, window)
