"""A least squares problem as it was stated, checked: residuals, their derivatives, bounds and loss."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from pwl.errors import InputError
from pwl.runtime.backend import as_array
from pwl.runtime.given import check_numbers
from pwl.solvers.box import Box
from pwl.solvers.differences import ROUNDING, STEPS, quotients
from pwl.solvers.robust import Loss
from pwl.validate import one_of, shown


class Problem(NamedTuple):
    """Residuals of w, a function for their Jacobian or a method of `quotients`, the box of the weights, and the loss.

    n: the number of residuals, once it is known.
    """

    residual: Callable[[np.ndarray], Any]
    derivatives: Callable[[np.ndarray], Any] | str
    box: Box
    loss: Loss
    n: int | None = None

    @property
    def rounding(self) -> float:
        """The rounding of the Jacobian, relative to its columns."""
        return ROUNDING[self.derivatives] if isinstance(self.derivatives, str) else float(np.finfo(np.float64).eps)

    def residuals(self, w: np.ndarray) -> np.ndarray:
        """The residuals (n,), in an array of their own, because the function may fill the same one each time."""
        try:
            r = _real(self.residual(w.copy()))
        except InputError:
            raise
        except (TypeError, ValueError) as wrong:
            raise InputError(f"residual(w) must return a vector of real numbers, but it failed ({wrong})") from wrong
        if r.ndim != 1 or not len(r):
            raise InputError(
                f"residual(w) must be a vector of one number per residual, not an array of shape {r.shape}"
            )
        if self.n not in (None, len(r)):
            raise InputError(f"residual(w) gave {self.n} residuals at the start, but {len(r)} elsewhere: their number must stay")
        return r

    def jacobian(self, w: np.ndarray, r: np.ndarray) -> np.ndarray:
        """The derivatives (n, P) at w, where the residuals are r."""
        if isinstance(self.derivatives, str):
            return quotients(self.residuals, w, r, self.derivatives, self.box)
        try:
            J = _real(self.derivatives(w.copy()))
        except InputError:
            raise
        except (TypeError, ValueError) as wrong:
            raise InputError(f"jacobian(w) must return an array of real numbers, but it failed ({wrong})") from wrong
        if J.ndim != 2 or J.shape[1] != len(w):
            raise InputError(f"jacobian(w) must be of shape (residuals, {len(w)}), not {J.shape}")
        if len(J) != len(r):
            raise InputError(
                f"jacobian(w) has {len(J)} rows, but there are {len(r)} residuals: one row each was wanted"
            )
        return J

    def first_residuals(self, w: np.ndarray) -> np.ndarray:
        """The residuals at the start, which must be finite, as must the sum that is minimised."""
        r = self.residuals(w)
        bad = np.flatnonzero(~np.isfinite(r))
        if len(bad):
            raise InputError(
                f"residual {bad[0]} (counted from 0) of {len(r)} is {r[bad[0]]}, not finite at the starting weights"
                f"{_more(len(bad))}: start elsewhere, or look at its data"
            )
        with np.errstate(over="ignore", invalid="ignore"):
            if not np.isfinite(total := self.loss.sum(r)):
                raise InputError(f"the sum over the residuals is {total} at the starting weights: start elsewhere, or rescale them")
        return r

    def first_jacobian(self, w: np.ndarray, r: np.ndarray) -> np.ndarray:
        """The derivatives at the start, which must be finite."""
        J = self.jacobian(w, r)
        bad = np.argwhere(~np.isfinite(J))
        if len(bad):
            i, j = bad[0]
            raise InputError(
                f"the derivative of residual {i} by weight {j} (counted from 0) is {J[i, j]}, not finite at the starting "
                f"weights{_more(len(bad))}: start elsewhere or rescale"
            )
        return J


def _real(values: Any) -> np.ndarray:
    """A copy of the values in float64. Raises TypeError for complex numbers, whose imaginary parts would be lost."""
    if np.iscomplexobj(values):
        raise TypeError("complex numbers came")
    return np.array(as_array(values, "what it returned"), dtype=np.float64)


def _more(count: int) -> str:
    return "" if count == 1 else ", nor is one other" if count == 2 else f", nor are {count - 1} others"


def stated(residual: Any, jacobian: Any, w: Any, bounds: Any, loss: Any, f_scale: Any) -> tuple[Problem, np.ndarray]:
    """The problem and the starting point (P,). Raises InputError for arguments that can't be used."""
    if not callable(residual):
        raise InputError(f"residual must be a function of w, not {shown(residual)}")
    derivatives = "3-point" if jacobian is None else jacobian
    if not callable(derivatives):
        derivatives = one_of("jacobian, if it is not a function,", derivatives, STEPS)
    check_numbers(w, "w")
    try:
        start = np.array(w, dtype=np.float64)
    except (TypeError, ValueError):
        start = np.empty((0, 0))
    if start.ndim != 1 or not len(start) or not np.all(np.isfinite(start)):
        raise InputError(f"w must be a vector of finite numbers to start from, not {w!r}")
    return Problem(residual, derivatives, Box.of(bounds, start), Loss.of(loss, f_scale)), start
