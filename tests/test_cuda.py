"""The GPU engine equals the specification: on a GPU, and without one, its kernels compiled as C++ and run on the CPU.

No number here is a denormal of float32, which CuPy's options make 0 on a GPU.
"""

from __future__ import annotations

import inspect
import os
import signal
import subprocess
import sys

import numpy as np
import pytest
from cuda_engine import DTYPES, SHAPES, same, whole_numbers
from cuda_shim import device

from pwl import kernels
from pwl.kernels import cpu, reference
from pwl.kernels.reference import pooling, softmax, sums, updates
from pwl.kernels.window import Window

needs_compiler = pytest.mark.skipif(device.COMPILER is None, reason="no C++ compiler (g++ or c++) was found")

pytestmark = pytest.mark.usefixtures("aligned")


# ---- one contract for three engines


def test_engines_have_the_same_functions(gpu):
    """The same public names, and each with the same arguments, defaults and results."""
    engines = (reference, cpu, gpu.engine)
    for engine in engines:
        functions = {name for name, value in vars(engine).items() if callable(value) and not name.startswith("_")}
        assert functions == set(engine.__all__) == set(reference.__all__)
        for name in reference.__all__:
            assert inspect.signature(getattr(engine, name)) == inspect.signature(getattr(reference, name)), name


def test_slots_have_the_same_methods(gpu):
    def methods(engine):
        slot = inspect.unwrap(engine.staging).__globals__["Staging"]
        return {
            name: inspect.signature(f) for name, f in vars(slot).items() if callable(f) and not name.startswith("_")
        }

    assert methods(gpu.engine) == methods(reference) == methods(cpu)
    assert len(methods(reference)) == 3


def test_the_arrays_choose_the_engine(monkeypatch, gpu):
    monkeypatch.setattr(kernels, "is_cupy_array", lambda a: a == "CuPy's")
    monkeypatch.setattr(kernels, "cuda", gpu.engine, raising=False)
    kernels._cuda.cache_clear()
    assert kernels.engine("CuPy's") is gpu.engine
    kernels._cuda.cache_clear()
    assert kernels.engine(np.zeros(1)) is cpu
    assert kernels.engine("another library's") is reference


# ---- pooling


WINDOWS = {
    "2": Window((2, 2), (2, 2), ((0, 0), (0, 0)), (1, 1)),
    "overlapping": Window((3, 2), (2, 1), ((0, 0), (0, 0)), (1, 1)),
    "with gaps": Window((2, 1), (3, 2), ((0, 0), (0, 0)), (1, 1)),
    "wide": Window((17, 18), (1, 2), ((0, 0), (0, 0)), (1, 1)),  # more places than a byte counts
}


@pytest.mark.parametrize("window", WINDOWS.values(), ids=WINDOWS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("size", [(0, 18, 19, 2), (1, 18, 19, 1), (2, 19, 21, 5), (1, 20, 18, 130)], ids=str)
def test_pooling_equals_the_specification(gpu, size, dtype, window):
    rng = np.random.default_rng(4)
    x = whole_numbers(rng, size, dtype)
    x[rng.random(size) < 0.02] = np.nan
    best, place = gpu.pooling.max_pool(gpu.array(x), window)
    wanted_best, wanted_place = pooling.max_pool(x, window)
    same(gpu, best, wanted_best)
    same(gpu, place, wanted_place)
    g = whole_numbers(rng, best.shape, dtype)
    found = gpu.pooling.max_unpool(gpu.array(g), place, window, size)
    same(gpu, found, pooling.max_unpool(g, wanted_place, window, size))


# ---- sums


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [*SHAPES, (0, 3), (70_000, 1), (9, 5, 6, 7), (2, 3, 3, 64)], ids=str)
def test_sums_down_the_columns(gpu, shape, dtype):
    rng = np.random.default_rng(6)
    a, b = whole_numbers(rng, shape, dtype), whole_numbers(rng, shape, dtype)
    there, other = gpu.array(a), gpu.array(b)
    same(gpu, gpu.sums.column_sums(there), sums.column_sums(a))
    same(gpu, gpu.sums.column_products(there, other), sums.column_products(a, b))


MANY_GROUPS = pytest.param((600, 16, 2), marks=pytest.mark.slow)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    "shape",
    [(1, 5, 3), (3, 1, 4), (7, 5, 1), (4, 700, 8), (2, 9, 130), MANY_GROUPS],
    ids=str,
)
def test_sums_of_groups(gpu, shape, dtype):
    """One group, small ones, more groups than blocks; also of arrays that begin at any address."""
    rng = np.random.default_rng(9)
    a, b = whole_numbers(rng, shape, dtype), whole_numbers(rng, shape, dtype)
    aside = gpu.array(np.zeros(a.size + 1, dtype))[1:].reshape(shape)
    aside[...] = gpu.array(a)
    for there in (gpu.array(a), aside):
        same(gpu, gpu.sums.group_sums(there), sums.group_sums(a))
        same(gpu, gpu.sums.group_products(there, gpu.array(b)), sums.group_products(a, b))


