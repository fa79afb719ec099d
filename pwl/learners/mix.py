"""How networks are mixed, and how far off their mean is, from their outputs for patterns as if left out, Eqs. (91), (92)."""

from __future__ import annotations

import dataclasses

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import softmax

from pwl.learners.ensemble import Ensemble
from pwl.reductions.patterns import Patterns
from pwl.runtime.backend import host

TINY = 1e-12  # probabilities below it count as that much
NARROWEST = 0.05  # a scale of the variances below that would rest on the network's own belief that it errs nowhere


def share(a: np.ndarray, b: np.ndarray, patterns: Patterns, classes: bool) -> float:
    """The share of b in the mean of two sets of outputs (Nv, M) with the lowest error, Eq. (91). Of classes, probabilities mix."""
    t, w = targets(patterns, a)
    if classes:
        p, q = (np.maximum(softmax(y, axis=1)[np.arange(len(t)), t], TINY) for y in (a, b))
        return float(minimize_scalar(lambda u: -w @ np.log((1 - u) * p + u * q), bounds=(0, 1), method="bounded").x)
    change = float(np.sum(w @ (b - a) ** 2))
    return float(np.clip(np.sum(w @ ((b - a) * (t - a))) / change, 0, 1)) if change else 0.0


def with_scale(ensemble: Ensemble, outs: list[np.ndarray], patterns: Patterns) -> Ensemble:
    """The ensemble with the scale (M,) at which its variances are the mean squared errors for patterns left out, Eq. (92).

    outs: of each network, its outputs (Nv, M) for the patterns of the training, each as if left out. The networks carry the
    preparation of the patterns. An ensemble without deviations stays as it is.
    """
    if any(net.posterior is None for net in ensemble.nets):
        return ensemble
    bare = Ensemble([net.with_preparation(None) for net in ensemble.nets], weights=ensemble.weights)
    y = sum(u * out for u, out in zip(ensemble.weights, outs, strict=True))
    t, w = targets(patterns, y)
    own = [host(net.predict(patterns.x[:], return_std=True)[1]) ** 2 for net in bare.nets]
    variance = sum(u * (v + (out - y) ** 2) for u, v, out in zip(ensemble.weights, own, outs, strict=True))
    scale = w @ ((t - y) ** 2 / variance) / np.sum(w)
    return dataclasses.replace(ensemble, scale=np.maximum(scale, NARROWEST))


def targets(patterns: Patterns, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Labels (Nv,), or targets of the shape of outputs y, and the weights (Nv,) of the patterns."""
    t = host(patterns.t[:])
    w = np.ones(len(t)) if patterns.weights is None else patterns.weights
    return (t if np.issubdtype(t.dtype, np.integer) and t.ndim == 1 else t.reshape(y.shape)), w
