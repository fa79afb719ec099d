"""How networks are mixed, and how far off their mean is, from their outputs for patterns as if left out, Eqs. (91), (92)."""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple

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


class LeftOut(NamedTuple):
    """What is known of the networks of a form by patterns that some of them have left out, arrays (Nv, M).

    mean: of the outputs of those, NaN where there are none. spread: the mean squared distance of all networks from their mean.
    gain: how much lower the squared error of the mean of all networks is than that of `mean`.
    """

    mean: np.ndarray
    spread: np.ndarray
    gain: np.ndarray


def of_form(outs: list[np.ndarray]) -> LeftOut:
    """Eq. (91), from the outputs (Nv, M) of n networks of a form, NaN for patterns that a network has learned.

    Between the k networks that have left a pattern out, outputs have a variance. The n - k others count with the mean of these
    variances over all patterns, since two outputs alone tell little.
    """
    n, k = len(outs), sum(np.isfinite(out) for out in outs)
    mean = np.where(k > 0, sum(np.nan_to_num(out) for out in outs) / np.maximum(k, 1), np.nan)
    squares = sum(np.where(np.isfinite(out), (out - mean) ** 2, 0.0) for out in outs)
    usual = np.sum(squares, axis=0) / np.maximum(np.sum(np.maximum(k - 1, 0), axis=0), 1)
    v = (squares + np.minimum(n - k, n - 1) * usual) / max(n - 1, 1)
    return LeftOut(mean, v * (1 - 1 / n), v * (1 / np.maximum(k, 1) - 1 / n))


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


class Score(NamedTuple):
    """How well a mean predicts patterns as if left out. patterns: their number.

    square, variance (M,): the mean squared error of each target in prepared units, and the variance of the target. Of classes, the
    share of patterns in the wrong class, and nothing.
    """

    patterns: int
    square: np.ndarray
    variance: np.ndarray


def score_of(outs: list[np.ndarray], patterns: Patterns, classes: bool, u: np.ndarray) -> Score:
    """The score of the mean of these outputs with the shares u (forms,), Eq. (91). outs, patterns and classes as in `shares`.

    More networks than those that have left a pattern out will predict a new one, so that their error is a little lower.
    """
    t, w = targets(patterns, outs[0])
    if classes:
        p = sum(share * softmax(y, axis=1) for share, y in zip(u, outs, strict=True))
        return Score(len(t), np.array([np.average(np.argmax(p, axis=1) != t, weights=w)]), np.zeros(0))
    y = sum(share * out for share, out in zip(u, outs, strict=True))
    own = w[:, None] * ~np.isnan(t)  # of each target
    total = np.maximum(np.sum(own, axis=0), np.finfo(float).tiny)
    mean = np.sum(own * known_or_zero(t), axis=0) / total
    variance = np.sum(own * (known_or_zero(t) - mean) ** 2, axis=0) / total
    return Score(len(t), np.sum(own * known_or_zero(t - y) ** 2, axis=0) / total, variance)


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


class Told(NamedTuple):
    """How a network tells the variances of patterns: they are as it takes them, and rows are those that count, or None for all."""

    patterns: Patterns
    rows: np.ndarray | None = None

    def counts(self) -> np.ndarray:
        """1 for patterns that count, else 0, (Nv, 1)."""
        found = np.full((len(self.patterns), 1), 1.0 if self.rows is None else 0.0)
        if self.rows is not None:
            found[self.rows] = 1.0
        return found


def with_scale(ensemble: Ensemble, forms: list[LeftOut], numbers: list[int], told: list[Told]) -> Ensemble:
    """The ensemble with the scale (M,) at which its variances are the mean squared errors for patterns left out, Eq. (92).

    forms: what is known of each form of its networks. numbers: of each network, that of its form. told: of each network. An
    ensemble without deviations stays as it is.
    """
    if any(net.posterior is None for net in ensemble.nets):
        return ensemble
    u = np.bincount(numbers, ensemble.weights, len(forms))
    y = sum(share * form.mean for share, form in zip(u, forms, strict=True))
    t, w = targets(told[0].patterns, y)
    variance = sum(share * (form.spread + (form.mean - y) ** 2) for share, form in zip(u, forms, strict=True))
    each = [one.counts() for one in told]
    totals = [np.maximum(sum(own for own, k in zip(each, numbers, strict=True) if k == form), 1.0) for form in range(len(forms))]
    for net, form, own, one in zip(ensemble.nets, numbers, each, told, strict=True):
        std = host(net.with_preparation(None).predict(one.patterns.x[:], return_std=True)[1])
        variance = variance + u[form] * own / totals[form] * std**2
    square = (t - y) ** 2 - sum(share**2 * form.gain for share, form in zip(u, forms, strict=True))  # of the mean of all networks
    own = w[:, None] * (~np.isnan(t - y) & (variance > 0))  # of each target. A constant one has no variance to be scaled
    sums, total = np.sum(own * known_or_zero(square) / np.where(own > 0, variance, 1.0), axis=0), np.sum(own, axis=0)
    scale = np.divide(sums, total, out=np.ones(len(total)), where=total > 0)  # 1 for a target of which no value was left out
    return dataclasses.replace(ensemble, scale=np.maximum(scale, NARROWEST))


def targets(patterns: Patterns, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Labels (Nv,), or targets of the shape of outputs y, and the weights (Nv,) of the patterns."""
    t = host(patterns.t[:])
    w = np.ones(len(t)) if patterns.weights is None else patterns.weights
    return (t if np.issubdtype(t.dtype, np.integer) and t.ndim == 1 else t.reshape(y.shape)), w
