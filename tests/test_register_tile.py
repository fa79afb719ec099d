"""The tile of a product that stays in registers: each size that a processor may get, against the sums written out."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
from numba import njit

from pwl.kernels.cpu.register_tile import ROWS, VECTOR_BYTES, fitting, tile_product, wide

SIZES = {"AVX-512": (12, 64), "AVX": (6, 32), "other": (6, 16)}


def compiled(rows, vector_bytes):
    multiply = tile_product(rows, vector_bytes)

    @njit
    def run(before, before_step, places, x, starts, count, step, w, out):
        multiply(
            x[0], before.ctypes.data, before_step, places.ctypes.data, x.ctypes.data, starts.ctypes.data, starts.size, count,
            step, w.ctypes.data, w.shape[1], out.ctypes.data, out.shape[1],
        )  # fmt: skip

    return run


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", SIZES)
def test_a_tile_is_the_sum_of_its_products(size, dtype):
    rows, vector_bytes = SIZES[size]
    run, side, rng = (
        compiled(rows, vector_bytes),
        wide(np.dtype(dtype).itemsize, vector_bytes),
        np.random.default_rng(0),
    )
    x = rng.standard_normal(200).astype(dtype)
    places, starts = rng.integers(0, 100, rows), np.array([0, 30, 7])
    for count, step in ((1, 1), (5, 2), (11, 6)):
        w = rng.standard_normal((3 * count, side + 3)).astype(dtype)  # rows may be longer than the tile
        before, out = rng.standard_normal((rows, side)).astype(dtype), np.full((rows, side + 1), 9, dtype)
        run(before, side, places, x, starts, count, step, w, out)
        seen = np.array([[x[p + s + k * step] for s in starts for k in range(count)] for p in places])
        np.testing.assert_allclose(out[:, :side], before + seen @ w[:, :side], rtol=0, atol=200 * np.finfo(dtype).eps)
        assert np.all(out[:, side:] == 9)  # nothing is written beyond
        run(before[0], 0, places, x, starts, count, step, w, out)  # the same row before each
        np.testing.assert_allclose(
            out[:, :side], before[0] + seen @ w[:, :side], rtol=0, atol=200 * np.finfo(dtype).eps
        )


def test_sums_may_go_on_where_they_are():
    run, side = compiled(6, 32), wide(8, 32)
    out, x, w = np.ones((6, side)), np.arange(8.0), np.ones((2, side))
    for _ in range(3):
        run(out, side, np.arange(6), x, np.zeros(1, np.int64), 2, 1, w, out)
    np.testing.assert_array_equal(out, (1 + 3 * (2 * np.arange(6) + 1))[:, None] * np.ones(side))


def test_other_numbers_are_refused():
    run = compiled(6, 32)
    whole = np.zeros((6, 8), np.int64)
    with pytest.raises(Exception, match="multiply|No match"):
        run(whole, 8, np.zeros(6, np.int64), whole[0], np.zeros(1, np.int64), 1, 1, whole, whole)


def test_the_size_follows_the_processor():
    assert all(fitting(vector_bytes) == rows for rows, vector_bytes in SIZES.values())
    assert (ROWS, VECTOR_BYTES) in SIZES.values()
    assert wide(4, 32) == 16 and wide(8, 64) == 16


def test_the_size_follows_what_is_compiled_for():
    """Numba may be told to leave out instructions that the processor has; wider vectors would not fit the registers."""
    code = "from pwl.kernels.cpu.register_tile import ROWS, VECTOR_BYTES; print(ROWS, VECTOR_BYTES)"
    for features, size in (("", "other"), ("+avx,-avx512f", "AVX")):
        settings = {**os.environ, "NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": features}
        done = subprocess.run([sys.executable, "-c", code], env=settings, check=True, capture_output=True, text=True)
        assert tuple(map(int, done.stdout.split())) == SIZES[size]
