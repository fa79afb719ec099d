"""Directions by the covariances of the rows and the columns of weights' gradients, Eqs. (102), (103)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from pwl.kernels.reference.updates import running_mean
from pwl.network.layout import HEAD
from pwl.network.network import Network
from pwl.runtime.backend import Array, array_namespace, host, like
from pwl.runtime.threads import single_threaded_blas

Arrays = Mapping[str, Array]  # of a side, by the weights' slot key and "rows" or "columns", as in "0.W.rows"
ROWS, COLUMNS = "rows", "columns"


def sides(net: Network, keys: tuple[str, ...], largest: int) -> dict[str, int]:
    """The sides of 2 to `largest` numbers of each layer's weights, with their lengths. Curves have none."""
    found: dict[str, int] = {}
    for key in keys:
        if key in net.keys("map") or key == HEAD:
            found |= {f"{key}.{side}": n for side, n in zip((ROWS, COLUMNS), net.parts[key].shape, strict=True)}
    return {name: n for name, n in found.items() if 1 < n <= largest}


def covariances(old: Arrays, G: Arrays, names: Mapping[str, int], keep: float) -> dict[str, Array]:
    """The running means of G G' and G'G with a further gradient, Eq. (102). They begin at 0."""
    found = {}
    with single_threaded_blas():
        for name in names:
            key, _, side = name.rpartition(".")
            square = G[key] @ G[key].T if side == ROWS else G[key].T @ G[key]
            found[name] = running_mean(old[name], square, keep) if name in old else (1 - keep) * square
    return found


def inverse_root(C: Array, damping: float) -> Array:
    """(C / mean eigenvalue of C + damping I)^(-1/2), Eq. (103), or the identity if C is 0."""
    with single_threaded_blas():
        values, vectors = np.linalg.eigh(host(C).astype(np.float64))
        mean = max(float(values.mean()), 0.0)
        values = np.maximum(values, 0.0) / mean + damping if mean else np.ones_like(values)
        return like((vectors / np.sqrt(values)) @ vectors.T, C)


def conditioned(D: Arrays, m: Arrays, roots: Arrays) -> dict[str, Array]:
    """D, in which the weights that have roots move along left root times m times right root, as far as along D, Eq. (103)."""
    found = dict(D)
    with single_threaded_blas():
        for key, d in D.items():
            left, right = (roots.get(f"{key}.{side}") for side in (ROWS, COLUMNS))
            if left is None and right is None:
                continue
            xp, turned = array_namespace(d), m[key]
            turned = turned if left is None else left @ turned
            turned = turned if right is None else turned @ right
            length = xp.sqrt(xp.sum(turned * turned))
            found[key] = turned * (xp.sqrt(xp.sum(d * d)) / xp.where(length > 0, length, xp.ones_like(length)))
    return found
