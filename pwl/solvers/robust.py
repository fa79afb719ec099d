"""Losses that grow more slowly than the square, so that outliers count less, Eq. (90)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from pwl.errors import InputError
from pwl.validate import one_of, positive

LEAST = 0.1  # of rho', kept of the curvature of a residual beyond the bend, which would else be 0 or negative


def soft_l1(z: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """2 (sqrt(1 + z) - 1) and its two derivatives."""
    root = np.sqrt(1 + z)
    return 2 * z / (root + 1), 1 / root, -0.5 / root**3


def huber(z: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """z up to 1, then 2 sqrt(z) - 1."""
    root = np.sqrt(np.maximum(z, 1))
    small = z <= 1
    return np.where(small, z, 2 * root - 1), 1 / root, np.where(small, 0, -0.5 / root**3)


def cauchy(z: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """log(1 + z)."""
    slope = 1 / (1 + z)
    return np.log1p(z), slope, -(slope**2)


def arctan(z: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """arctan(z), which has a bound."""
    slope = 1 / (1 + z**2)
    return np.arctan(z), slope, -2 * z * slope**2


LOSSES: dict[str, Callable] = {"soft_l1": soft_l1, "huber": huber, "cauchy": cauchy, "arctan": arctan}


@dataclass(frozen=True)
class Loss:
    """The sum over the residuals of scale^2 rho(r^2 / scale^2). rho None is the square itself."""

    rho: Callable | None
    scale: float = 1.0

    @staticmethod
    def of(loss: Any, scale: Any) -> Loss:
        """The loss by name, "linear" or one of LOSSES, or from a function of z that gives rho and two derivatives."""
        scale = positive("f_scale", scale)
        if callable(loss):
            return Loss(loss, scale)
        name = one_of("loss", loss, ("linear", *LOSSES))
        return Loss(LOSSES.get(name), scale)

    def sum(self, r: np.ndarray) -> float:
        """The value for residuals r (n,)."""
        return float(r @ r) if self.rho is None else float(self.scale**2 * np.sum(self._of(r)[0]))

    def square(self, J: np.ndarray, r: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """J (n, P) and r (n,) of the least squares problem with the same gradient and Gauss-Newton matrix, Eq. (90)."""
        if self.rho is None:
            return J, r
        _, slope, bend = self._of(r)
        gain = np.sqrt(np.maximum(slope + 2 * bend * (r / self.scale) ** 2, LEAST * slope))
        gain = np.maximum(gain, np.finfo(np.float64).tiny)
        return J * gain[:, None], r * slope / gain

    def _of(self, r: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        assert self.rho is not None
        found = np.asarray(self.rho((r / self.scale) ** 2), dtype=np.float64)
        if found.shape != (3, len(r)):
            raise InputError(
                f"a loss of your own must give rho and its two derivatives, of shape (3, {len(r)}), not {found.shape}"
            )
        return found[0], found[1], found[2]
