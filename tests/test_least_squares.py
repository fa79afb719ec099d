"""The damped least squares core on problems of its own: worked numbers, NIST's certified ones, and bad input."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.optimize

import pwl
from benchmarks.nist import SOLVED, files, fit
from benchmarks.nist_problems import MODELS, read
from pwl.solvers.least_squares import least_squares
from pwl.solvers.levenberg_marquardt import Damped, Damping, Normal, Triangular, search

SOLVERS = ("qr", "cholesky")


def systems(rows, residuals):
    """The same system in both forms."""
    triangle = np.linalg.qr(np.column_stack([rows, residuals]), mode="r")
    return Normal(rows.T @ rows, rows.T @ residuals), Triangular.of(triangle)


def test_a_damped_step_in_worked_numbers():
    # J = [1 0; 0 2], r = (2, 2), mu = 1: (J'J + I) e = J'r is 2 e_1 = 2, 5 e_2 = 4
    for system in systems(np.diag([1.0, 2.0]), np.array([2.0, 2.0])):
        np.testing.assert_allclose(system.damped(np.ones(2)), [1.0, 0.8], rtol=1e-14)
        np.testing.assert_allclose(system.norms(), [1, 4], rtol=1e-14)
        np.testing.assert_allclose(system.gradient(), [2, 4], rtol=1e-14)


def test_both_forms_give_the_same_step_with_and_without_further_rows():
    rng = np.random.default_rng(0)
    J, r, more, s = rng.normal(size=(9, 4)), rng.normal(size=9), rng.normal(size=(3, 4)), rng.normal(size=3)
    d = rng.uniform(0.1, 1, 4)
    wanted = np.linalg.solve(J.T @ J + more.T @ more + np.diag(d), J.T @ r + more.T @ s)
    for system in systems(J, r):
        np.testing.assert_allclose(system.with_rows(more, s).damped(d), wanted, rtol=1e-12)


def test_fewer_residuals_than_weights():
    rng = np.random.default_rng(1)
    J, r = rng.normal(size=(2, 5)), rng.normal(size=2)
    wanted = np.linalg.solve(J.T @ J + 0.1 * np.eye(5), J.T @ r)
    for system in systems(J, r):
        np.testing.assert_allclose(system.damped(np.full(5, 0.1)), wanted, rtol=1e-10)


def test_schedules_in_worked_numbers():
    fixed, gain, Q = Damping(mu=1.0), Damping(mu=1.0, schedule="gain"), np.ones(1)
    assert fixed.after(Damped(1.0, 2.0, Q), 0.5).mu == pytest.approx(0.1)
    assert fixed.after(Damped(1.0, 2.0, Q), -1.0).mu == pytest.approx(10.0)
    # ratio 3/4: 1 - (1/2)^3 = 7/8; ratio 1: 1 - 1 = 0, so 1/3 at least; ratio 1/2: 1
    for ratio, mu in ((0.75, 7 / 8), (1.0, 1 / 3), (0.5, 1.0)):
        assert gain.after(Damped(1.0, 8.0, Q), ratio) == Damped(pytest.approx(mu), 2.0, Q)
    first = gain.after(Damped(1.0, 2.0, Q), -1.0)
    second = gain.after(first, float("nan"))
    assert (first.mu, second.mu, second.nu) == (2.0, 8.0, 8.0)


def test_diagonal_scaling_keeps_the_largest_norms_and_does_not_depend_on_units():
    damping = Damping(scaling="diagonal")
    Q = damping.scaled(damping.start(2), Normal(np.diag([4.0, 1.0]), np.zeros(2)))
    np.testing.assert_array_equal(Q, [4, 1])
    np.testing.assert_array_equal(
        damping.scaled(Damped(1e-3, 2.0, Q), Normal(np.diag([1.0, 9.0]), np.zeros(2))), [4, 9]
    )
    np.testing.assert_array_equal(damping.scaled(damping.start(2), Normal(np.zeros((2, 2)), np.zeros(2))), [1, 1])
    p = (lambda w: np.array([w[0] - 3, 2 * w[1] + w[0] ** 2]), lambda w: np.array([[1, 0], [2 * w[0], 2]]))
    s = np.array([1.0, 1e4])
    scaled = (lambda w: p[0](w / s), lambda w: p[1](w / s) / s)
    a = least_squares(*p, [1.0, 1.0], iterations=3, damping=damping)
    b = least_squares(*scaled, s * [1.0, 1.0], iterations=3, damping=damping)
    np.testing.assert_allclose(b.w / s, a.w, rtol=1e-9)


def test_a_search_that_cannot_descend_says_so():
    system = Normal(np.eye(2), np.ones(2))
    found = search(system, Damping(), Damping().start(2), lambda e: (1.0, "moved"), 1.0)
    assert found.value is None and found.objective == 1.0 and found.trials == 14  # mu = 1e-3, 1e-2, ..., 1e10
    overflow = search(system, Damping(), Damping().start(2), lambda e: (np.inf if e[0] > 0.01 else 0.5, e[0]), 1.0)
    assert overflow.value < 0.01 and overflow.trials == 6  # 1 / (1 + mu) < 0.01 from mu = 100 on


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("schedule", ["fixed", "gain"])
def test_it_reaches_scipys_minimum(solver, schedule):
    rng = np.random.default_rng(2)
    x = np.linspace(0, 3, 40)
    y = 2 * np.exp(-1.3 * x) + 0.5 + 0.01 * rng.normal(size=40)

    def residual(w):
        return w[0] * np.exp(-w[1] * x) + w[2] - y

    def jacobian(w):
        return np.stack([np.exp(-w[1] * x), -w[0] * x * np.exp(-w[1] * x), np.ones_like(x)], axis=1)

    found = least_squares(residual, jacobian, [1, 1, 0], solver=solver, damping=Damping(schedule=schedule))
    wanted = scipy.optimize.least_squares(residual, [1, 1, 0], jac=jacobian, method="lm", xtol=1e-15, ftol=1e-15)
    assert found.converged
    np.testing.assert_allclose(found.w, wanted.x, rtol=1e-7)
    assert found.error == pytest.approx(2 * wanted.cost, rel=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("solver", [pytest.param("qr", marks=pytest.mark.slow), "cholesky"])
def test_nist(solver):
    """27 of 27 from start 2 and at least 25 from start 1 to 4 digits or more; what is not solved does not claim it is."""
    found = {(path.stem, start): fit(read(path), start, solver) for path in nist_files() for start in (1, 2)}
    assert len(found) == 2 * len(MODELS) == 54
    solved = {key for key, row in found.items() if row["digits"] >= SOLVED}
    assert sum(start == 2 for _, start in solved) == 27
    assert sum(start == 1 for _, start in solved) >= 25
    assert not [key for key, row in found.items() if key not in solved and row["converged"]]
    for key in solved:
        assert found[key]["sum_of_squares"] == pytest.approx(found[key]["certified"], rel=1e-6, abs=1e-20)


def test_standard_deviations_are_nists():
    problem = read(next(path for path in nist_files() if path.stem == "Thurber"))
    found = least_squares(problem.residual, problem.jacobian, problem.starts[1])
    np.testing.assert_allclose(found.standard_deviations(), problem.deviations, rtol=1e-5)


def nist_files():
    try:
        return files()
    except pwl.InputError as missing:
        pytest.skip(str(missing))


def test_a_fit_that_has_not_converged_says_so():
    fit = least_squares(lambda w: np.array([w[0] ** 2 - 2.0]), lambda w: np.array([[2 * w[0]]]), [100.0], iterations=2)
    assert not fit.converged and fit.stop_code == "iterations" and "has not converged" in fit.stop_reason


@pytest.mark.parametrize(
    ("residual", "jacobian", "w", "words"),
    [
        (lambda w: np.array([np.nan]), lambda w: np.ones((1, 1)), [1.0], "not finite at the starting weights"),
        (lambda w: np.ones((2, 2)), lambda w: np.ones((2, 1)), [1.0], "must be a vector"),
        (lambda w: np.ones(2), lambda w: np.ones((2, 3)), [1.0], "must be of shape (residuals, 1), not (2, 3)"),
        (lambda w: np.ones(2), lambda w: np.ones((2, 1)), [np.inf], "finite numbers to start from"),
    ],
)
def test_bad_input(residual, jacobian, w, words):
    with pytest.raises(pwl.InputError) as wrong:
        least_squares(residual, jacobian, w)
    assert words in str(wrong.value)


@pytest.mark.parametrize(
    "wrong", [{"mu": 0.0}, {"mu": 1.0, "mu_max": 0.5}, {"mu_increase": 1.0}, {"mu_decrease": 0.0}, {"scaling": "x"}]
)
def test_bad_damping(wrong):
    with pytest.raises(pwl.InputError):
        Damping(**wrong)
