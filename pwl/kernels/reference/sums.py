"""The specification of sums down the columns (units or channels) of a whole array or of groups of its rows."""

from __future__ import annotations

from pwl.runtime.backend import Array, array_namespace


def column_sums(a: Array) -> Array:
    """Sum of a (.., units) over all but its last axis, (units,)."""
    return array_namespace(a).sum(a, axis=tuple(range(a.ndim - 1)))


def column_products(a: Array, b: Array) -> Array:
    """Sum of a b, both (.., units), over all but the last axis, (units,)."""
    return column_sums(a * b)


def group_sums(a: Array) -> Array:
    """Sum of a (groups, rows, units) over the rows of each group, (groups, units)."""
    return array_namespace(a).sum(a, axis=1)


def group_products(a: Array, b: Array) -> Array:
    """Sum of a b, both (groups, rows, units), over the rows of each group, (groups, units)."""
    return group_sums(a * b)
