"""Sigmoid and tanh by compiled code: the engine equals the specification to the last digits, Eqs. (107), (108)."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pwl
from pwl.activations import FIXED
from pwl.kernels import COMPILED, LONG, activation_engine, cpu, reference
from pwl.kernels.cpu import activations

LAYOUTS = {
    "rows": lambda n: n,
    "columns": np.asfortranarray,
    "every second": lambda n: np.repeat(n, 2, axis=1)[:, ::2],
    "backwards": lambda n: n[::-1, ::-1],
    "read-only": lambda n: np.frombuffer(n.tobytes(), n.dtype).reshape(n.shape),
}
SPECIAL = [0.0, -0.0, np.inf, -np.inf, np.nan, 1e-30, -1e-30, 19.0, -19.0, 87.5, -87.5, 88.5, -88.5, 709.5, -709.5, 1e30, -1e30]


def units(found, wanted):
    """The largest difference in units of the last digit of what is wanted."""
    places = np.isfinite(wanted)
    np.testing.assert_array_equal(found[~places], wanted[~places])
    few = np.abs(wanted) < np.finfo(wanted.dtype).tiny  # of these, digits are lost by either
    assert np.all(np.abs(found[few]) < np.finfo(wanted.dtype).tiny)
    places &= ~few
    return np.max(np.abs(found - wanted)[places] / np.spacing(np.abs(wanted[places])), initial=0)


@settings(deadline=None)  # because of the compilation
@given(
    st.integers(0, 2**32 - 1), st.integers(0, 9), st.integers(1, 9), st.sampled_from([np.float32, np.float64]),
    st.sampled_from(COMPILED), st.sampled_from(list(LAYOUTS)),
)  # fmt: skip
def test_the_compiled_engine_equals_the_specification(seed, patterns, count, dtype, name, layout):
    rng = np.random.default_rng(seed)
    scale = 10.0 ** rng.integers(-8, 4)
    shape = patterns, count
    plain = np.where(rng.random(shape) < 0.2, rng.choice(SPECIAL, shape), scale * rng.normal(size=shape))
    n, formula = LAYOUTS[layout](plain.astype(dtype)), FIXED[name].formula
    before = n.copy()
    o, slope = cpu.activation_slope(n, formula)
    assert o.shape == slope.shape == n.shape and o.dtype == slope.dtype == dtype and o.flags.writeable and slope.flags.writeable
    assert units(o, reference.activation(n, formula)) <= 4
    np.testing.assert_array_equal(slope, formula.df(n, o))
    np.testing.assert_array_equal(cpu.activation(n, formula), o)
    np.testing.assert_array_equal(n, before)
    if name == "tanh":
        np.testing.assert_array_equal(cpu.activation(-n, formula), -o)


@pytest.mark.parametrize(("dtype", "precise"), [(np.float32, np.float64), (np.float64, np.longdouble)])
@pytest.mark.parametrize("name", COMPILED)
def test_values_are_right_to_the_last_digits(name, dtype, precise):
    n = np.concatenate([np.linspace(-30, 30, 100_001), np.linspace(-0.4, 0.4, 100_001), np.geomspace(1e-12, 40, 10_001)])
    n = n.astype(dtype)
    wide = n.astype(precise)
    wanted = np.tanh(wide) if name == "tanh" else 1 / (1 + np.exp(-wide))
    found = cpu.activation(n, FIXED[name].formula)
    assert np.max(np.abs(found - wanted) / np.spacing(np.abs(found))) < 3.5
    digits = np.spacing(np.abs(found[:100_000]))
    assert np.all(np.diff(found[:100_001]) >= -4 * digits)  # a larger net has no smaller value, but for rounding


def test_the_numbers_are_those_of_the_series():
    series, _, ln2, rest, inverse = activations._numbers(np.float64)
    assert series[-3:] == (1 / 24, 1 / 6, 1 / 2) and inverse == 1 / np.log(2)
    assert ln2 * 1024 == np.float64(ln2) * 2**10 and ln2 + rest == np.log(2) and 0 < rest < 1e-12


def test_many_nets_are_for_the_engine_and_few_are_evaluated_without_its_import():
    few, many = np.zeros((LONG - 1, 1)), np.zeros((LONG // 8, 8))
    for name in COMPILED:
        assert activation_engine(few, FIXED[name].formula) is reference
        assert activation_engine(many, FIXED[name].formula) is cpu
    assert activation_engine(many, FIXED["relu"].formula) is reference


def test_other_activations_and_types_are_left_to_the_specification():
    n = np.linspace(-2, 2, 9)
    np.testing.assert_array_equal(cpu.activation(n, FIXED["relu"].formula), np.maximum(n, 0))
    half = n.astype(np.float16)
    assert cpu.activation_slope(half, FIXED["tanh"].formula)[0].dtype == np.float16


@pytest.mark.parametrize("name", COMPILED)
def test_training_is_the_same_to_rounding(name, monkeypatch):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2 * LONG // 10, 3))
    t = np.sin(x @ rng.normal(size=(3, 1)))
    start = pwl.initialise(pwl.Network.mlp(3, 10, 1, name, seed=0), (x, t))
    found, _ = pwl.train(start, (x, t), pwl.MOLF(), iterations=3)
    monkeypatch.setattr("pwl.kernels.LONG", 10**9)
    wanted, _ = pwl.train(start, (x, t), pwl.MOLF(), iterations=3)
    assert not np.array_equal(found.theta, wanted.theta)
    np.testing.assert_allclose(found.theta, wanted.theta, rtol=1e-7, atol=1e-9)
