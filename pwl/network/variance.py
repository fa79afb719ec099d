"""The variance of predictions from the posterior that a network keeps, Eqs. (82), (83)."""

from __future__ import annotations

import numpy as np

from pwl.network import passes
from pwl.network.layout import HEAD
from pwl.network.network import Network
from pwl.network.posterior import Posterior
from pwl.runtime.backend import Array, array_namespace, host


def variances(net: Network, posterior: Posterior, x: Array) -> np.ndarray:
    """Variance (b, M) of new targets at a block of inputs. Without weights that spread it is the noise."""
    if not posterior.keys:
        return np.tile(posterior.noise, (len(x), 1))
    if posterior.keys == (HEAD,):
        return posterior.variance(host(passes.basis(net, x, passes.features(net, x))).astype(np.float64).T)
    return posterior.variance(np.stack(rows_of_outputs(net, posterior.keys, x)))


def rows_of_outputs(net: Network, keys: tuple[str, ...], x: Array) -> list[np.ndarray]:
    """dy_i/dw (n, b) over the parameters `keys`, for each output i, on the host."""
    xp, signals = array_namespace(x), passes.forward(net, x, keys)
    B, M = passes.basis(net, x, signals.o).T, net.n_outputs
    found = []
    for i in range(M):
        v = xp.zeros_like(signals.y)
        v[:, i] = 1
        head = xp.concat([B if k == i else xp.zeros_like(B) for k in range(M)], axis=0)
        rows = xp.concat([*passes.columns(net, signals.saved, v, keys), head], axis=0)
        found.append(host(rows).astype(np.float64))
    return found