# ---- cross-entropy and updates


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("size", [(0, 3), (1, 1), (5, 2), (700, 10), (3, 300)], ids=str)
def test_cross_entropy_with_its_gradient(gpu, size, dtype):
    rng = np.random.default_rng(7)
    y = (20 * rng.standard_normal(size)).astype(dtype)
    for kind in (np.int64, np.uint8):
        t = rng.integers(0, min(size[1], 256), size[0]).astype(kind)
        found = gpu.softmax.cross_entropy(gpu.array(y), gpu.array(t))
        alone = gpu.softmax.cross_entropy_errors(gpu.array(y), gpu.array(t))
        assert gpu.host(alone).tobytes() == gpu.host(found[0]).tobytes()
        for a, b in zip(found, softmax.cross_entropy(y, t), strict=True):
            assert gpu.host(a).dtype == dtype
            np.testing.assert_allclose(gpu.host(a), b, rtol=0, atol=np.finfo(dtype).eps * 100)


@pytest.mark.parametrize("dtype", DTYPES)
def test_outputs_beyond_the_exponential(gpu, dtype):
    """Classes that are as good as impossible, a true one among them, cost no overflow; a NaN shows in its row alone."""
    y = np.array([[1e5, 0, -1e5], [-1e5, 0, 1e5], [3e4, 3e4, 0], [0, np.nan, 0], [np.nan, 1, 2]], dtype)
    t = np.array([2, 2, 0, 0, 1])
    errors, d = map(gpu.host, gpu.softmax.cross_entropy(gpu.array(y), gpu.array(t)))
    np.testing.assert_allclose(errors, [2e5, 0, np.log(2), np.nan, np.nan], rtol=1e-6, atol=3e4 * np.finfo(dtype).eps)
    np.testing.assert_array_equal(d[:3], [[-1, 0, 1], [0, 0, 0], [0.5, -0.5, 0]])
    assert np.all(np.isnan(d[3:]))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("size", [1, 255, 3000])
def test_updates_have_the_bits_of_the_specification(gpu, size, dtype):
    rng = np.random.default_rng(8)
    theta, G, m, rate = rng.standard_normal((4, size)).astype(dtype)
    v = rng.random(size).astype(dtype)
    there = [gpu.array(a) for a in (theta, G, m, v, rate)]
    for nesterov in (False, True):
        found = gpu.updates.momentum_step(*there[:3], there[4], 0.9, nesterov)
        for a, b in zip(found, updates.momentum_step(theta, G, m, rate, 0.9, nesterov), strict=True):
            same(gpu, a, b)
    for steps, decay in ((1, 0.0), (1000, 0.1)):
        found = gpu.updates.adam_step(*there, 0.9, 0.999, 1e-8, decay, steps)
        for a, b in zip(found, updates.adam_step(theta, G, m, v, rate, 0.9, 0.999, 1e-8, decay, steps), strict=True):
            same(gpu, a, b)
    for a, b in zip(there, (theta, G, m, v, rate), strict=True):
        same(gpu, a, b)  # states of other networks are left as they are


# ---- the shim itself: its checks can fail


FAULTY = {
    "order of the threads": "a[0] = threadIdx.x;",
    "beside an array": "a[-1 - int(threadIdx.x)] = 1;",
    "not all threads reach": "if (threadIdx.x == 0) __syncthreads();",
    "beyond the shared memory": "extern __shared__ unsigned char memory[]; memory[16] = 1;",
    "do not fit": None,
}


READS_BEYOND = """
import numpy as np, pathlib, sys
from cuda_shim import device
code = "template <typename Real> __global__ void sum(Real* a, Real* b) { b[0] = a[" + sys.argv[2] + "]; }"
kernel = device.RawModule(pathlib.Path(sys.argv[1]), code, ("--fmad=false",), ("sum<float>",)).get_function("sum<float>")
kernel((1, 1), (1, 1), (device.zeros(4, np.float32), device.zeros(1, np.float32)), shared_mem=0)
"""


@needs_compiler
@pytest.mark.parametrize(("index", "ends"), [(3, False), (4, True)])
@pytest.mark.slow
def test_reading_beyond_an_array_ends_the_process(index, ends, tmp_path):
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", READS_BEYOND, str(tmp_path), str(index)]
    done = subprocess.run(command, env=environment, capture_output=True, check=False)
    assert (done.returncode == -signal.SIGSEGV) == ends and (done.returncode == 0) != ends, done.stderr


@needs_compiler
@pytest.mark.parametrize("message", FAULTY)
@pytest.mark.slow
def test_the_shim_sees_faults(message, tmp_path):
    body, argument = FAULTY[message] or "", np.int64(0) if FAULTY[message] is None else np.int32(0)
    code = f"template <typename Real> __global__ void faulty(Real* a, int) {{ {body} }}"
    kernel = device.RawModule(tmp_path, code, ("--fmad=false",), ("faulty<float>",)).get_function("faulty<float>")
    with pytest.raises(AssertionError, match=message):
        kernel((1, 1), (4, 1), (device.zeros(4, np.float32), argument), shared_mem=16)
