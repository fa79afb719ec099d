"""The specification of the curve kernels in plain Array API code. It is slow and short; other engines must equal it."""

from __future__ import annotations

from pwl.kernels.hinges import Hinges
from pwl.kernels.nets import Nets, made
from pwl.runtime.backend import Array, array_namespace, at_least, at_most, product


def locate(n: Array, grid: Hinges) -> tuple[Array, Array, Array, Array]:
    """Segment m, position u in it, 1 / width, and whether n counts as inside the hinges, all (Nv, units), Eqs. (5), (6).

    A net that is NaN is put in segment 0 with u = NaN, so that NaN shows in every result.
    """
    xp = array_namespace(n)
    ns, last = grid.ns, grid.ns.shape[1] - 2
    if grid.uniform:
        inverse = xp.broadcast_to((last + 1) / (ns[:, -1] - ns[:, 0])[None, :], n.shape)
        t = (n - ns[:, 0][None, :]) * inverse
        inside = (t >= 0) & (t < last + 1)
        if not grid.linear:
            t = at_least(at_most(t, last + 1), 0)
        m = xp.astype(xp.floor(at_least(at_most(xp.where(xp.isnan(t), xp.zeros_like(t), t), last), 0)), xp.int64)
        u = t - xp.astype(m, n.dtype)
    else:
        inside = (n >= ns[:, 0][None, :]) & (n < ns[:, -1][None, :])
        if not grid.linear:
            n = at_least(at_most(n, ns[:, -1][None, :]), ns[:, 0][None, :])
        m = xp.zeros(n.shape, dtype=xp.int64)
        for hinge in range(1, last + 1):
            m = m + xp.astype(n >= ns[:, hinge][None, :], xp.int64)
        low, high = pick(ns, m), pick(ns, m + 1)
        inverse = 1 / (high - low)
        u = (n - low) * inverse
    return m, u, inverse, inside | grid.linear


def pick(table: Array, m: Array) -> Array:
    """table[k, m[p, k]] for every pattern p and unit k."""
    xp = array_namespace(table)
    units, K = table.shape
    rows = xp.arange(units, dtype=m.dtype) * K
    flat = xp.reshape(m + rows[None, :], (-1,))
    return xp.reshape(xp.take(xp.reshape(table, (-1,)), flat), m.shape)


def value(n: Array, grid: Hinges, A: Array) -> Array:
    """Curves o (Nv, units) with ordinates A (units, K) at nets n (Nv, units), Eq. (3)."""
    m, u, _, _ = locate(n, grid)
    left = pick(A, m)
    return left + u * (pick(A, m + 1) - left)


def value_slope(n: Array, grid: Hinges, A: Array) -> tuple[Array, Array]:
    """Curves o and slopes do/dn, both (Nv, units), Eq. (3). At a hinge it is the right-hand slope."""
    xp = array_namespace(n)
    m, u, inverse, inside = locate(n, grid)
    left = pick(A, m)
    rise = pick(A, m + 1) - left
    slope = xp.where(inside, rise * inverse, xp.zeros_like(n))
    return left + u * rise, xp.where(xp.isnan(n), n, slope)


def scatter(n: Array, grid: Hinges, c: Array) -> Array:
    """G_a (units, K): sum over patterns of c[p, k] phi_m(n[p, k]), Eq. (17)."""
    xp = array_namespace(n)
    m, u, _, _ = locate(n, grid)
    right = c * u
    left = c - right
    zero = xp.zeros_like(c)
    columns = [
        xp.sum(xp.where(m == hinge, left, zero), axis=0) + xp.sum(xp.where(m + 1 == hinge, right, zero), axis=0)
        for hinge in range(grid.ns.shape[1])
    ]
    return xp.stack(columns, axis=1)


def times_slope(n: Array, grid: Hinges, A: Array, g: Array) -> Array:
    """g (Nv, units) times the slopes do/dn, in place."""
    g *= value_slope(n, grid, A)[1]
    return g


def mix(n: Array, grid: Hinges, A: Array, W: Array) -> Array:
    """Sums (Nv, M) of the curves with weights W (M, units)."""
    return value(n, grid, A) @ W.T


def back(n: Array, grid: Hinges, A: Array, v: Array, W: Array) -> Array:
    """v (Nv, M) carried back from the sums of `mix` to the nets, (v W) do/dn (Nv, units), Eq. (18)."""
    return times_slope(n, grid, A, product(v, W))


def back_scatter(n: Array, grid: Hinges, v: Array, W: Array) -> Array:
    """G_a (units, K) by `scatter` for signals c = v W, carried back from the sums of `mix` to the curves; v is (Nv, M)."""
    return scatter(n, grid, product(v, W))


def nets(x: Array, W: Array) -> Array | Nets:
    """n = [1, x] W' (Nv, units). An engine may leave them to `mix` and `back_scatter`, which make them where they are used."""
    return made(Nets(x, W))


def hats(n: Array, grid: Hinges) -> Array:
    """phi_m(n[p, k]) as (units, K, Nv), Eq. (4), for the Jacobian of the curves. No engine has a faster kernel yet."""
    xp = array_namespace(n)
    m, u, _, _ = locate(n, grid)
    m, u, zero = m.T, u.T, xp.zeros_like(n.T)
    columns = [xp.where(m == hinge, 1 - u, xp.where(m + 1 == hinge, u, zero)) for hinge in range(grid.ns.shape[1])]
    return xp.stack(columns, axis=1)
