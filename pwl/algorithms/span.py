"""Units whose nets leave the hinges of their curves, and bounds on the factors that keep them in, Eq. (85)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from pwl.algorithms.penalties import Penalties
from pwl.network.layout import address
from pwl.network.network import Network
from pwl.runtime.backend import Array, host

FARTHEST = 3.0  # half spans: on most tables nearer bounds cost more than they save, and none let units die


def distances(net: Network, R: Mapping[str, Array]) -> dict[str, np.ndarray]:
    """Root mean square distance (units,) of the nets of each layer from the middle of its hinges, in half spans, Eq. (85).

    R: autocorrelations of inputs by slot key of the weights. Layers that it lacks, and units without curves, are left out.
    """
    found = {}
    for key, (W, middle, half) in _spanned(net, R).items():
        W[:, 0] -= middle
        found[key] = np.sqrt(np.maximum(_form(W, R[key], W), 0)) / half
    return found


def units_outside(net: Network, R: Mapping[str, Array]) -> dict[str, int]:
    """The series "units_outside", the number of units at a distance above 1. It is empty if no layer's inputs are known.

    Nets that all lie within the hinges have a distance of 1 at most, so that some nets of these units lie outside.
    """
    found = distances(net, R)
    return {"units_outside": sum(int(np.sum(d > 1)) for d in found.values())} if found else {}


def of_basis(net: Network, R: Array, penalties: Penalties) -> dict[str, Array]:
    """The autocorrelation of the first layer's inputs by slot key, from that of the basis after OWO, if the bypass has them all.

    R (Nu, Nu) of `owo_step`, whose diagonal holds the penalties, too.
    """
    keys, n = net.keys("map"), net.n_basis - net.n_features
    if R.ndim > 2:  # of each output's own patterns
        return {}
    if not net.bypass or not keys or net.layout.by_key[keys[0]].layer > 0 or net.parts[keys[0]].shape[1] != n:
        return {}
    first = host(R)[:n, :n].astype(np.float64)
    return {keys[0]: first - np.diag(2 / net.loss.bound * penalties.on_head(net)[:n]) if penalties.any else first}


def bounds(net: Network, D: Mapping[str, Array], R: Mapping[str, Array]) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest factors (blocks,) that leave every unit's distance at `FARTHEST` at most, Eq. (85).

    A unit that is farther may come nearer, but not go farther. Units of which nothing is known have no bounds.
    """
    low, high, spanned = [], [], _spanned(net, R)
    for key, d in D.items():
        if key not in spanned:
            low.append(np.full(d.shape[0], -np.inf))
            high.append(np.full(d.shape[0], np.inf))
            continue
        W, middle, half = spanned[key]
        W[:, 0] -= middle
        d = host(d).astype(np.float64)
        a, b, c = _form(d, R[key], d), _form(W, R[key], d), _form(W, R[key], W)
        a = np.maximum(a, np.finfo(float).tiny)
        outside = np.minimum(c - (FARTHEST * half) ** 2, 0)  # 0 for units that are farther, whose root is |b|
        root = np.sqrt(np.maximum(b * b - a * outside, 0))
        low.append((-b - root) / a)
        high.append((-b + root) / a)
    return np.concatenate(low), np.concatenate(high)


def _spanned(net: Network, R: Mapping[str, Array]) -> dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """By slot key, weights (units, n), and the middles and half spans (units,) of the hinges in the next layer."""
    found = {}
    for key in net.keys("map"):
        ns = net.buffers.get(address(net.layout.by_key[key].layer + 1, "ns"))
        if key in R and ns is not None and len(net.layout.shapes[net.layout.by_key[key].layer + 1]) == 1:
            ns = host(ns).astype(np.float64)
            W = np.array(host(net.parts[key]), dtype=np.float64)
            found[key] = (W, (ns[:, 0] + ns[:, -1]) / 2, (ns[:, -1] - ns[:, 0]) / 2)
    return found


def _form(V: np.ndarray, R: Array, W: np.ndarray) -> np.ndarray:
    """V_k R W_k' of every row k."""
    return np.sum(V @ host(R).astype(np.float64) * W, axis=1)
