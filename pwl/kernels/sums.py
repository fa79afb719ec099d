"""The specification of sums down the columns: over all axes but the last, which is units or channels."""

from __future__ import annotations

from pwl.backend import Array, array_namespace


def column_sums(a: Array) -> Array:
    """Sum of a (.., units) over all but its last axis, (units,)."""
    return array_namespace(a).sum(a, axis=tuple(range(a.ndim - 1)))


def column_products(a: Array, b: Array) -> Array:
    """Sum of a b, both (.., units), over all but the last axis, (units,)."""
    return column_sums(a * b)
