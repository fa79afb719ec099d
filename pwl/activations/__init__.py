"""Activations: fixed functions by name, and curves that are trained.

An activation is a layer (see pwl/layers/__init__.py) that acts on each unit by itself.
"""

from __future__ import annotations

from typing import Any

from pwl.activations.fixed import FIXED, Fixed
from pwl.activations.piecewise_linear import PiecewiseLinear
from pwl.errors import InputError

__all__ = ["FIXED", "Fixed", "PiecewiseLinear", "resolve"]


def resolve(activation: Any) -> Any:
    """Activation layer for a name or an activation object; InputError names the choices otherwise."""
    if isinstance(activation, str):
        if activation not in FIXED:
            raise InputError(
                f"unknown activation {activation!r}: use one of {', '.join(FIXED)} or pwl.PiecewiseLinear(...)"
            )
        return FIXED[activation]
    if getattr(activation, "kind", None) == "activation" and not isinstance(activation, type):
        return activation
    raise InputError(
        f"an activation is a name ({', '.join(FIXED)}) or an object such as pwl.PiecewiseLinear(), not {activation!r}"
    )
