"""Tensor cores: instructions against worked numbers, layouts of shared memory, accuracy, and activations in the kernel."""

from __future__ import annotations

import numpy as np
import pytest
from cuda_engine import DTYPES, on_device, whole_numbers
from cuda_shim import device
from test_cuda_convolution import CONVOLUTIONS, WAYS, take_way
from test_kernels import random_grid

from pwl.activations.fixed import FIXED
from pwl.kernels import reference
from pwl.kernels.hinges import Curves
from pwl.kernels.reference import convolution

needs_compiler = pytest.mark.skipif(device.COMPILER is None, reason="no C++ compiler (g++ or c++) was found")

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("aligned")]

RELU = FIXED["relu"].formula
EPS = 2.0**-24  # half of float32's last digit, relative
SAME = CONVOLUTIONS["same"]


# ---- instructions


def run(gpu, source, grid_and_block, *arrays):
    """Runs `tested`, a kernel of a text that may use ptx.cuh and the layouts of tensor_convolution.cu."""
    code = gpu.launch.code("tensor_convolution.cu") + source
    module = gpu.launch.cupy.RawModule(code=code, options=gpu.launch.OPTIONS, name_expressions=("tested<float>",))
    gpu.launch.launch(module.get_function("tested<float>"), *grid_and_block, *arrays, shared_bytes=4096)


FRAGMENTS = """
template <typename Real> __global__ void tested(const Real* a, const Real* b, Real* c) {
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, group = lane >> 2, within = lane % 4;
    unsigned left[4], right[2];
    for (int i = 0; i < 4; ++i)
        left[i] = tf32(a[warp * 128 + (i == 0 || i == 2 ? group : group + 8) * 8 + (i < 2 ? within : within + 4)]);
    for (int i = 0; i < 2; ++i) right[i] = tf32(b[warp * 64 + (i == 0 ? within : within + 4) * 8 + group]);
    float sum[4];
    for (int i = 0; i < 4; ++i) {
        Real& at = c[warp * 128 + (i < 2 ? group : group + 8) * 8 + within * 2 + (i & 1)];
        sum[i] = at;
    }
    multiply(sum, left, right);
    for (int i = 0; i < 4; ++i) c[warp * 128 + (i < 2 ? group : group + 8) * 8 + within * 2 + (i & 1)] = sum[i];
}
"""


def test_fragments_are_where_the_instruction_set_says(gpu):
    """Products of two warps, with the rows and columns of PTX's tables for m16n8k8 and .tf32."""
    rng = np.random.default_rng(0)
    a, b, c = (whole_numbers(rng, (2, *shape), np.float32) for shape in ((16, 8), (8, 8), (16, 8)))
    there = gpu.array(c)
    run(gpu, FRAGMENTS, ((1, 1), (64, 1)), gpu.array(a), gpu.array(b), there)
    np.testing.assert_array_equal(gpu.host(there), c + a @ b)


@needs_compiler
def test_the_shim_cuts_sums_off(compiled):
    """Digits below the last one of the largest number are cut off before the sum, and those of the sum after it."""
    from cuda_engine import on_shim

    gpu = on_shim(compiled)
    a, b, c = np.zeros((2, 16, 8), np.float32), np.zeros((2, 8, 8), np.float32), gpu.array(np.ones((2, 16, 8), np.float32))
    a[:, :, 0], b[:, 0, :] = 2.0**-23, 1
    a[:, :, 1], b[:, 1, :] = -(2.0**-25), 1
    run(gpu, FRAGMENTS, ((1, 1), (64, 1)), gpu.array(a), gpu.array(b), c)
    np.testing.assert_array_equal(gpu.host(c), np.float32(1 + 2.0**-23))  # each is cut by itself, and -2^-25 to 0
    a[:, :, 0] = 2.0**-24
    c = gpu.array(np.ones((2, 16, 8), np.float32))
    run(gpu, FRAGMENTS, ((1, 1), (64, 1)), gpu.array(a), gpu.array(b), c)
    np.testing.assert_array_equal(gpu.host(c), np.float32(1))


ROUND = "template <typename Real> __global__ void tested(const Real* a, unsigned* b) { b[threadIdx.x] = tf32(a[threadIdx.x]); }"


