"""The curve kernels: the compiled engine equals the specification, and both the mathematics, Eqs. (3)-(6), (17)."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import central

import pwl
from pwl.kernels import Hinges, engine
from pwl.kernels.cpu import curves as cpu
from pwl.kernels.reference import curves as reference
from pwl.runtime.backend import product

ENGINES = [reference, cpu]
FUNCTIONS = ("value", "value_slope", "times_slope", "mix", "back", "scatter", "back_scatter")
SPECIAL = np.array([np.nan, np.inf, -np.inf])


def random_grid(rng: np.random.Generator, units: int, K: int, kind: str, linear: bool, dtype: type) -> Hinges:
    """Hinges of one layer: uniform or general, the same for all units or each unit's own."""
    rows = units if "per unit" in kind else 1
    first = rng.uniform(-3, 1, (rows, 1))
    if "uniform" in kind:
        ns = first + rng.uniform(0.1, 1, (rows, 1)) * np.arange(K)
    else:
        ns = first + np.cumsum(rng.uniform(0.1, 1, (rows, K)), axis=1)
    return Hinges(np.array(np.broadcast_to(ns, (units, K)), dtype=dtype), "uniform" in kind, linear)


def random_nets(rng: np.random.Generator, grid: Hinges, Nv: int, special: bool) -> np.ndarray:
    """Nets inside, outside and exactly on hinges; where wanted, some that are NaN or infinite."""
    units, K = grid.ns.shape
    low, high = grid.ns[:, 0], grid.ns[:, -1]
    n = rng.uniform(low - 1, high + 1, (Nv, units)).astype(grid.ns.dtype)
    on_hinge = rng.random((Nv, units)) < 0.3
    n = np.where(on_hinge, grid.ns[np.arange(units), rng.integers(0, K, (Nv, units))], n)
    if special:
        n = np.where(rng.random((Nv, units)) < 0.2, rng.choice(SPECIAL, (Nv, units)).astype(n.dtype), n)
    return n


