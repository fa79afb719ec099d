"""Least squares as SciPy's users know it: exact fits, rank, numeric Jacobians, bounds, robust losses, bad input."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.optimize
import scipy.sparse

import pwl
from pwl.solvers.least_squares import least_squares
from pwl.solvers.robust import LOSSES, Loss


@pytest.mark.parametrize("solver", ["qr", "cholesky"])
@pytest.mark.parametrize("numeric", [False, True])
def test_exact_fits_have_converged(solver, numeric):
    """Linear and bent, with columns of any scale, and with residuals that are differences of large numbers.

    Difference quotients can't see a column of 1e-6 beside residuals of 1e6, so that their range is smaller.
    """
    rng, scales = np.random.default_rng(0), 2 if numeric else 6
    for number in range(60):
        n, P = rng.integers(2, 9), rng.integers(1, 6)
        A, w = rng.normal(size=(n, P)) * 10.0 ** rng.integers(-scales, scales, P), rng.normal(size=P)
        offset = 0.0 if numeric else (0.0, 1e6)[number % 2]
        y = A @ w + offset
        found = least_squares(
            lambda p, A=A, y=y, c=offset: (A @ p + c) - y,
            None if numeric else lambda p, A=A: A,
            np.zeros(P),
            solver=solver,
        )
        assert found.converged, (number, found)
    x = np.linspace(0, 2, 9)
    y = 2 * np.exp(-1.3 * x)
    bent = least_squares(lambda p: p[0] * np.exp(-p[1] * x) - y, None, [1, 1], solver=solver)
    assert bent.converged
    np.testing.assert_allclose(bent.w, [2, 1.3], rtol=1e-9)


def test_a_damping_far_above_the_problem_does_not_hide_the_way_down():
    x = np.linspace(0, 1, 9)
    found = least_squares(lambda p: 1e-9 * p[0] * x - 3e-9 * x, lambda p: 1e-9 * x[:, None], [0.0])
    assert found.converged
    np.testing.assert_allclose(found.w, [3.0], rtol=1e-9)


def test_what_is_no_minimum_is_not_said_to_be_one():
    """A wrong Jacobian: no step leads down, yet the residuals are no rounding."""
    x = np.linspace(0, 1, 9)
    found = least_squares(lambda p: p[0] * x - 1 - x**2, lambda p: -x[:, None], [0.3])
    assert not found.converged and found.stop_code == "mu_max"


# ---- rank

X = np.array([0.0, 1, 2, 3])
Y = np.array([0.0, 1.1, 1.9, 3.2])


@pytest.mark.parametrize("numeric", [False, True])
def test_an_idle_parameter_has_an_infinite_deviation(numeric):
    idle = least_squares(lambda p: p[0] * X - Y, None if numeric else lambda p: np.c_[X, 0 * X], [0.0, 5.0])
    alone = least_squares(lambda p: p[0] * X - Y, lambda p: X[:, None], [0.0])
    assert idle.rank == 1
    np.testing.assert_allclose(idle.standard_deviations(), [alone.standard_deviations()[0], np.inf], rtol=1e-6)


@pytest.mark.parametrize(("numeric", "unit"), [(False, 1.0), (False, 1e-7), (False, 1e9), (True, 1.0), (True, 1e9)])
def test_parameters_that_make_up_for_each_other_have_infinite_deviations_and_others_do_not(numeric, unit):
    """y = a + b + c x: only the sum of a and b is determined. c's deviation is that of a straight line."""
    J = np.c_[np.ones(4), unit * np.ones(4), X]
    both = least_squares(lambda p: J @ p - Y, None if numeric else lambda p: J, [0.0, 0.0, 0.0])
    line = least_squares(lambda p: J[:, [0, 2]] @ p - Y, lambda p: J[:, [0, 2]], [0.0, 0.0])
    assert both.rank == 2
    np.testing.assert_allclose(both.standard_deviations(), [np.inf, np.inf, line.standard_deviations()[1]], rtol=1e-5)


def test_deviations_are_scipys():
    rng = np.random.default_rng(3)
    x = np.linspace(0, 3, 50)
    y = 2 * np.exp(-1.3 * x) + 0.5 + 0.02 * rng.normal(size=50)

    def f(x, a, b, c):
        return a * np.exp(-b * x) + c

    found = least_squares(lambda p: f(x, *p) - y, None, [1, 1, 0])
    _, covariance = scipy.optimize.curve_fit(f, x, y, [1, 1, 0])
    np.testing.assert_allclose(found.standard_deviations(), np.sqrt(np.diag(covariance)), rtol=1e-4)


