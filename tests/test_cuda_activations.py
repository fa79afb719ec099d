"""Fixed activations on the GPU engine equal their own array code, each with one launch."""

from __future__ import annotations

import numpy as np
import pytest
from cuda_engine import DTYPES, same

import pwl
from pwl.activations.fixed import FIXED
from pwl.kernels import Formula
from pwl.kernels.reference import activations as reference

pytestmark = pytest.mark.usefixtures("aligned")

FORMULAS = {**{name: fixed.formula for name, fixed in FIXED.items()}, "another plu": pwl.PLU(0.3, 0.7).formula}
EXACT = ("relu", "leaky_relu", "identity", "plu", "another plu")  # the others agree to the rounding of exp and tanh


def nets(shape, dtype):
    """Random nets, kinks, and numbers that are not finite."""
    n = np.random.default_rng(0).standard_normal(shape).astype(dtype)
    special = np.array([0, -0.0, 1, -1, 0.7, -0.7, np.inf, -np.inf, np.nan, 90, -90], dtype)
    n.reshape(-1)[: len(special)] = special[: n.size]
    return n


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(1, 1), (5, 3), (8, 33), (3000, 4), (2, 3, 4, 5)], ids=str)
@pytest.mark.parametrize("name", FORMULAS)
def test_activations_equal_their_formulas(gpu, name, shape, dtype):
    n, formula = nets(shape, dtype), FORMULAS[name]
    with np.errstate(invalid="ignore", over="ignore"):
        wanted = reference.activation_slope(n, formula)
    found = gpu.engine.activation_slope(gpu.array(n), formula)
    for f, w in zip((*found, gpu.engine.activation(gpu.array(n), formula)), (*wanted, wanted[0]), strict=True):
        assert f.shape == n.shape
        if name in EXACT:
            same(gpu, f, w)
        else:
            assert gpu.host(f).dtype == dtype
            np.testing.assert_allclose(gpu.host(f), w, rtol=8 * np.finfo(dtype).eps, atol=4 * np.finfo(dtype).eps)


@pytest.mark.parametrize("dtype", DTYPES)
def test_nets_at_any_address_and_in_any_order(gpu, dtype):
    n = nets((9, 8), dtype)
    aside = gpu.array(np.zeros(73, dtype))[1:].reshape(9, 8)
    aside[...] = gpu.array(n)
    same(gpu, gpu.engine.activation(aside, FORMULAS["plu"]), reference.activation(n, FORMULAS["plu"]))
    turned = gpu.array(np.ascontiguousarray(n.T)).T
    same(gpu, gpu.engine.activation(turned, FORMULAS["plu"]), reference.activation(n, FORMULAS["plu"]))


def test_no_nets(gpu):
    o, slope = gpu.engine.activation_slope(gpu.array(np.zeros((0, 3))), FORMULAS["tanh"])
    assert o.shape == slope.shape == (0, 3)


def test_an_activation_without_a_kernel_is_computed_by_its_formula(gpu):
    squared = Formula("squared", lambda n: n * n, lambda n, o: 2 * n)
    found = gpu.engine.activation_slope(gpu.array(np.array([[3.0]])), squared)
    assert [float(gpu.host(f)[0, 0]) for f in found] == [9.0, 6.0]


@pytest.mark.parametrize("name", FORMULAS)
def test_one_launch_each(gpu, name, monkeypatch):
    launches = []
    monkeypatch.setattr(gpu.activations, "launch", lambda *given, **more: launches.append(given))
    n = gpu.array(np.ones((2, 3)))
    gpu.engine.activation(n, FORMULAS[name])
    gpu.engine.activation_slope(n, FORMULAS[name])
    assert len(launches) == 2
