"""The losses: output signals, Hessians and their roots against quotients and SciPy, Eqs. (2), (15), (28)."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.special
from oracles import central, output_hessians
from toys import LOSSES, random_network

from pwl.kernels.reference.softmax import softmax
from pwl.losses import LOSSES as LOSS_OBJECTS
from pwl.losses import CrossEntropy


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("scale", [1e-3, 1.0, 30.0])
def test_roots_sum_to_the_hessian(loss, scale):
    net = random_network("tanh", loss=loss)
    y = scale * np.random.default_rng(1).standard_normal((7, 3))
    S = sum(v[:, :, None] * v[:, None, :] for v in net.loss.roots(y, None))
    np.testing.assert_allclose(S, output_hessians(net.loss, y), rtol=0, atol=1e-15)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("scale", [1.0, 30.0, 1000.0])
def test_roots_and_residuals_make_the_output_signal(loss, scale):
    """Also of classes whose probability is too small for a float64, as at the scale 1,000."""
    found = LOSS_OBJECTS[loss]
    rng = np.random.default_rng(5)
    y = scale * rng.standard_normal((7, 3))
    t = rng.integers(0, 3, 7) if found.classes else rng.standard_normal((7, 3))
    d = sum(r[:, None] * v for r, v in zip(found.residuals(y, t).T, found.roots(y, t), strict=True))
    np.testing.assert_allclose(d, found.d(y, t), rtol=1e-14, atol=1e-15)


@pytest.mark.parametrize("loss", LOSSES)
def test_quadratic_form_is_the_hessians(loss):
    net = random_network("tanh", loss=loss)
    y, dy = np.random.default_rng(2).standard_normal((2, 7, 3))
    wanted = np.einsum("pi,pij,pj->p", dy, output_hessians(net.loss, y), dy)
    np.testing.assert_allclose(net.loss.quadratic_form(y, dy, None), wanted, rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("loss", LOSSES)
def test_output_signal_and_hessian_are_the_errors_derivatives(loss):
    found = LOSS_OBJECTS[loss]
    rng = np.random.default_rng(3)
    y, u = rng.standard_normal((2, 7, 3))
    t = rng.integers(0, 3, 7) if found.classes else rng.standard_normal((7, 3))
    slope = central(lambda z: found.errors(y + z * u, t))
    np.testing.assert_allclose(-np.sum(found.d(y, t) * u, axis=1), slope, rtol=0, atol=1e-8)
    bend = -np.sum(central(lambda z: found.d(y + z * u, t)) * u, axis=1)
    np.testing.assert_allclose(found.quadratic_form(y, u, t), bend, rtol=0, atol=1e-8)


@pytest.mark.parametrize("scale", [1e-3, 1.0, 50.0, 1e4])
def test_cross_entropy_is_scipys(scale):
    """Outputs of 1e4 would overflow an exponential."""
    rng = np.random.default_rng(4)
    y, t = scale * rng.standard_normal((50, 5)), rng.integers(0, 5, 50)
    wanted = scipy.special.logsumexp(y, axis=1) - y[np.arange(50), t]
    np.testing.assert_allclose(CrossEntropy().errors(y, t), wanted, rtol=1e-14, atol=1e-15 * scale)
    np.testing.assert_allclose(softmax(y), scipy.special.softmax(y, axis=1), rtol=1e-13, atol=1e-300)
    np.testing.assert_allclose(CrossEntropy().d(y, t).sum(axis=1), 0, atol=1e-15)
