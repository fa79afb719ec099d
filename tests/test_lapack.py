"""LAPACK in place: the same numbers as SciPy's functions give, and no lock while it works."""

import threading
import time

import numpy as np
import pytest
import scipy.linalg

from pwl.solvers import lapack


def positive_definite(n, seed=0):
    A = np.random.default_rng(seed).standard_normal((n, n))
    return np.asfortranarray(A @ A.T + n * np.eye(n))


@pytest.mark.parametrize("n", [1, 2, 30, 130])
def test_the_numbers_are_those_of_scipy(n):
    A, b = positive_definite(n), np.asfortranarray(np.random.default_rng(1).standard_normal((n, 3)))
    L, x = A.copy(order="F"), b.copy(order="F")
    assert lapack.cholesky(L)
    np.testing.assert_allclose(np.tril(L), scipy.linalg.cholesky(A, lower=True), rtol=0, atol=1e-13 * n)
    lapack.solve_triangular(L, x)
    np.testing.assert_allclose(np.tril(L) @ x, b, rtol=0, atol=1e-12 * n)
    lapack.solve_triangular(L, x, transposed=True)
    np.testing.assert_allclose(A @ x, b, rtol=0, atol=1e-12 * n)
    inverse = L.copy(order="F")
    lapack.invert_triangular(inverse)
    np.testing.assert_allclose(np.tril(inverse) @ np.tril(L), np.eye(n), atol=1e-12)
    for one in (b.copy(order="F"), b[:, 0].copy()):
        wanted = np.linalg.solve(A, one)
        assert lapack.solve(A.copy(order="F"), one)
        np.testing.assert_allclose(one, wanted, rtol=0, atol=1e-12)


def test_matrices_that_are_not_positive_definite_are_said():
    assert not lapack.cholesky(np.asfortranarray([[1.0, 2.0], [2.0, 1.0]]))
    assert not lapack.solve(np.asfortranarray([[0.0]]), np.ones(1))


@pytest.mark.parametrize("A", [np.eye(3, dtype=np.float32), np.arange(6.0).reshape(2, 3)[:, :2], np.eye(2)[::-1]])
def test_arrays_of_another_layout_are_refused(A):
    with pytest.raises(AssertionError):
        lapack.cholesky(A)


def test_python_runs_while_lapack_works():
    """A thread counts in steps of a millisecond while a matrix is factored. Under the lock it would count 0 or 1."""
    A, counted, stop = positive_definite(1500), [], threading.Event()

    def count():
        while not stop.wait(0.001):
            counted.append(time.perf_counter())

    other = threading.Thread(target=count)
    other.start()
    begin = time.perf_counter()
    for _ in range(3):
        lapack.invert_triangular(A.copy(order="F"))
    end = time.perf_counter()
    stop.set()
    other.join()
    assert sum(begin < moment < end for moment in counted) > 5
