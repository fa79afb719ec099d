"""The specification of curves on inputs: hats of all inputs side by side, and dense products with them, Eqs. (67)-(70)."""

from __future__ import annotations

from typing import NamedTuple

from pwl.kernels.hinges import Hinges, InputGeometry, Rises
from pwl.kernels.reference.curves import locate
from pwl.runtime.backend import Array, array_namespace, gram


class Places(NamedTuple):
    """Where inputs lie between their hinges, both (Nv, inputs).

    at: the hinge on the left, counted through the hinges of all inputs. u: the position in the segment, from 0 to 1.
    """

    at: Array
    u: Array


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


def add_input_curves(n: Array, places: Places, A: Array) -> Array:
    """n (Nv, units) + the curves of all inputs with ordinates A (hinges, units), Eq. (68). May overwrite n."""
    return n + hats(places, A.shape[0]) @ A


def input_scatter(places: Places, hinges: int, c: Array) -> Array:
    """Sum over patterns of phi_m c (hinges, columns), for c (Nv, columns), Eq. (69)."""
    return hats(places, hinges).T @ c


def input_pairs(places: Places, hinges: int, w: Array | None) -> Array:
    """Sum over patterns of w phi_m phi_m' (hinges, hinges), Eq. (70)."""
    return gram(hats(places, hinges), w)


def input_ordinates(W: Array, rises: Rises) -> Array:
    """Ordinates (hinges, units) of the sums of rises with weights W (units, rises), with mean 0 over the patterns, Eq. (68)."""
    xp, own = array_namespace(W), rises.geometry
    V = (W / rises.scale).T
    V, level = _padded(V, own), -xp.sum(_padded(rises.mean[:, None] * V, own), axis=1)
    rows = [level]
    for m in range(own.most):
        level = level + V[:, m, :]
        rows.append(level)
    return xp.reshape(xp.stack(rows, axis=1), (-1, W.shape[0]))


def input_rises(G: Array, rises: Rises) -> Array:
    """The transpose of `input_ordinates`: sums (hinges, n) over hats as sums (rises, n) over the rises, Eq. (69)."""
    xp, own = array_namespace(G), rises.geometry
    G = xp.reshape(G, (len(own.inputs), own.most + 1, G.shape[1]))
    total = G[:, -1, :]
    right = [total]  # of each segment, the sum of all hats beyond it
    for m in range(own.most - 1, 0, -1):
        total = total + G[:, m, :]
        right.append(total)
    total = total + G[:, 0, :]
    right = xp.reshape(xp.stack(right[::-1], axis=1), (-1, G.shape[2]))
    found = xp.take(right, xp.asarray(own.kept), axis=0)
    found = found - rises.mean[:, None] * xp.take(total, xp.asarray(own.owner), axis=0)
    return found / rises.scale[:, None]


def _padded(V: Array, own: InputGeometry) -> Array:
    """Rows V (rises, n) as a table (inputs, most, n), with zeros where an input has fewer rises."""
    xp = array_namespace(V)
    V = xp.concat([V, xp.zeros((1, V.shape[1]), dtype=V.dtype)], axis=0)
    return xp.reshape(xp.take(V, xp.asarray(own.padded), axis=0), (len(own.inputs), own.most, V.shape[1]))
