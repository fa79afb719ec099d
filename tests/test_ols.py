"""Orthogonal least squares against least squares and against Schmidt's procedure as published, Eqs. (13), (14)."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pwl import OLS, InputError
from pwl.solvers.ols import PANEL, _cholesky_dropping, cholesky_of_independent, schmidt

SEEDS = st.integers(0, 10_000)


def correlations(B, T):
    """R (n, n) and C (M, n) of basis functions B (Nv, n) and targets T (Nv, M)."""
    return B.T @ B / len(B), T.T @ B / len(B)


def dependent_basis(rng, Nv, n, repeats):
    """Basis of n functions, where each function named repeats two earlier ones and a constant function is 0."""
    B = rng.standard_normal((Nv, n))
    for m in repeats:
        B[:, m] = B[:, m - 1] - 2 * B[:, m - 2] if m > 1 else 0
    return B


def residual(B, T, weights):
    return np.sum((T - B @ weights.T) ** 2)


# ---- against least squares


@settings(max_examples=60, deadline=None)
@given(seed=SEEDS, n=st.integers(1, 12), M=st.integers(1, 3))
def test_full_rank_gives_least_squares(seed, n, M):
    rng = np.random.default_rng(seed)
    B, T = rng.standard_normal((40, n)), rng.standard_normal((40, M))
    found = OLS().solve(*correlations(B, T))
    wanted = np.linalg.lstsq(B, T, rcond=None)[0].T
    np.testing.assert_allclose(found.weights, wanted, rtol=0, atol=1e-12)  # condition of R about 1e2 at these sizes
    assert found.dependent == ()


@settings(max_examples=60, deadline=None)
@given(seed=SEEDS, repeats=st.sets(st.sampled_from([2, 4, 5, 7, 9]), min_size=1))
def test_dependent_functions_are_named_and_the_fit_is_kept(seed, repeats):
    rng = np.random.default_rng(seed)
    B, T = dependent_basis(rng, 40, 10, sorted(repeats)), rng.standard_normal((40, 2))
    found = OLS().solve(*correlations(B, T))
    assert found.dependent == tuple(sorted(repeats))
    assert np.all(found.weights[:, sorted(repeats)] == 0)
    wanted = np.linalg.lstsq(B, T, rcond=None)[0].T
    assert residual(B, T, found.weights) == pytest.approx(residual(B, T, wanted), rel=1e-10)


def test_the_first_of_equal_functions_is_kept():
    rng = np.random.default_rng(0)
    B = rng.standard_normal((30, 4))
    B[:, 3] = B[:, 1]
    found = OLS().solve(*correlations(B, rng.standard_normal((30, 1))))
    assert found.dependent == (3,)


def test_a_function_that_is_zero_is_dropped():
    """R[m, m] = 0 and g = 0: "at most" makes a dead unit dependent."""
    rng = np.random.default_rng(0)
    B, T = rng.standard_normal((30, 4)), rng.standard_normal((30, 2))
    B[:, [0, 2]] = 0
    found = OLS().solve(*correlations(B, T))
    assert found.dependent == (0, 2)
    np.testing.assert_allclose(found.weights[:, [1, 3]], np.linalg.lstsq(B[:, [1, 3]], T, rcond=None)[0].T, atol=1e-13)


def test_all_functions_can_be_dropped():
    found = OLS().solve(np.zeros((3, 3)), np.zeros((2, 3)))
    assert found.dependent == (0, 1, 2)
    assert np.all(found.weights == 0)
    assert found.energy.tolist() == [0, 0]


def test_two_functions_by_hand():
    """R = [[4, 2], [2, 5]], c = [8, 8]: Q = [[1/2, 0], [-1/4, 1/2]], V = [4, 2], w = [3/2, 1], energy 20."""
    R, c = np.array([[4.0, 2.0], [2.0, 5.0]]), np.array([8.0, 8.0])
    Q, dependent = schmidt(R, np.zeros(2))
    assert (Q.tolist(), dependent) == ([[0.5, 0], [-0.25, 0.5]], [])
    assert (Q @ c).tolist() == [4, 2]
    found = OLS().solve(R, c)
    assert found.weights.tolist() == [1.5, 1]
    assert found.energy.tolist() == [20]


def test_dependent_function_by_hand():
    """The second function is twice the first: R = [[1, 2], [2, 4]], c = [3, 6]; all weight goes to the first."""
    found = OLS().solve(np.array([[1.0, 2.0], [2.0, 4.0]]), np.array([3.0, 6.0]))
    assert found.weights.tolist() == [3, 0]
    assert found.dependent == (1,)


def test_a_vector_is_solved_like_a_row():
    rng = np.random.default_rng(0)
    R, C = correlations(rng.standard_normal((30, 4)), rng.standard_normal((30, 1)))
    one, row = OLS().solve(R, C[0]), OLS().solve(R, C)
    assert one.weights.shape == (4,)
    np.testing.assert_array_equal(one.weights, row.weights[0])


def test_weights_keep_the_type_of_the_right_side():
    R = np.eye(3, dtype=np.float32)
    assert OLS().solve(R, np.ones(3, np.float32)).weights.dtype == np.float32


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_numbers_that_are_not_finite_show_in_the_weights(bad):
    R, C = np.eye(3), np.ones((2, 3))
    R[1, 1] = bad
    found = OLS().solve(R, C)
    assert found.weights.shape == (2, 3)
    assert np.all(np.isnan(found.weights))
    assert np.all(np.isnan(found.energy))


@settings(max_examples=40, deadline=None)
@given(seed=SEEDS, repeats=st.sets(st.sampled_from([2, 5, 7])))
def test_energy_is_what_the_fit_explains(seed, repeats):
    """Per target: E_t - E of the fit, which is also w c' and w R w'."""
    rng = np.random.default_rng(seed)
    B, T = dependent_basis(rng, 50, 8, sorted(repeats)), rng.standard_normal((50, 3))
    R, C = correlations(B, T)
    found = OLS().solve(R, C)
    explained = (np.sum(T**2, axis=0) - np.sum((T - B @ found.weights.T) ** 2, axis=0)) / len(B)
    for wanted in (
        explained,
        np.sum(found.weights * C, axis=1),
        np.einsum("mi,ij,mj->m", found.weights, R, found.weights),
    ):
        np.testing.assert_allclose(found.energy, wanted, rtol=1e-10)


# ---- against Schmidt's procedure as published


@settings(max_examples=60, deadline=None)
@given(seed=SEEDS, repeats=st.sets(st.sampled_from([1, 2, 4, 5, 9])))
def test_schmidt_orthonormalises_and_agrees_with_solve(seed, repeats):
    rng = np.random.default_rng(seed)
    B, T = dependent_basis(rng, 40, 10, sorted(repeats)), rng.standard_normal((40, 2))
    R, C = correlations(B, T)
    ols = OLS()
    Q, dependent = schmidt(R, ols.thresholds(R))
    kept = np.setdiff1d(np.arange(10), dependent)
    assert tuple(dependent) == tuple(sorted(repeats))
    np.testing.assert_array_equal(Q, np.tril(Q))
    np.testing.assert_allclose(Q @ R @ Q.T, np.diag(np.isin(np.arange(10), kept).astype(float)), atol=1e-10)
    found = ols.solve(R, C)
    assert found.dependent == tuple(dependent)
    np.testing.assert_allclose(found.weights, C @ Q.T @ Q, rtol=0, atol=1e-9)
    np.testing.assert_allclose(found.energy, np.sum((Q @ C.T) ** 2, axis=0), rtol=1e-9)


@pytest.mark.parametrize("n", [PANEL - 1, PANEL, PANEL + 1, 3 * PANEL + 7])
@pytest.mark.parametrize("repeats", [(), (2,), (PANEL - 2, 40), "panel's ends", "many"])
def test_panels_agree_with_schmidt(n, repeats):
    """Dependent functions within a panel, at its first and last column, in later panels, and with earlier ones."""
    if repeats == "panel's ends":
        repeats = [m for m in (PANEL - 1, PANEL, 2 * PANEL) if m < n]
    elif repeats == "many":
        repeats = range(2, n, 3)
    repeats = sorted(repeats)
    rng = np.random.default_rng(n)
    B, T = dependent_basis(rng, 3 * n, n, repeats), rng.standard_normal((3 * n, 2))
    R, C = correlations(B, T)
    thresholds = OLS().thresholds(R)
    Q, dependent = schmidt(R, thresholds)
    assert dependent == repeats
    for factored in (cholesky_of_independent, _cholesky_dropping):
        L, kept = factored(R, thresholds)
        np.testing.assert_array_equal(kept, np.setdiff1d(np.arange(n), repeats))
        L = np.tril(L)
        np.testing.assert_allclose(L @ L.T, R[np.ix_(kept, kept)], rtol=0, atol=1e-12)
        np.testing.assert_allclose(L @ Q[np.ix_(kept, kept)], np.eye(len(kept)), rtol=0, atol=1e-9)
    np.testing.assert_allclose(OLS().solve(R, C).weights, C @ Q.T @ Q, rtol=0, atol=1e-9)


def test_factoring_leaves_the_matrix_alone():
    R = correlations(dependent_basis(np.random.default_rng(0), 30, 8, [4]), np.zeros((30, 1)))[0]
    before = R.copy()
    OLS().solve(R, np.ones(8))
    np.testing.assert_array_equal(R, before)


# ---- the dependence test


@settings(max_examples=40, deadline=None)
@given(seed=SEEDS, power=st.integers(-40, 40))
def test_relative_test_does_not_depend_on_scale(seed, power):
    """H and g of a problem times 2^power, which rounds nothing: the same z, bit by bit, and the same dependents."""
    rng = np.random.default_rng(seed)
    H, g = correlations(dependent_basis(rng, 30, 6, [3]), rng.standard_normal((30, 1)))
    once, scaled = OLS().solve(H, g), OLS().solve(4.0**power * H, 4.0**power * g)
    assert once.dependent == scaled.dependent == (3,)
    np.testing.assert_array_equal(scaled.weights, once.weights)


@pytest.mark.parametrize("scale", [1e-3, 1e3])
def test_each_function_may_have_its_own_scale(scale):
    """Functions times s get weights divided by s; those dropped stay dropped."""
    rng = np.random.default_rng(1)
    B, T = dependent_basis(rng, 40, 6, [4]), rng.standard_normal((40, 2))
    scales = np.array([1, scale, scale**2, 1, scale, 1])
    once, scaled = OLS().solve(*correlations(B, T)), OLS().solve(*correlations(B * scales, T))
    assert once.dependent == scaled.dependent == (4,)
    np.testing.assert_allclose(scaled.weights * scales, once.weights, rtol=0, atol=1e-12)


def test_the_published_absolute_test_depends_on_scale():
    """Factors at targets times 1e-3: H falls by 1e-18 and every function is dropped; the default drops none."""
    rng = np.random.default_rng(2)
    H, g = correlations(rng.standard_normal((30, 6)), rng.standard_normal((30, 1)))
    published = OLS(relative=False)
    assert published.solve(H, g).dependent == ()
    assert published.solve(1e-18 * H, 1e-12 * g).dependent == (0, 1, 2, 3, 4, 5)
    assert OLS().solve(1e-18 * H, 1e-12 * g).dependent == ()


@pytest.mark.parametrize(("relative", "limit"), [(True, 0.25), (False, 1.0)])
def test_the_threshold_itself_counts_as_dependent(relative, limit):
    """R = [[1, s], [s, 4]] has g = 4 - s^2: 1 at s^2 = 3, which is 0.25 of R[1, 1]."""
    R = np.array([[1.0, 0.0], [0.0, 4.0]])
    R[0, 1] = R[1, 0] = np.sqrt(3.0)
    for tolerance, dependent in ((limit * (1 + 1e-9), (1,)), (limit * (1 - 1e-9), ())):
        if tolerance < 1:
            assert OLS(tolerance, relative).solve(R, np.ones(2)).dependent == dependent
    exact = np.array([[1.0, 1.0], [1.0, 2.0]])  # g = 1 exactly, half of R[1, 1]
    assert OLS(0.5).solve(exact, np.ones(2)).dependent == (1,)


@pytest.mark.parametrize("tolerance", [-1e-12, 1.0, np.nan])
def test_tolerances_that_cannot_be(tolerance):
    with pytest.raises(InputError):
        OLS(tolerance)


@pytest.mark.slow
def test_four_thousand_functions():
    """A panel of columns at a time, so that the work is in matrix products: 20 s are some ten times what it takes."""
    n, repeats = 4000, [70, 1000, 1001, 2047, 3999]
    rng = np.random.default_rng(3)
    B = rng.standard_normal((n + 200, n))
    for m in repeats:
        B[:, m] = B[:, m - 3] - B[:, m - 4]
    R, c = B.T @ B / len(B), rng.standard_normal(n)
    begin = time.perf_counter()
    found = OLS(1e-10).solve(R, c)
    assert time.perf_counter() - begin < 20
    assert found.dependent == tuple(repeats)
    kept = np.setdiff1d(np.arange(n), repeats)
    left = R[np.ix_(kept, kept)] @ found.weights[kept] - c[kept]
    assert np.abs(left).max() < 1e-8 * np.abs(found.weights).max()