@st.composite
def cases(draw, special=True):
    """(nets, grid, ordinates, signals) of random shape and type."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    Nv, units, K = draw(st.integers(0, 12)), draw(st.integers(1, 4)), draw(st.integers(2, 6))
    dtype = draw(st.sampled_from([np.float32, np.float64]))
    kind = draw(st.sampled_from(["uniform", "uniform per unit", "general", "general per unit"]))
    grid = random_grid(rng, units, K, kind, draw(st.booleans()), dtype)
    n = random_nets(rng, grid, Nv, special and draw(st.booleans()))
    return n, grid, rng.standard_normal((units, K)).astype(dtype), rng.standard_normal(n.shape).astype(dtype)


def scatter_rounding(n: np.ndarray, grid: Hinges, c: np.ndarray) -> float:
    """Bound on the rounding of a sum of scattered terms, whose sizes are |c| (1 + 2 |u|)."""
    u = reference.locate(n, grid)[1].astype(np.float64)
    return float((n.size + 8) * np.finfo(n.dtype).eps * np.sum(np.abs(c) * (1 + 2 * np.abs(u))))


@pytest.fixture(autouse=True)
def _quiet():
    with np.errstate(invalid="ignore"):  # inf - inf, where nets are infinite
        yield


def test_numpy_arrays_run_on_the_compiled_engine():
    assert engine(np.zeros((1, 1))) is pwl.kernels.cpu
    for name in FUNCTIONS:
        assert getattr(pwl.kernels.cpu, name) is getattr(cpu, name)


def test_parameters_that_can_not_be_written_to_are_compiled_for_once():
    """Numba compiles loops once more for arrays that are read-only, as a network's parameters are: none is passed on as it is."""
    script = """
import numpy as np, pwl
from pwl.kernels.cpu import convolution, curves, pooling
from pwl.layers import Conv2d, Dense, Flatten, MaxPool2d
from pwl.network import passes

curve, general = pwl.PiecewiseLinear("relu", 7), pwl.PiecewiseLinear("relu", (-1.0, 0.0, 2.0))
layers = [Conv2d(3, 3, padding="same"), curve, MaxPool2d(2), Flatten(), Dense(4), general, Dense(3)]
images = pwl.Network.from_layers(layers, (6, 6, 2), dtype=np.float64)
for net in (pwl.Network.mlp(3, (4, 1), 2, curve), images):
    assert not net.theta.flags.writeable
    x = np.random.default_rng(0).standard_normal((5, *net.input_shape))
    for keys in (tuple(net.parts), net.keys("map"), net.keys("activation")[-1:]):
        at = passes.forward(net, x, keys)
        passes.gradients(net, at, np.ones_like(at.y), keys)
        passes.tangent(net, at, {key: +net.parts[key] for key in keys})  # a direction can be written to
    passes.outputs(net, x)
for module in (curves, convolution, pooling):
    print(*(f"{name} {len(f.signatures)}" for name, f in vars(module).items() if hasattr(f, "signatures")), sep="\\n")
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    counts = {name: int(count) for name, count in map(str.split, done.stdout.splitlines())}
    called = (
        "_value",
        "_value_slope",
        "_times_slope",
        "_scatter",
        "_convolve",
        "_weight_gradient",
        "_max_pool",
        "_max_unpool",
    )
    assert [counts[name] for name in called] == [1] * len(called)


@pytest.mark.core
@settings(max_examples=300, deadline=None)
@given(cases())
def test_value_and_slope_are_bitwise_equal(case):
    n, grid, A, _ = case
    o, slope = reference.value_slope(n, grid, A)
    compiled_o, compiled_slope = cpu.value_slope(n, grid, A)
    plain = reference.value(n, grid, A)
    for found, wanted in ((cpu.value(n, grid, A), plain), (compiled_o, o), (compiled_slope, slope)):
        assert found.dtype == wanted.dtype == n.dtype
        assert found.shape == n.shape
        np.testing.assert_array_equal(found, wanted)  # NaN equals NaN here
    np.testing.assert_array_equal(o, plain)


@settings(max_examples=100, deadline=None)
@given(cases())
def test_what_is_carried_back_is_bitwise_equal(case):
    n, grid, A, c = case
    given = c.copy()
    found = cpu.times_slope(n, grid, A, given)
    assert found is given  # in place
    np.testing.assert_array_equal(found, c * reference.value_slope(n, grid, A)[1])
    np.testing.assert_array_equal(reference.times_slope(n, grid, A, c.copy()), found)
    for outputs in (1, 3):
        v, W = c[:, :1].repeat(outputs, axis=1), A[:, :1].T.repeat(outputs, axis=0)
        np.testing.assert_array_equal(cpu.back(n, grid, A, v, W), reference.back(n, grid, A, v, W))
        np.testing.assert_array_equal(cpu.back(n, grid, A, v, W), cpu.times_slope(n, grid, A, product(v, W)))


@pytest.mark.core
@settings(max_examples=100, deadline=None)
@given(cases(special=False))
def test_curves_below_outputs(case):
    """`mix` sums values, `back_scatter` is its transpose in the ordinates."""
    n, grid, A, _ = (a.astype(np.float64) if isinstance(a, np.ndarray) else a for a in case)
    grid = grid._replace(ns=grid.ns.astype(np.float64))
    for outputs in (1, 3):
        rng = np.random.default_rng(outputs)
        W, v = rng.standard_normal((outputs, n.shape[1])), rng.standard_normal((len(n), outputs))
        for kernels in ENGINES:
            y, G_a = kernels.mix(n, grid, A, W), kernels.back_scatter(n, grid, v, W)
            np.testing.assert_array_equal(G_a, kernels.scatter(n, grid, product(v, W)))
            np.testing.assert_allclose(y, kernels.value(n, grid, A) @ W.T, rtol=0, atol=1e-12)
            np.testing.assert_allclose(np.sum(y * v), np.sum(G_a * A), rtol=0, atol=1e-9)


@pytest.mark.core
@settings(max_examples=200, deadline=None)
@given(cases(special=False))
def test_scatter_is_equal_to_rounding(case):
    n, grid, _, c = case
    found, wanted = cpu.scatter(n, grid, c), reference.scatter(n, grid, c)
    assert found.dtype == wanted.dtype == n.dtype
    assert found.shape == wanted.shape == grid.ns.shape
    np.testing.assert_allclose(found, wanted, rtol=0, atol=scatter_rounding(n, grid, c))


@settings(max_examples=200, deadline=None)
@given(cases())
def test_scatter_shows_the_same_entries_that_are_not_finite(case):
    n, grid, _, c = case
    found, wanted = cpu.scatter(n, grid, c), reference.scatter(n, grid, c)
    np.testing.assert_array_equal(np.isnan(found), np.isnan(wanted))
    np.testing.assert_array_equal(np.where(np.isinf(found), found, 0), np.where(np.isinf(wanted), wanted, 0))


@pytest.mark.parametrize("kernels", ENGINES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("uniform", [True, False])
def test_memory_order_does_not_matter(kernels, dtype, uniform):
    """But for the order of a sum over patterns, which follows the width of the registers where patterns lie side by side."""
    rng = np.random.default_rng(0)
    grid = random_grid(rng, 3, 4, "uniform" if uniform else "general", True, dtype)
    n, A, c = (
        random_nets(rng, grid, 5, False),
        rng.standard_normal((3, 4)).astype(dtype),
        rng.standard_normal((5, 3)).astype(dtype),
    )
    turned = np.asfortranarray(n)
    np.testing.assert_array_equal(kernels.value(turned, grid, A), kernels.value(n, grid, A))
    np.testing.assert_array_equal(kernels.value_slope(turned, grid, A), kernels.value_slope(n, grid, A))
    u = reference.locate(n, grid)[1]
    bound = 4 * len(n) * np.finfo(dtype).eps * np.abs(c).sum(axis=0)[:, None] * (1 + np.abs(u).max())
    assert np.all(np.abs(kernels.scatter(turned, grid, np.asfortranarray(c)) - kernels.scatter(n, grid, c)) <= bound)


# ---- worked numbers: one unit, ordinates 1, 2, 0


@pytest.mark.parametrize("kernels", ENGINES)
@pytest.mark.parametrize("linear", [False, True])
def test_three_hinges_by_hand(kernels, linear):
    """Hinges 0, 1, 3: slopes 1 and -1; at a hinge the right-hand slope, and at the last one that of the outside."""
    grid, A = Hinges(np.array([[0.0, 1.0, 3.0]]), False, linear), np.array([[1.0, 2.0, 0.0]])
    n = np.array([[-1.0], [0.0], [0.5], [1.0], [2.0], [3.0], [4.0]])
    value = [0, 1, 1.5, 2, 1, 0, -1] if linear else [1, 1, 1.5, 2, 1, 0, 0]
    slope = [1, 1, 1, -1, -1, -1, -1] if linear else [0, 1, 1, -1, -1, 0, 0]
    o, do = kernels.value_slope(n, grid, A)
    assert o[:, 0].tolist() == value
    assert do[:, 0].tolist() == slope
    assert kernels.value(n, grid, A)[:, 0].tolist() == value


@pytest.mark.parametrize("kernels", ENGINES)
@pytest.mark.parametrize("linear", [False, True])
def test_three_uniform_hinges_by_hand(kernels, linear):
    """Hinges -1, 1, 3: slopes 1/2 and -1."""
    grid, A = Hinges(np.array([[-1.0, 1.0, 3.0]]), True, linear), np.array([[1.0, 2.0, 0.0]])
    n = np.array([[-3.0], [-1.0], [0.0], [1.0], [2.0], [3.0], [5.0]])
    value = [0, 1, 1.5, 2, 1, 0, -2] if linear else [1, 1, 1.5, 2, 1, 0, 0]
    slope = [0.5, 0.5, 0.5, -1, -1, -1, -1] if linear else [0, 0.5, 0.5, -1, -1, 0, 0]
    o, do = kernels.value_slope(n, grid, A)
    assert o[:, 0].tolist() == value
    assert do[:, 0].tolist() == slope
    assert kernels.value(n, grid, A)[:, 0].tolist() == value


@pytest.mark.core
@pytest.mark.parametrize("kernels", ENGINES)
@pytest.mark.parametrize("uniform", [True, False])
def test_scatter_by_hand(kernels, uniform):
    """Hinges 0, 2, 4; c = 1 at 3 gives half to each side, c = 8 at 0.5 gives 6 and 2, c = 3 at 9 all to the end."""
    grid = Hinges(np.array([[0.0, 2.0, 4.0]]), uniform, False)
    assert kernels.scatter(np.array([[3.0], [0.5], [9.0]]), grid, np.array([[1.0], [8.0], [3.0]])).tolist() == [
        [6, 2.5, 3.5]
    ]
    # continued end segments: at 5, u = 1.5, so the last hinge gets 1.5 and the one before -0.5
    assert kernels.scatter(np.array([[5.0]]), grid._replace(linear=True), np.array([[1.0]])).tolist() == [
        [0, -0.5, 1.5]
    ]


@pytest.mark.parametrize("kernels", ENGINES)
@pytest.mark.parametrize("uniform", [True, False])
@pytest.mark.parametrize("linear", [True, False])
def test_nets_that_are_not_finite_by_hand(kernels, uniform, linear):
    """NaN shows in value and slope; an infinite net lies outside: at the end ordinates, or on the lines' far ends."""
    grid, A = Hinges(np.array([[0.0, 2.0, 4.0]]), uniform, linear), np.array([[1.0, 2.0, 0.0]])
    o, slope = kernels.value_slope(np.array([[np.nan], [np.inf], [-np.inf]]), grid, A)
    assert np.isnan(o[0, 0])
    assert np.isnan(slope[0, 0])
    assert o[1:, 0].tolist() == ([-np.inf, -np.inf] if linear else [0, 1])
    assert slope[1:, 0].tolist() == ([-1, 0.5] if linear else [0, 0])


