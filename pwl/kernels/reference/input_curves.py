"""The specification of curves on inputs: hats of all inputs side by side, and dense products with them, Eqs. (67)-(70)."""

from __future__ import annotations

from itertools import accumulate, pairwise
from typing import NamedTuple

from pwl.kernels.hinges import Hinges, InputGeometry, Rises
from pwl.kernels.reference.curves import locate
from pwl.runtime.backend import Array, array_namespace, gram


class Places(NamedTuple):
    """Where inputs lie between their hinges, both (Nv, inputs).

    at: the hinge on the left, counted through the hinges of all inputs. u: the position in the segment, from 0 to 1, or beyond
    where the segments at the ends continue.
    """

    at: Array
    u: Array


def input_tails(ns: Array) -> Array:
    """Hinges ns (inputs, K) of curves on inputs with one more before the first and after the last, (inputs, K + 2).

    Curves are straight there, so that the end segments of such a grid hold for all inputs. Rows of ns that are filled up with
    infinity get more hinges after the last. All are as far from one another as the first hinge is from the last.
    """
    xp = array_namespace(ns)
    there = xp.isfinite(ns)
    first, last = ns[:, :1], xp.max(xp.where(there, ns, xp.full_like(ns, -float("inf"))), axis=1, keepdims=True)
    beyond = xp.cumulative_sum(xp.astype(~there, ns.dtype), axis=1)
    span = last - first
    return xp.concat([first - span, xp.where(there, ns, last + span * beyond), last + span * (beyond[:, -1:] + 1)], axis=1)


def input_places(x: Array, grid: Hinges) -> Places:
    """The places of inputs x (Nv, inputs) among hinges (inputs, K)."""
    xp, (inputs, K) = array_namespace(x), grid.ns.shape
    m, u, _, _ = locate(x, grid)
    return Places(m + K * xp.arange(inputs, dtype=m.dtype)[None, :], u)


def hats(places: Places, hinges: int) -> Array:
    """phi (Nv, hinges): two entries for each input, 1 - u at the hinge on its left and u at the next, Eq. (67)."""
    xp = array_namespace(places.u)
    every = xp.arange(hinges, dtype=places.at.dtype)[None, :]
    phi = xp.zeros((places.u.shape[0], hinges), dtype=places.u.dtype)
    zero = xp.zeros_like(phi)
    for j in range(places.u.shape[1]):
        at, u = places.at[:, j][:, None], places.u[:, j][:, None]
        phi = phi + xp.where(every == at, 1 - u, zero) + xp.where(every == at + 1, u, zero)
    return phi


def add_input_curves(n: Array | None, places: Places, A: Array) -> Array:
    """n (Nv, units), if given, + the curves of all inputs with ordinates A (hinges, units), Eq. (68). May overwrite n."""
    curves = hats(places, A.shape[0]) @ A
    return curves if n is None else n + curves


def input_scatter(places: Places, hinges: int, c: Array) -> Array:
    """Sum over patterns of phi_m c (hinges, columns), for c (Nv, columns), Eq. (69)."""
    return hats(places, hinges).T @ c


def input_pairs(places: Places, hinges: int, w: Array | None) -> Array:
    """Sum over patterns of w phi_m phi_m' (hinges, hinges), Eq. (70)."""
    return gram(hats(places, hinges), w)


def input_products(places: Places, sizes: tuple[int, ...], c: Array) -> Array:
    """Sums over patterns of phi_m phi_o c (rows, columns) for hinges of each two inputs, as in `pair_geometry`, Eq. (109).

    sizes: the number of hinges of each input. c: (Nv, columns).
    """
    xp, begin = array_namespace(c), [0, *accumulate(sizes)]
    phi = hats(places, begin[-1])
    own = [phi[:, first:last] for first, last in pairwise(begin)]
    rows = [
        xp.reshape(xp.permute_dims(own[j], (1, 0))[:, None, :] * xp.permute_dims(own[i], (1, 0))[None, :, :], (-1, c.shape[0]))
        for j in range(len(sizes))
        for i in range(j + 1)
    ]
    return xp.concat(rows, axis=0) @ c


def input_ordinates(W: Array, rises: Rises) -> Array:
    """Ordinates (hinges, units) of whole curves with weights W (units, 1 + inputs + rises), Eq. (68).

    W has the thresholds, the slopes of the straight parts, and the weights of the rises. The first input's curves contain the
    thresholds.
    """
    xp, own = array_namespace(W), rises.geometry
    straight = 1 + len(own.inputs)
    V = (W[:, straight:] / rises.scale).T
    V, level = _padded(V, own), -xp.sum(_padded(rises.mean[:, None] * V, own), axis=1)
    rows = [level, level]
    for m in range(own.most):
        level = level + V[:, m, :]
        rows.append(level)
    A = xp.stack([*rows, level], axis=1) + rises.ns[:, :, None] * W[:, 1:straight].T[:, None, :]
    A[0, ...] += W[:, 0]
    return xp.reshape(A, (-1, W.shape[0]))


def input_rises(G: Array, rises: Rises) -> Array:
    """The transpose of `input_ordinates`: sums (hinges, n) over hats as sums (1 + inputs + rises, n), Eq. (69)."""
    xp, own = array_namespace(G), rises.geometry
    G = xp.reshape(G, (len(own.inputs), own.most + 3, G.shape[1]))
    total, x = xp.sum(G, axis=1), xp.sum(rises.ns[:, :, None] * G, axis=1)
    beyond = G[:, -1, :]
    right = []  # of each segment, the sum of all hats beyond it
    for m in range(own.most + 1, 1, -1):
        beyond = beyond + G[:, m, :]
        right.append(beyond)
    right = xp.reshape(xp.stack(right[::-1], axis=1), (-1, G.shape[2]))
    found = xp.take(right, xp.asarray(own.kept), axis=0)
    found = found - rises.mean[:, None] * xp.take(total, xp.asarray(own.owner), axis=0)
    return xp.concat([total[:1, :], x, found / rises.scale[:, None]], axis=0)


def _padded(V: Array, own: InputGeometry) -> Array:
    """Rows V (rises, n) as a table (inputs, most, n), with zeros where an input has fewer rises."""
    xp = array_namespace(V)
    V = xp.concat([V, xp.zeros((1, V.shape[1]), dtype=V.dtype)], axis=0)
    return xp.reshape(xp.take(V, xp.asarray(own.padded), axis=0), (len(own.inputs), own.most, V.shape[1]))
