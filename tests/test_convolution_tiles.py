"""What surrounds the tiles of compiled convolutions: bands of filters, images side by side, matrices turned over, sums."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pwl.kernels.cpu import convolution as compiled
from pwl.kernels.cpu import sums as sums_cpu
from pwl.kernels.cpu.frames import side_by_side
from pwl.kernels.cpu.register_tile import ROWS
from pwl.kernels.cpu.transpose import transpose
from pwl.kernels.reference import convolution, sums
from pwl.layers import Conv2d

FLOATS = pytest.mark.parametrize("dtype", [np.float32, np.float64])


@FLOATS
@pytest.mark.parametrize("filters", [1, 16, 20, 32, 64, 70])
@pytest.mark.parametrize(("Nv", "side"), [(0, 3), (1, 3), (7, 3), (5, 8)])
def test_bands_of_filters_and_images_side_by_side(filters, Nv, side, dtype):
    """Whole numbers, so that any order of sums gives the same bits."""
    rng, window = np.random.default_rng(filters), Conv2d(filters, 3, padding="same").window
    x = rng.integers(-3, 4, (Nv, side, side, 5)).astype(dtype)
    g = rng.integers(-3, 4, (Nv, side, side, filters)).astype(dtype)
    W, threshold = rng.integers(-3, 4, (filters, 46)).astype(dtype), rng.integers(-3, 4, filters).astype(dtype)
    kernel = W[:, 1:].reshape(filters, 3, 3, 5)  # rows further apart than they are long, as in a layer
    for found, wanted in (
        (compiled.convolve(x, kernel, window, threshold), convolution.convolve(x, kernel, window, threshold)),
        (compiled.weight_gradient(x, g, window), convolution.weight_gradient(x, g, window)),
        (compiled.input_gradient(g, kernel, window, side, side), convolution.input_gradient(g, kernel, window, side, side)),
    ):
        np.testing.assert_array_equal(found, wanted)


def test_images_stand_side_by_side_until_tiles_are_full():
    for places in range(1, 2000):
        images = side_by_side(places, most=1024)
        assert images == 1 or (images * places % ROWS == 0 and images * places <= 1024)
        assert images <= ROWS
    assert side_by_side(ROWS, 1024) == 1 and side_by_side(1, 1024) == ROWS and side_by_side(1, ROWS - 1) == 1


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 3), st.sampled_from([np.float32, np.float64]))
def test_a_matrix_is_turned_over(rows, columns, more, dtype):
    a = np.arange(rows * (columns + more), dtype=dtype).reshape(rows, columns + more)
    out = np.full((columns, rows + more), -1, dtype)
    transpose(dtype(0), a.ctypes.data, columns + more, out.ctypes.data, rows + more, rows, columns)
    np.testing.assert_array_equal(out[:, :rows], a[:, :columns].T)
    assert np.all(out[:, rows:] == -1)  # nothing is written beyond


@FLOATS
@pytest.mark.parametrize("shape", [(5, 3), (4, 6, 6, 20), (0, 4)])
def test_column_sums_are_the_specification(shape, dtype):
    rng = np.random.default_rng(0)
    a, b = (rng.integers(-9, 10, shape).astype(dtype) for _ in range(2))
    for found, wanted in (
        (sums_cpu.column_sums(a), sums.column_sums(a)),
        (sums_cpu.column_products(a, b), sums.column_products(a, b)),
    ):
        assert found.dtype == wanted.dtype == dtype
        np.testing.assert_array_equal(found, wanted)
