"""The ridge by evidence: the marginal likelihood against its direct formula, its maximum, and what it does to noise."""

from __future__ import annotations

import numpy as np
import pytest

from pwl.solvers.evidence import best_ridge, class_ridge, spectrum


def sums(B, T, w=None):
    """R, C, energies and Nv of a basis B (Nv, Nu) and targets T (Nv, M)."""
    w = np.ones(len(B)) if w is None else w
    Nv = w.sum()
    return B.T @ (w[:, None] * B) / Nv, B.T @ (w[:, None] * T) / Nv, w @ T**2 / Nv, Nv


def regression(Nv=60, n=7, M=2, noise=0.3, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(Nv, n)) * np.logspace(0, -2, n) + rng.normal(size=n)
    return np.column_stack([np.ones(Nv), X]), X @ rng.normal(size=(n, M)) + noise * rng.normal(
        size=(Nv, M)
    ) * np.arange(1, M + 1)


def direct(B, t, ridge):
    """-log of the density of t ~ N(c, I / 2 beta + X X' / 2 alpha), c flat, at the best beta; alpha = lambda beta Nv."""
    Nv, X = len(B), B[:, 1:]
    V = np.eye(Nv) + X @ X.T / (Nv * ridge)  # in units of 1 / 2 beta
    one = np.ones(Nv)
    inverse = np.linalg.inv(V)
    P = inverse - np.outer(inverse @ one, one @ inverse) / (one @ inverse @ one)  # the constant integrated out
    quadratic = t @ P @ t
    beta = (Nv - 1) / (2 * quadratic)
    logs = np.linalg.slogdet(V)[1] + np.log(one @ inverse @ one) - (Nv - 1) * np.log(beta / np.pi)
    return 0.5 * logs + beta * quadratic


@pytest.mark.parametrize("ridge", [1e-8, 1e-4, 0.03, 5.0])
def test_it_is_the_exact_marginal_likelihood(ridge):
    B, T = regression()
    found = spectrum(*sums(B, T)).at(ridge).negative_log
    assert found == pytest.approx(sum(direct(B, t, ridge) for t in T.T), rel=1e-9)


def test_it_takes_the_highest_evidence():
    B, T = regression()
    found = best_ridge(spectrum(*sums(B, T)))
    around = found.ridge * np.linspace(0.2, 5, 97)
    assert all(found.negative_log <= sum(direct(B, t, ridge) for t in T.T) + 1e-4 for ridge in around)
    # there lambda = gamma E / ((n - gamma) |W|^2), one output at a time
    B, T = regression(M=1, seed=3)
    found = best_ridge(spectrum(*sums(B, T)))
    R, C, energies, Nv = sums(B, T)
    A = R + found.ridge * np.diag([0.0] + [1.0] * (len(R) - 1))
    W = np.linalg.solve(A, C)
    E = float(energies.sum() - 2 * np.sum(W * C) + np.sum(W * (R @ W)))
    wanted = found.gamma * E / ((Nv - 1 - found.gamma) * float(np.sum(W[1:] ** 2)))
    assert found.ridge == pytest.approx(wanted, rel=2e-3)


def test_weights_of_a_known_prior_give_their_ridge():
    """Over many regressions of drawn weights and noise, the ridge is the true one to within its own spread."""
    rng, true, ratios = np.random.default_rng(1), 0.05, []
    for _ in range(40):
        X = rng.normal(size=(200, 40))
        t = X @ rng.normal(size=40) * np.sqrt(0.5 / (true * 200)) + np.sqrt(0.5) * rng.normal(size=200)
        B = np.column_stack([np.ones(200), X])
        ratios.append(best_ridge(spectrum(*sums(B, t[:, None]))).ridge / true)
    assert abs(np.log(np.median(ratios))) < 0.2


def test_pure_noise_has_a_bounded_ridge_and_weights_of_almost_nothing():
    rng = np.random.default_rng(2)
    B = np.column_stack([np.ones(300), rng.normal(size=(300, 5))])
    for _ in range(20):
        found = best_ridge(spectrum(*sums(B, rng.normal(size=(300, 1)))))
        assert np.isfinite(found.ridge) and 0 <= found.gamma <= 5
    assert found.ridge <= 200


def test_targets_without_noise_have_a_ridge_of_almost_nothing():
    B, T = regression(noise=0.0)
    exact = spectrum(*sums(B, T), rest=np.full(2, 1e-25))
    assert best_ridge(exact).ridge < 1e-10


def test_dependent_functions_do_no_harm_and_weights_of_patterns_count():
    B, T = regression()
    doubled = np.column_stack([B, B[:, 2], 0 * B[:, 3]])
    assert np.isfinite(best_ridge(spectrum(*sums(doubled, T))).ridge)
    w = np.r_[2.0, np.ones(len(B) - 1)]
    again = best_ridge(spectrum(*sums(np.r_[B[:1], B], np.r_[T[:1], T])))
    assert best_ridge(spectrum(*sums(B, T, w))).ridge == pytest.approx(again.ridge, rel=1e-9)


def test_nothing_but_constants():
    assert np.isfinite(best_ridge(spectrum(*sums(np.ones((9, 1)), np.arange(9.0)[:, None]))).ridge)


def test_the_ridge_of_classes_in_worked_numbers():
    # a = (1, 3), S has eigenvalues (0, 1/2): h = (1/2, 3/2); at lambda = 1/4 gamma = 5/4; then lambda = 1.25 / (2 * 10 * 2)
    R = np.array([[1.0, 2, 0], [2, 5, 0], [0, 0, 3]])
    S = np.array([[0.25, -0.25], [-0.25, 0.25]])
    found = class_ridge(R, S, square=2.0, ridge=0.25, Nv=10)
    assert found.ridge == pytest.approx(1.25 / 40) and found.gamma == pytest.approx(1.25 / 2)
    assert class_ridge(R, S, square=0.0, ridge=0.25, Nv=10).ridge == pytest.approx(300)  # bounded
