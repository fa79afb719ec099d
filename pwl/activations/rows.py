"""Nets of images as rows of units, and back. Parameters belong to a unit or filter, whatever the pixel."""

from __future__ import annotations

from pwl.runtime.backend import Array, array_namespace


def rows(n: Array) -> Array:
    """Nets as rows of units (Nv x pixels, units), so that one kernel serves dense layers and filters."""
    return n if n.ndim == 2 else array_namespace(n).reshape(n, (-1, n.shape[-1]))


def shaped(o: Array, n: Array) -> Array:
    """Rows in the shape of the nets n."""
    return o if n.ndim == 2 else array_namespace(n).reshape(o, n.shape)


def by_pattern(each: Array, patterns: int) -> Array:
    """Sum over each pattern's pixels: (units, K, Nv x pixels) -> (units, K, Nv)."""
    xp = array_namespace(each)
    return xp.sum(xp.reshape(each, (*each.shape[:2], patterns, -1)), axis=3)