# ---- no Jacobian, bounds, losses


def test_the_three_points_of_a_parabola_give_its_slope_wherever_the_bounds_are():
    for bounds in ((-9, 9), (2.0, 9), (-9, 2.0), (2 - 3e-6, 9), (2 - 1e-6, 2 + 5e-6)):
        # r = w^2 - 4 + ..., so that the start is already good and J is looked at
        found = least_squares(lambda w: w**2 - 5.0, "3-point", [2.0], bounds=bounds, iterations=0)
        np.testing.assert_allclose(found.jacobian, [[4.0]], rtol=1e-5)


@pytest.mark.parametrize("jacobian", [None, "2-point", "3-point"])
def test_no_jacobian(jacobian):
    found = least_squares(lambda p: p - 3.0, jacobian, np.zeros(2))
    assert found.converged
    np.testing.assert_allclose(found.w, [3, 3], rtol=1e-9)


@pytest.mark.parametrize("loss", ["linear", *LOSSES])
def test_bounds_and_losses_end_where_scipy_ends(loss):
    """The same start and bounds, some of them active. What is not convex may end in another minimum, which is none of ours."""
    rng = np.random.default_rng(0)
    x, worse, active = np.linspace(0, 3, 40), 0, 0
    for _ in range(25):
        w = np.array([2, 1.3, 0.5]) * rng.uniform(0.5, 2, 3)
        y = w[0] * np.exp(-w[1] * x) + w[2] + 0.02 * rng.normal(size=40)
        y[rng.integers(0, 40, 4)] += rng.normal(size=4) * 3
        low = w - rng.uniform(-0.3, 1, 3)
        high = low + rng.uniform(0.1, 3, 3)
        start = np.clip([1, 1, 0], low + 1e-3, high - 1e-3)

        def residual(p, y=y, low=low, high=high):
            assert np.all((p >= low) & (p <= high))
            return p[0] * np.exp(-p[1] * x) + p[2] - y

        ours = least_squares(residual, None, start, bounds=(low, high), loss=loss, f_scale=0.1)
        theirs = scipy.optimize.least_squares(
            lambda p, y=y: p[0] * np.exp(-p[1] * x) + p[2] - y, start, bounds=(low, high), loss=loss, f_scale=0.1,
            jac="3-point", xtol=1e-14, ftol=1e-14, gtol=1e-14,
        )  # fmt: skip
        assert ours.converged
        active += bool(np.any((ours.w == low) | (ours.w == high)))
        worse += ours.error > 2 * theirs.cost * (1 + 1e-6)
    assert active > 10 and worse <= (3 if loss == "arctan" else 1)


@pytest.mark.parametrize("loss", LOSSES)
def test_slopes_and_bends_of_the_losses(loss):
    z, h = np.array([0.0, 0.3, 0.9, 1.2, 50.0]), 1e-5
    value, slope, bend = LOSSES[loss](z)
    up, down = LOSSES[loss](z + h), LOSSES[loss](np.maximum(z - h, 0))
    np.testing.assert_allclose(slope[1:], ((up[0] - down[0]) / (2 * h))[1:], rtol=1e-7)
    np.testing.assert_allclose(bend[1:], ((up[1] - down[1]) / (2 * h))[1:], rtol=1e-5, atol=1e-12)
    assert value[0] == 0 and slope[0] == 1


@pytest.mark.parametrize("loss", LOSSES)
def test_the_squared_form_has_the_gradient_of_the_loss(loss):
    rng = np.random.default_rng(0)
    J, w, y, v = rng.normal(size=(30, 3)), rng.normal(size=3), 3 * rng.normal(size=30), rng.normal(size=3)
    chosen, h = Loss.of(loss, 0.7), 1e-6
    A, r = chosen.square(J, J @ w - y)
    slope = (chosen.sum(J @ (w + h * v) - y) - chosen.sum(J @ (w - h * v) - y)) / (2 * h)
    assert 2 * (A.T @ r) @ v == pytest.approx(slope, rel=1e-6)


def test_outliers_hardly_move_a_robust_fit():
    x = np.linspace(0, 1, 30)
    y = 1 + 2 * x
    y[4] += 100
    plain, robust = (
        least_squares(lambda p: p[0] + p[1] * x - y, None, [0, 0], loss=loss, f_scale=0.1)
        for loss in ("linear", "cauchy")
    )
    assert abs(plain.w[0] - 1) > 1
    np.testing.assert_allclose(robust.w, [1, 2], atol=1e-2)
    with pytest.raises(pwl.InputError, match='loss="linear"'):
        robust.standard_deviations()


