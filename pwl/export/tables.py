"""The numbers of curves in the form in which exports use them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pwl.activations.piecewise_linear import PiecewiseLinear
from pwl.activations.spline import COEFFICIENTS, Spline
from pwl.kernels.reference.input_curves import input_ordinates
from pwl.layers.curved_dense import CurvedDense
from pwl.layers.layer import Arrays


class Uniform(NamedTuple):
    """Curves with uniform hinges: the segment is the whole part of t = (n - first) inverse. A: ordinates (units, K)."""

    first: np.ndarray
    inverse: np.ndarray
    A: np.ndarray


class Positions(NamedTuple):
    """Curves with hinges ns (units, K) at any place, and 1 / width (units, K - 1) of their segments. A: ordinates (units, K)."""

    ns: np.ndarray
    inverse: np.ndarray
    A: np.ndarray


class Cubics(NamedTuple):
    """Splines, Eq. (45): t = (n - first) inverse counts from the second hinge. c: coefficients of u^3 .. 1, (4, units, K - 3)."""

    first: np.ndarray
    inverse: np.ndarray
    c: np.ndarray


class InputCurves(NamedTuple):
    """Curves of the inputs `own` (I,), each with ordinates A (I, K, units) at hinges ns (I, K) and 1 / width (I, K - 1).

    Inputs with fewer hinges have their last one several times, with an inverse of 0 after it.
    """

    own: np.ndarray
    ns: np.ndarray
    inverse: np.ndarray
    A: np.ndarray


def curves(layer: PiecewiseLinear, p: Arrays, b: Arrays) -> Uniform | Positions:
    """The tables of piecewise-linear curves, Eqs. (3), (6)."""
    ns, A = b["ns"], p["A"]
    if layer.uniform:
        return Uniform(ns[:, 0], (ns.shape[1] - 1) / (ns[:, -1] - ns[:, 0]), A)
    return Positions(ns, 1 / np.diff(ns), A)


def cubics(layer: Spline, p: Arrays, b: Arrays) -> Cubics:
    """The tables of splines."""
    ns, Q = b["ns"], p["Q"]
    segments, step = ns.shape[1] - 3, (ns[:, -1] - ns[:, 0]) / (ns.shape[1] - 1)
    windows = np.stack([Q[:, j : j + segments] for j in range(4)])
    return Cubics(ns[:, 0] + step, 1 / step, np.tensordot(np.asarray(COEFFICIENTS), windows, axes=1))


def input_curves(layer: CurvedDense, b: Arrays, W: np.ndarray) -> InputCurves | None:
    """The tables of the curves of inputs that are sums of rises with weights W (units, rises), Eq. (68). None if there are none."""
    if not layer.rises:
        return None
    ns, own = b["ns"], np.asarray(layer.geometry.inputs)
    last = np.max(np.where(np.isfinite(ns), ns, -np.inf), axis=1, keepdims=True)
    ns = np.where(np.isfinite(ns), ns, last)
    width = np.diff(ns)
    inverse = np.divide(1.0, width, out=np.zeros_like(width), where=width > 0)
    W = np.concatenate([np.zeros((len(W), 1 + len(own)), W.dtype), W], axis=1)  # without straight parts
    A = input_ordinates(W, layer.curves(b)).reshape(len(own), -1, len(W))
    return InputCurves(own, ns, inverse, A[:, 1:-1])