def test_rounding_to_tf32(gpu):
    """To the nearest of 11 digits, from the middle away from 0; not what the last 13 bits are."""
    half, last = 2.0**-11, 2.0**-23
    given = [1 + half, 1 + half - last, -(1 + half), 1 + 3 * half, 2 - last, 3.0, np.inf, -np.inf, np.nan, 0.0, 2.0**-126]
    wanted = [1 + 2 * half, 1, -(1 + 2 * half), 1 + 4 * half, 2, 3.0, np.inf, -np.inf, np.nan, 0.0, 2.0**-126]
    found = gpu.array(np.zeros(len(given), np.uint32))
    run(gpu, ROUND, ((1, 1), (len(given), 1)), gpu.array(np.array(given, np.float32)), found)
    bits = gpu.host(found) & np.uint32(0xFFFFE000)
    np.testing.assert_array_equal(bits.view(np.float32), np.array(wanted, np.float32))


COPY = """
template <typename Real> __global__ void tested(const Real* a, Real* b) {
    Real* tile = shared_memory<Real>();
    copy<4>(tile + threadIdx.x * 4, a + threadIdx.x * 4, threadIdx.x % 2 == 0);
    end_group();
    copy<1>(tile + 256 + threadIdx.x, a + threadIdx.x, threadIdx.x % 3 == 0);
    end_group();
    WAIT
    __syncthreads();
    for (int i = 0; i < 4; ++i) b[threadIdx.x * 4 + i] = tile[threadIdx.x * 4 + i];
    b[256 + threadIdx.x] = tile[256 + threadIdx.x];
}
"""


