"""The network that knows no inputs: the mean of the targets, or the shares of the classes.

Inputs that tell the groups of the training apart may tell nothing about new ones. Networks then err more than the mean does, and
its share in the ensemble draws predictions towards it.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from pwl.algorithms import BayesianLM
from pwl.data.targets import known_or_zero
from pwl.learners.forms import Form, Training
from pwl.network.network import Network
from pwl.network.posterior import Posterior
from pwl.reductions.patterns import Patterns
from pwl.runtime.backend import host
from pwl.training.initialise import initialise

CONSTANT = Form((), None, 1, Training(BayesianLM(), 0))
LEAST = 1e-6  # share of a class that has no pattern in the other groups


def constant(patterns: Patterns, M: int, loss: str) -> Network:
    """The network, whose output weights are 0 but for the thresholds, with the variance of the targets."""
    t, w = _targets(patterns, M, loss)
    own = w[:, None] * ~np.isnan(t)
    found = _divided(np.sum(own * known_or_zero(t), axis=0), np.sum(own, axis=0))
    start = initialise(Network.mlp(patterns.x.shape[1], (1,), M, "tanh", bypass=False, loss=loss), patterns)
    W_o = np.zeros(start.W_o.shape)
    W_o[:, 0] = np.log(np.maximum(found, LEAST)) if loss == "cross_entropy" else found
    net = start.moved({"head.W": W_o - start.W_o})
    if loss == "cross_entropy":
        return net
    noise = _divided(np.sum(own * known_or_zero(t - found) ** 2, axis=0), np.sum(own, axis=0))
    return dataclasses.replace(net, posterior=Posterior((), np.zeros((0, 0)), noise, float(np.sum(w))))


def outputs_without(groups: np.ndarray, patterns: Patterns, M: int, loss: str) -> np.ndarray:
    """For each pattern the outputs (Nv, M) of that network as if the pattern's group had been left out, Eq. (91)."""
    t, w = _targets(patterns, M, loss)
    own = w[:, None] * ~np.isnan(t)
    sums, counts = (np.stack([np.bincount(groups, a) for a in b.T], axis=1) for b in (own * known_or_zero(t), own))
    rest = np.sum(counts, axis=0) - counts
    found = _divided(np.sum(sums, axis=0) - sums, rest)[groups]
    return np.log(np.maximum(found, LEAST)) if loss == "cross_entropy" else found


def _divided(sums: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """sums / counts, 0 where nothing was counted."""
    return np.divide(sums, counts, out=np.zeros(sums.shape), where=counts > 0)


def _targets(patterns: Patterns, M: int, loss: str) -> tuple[np.ndarray, np.ndarray]:
    """Targets (Nv, M), of classes a one in the column of the class, and weights (Nv,)."""
    t = host(patterns.t[:])
    w = np.ones(len(t)) if patterns.weights is None else patterns.weights
    return (np.eye(M)[t] if loss == "cross_entropy" else t.reshape(len(t), M)), w