def test_a_loss_of_ones_own():
    found = least_squares(
        lambda p: p - 3.0, None, [0.0], loss=lambda z: np.stack([z, np.ones_like(z), np.zeros_like(z)])
    )
    assert found.converged and found.w[0] == pytest.approx(3)
    with pytest.raises(pwl.InputError, match="shape \\(3, 1\\), not \\(1,\\)"):
        least_squares(lambda p: p - 3.0, None, [0.0], loss=lambda z: z)


def test_functions_may_fill_the_same_array_each_time():
    out, J = np.empty(4), np.empty((4, 2))

    def residual(p):
        out[:] = p[0] + p[1] * X - Y
        p[:] = np.nan  # and may use the weights for scrap
        return out

    def jacobian(p):
        J[:] = np.c_[np.ones(4), X]
        return J

    found = least_squares(residual, jacobian, [0.0, 0.0])
    np.testing.assert_allclose(found.w[::-1], np.polyfit(X, Y, 1), rtol=1e-8)


# ---- bad input


def test_the_number_of_what_is_not_finite():
    with pytest.raises(pwl.InputError, match="residual 2 .counted from 0. of 4 is nan.*nor is one other"):
        least_squares(lambda p: np.array([0, 1, np.nan, np.inf]) * p[0], None, [1.0])
    J = np.ones((4, 2))
    J[3, 1] = np.inf
    with pytest.raises(pwl.InputError, match="derivative of residual 3 by weight 1"):
        least_squares(lambda p: p[0] - Y, lambda p: J, [0.0, 0.0])


def test_a_derivative_that_becomes_infinite_is_said():
    found = least_squares(lambda p: p - 4.0, lambda p: np.ones((1, 1)) if p[0] == 1 else np.full((1, 1), np.nan), [1.0])
    assert (found.stop_code, found.converged, found.w[0]) == ("not_finite", False, 1.0)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"bounds": (0, 0)}, "bounds of weight 0 must leave room"),
        ({"bounds": (2, 3)}, "weight 0 starts at 1.0, outside of its bounds 2.0 to 3.0"),
        ({"bounds": ([0, 0, 0], 1)}, "bounds must be a pair"),
        ({"bounds": "x"}, "bounds must be a pair"),
        ({"bounds": (np.nan, 1)}, "must leave room"),
        ({"loss": "hubber"}, "did you mean 'huber'"),
        ({"loss": None}, "loss must be"),
        ({"f_scale": 0}, "f_scale must be a positive number"),
        ({"iterations": -1}, "iterations must be"),
        ({"iterations": None}, "iterations must be"),
        ({"tolerance": "x"}, "tolerance must be"),
        ({"damping": 1e-3}, "damping must be a pwl.Damping"),
        ({"jacobian": "5-point"}, "jacobian, if it is not a function, must be"),
        ({"residual": 3}, "residual must be a function"),
        ({"residual": lambda w: "abc"}, "must return a vector of real numbers"),
        ({"residual": lambda w: w * 1j}, "real numbers"),
        ({"residual": lambda w: None}, "must return a vector|not finite|must be a vector"),
        ({"jacobian": lambda w: np.ones((5, 1))}, "has 5 rows, but there are 1 residuals"),
        ({"residual": lambda w: np.ones(2 if w[0] == 1 else 3)}, "gave 2 residuals at the start, but 3 elsewhere"),
        ({"residual": lambda w: np.ones(2 if w[0] == 1 else 3), "jacobian": lambda w: np.ones((2, 1))}, "2 residuals at the start"),
        ({"residual": lambda w: w - 1e200}, "the sum over the residuals is inf at the starting weights"),
        ({"residual": lambda w: w - 1e200, "loss": "huber"}, "the sum over the residuals is (inf|nan)"),
        ({"residual": lambda w: np.ma.masked_less(w, 9.0)}, "came with 1 masked values"),
        ({"jacobian": lambda w: scipy.sparse.csr_matrix([[1.0]])}, "came as a sparse matrix"),
        ({"w": "x"}, "w must be a vector"),
        ({"w": []}, "w must be a vector"),
    ],
)
def test_bad_input(wrong, words):
    given = {"residual": lambda w: w - 3.0, "jacobian": None, "w": [1.0]} | wrong
    with pytest.raises(pwl.InputError, match=words):
        least_squares(given.pop("residual"), given.pop("jacobian"), given.pop("w"), **given)
