"""What a network would predict for each pattern of its training without it, to first order, Eq. (92)."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.linalg

from pwl.algorithms.bayesian_lm import BayesianLM
from pwl.algorithms.predictive import of_all_weights
from pwl.errors import InputError
from pwl.network.network import Network
from pwl.network.passes import outputs
from pwl.network.posterior import Posterior
from pwl.network.variance import rows_of_outputs
from pwl.reductions.blocks import block_rows
from pwl.reductions.patterns import Patterns
from pwl.runtime.backend import Array, host
from pwl.runtime.threads import single_threaded_blas

HIGHEST = 0.99  # share of a pattern in its own output: one of 1 leaves nothing to be judged by


def left_out(net: Network, patterns: Patterns, algorithm: BayesianLM, record: Any) -> np.ndarray:
    """Computes the outputs for each pattern of the training as if it had been left out, Eq. (92).

    The step that takes a pattern away is that of Newton's method, from the weights of the network and the curvature that its
    posterior has. Nothing is trained again.

    Parameters
    ----------
    net : Network
        The network after its training.
    patterns : Patterns
        The patterns of its training, in the network's units.
    algorithm : BayesianLM
        The algorithm of its training.
    record : pwl.Record
        The record of its training.

    Returns
    -------
    array (Nv, M)

    Raises
    ------
    InputError
        If J'J + Lambda has no triangular factor, or if the network is that before the first iteration, which has no Lambda.
    """
    if not record.best_iteration:
        raise InputError("the best network of the record is the one before its training, for which there is no lambda")
    net = patterns.suited(net)
    posterior = of_all_weights(net, patterns, algorithm, record)
    rows, found = block_rows(net, posterior.floats, patterns.block_bytes), []
    for first in range(0, len(patterns), rows):
        x, t, w = patterns.block(net, first, min(first + rows, len(patterns)))
        found.append(_of_block(net, posterior, x, t, w))
    return np.concatenate(found)


def _of_block(net: Network, posterior: Posterior, x: Array, t: Array, w: Array | None) -> np.ndarray:
    y = outputs(net, x)
    V = np.stack([host(v).astype(np.float64) for v in net.loss.roots(y, t)], axis=1)  # (b, roots, M), S = V'V
    d = host(net.loss.d(y, t)).astype(np.float64)
    if w is not None:
        V, d = V * np.sqrt(host(w))[:, None, None], d * host(w)[:, None]
    Q = _covariances(net, posterior, x)
    share, directions = np.linalg.eigh(V @ Q @ V.transpose(0, 2, 1))
    free = 1 - np.minimum(share, HIGHEST)
    inner = np.einsum("brk,brm,bmn,bn->bk", directions, V, Q, d, optimize=True) / free
    change = np.einsum("bmn,bn->bm", Q, d) + np.einsum("bmn,brn,brk,bk->bm", Q, V, directions, inner, optimize=True)
    return host(y).astype(np.float64) - change


def _covariances(net: Network, posterior: Posterior, x: Array) -> np.ndarray:
    """Q = j (2 Nv (J'J + Lambda))^-1 j' of each pattern (b, M, M), with j = dy/dw."""
    with single_threaded_blas():
        inner = np.stack([
            scipy.linalg.solve_triangular(posterior.factor, each, lower=True, check_finite=False)
            for each in rows_of_outputs(net, posterior.keys, x)
        ])  # fmt: skip
    return np.einsum("inb,knb->bik", inner, inner, optimize=True) / (2 * posterior.Nv)