# ---- the mathematics


@pytest.mark.parametrize("kernels", ENGINES)
@settings(max_examples=100, deadline=None)
@given(case=cases(special=False))
def test_scatter_is_the_adjoint_of_value(kernels, case):
    n, grid, D, c = case
    left = np.sum(c.astype(np.float64) * kernels.value(n, grid, D))
    right = np.sum(kernels.scatter(n, grid, c).astype(np.float64) * D)
    assert abs(left - right) <= scatter_rounding(n, grid, c) * np.max(np.abs(D))


@pytest.mark.parametrize("kernels", ENGINES)
@settings(max_examples=100, deadline=None)
@given(case=cases(special=False))
def test_scatter_spends_each_signal_once(kernels, case):
    """All hats sum to 1, so the sum over the hinges is the sum of the signals."""
    n, grid, _, c = case
    found = np.sum(kernels.scatter(n, grid, c), axis=1, dtype=np.float64)
    np.testing.assert_allclose(found, np.sum(c, axis=0, dtype=np.float64), rtol=0, atol=scatter_rounding(n, grid, c))


@pytest.mark.parametrize("kernels", ENGINES)
@settings(max_examples=100, deadline=None)
@given(case=cases(special=False))
def test_hats_are_a_partition_of_unity(kernels, case):
    """Equal ordinates give that value anywhere, exactly, and slope 0: the differences they are made of are 0."""
    n, grid, A, _ = case
    o, slope = kernels.value_slope(n, grid, np.full_like(A, 1.3))
    assert np.all(o == A.dtype.type(1.3))
    assert np.all(slope == 0)


