"""Smooth directions for the curves: few knots move many hinges, and their number grows during training, Eq. (57)."""

from __future__ import annotations

import functools

import numpy as np

KNOTS = (3, 5, 9, 17)  # each set contains the one before it; the last set is the middle 17 of 25 hinges
SHARE = 2 / 3  # of the hinges' span that the knots cover: +- 2 standard deviations if the span is +- 3


def knots_at(step: int, refine: int) -> int:
    """Number of knots in a step, counted from 0, Eq. (57). It grows after every `refine` steps."""
    return KNOTS[min(step // refine, len(KNOTS) - 1)]


@functools.lru_cache
def smoother(hinges: int, knots: int) -> np.ndarray:
    """S'S (K, K) of Eq. (57) for K uniform hinges. It makes a direction smooth, with straight tails."""
    S = natural_spline(hinges, knots)
    return S.T @ S


def natural_spline(hinges: int, knots: int) -> np.ndarray:
    """S (knots, K) of Eq. (57). Row j is the natural cubic spline that is 1 at knot j and 0 at the others, at K uniform hinges.

    The knots are uniform over the middle `SHARE` of the hinges. Beyond the outer knots a spline is straight.
    """
    t = np.linspace(-0.5, 0.5, hinges) * ((knots - 1) / SHARE) + (knots - 1) / 2  # knots lie at t = 0, 1, ..
    inside = np.clip(t, 0, knots - 1)
    i = np.minimum(inside.astype(int), knots - 2)
    C = np.eye(knots)
    bend = np.zeros((knots, knots))  # second derivatives at the knots, 0 at the outer ones
    bands = 4 * np.eye(knots - 2) + np.eye(knots - 2, k=1) + np.eye(knots - 2, k=-1)
    bend[1:-1] = np.linalg.solve(bands, 6 * np.diff(C, 2, axis=0))
    b = (inside - i)[:, None]
    a = 1 - b
    values = a * C[i] + b * C[i + 1] + ((a**3 - a) * bend[i] + (b**3 - b) * bend[i + 1]) / 6
    slope_left = C[1] - C[0] - bend[1] / 6
    slope_right = C[-1] - C[-2] + bend[-2] / 6
    return (values + np.minimum(t, 0)[:, None] * slope_left + np.maximum(t - knots + 1, 0)[:, None] * slope_right).T
