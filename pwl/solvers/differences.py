"""Derivatives of residuals by difference quotients, for those who have no Jacobian at hand."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from pwl.solvers.box import Box

EPS = float(np.finfo(np.float64).eps)
STEPS = {"2-point": EPS ** (1 / 2), "3-point": EPS ** (1 / 3)}  # where truncation and rounding are alike
ROUNDING = {"2-point": 100 * EPS ** (1 / 2), "3-point": 100 * EPS ** (2 / 3)}  # of a quotient, relative to its column


def quotients(
    residual: Callable[[np.ndarray], np.ndarray], w: np.ndarray, r: np.ndarray, method: str, box: Box
) -> np.ndarray:
    """The derivatives (n, P) of the residuals r (n,) at w (P,), inside the box, Eq. (89).

    method: "2-point" takes P evaluations, and "3-point" takes 2 P and gives three more digits.
    """
    J = np.empty((len(r), len(w)))
    for j, h in enumerate(STEPS[method] * np.maximum(np.abs(w), 1.0)):
        below, above = min(h, w[j] - box.low[j]), min(h, box.high[j] - w[j])
        if method == "3-point" and min(below, above) > 0.1 * h:
            J[:, j] = _central(residual, w, r, j, below, above)
        else:
            J[:, j] = _forward(residual, w, r, j, above if above >= below else -below)
    return J


def _forward(residual: Callable, w: np.ndarray, r: np.ndarray, j: int, h: float) -> np.ndarray:
    there, h = _moved(w, j, h)
    return (residual(there) - r) / h


def _central(residual: Callable, w: np.ndarray, r: np.ndarray, j: int, below: float, above: float) -> np.ndarray:
    """The slope at w of the parabola through three points, which lie evenly unless a bound is near."""
    low, below = _moved(w, j, -below)
    high, above = _moved(w, j, above)
    left, right = (residual(low) - r) / below, (residual(high) - r) / above
    return (right * below - left * above) / (below - above)


def _moved(w: np.ndarray, j: int, h: float) -> tuple[np.ndarray, float]:
    """w with element j moved by h, and the move that rounding made of h."""
    there = w.copy()
    there[j] += h
    return there, there[j] - w[j]