@pytest.mark.parametrize("kernels", ENGINES)
@settings(max_examples=100, deadline=None)
@given(case=cases(special=False))
def test_ordinates_are_the_values_at_the_hinges(kernels, case):
    _, grid, A, _ = case
    scale = 16 * np.finfo(A.dtype).eps * np.max(np.abs(A)) * (1 + np.max(np.abs(grid.ns)) / np.min(np.diff(grid.ns)))
    np.testing.assert_allclose(kernels.value(np.ascontiguousarray(grid.ns.T), grid, A).T, A, rtol=0, atol=scale)


@pytest.mark.core
@pytest.mark.parametrize("kernels", ENGINES)
@settings(max_examples=100, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), kind=st.sampled_from(["uniform", "general per unit"]), linear=st.booleans())
def test_slope_is_the_difference_quotient_inside_segments(kernels, seed, kind, linear):
    """Value is straight inside a segment, so the quotient is exact but for rounding; the outside counts as segments."""
    rng = np.random.default_rng(seed)
    grid = random_grid(rng, 3, 5, kind, linear, np.float64)
    padded = np.concatenate([grid.ns[:, :1] - 1, grid.ns, grid.ns[:, -1:] + 1], axis=1)
    n, step = ((padded[:, 1:] + padded[:, :-1]) / 2).T.copy(), np.diff(padded, axis=1).T / 8
    A = rng.standard_normal((3, 5))
    wanted = central(lambda z: kernels.value(n + z, grid, A), step)
    np.testing.assert_allclose(kernels.value_slope(n, grid, A)[1], wanted, rtol=0, atol=1e-11)
    assert linear or np.all(wanted[[0, -1]] == 0)


@pytest.mark.slow
def test_without_a_place_for_compiled_code_the_kernels_still_run(tmp_path):
    """Where neither the package's folder nor the home can be written, each process compiles anew, with one notice."""
    place = tmp_path / "site"
    shutil.copytree(Path(pwl.__file__).parent, place / "pwl", ignore=shutil.ignore_patterns("__pycache__"))
    script = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "import numba.core.caching as caching\n"
        "caching.CacheImpl._locator_classes = []\n"  # as if no folder could be written
        "import numpy as np, pwl.kernels.cpu.curves as cpu\n"
        "from pwl.kernels import Hinges\n"
        "print(cpu.value(np.zeros((1, 1)), Hinges(np.array([[-1.0, 1.0]]), True, False), np.array([[0.0, 2.0]]))[0, 0])\n"
    )
    done = subprocess.run([sys.executable, "-c", script, str(place)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "1.0"
    assert "can't be kept on disk" in done.stderr
