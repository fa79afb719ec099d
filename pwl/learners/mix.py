"""How networks are mixed, and how far off their mean is, from their outputs for patterns as if left out, Eqs. (91), (92)."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from scipy.optimize import nnls
from scipy.special import softmax

from pwl.data.targets import known_or_zero
from pwl.learners.ensemble import Ensemble
from pwl.reductions.patterns import Patterns
from pwl.runtime.backend import host

SLACK = 1e-9  # of the mean square: outputs that are alike share alike
STEPS = 300
TINY = 1e-12  # probabilities below it count as that much
NARROWEST = 0.05  # a scale of the variances below that would rest on the network's own belief that it errs nowhere


def shares(outs: list[np.ndarray], patterns: Patterns, classes: bool, gains: Any = 0.0) -> np.ndarray:
    """The shares (forms,) of several outputs (Nv, M) in their mean of lowest error, Eq. (91). Of classes, probabilities mix.

    gains: of each form an array (Nv, M), or 0: by how much the squared errors of its mean are expected to be lower than those of
    the outputs. Probabilities take none.
    """
    t, w = targets(patterns, outs[0])
    if classes:
        return _likeliest(np.stack([softmax(y, axis=1)[np.arange(len(t)), t] for y in outs], axis=1), w)
    own = w[:, None] * ~np.isnan(t)  # of each target
    r = np.stack([(np.sqrt(own) * known_or_zero(t - y)).reshape(-1) for y in outs], axis=1)
    G = r.T @ r
    size = float(np.trace(G))
    if not size:
        return np.full(len(outs), 1 / len(outs))
    G[np.diag_indices(len(G))] -= [float(np.sum(own * gain)) for gain in np.broadcast_to(gains, (len(outs), *outs[0].shape))]
    # |r u|^2 has the same direction of its minimum under sum u = 1 as with (1 - sum u)^2 added, since both are quadratic forms
    root = _root(G / size + SLACK * np.eye(len(G)))
    found, _ = nnls(np.vstack([root, np.ones(len(G))]), np.append(np.zeros(len(G)), 1.0))
    return found / np.sum(found)


def _root(G: np.ndarray) -> np.ndarray:
    """A matrix with root' root = G, or the nearest to G that has one."""
    a, U = np.linalg.eigh(G)
    return np.sqrt(np.maximum(a, SLACK))[:, None] * U.T


def _likeliest(p: np.ndarray, w: np.ndarray) -> np.ndarray:
    """The shares u with the largest sum of w log p u, by EM. p (Nv, forms): probabilities of the right classes."""
    p, u = np.maximum(p, TINY), np.full(p.shape[1], 1 / p.shape[1])
    for _ in range(STEPS):
        u = u * (w @ (p / (p @ u)[:, None])) / np.sum(w)
    return u


def with_scale(ensemble: Ensemble, outs: list[np.ndarray], views: list[Patterns]) -> Ensemble:
    """The ensemble with the scale (M,) at which its variances are the mean squared errors for patterns left out, Eq. (92).

    outs: of each network, its outputs (Nv, M) for the patterns of the training, each as if left out. views: of each network, these
    patterns as it takes them. Patterns that none has left out are NaN. An ensemble without deviations stays as it is.
    """
    if any(net.posterior is None for net in ensemble.nets):
        return ensemble
    y = sum(u * out for u, out in zip(ensemble.weights, outs, strict=True))
    t, w = targets(views[0], y)
    variance = np.zeros(y.shape)
    for u, net, out, patterns in zip(ensemble.weights, ensemble.nets, outs, views, strict=True):
        own = host(net.with_preparation(None).predict(patterns.x[:], return_std=True)[1]) ** 2
        variance += u * (own + (out - y) ** 2)
    own = w[:, None] * (~np.isnan(t - y) & (variance > 0))  # of each target. A constant one has no variance to be scaled
    sums, total = np.sum(own * known_or_zero(t - y) ** 2 / np.where(own > 0, variance, 1.0), axis=0), np.sum(own, axis=0)
    scale = np.divide(sums, total, out=np.ones(len(total)), where=total > 0)  # 1 for a target of which no value was left out
    return dataclasses.replace(ensemble, scale=np.maximum(scale, NARROWEST))


def targets(patterns: Patterns, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Labels (Nv,), or targets of the shape of outputs y, and the weights (Nv,) of the patterns."""
    t = host(patterns.t[:])
    w = np.ones(len(t)) if patterns.weights is None else patterns.weights
    return (t if np.issubdtype(t.dtype, np.integer) and t.ndim == 1 else t.reshape(y.shape)), w
