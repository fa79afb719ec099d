"""Activations without parameters: the specification is their own array code."""

from __future__ import annotations

from pwl.kernels.formula import Formula
from pwl.runtime.backend import Array


def activation(n: Array, formula: Formula) -> Array:
    """o = f(n) in the shape of n."""
    return formula.f(n)


def activation_slope(n: Array, formula: Formula) -> tuple[Array, Array]:
    """o and do/dn, both in the shape of n."""
    o = formula.f(n)
    return o, formula.df(n, o)