def test_copies_arrive(gpu):
    a, b = np.arange(256, dtype=np.float32), gpu.array(np.zeros(320, np.float32))
    run(gpu, COPY.replace("WAIT", "wait_for_groups<0>();"), ((1, 1), (64, 1)), gpu.array(a), b)
    fours, ones = np.where(np.arange(256) // 4 % 2 == 0, a, 0), np.where(np.arange(64) % 3 == 0, a[:64], 0)
    np.testing.assert_array_equal(gpu.host(b), np.concatenate([fours, ones]))


@needs_compiler
@pytest.mark.parametrize("wait", ["", "wait_for_groups<1>();"])
@pytest.mark.slow
def test_the_shim_sees_what_nobody_waits_for(wait, compiled):
    from cuda_engine import on_shim

    gpu = on_shim(compiled)
    a, b = gpu.array(np.ones(256, np.float32)), gpu.array(np.zeros(320, np.float32))
    with pytest.raises(AssertionError, match="order of the threads"):
        run(gpu, COPY.replace("WAIT", wait), ((1, 1), (64, 1)), a, b)


# ---- layouts of tiles


PLACES = """
template <typename Real> __global__ void tested(int* rows, int* lines) {
    for (int row = 0; row < 96; ++row)
        for (int k = 0; k < DEEP; ++k) rows[row * DEEP + k] = Rows::at(row, k), lines[row * DEEP + k] = Lines<96>::at(row, k);
}
"""


def test_lanes_never_meet_in_a_bank(gpu):
    """Lanes that read a fragment are in different banks; eight that move 16 bytes each, in different fours of banks."""
    rows, lines = (gpu.array(np.zeros((96, 16), np.int32)) for _ in range(2))
    run(gpu, PLACES, ((1, 1), (1, 1)), rows, lines)
    rows, lines = gpu.host(rows), gpu.host(lines)
    for layout in (rows, lines):
        assert sorted(layout.ravel()) == list(range(96 * 16))
        for row in range(0, 96, 8):
            for k in range(0, 16, 4):
                assert len(set((layout[row : row + 8, k : k + 4] % 32).ravel())) == 32
    assert np.all(np.diff(rows.reshape(96, 4, 4), axis=2) == 1)  # fours stay together, and begin at multiples of 16 bytes
    assert np.all(rows[:, ::4] % 4 == 0)
    fours = (rows[:, ::4] // 4 % 8).reshape(-1, 8)  # lanes go through the fours of a row, and then to the next row
    assert np.all(np.sort(fours, axis=1) == np.arange(8))
    side_by_side = lines.T.reshape(16, 24, 4)
    assert np.all(np.diff(side_by_side, axis=2) == 1)
    assert np.all(np.sort(side_by_side[:, :, 0].reshape(16, 3, 8) // 4 % 8, axis=2) == np.arange(8))


# ---- accuracy


def errors(gpu, monkeypatch, products, x, W, g):
    """Distances from the exact results, relative to the sums of the products' sizes: forward, back, and weights."""
    take_way(gpu, products, monkeypatch)
    there = [gpu.array(a) for a in (x, W, g)]

    def passes(engine, x, W, g):
        return engine.convolve(x, W, SAME), engine.input_gradient(g, W, SAME, *x.shape[1:3]), engine.weight_gradient(x, g, SAME)

    exact = passes(convolution, *(a.astype(np.float64) for a in (x, W, g)))
    sizes = passes(convolution, *(np.abs(a).astype(np.float64) for a in (x, W, g)))
    found = passes(gpu.convolution, *there)
    return [np.abs(gpu.host(a) - b) / size for a, b, size in zip(found, exact, sizes, strict=True)]


@pytest.mark.parametrize("sign", ["any sign", "positive"])
@pytest.mark.parametrize("channels", [5, pytest.param(64, marks=pytest.mark.slow)])
def test_split_tf32_is_as_exact_as_float32(gpu, channels, sign, monkeypatch):
    """The error is that of the fused multiply-adds of float32, or less; TF32's own is a thousand times as large."""
    rng = np.random.default_rng(1)
    shapes = (2, 9, 8, channels), (36, 3, 3, channels), (2, 9, 8, 36)
    x, W, g = (rng.standard_normal(shape).astype(np.float32) for shape in shapes)
    if sign == "positive":
        x, W, g = np.abs(x), np.abs(W), np.abs(g)
    fused, split, single = (errors(gpu, monkeypatch, products, x, W, g) for products in (0, 3, 1))
    for of_fused, of_split, of_single in zip(fused, split, single, strict=True):
        assert np.sqrt(np.mean(of_split**2)) < 1.5 * np.sqrt(np.mean(of_fused**2))
        assert of_split.max() < 2 * of_fused.max()
        assert of_split.max() < 12 * EPS
        assert of_single.max() < 2.0**-10 + 2.0**-22 + 400 * 2 * EPS  # two numbers rounded to 11 digits, and sums cut off
        assert of_single.max() > 100 * of_split.max()


def test_numbers_far_apart(gpu, monkeypatch):
    """Each product is exact to rounding, whatever the other products of the sum: one pixel and one filter of each size."""
    take_way(gpu, 3, monkeypatch)
    rng, window = np.random.default_rng(2), CONVOLUTIONS["1"]
    x = (rng.standard_normal((1, 4, 4, 1)) * 10.0 ** rng.integers(-15, 15, (1, 4, 4, 1))).astype(np.float32)
    W = (rng.standard_normal((8, 1, 1, 1)) * 10.0 ** rng.integers(-15, 15, (8, 1, 1, 1))).astype(np.float32)
    wanted = x.astype(np.float64) * W[:, 0, 0, 0].astype(np.float64)
    np.testing.assert_allclose(gpu.host(gpu.convolution.convolve(gpu.array(x), gpu.array(W), window)), wanted, rtol=8 * EPS)


@pytest.mark.parametrize("products", [1, 3])
def test_nan_and_infinity_show(gpu, products, monkeypatch):
    """NaN, whatever its bits, and infinity make all sums that they belong to NaN or infinite, and no others."""
    take_way(gpu, products, monkeypatch)
    x = np.ones((1, 6, 6, 4), np.float32)
    x[0, 1, 1, 0], x[0, 4, 4, 2] = np.array([0x7FFFFFFF], np.uint32).view(np.float32)[0], np.inf
    W = np.ones((3, 3, 3, 4), np.float32)
    found = gpu.host(gpu.convolution.convolve(gpu.array(x), gpu.array(W), SAME))
    wanted = convolution.convolve(x, W, SAME)
    np.testing.assert_array_equal(np.isfinite(found), np.isfinite(wanted))
    np.testing.assert_array_equal(found[np.isfinite(found)], wanted[np.isfinite(wanted)])
    assert np.all(np.isnan(found[np.isnan(wanted)]))


# ---- grids


@pytest.mark.parametrize(
    ("places", "filters", "wanted"),
    [
        (524_288, 32, (128, 32, 32)), (131_072, 64, (128, 64, 32)), (32_768, 128, (64, 128, 32)),
        (1024, 128, (128, 32, 32)), (1_000_000, 1, (128, 32, 32)), (32_768, 160, (128, 32, 32)),
    ],
)  # fmt: skip
def test_tiles_by_shape(gpu, places, filters, wanted, monkeypatch):
    """As on a device of 132 processors: as wide as the filters, narrower if there would be few blocks, or many zeros."""
    monkeypatch.setattr(gpu.tensor_convolution, "processors", lambda: 132)
    assert gpu.tensor_convolution._best(list(gpu.tensor_convolution.PLACES), places, filters) == wanted


@pytest.mark.parametrize("way", ["float64", "float32", "split TF32"])
def test_gradients_of_weights_take_one_wave(gpu, way, monkeypatch):
    """As many blocks as the device runs at a time, here 40, but for a part that does not fill the tiles."""
    dtype, products = WAYS[way]
    take_way(gpu, products, monkeypatch)
    module = gpu.tensor_convolution if products else gpu.convolution
    grids = []
    monkeypatch.setattr(module, "resident", lambda *given: 40)
    monkeypatch.setattr(module, "launch", lambda kernel, grid, *rest, **more: grids.append(grid))
    monkeypatch.setattr(module, "group_sums", lambda a: a[:, 0])
    for size, filters in (((8, 16, 16, 32), 64), ((3, 20, 20, 3), 32), ((1, 2, 2, 4), 4)):
        x, g = (gpu.array(np.zeros((*size[:3], last), dtype)) for last in (size[3], filters))
        gpu.convolution.weight_gradient(x, g, SAME)
    blocks = [tiles * parts for tiles, parts in grids]
    assert 0.9 * 40 <= blocks[0] <= 40 and 0.9 * 40 <= blocks[1] <= 40
    assert blocks[2] == 1


# ---- activations in the kernel


RULES = {
    "relu": None, "uniform": ("uniform per unit", 25, False), "uniform, linear": ("uniform per unit", 13, True),
    "searched": ("general per unit", 7, False), "searched, linear": ("general per unit", 24, True), "many": ("general", 800, False),
}  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize(("channels", "filters"), [(3, 5), (8, 34), pytest.param(4, 128, marks=pytest.mark.slow)])
@pytest.mark.slow
def test_activations_have_the_bits_of_their_own_kernels(gpu, channels, filters, rule, way, monkeypatch):
    """Values and slopes of the nets that the same kernel gives without an activation; NaN stays NaN."""
    dtype, products = WAYS[way]
    take_way(gpu, products, monkeypatch)
    rng = np.random.default_rng(3)
    x, W = (rng.standard_normal(shape).astype(dtype) for shape in ((2, 7, 6, channels), (filters, 3, 3, channels)))
    x[1, 5, 5, 0] = np.nan
    images, weights, threshold = gpu.array(x), gpu.array(0.3 * W), gpu.array(rng.standard_normal(filters).astype(dtype))
    if RULES[rule] is None:
        here = there = RELU
    else:
        kind, K, linear = RULES[rule]
        grid = random_grid(rng, filters, K, kind, linear, dtype)
        here = Curves(grid, rng.standard_normal((filters, K)).astype(dtype))
        there = Curves(on_device(gpu, grid), gpu.array(here.A))
    n, o, slope = gpu.convolution.convolve_value_slope(images, weights, SAME, threshold, there)
    alone = gpu.convolution.convolve(images, weights, SAME, threshold)
    assert gpu.host(n).tobytes() == gpu.host(alone).tobytes()
    value = gpu.convolution.convolve_value(images, weights, SAME, threshold, there)
    assert gpu.host(value).tobytes() == gpu.host(o).tobytes()
    wanted = activated(gpu.host(n), here)
    for found, of_reference in zip((o, slope), wanted, strict=True):
        assert gpu.host(found).dtype == dtype
        np.testing.assert_array_equal(gpu.host(found), of_reference)


def activated(n, rule):
    """The specification's values and slopes of the nets n."""
    if rule is RELU:
        return np.maximum(n, 0), (n >= 0).astype(n.dtype)
    rows = n.reshape(-1, n.shape[-1])
    return [a.reshape(n.shape) for a in reference.value_slope(rows, *rule)]


@pytest.mark.parametrize("dtype", DTYPES)
def test_other_engines_do_one_after_the_other(dtype):
    """Worked: a pixel 2 with weight 0.5 and threshold -0.25 gives n = 0.75, and the curve 0, 1, 3 at -1, 0, 1 gives 2.5."""
    from pwl.kernels import Hinges, cpu

    x, W, threshold = np.array([[[[2.0]]]], dtype), np.array([[[[0.5]]]], dtype), np.array([-0.25], dtype)
    rule = Curves(Hinges(np.array([[-1, 0, 1]], dtype), True, False), np.array([[0, 1, 3]], dtype))
    for engine in (cpu, reference):
        n, o, slope = engine.convolve_value_slope(x, W, CONVOLUTIONS["1"], threshold, rule)
        assert (n.item(), o.item(), slope.item()) == (0.75, 2.5, 2.0)
        assert engine.convolve_value(x, W, CONVOLUTIONS["1"], threshold, rule).item() == 2.5
        assert engine.convolve_value(x, W, CONVOLUTIONS["1"], threshold, RELU).item() == 0.75
        n, o, slope = engine.convolve_value_slope(-x, W, CONVOLUTIONS["1"], threshold, RELU)
        assert (n.item(), o.item(), slope.item()) == (-1.25, 0.0, 0.0)
