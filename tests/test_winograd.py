"""3x3 convolutions by squares, Eqs. (105), (106): the maps, every kind of shape, equal bits in any company, what tiles do."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pwl.kernels.cpu import convolution as compiled
from pwl.kernels.cpu import winograd
from pwl.kernels.cpu.register_tile import VECTORS, wide
from pwl.kernels.reference import convolution
from pwl.kernels.window import Window
from pwl.layers import Conv2d

B = np.array([[1, 0, -1, 0], [0, 1, 1, 0], [0, -1, 1, 0], [0, 1, 0, -1]])  # B', by Lavin & Gray 2016
F = np.array([[1, 0, 0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0, 0, 1]])
A = np.array([[1, 1, 1, 0], [0, 1, -1, -1]])  # A'

SAME = Conv2d(1, 3, padding="same").window


@pytest.fixture(autouse=True)
def taken(monkeypatch):
    """How often squares were worked on, so that no test compares tiles with the specification by mistake."""
    calls = []
    for name in ("nets", "weight_gradient"):
        original = getattr(winograd, name)
        monkeypatch.setattr(winograd, name, lambda *args, original=original: calls.append(1) or original(*args))
    return calls


def lanes(dtype):
    return wide(np.dtype(dtype).itemsize) // VECTORS


def whole_numbers(rng, shape, dtype):
    return rng.integers(-3, 4, shape).astype(dtype)


def test_the_maps_are_a_convolution():
    """A' [(F w F') o (B' x B)] A of numbers, without any kernel: what the compiled maps have to be."""
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((4, 4)), rng.standard_normal((3, 3))
    found = A @ ((F @ w @ F.T) * (B @ x @ B.T)) @ A.T
    wanted = [[np.sum(x[i : i + 3, j : j + 3] * w) for j in range(2)] for i in range(2)]
    np.testing.assert_allclose(found, wanted, atol=1e-14)


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from([np.float32, np.float64]), st.sampled_from([1, 2, 3, 8]), st.integers(1, 5), st.integers(0, 5),
    st.tuples(st.integers(4, 11), st.integers(4, 11)), st.tuples(*[st.integers(0, 3)] * 4), st.integers(8, 20),
)  # fmt: skip
def test_squares_are_the_specification(dtype, channels, filters, Nv, places, padding, space):
    """Whole numbers and halves, so that any order of sums gives the same bits; space: from one tile at a time to all squares.

    Work space begins as NaN, so that nothing is read before it is written. Eight registers of channels lie further apart.
    """
    rng, window = np.random.default_rng(Nv), Window((3, 3), (1, 1), (padding[:2], padding[2:]), (1, 1))
    height, width = (max(1, n + 2 - sum(pad)) for n, pad in zip(places, window.padding, strict=True))
    C, filters = channels * lanes(dtype), filters * lanes(dtype)
    x, W = whole_numbers(rng, (Nv, height, width, C), dtype), whole_numbers(rng, (filters, 3, 3, C), dtype)
    g = whole_numbers(rng, (Nv, *window.output(height, width), filters), dtype)
    threshold = whole_numbers(rng, filters, dtype)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(winograd, "SPACE", 2**space)
        patch.setattr(winograd, "planes", lambda numbers, dtype, planes=winograd.planes: planes(numbers, dtype) * np.nan)
        assert winograd.serves(window, x.shape, filters, x.itemsize)
        for found, wanted in (
            (compiled.convolve(x, W, window, threshold), convolution.convolve(x, W, window, threshold)),
            (compiled.weight_gradient(x, g, window), convolution.weight_gradient(x, g, window)),
            (
                compiled.input_gradient(g, W, window, height, width),
                convolution.input_gradient(g, W, window, height, width),
            ),
        ):
            assert found.dtype == dtype and found.flags.c_contiguous
            np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", ["convolve", "weight_gradient"])
def test_rounding_is_that_of_a_product(name, dtype, taken):
    """Of 32 channels: no more than four times the error of one product of the patches."""
    rng, shape = np.random.default_rng(1), (4, 16, 16, 32)
    x = np.maximum(rng.standard_normal(shape), 0).astype(dtype)  # as after ReLU
    other = rng.standard_normal((32, 3, 3, 32) if name == "convolve" else shape).astype(dtype)
    exact = getattr(convolution, name)(x.astype(np.longdouble), other.astype(np.longdouble), SAME)

    def error(engine):
        return float(np.max(np.abs(getattr(engine, name)(x, other, SAME) - exact)))

    assert error(compiled) < 4 * error(convolution)
    assert taken


@pytest.mark.parametrize("channels", [5, 16])  # by tiles, and by squares
@pytest.mark.parametrize(("images", "others"), [(np.float32, np.float64), (np.float64, np.float32)])
def test_the_images_say_in_which_numbers(channels, images, others):
    rng = np.random.default_rng(5)
    x, g = (whole_numbers(rng, (3, 8, 8, channels), dtype) for dtype in (images, others))
    W, threshold = whole_numbers(rng, (channels, 3, 3, channels), others), whole_numbers(rng, channels, others)
    for found, wanted in (
        (compiled.convolve(x, W, SAME, threshold), convolution.convolve(x, W.astype(images), SAME, threshold.astype(images))),
        (compiled.weight_gradient(x, g, SAME), convolution.weight_gradient(x, g.astype(images), SAME)),
        (compiled.input_gradient(x, W, SAME, 8, 8), convolution.input_gradient(x, W.astype(images), SAME, 8, 8)),
    ):
        assert found.dtype == images
        np.testing.assert_array_equal(found, wanted)


def test_a_patterns_nets_do_not_depend_on_the_others(taken):
    rng, C = np.random.default_rng(2), 2 * lanes(np.float32)
    x, W = (rng.standard_normal(shape).astype(np.float32) for shape in ((7, 8, 8, C), (C, 3, 3, C)))
    together = compiled.convolve(x, W, SAME)
    for p in range(len(x)):
        np.testing.assert_array_equal(compiled.convolve(x[p : p + 1], W, SAME)[0], together[p])
    assert len(taken) == 8


def test_views_are_as_good_as_copies(taken):
    rng, C = np.random.default_rng(3), lanes(np.float64)
    wide_x, wide_g = rng.standard_normal((2, 6, 2 * C, 7)), rng.standard_normal((2, 7, 6, 2 * C))
    x, g, W = wide_x.transpose(0, 3, 1, 2)[..., ::2], wide_g[..., C:], rng.standard_normal((C, 3, 3, C))[:, ::-1]
    for call in (
        lambda f: compiled.convolve(f(x), f(W), SAME), lambda f: compiled.weight_gradient(f(x), f(g), SAME),
        lambda f: compiled.input_gradient(f(g), f(W), SAME, 7, 6),
    ):  # fmt: skip
        np.testing.assert_array_equal(call(lambda a: a), call(np.ascontiguousarray))
    assert len(taken) == 6


def test_what_is_left_to_tiles():
    n, size = lanes(np.float32), 4
    shape = (5, 8, 8, n)
    assert winograd.serves(SAME, shape, n, size)
    for window in (
        SAME._replace(stride=(2, 1)), SAME._replace(dilation=(1, 2)), SAME._replace(size=(3, 5)), SAME._replace(size=(1, 1)),
    ):  # fmt: skip
        assert not winograd.serves(window, shape, n, size)
    assert not winograd.serves(SAME, (5, 8, 8, 3), n, size) and not winograd.serves(SAME, shape, n + 1, size)
    assert not winograd.serves(SAME, (5, 3, 8, n), n, size) and winograd.serves(SAME, (5, 4, 4, n), n, size)
