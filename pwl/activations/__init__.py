"""Activations: fixed functions by name, and curves that are trained.

An activation is a layer (see pwl/layers/layer.py) that acts on each unit by itself. Two things more belong to it:

- `pieces(p, b, saved)`   in which of its smooth pieces each net lies, as whole numbers or truth values of n's shape
- `linear`                of those with parameters: whether these are ordinates of a curve, in which the output is linear

Parameters have a row for each unit or filter, in which everything that belongs to it lies.
"""

from __future__ import annotations

from typing import Any

from pwl.activations.apl import APL
from pwl.activations.fixed import FIXED, Fixed
from pwl.activations.piecewise_linear import PiecewiseLinear
from pwl.activations.plu import PLU
from pwl.activations.scaled import ScaledActivation
from pwl.activations.spline import Spline
from pwl.errors import InputError
from pwl.layers.layer import Layer

__all__ = ["APL", "FIXED", "NAMED", "PLU", "Fixed", "PiecewiseLinear", "ScaledActivation", "Spline", "resolve"]

NAMED: dict[str, Any] = {**FIXED, "apl": APL(), "spline": Spline()}


def resolve(activation: Any) -> Any:
    """Activation layer for a name or an activation object; InputError names the choices otherwise."""
    if isinstance(activation, str):
        if activation not in NAMED:
            raise InputError(
                f"unknown activation {activation!r}: use one of {', '.join(NAMED)} or pwl.PiecewiseLinear(...)"
            )
        return NAMED[activation]
    if isinstance(activation, Layer) and activation.kind == "activation" and not isinstance(activation, type):
        return activation
    raise InputError(
        f"an activation is a name ({', '.join(NAMED)}) or an object such as pwl.PiecewiseLinear(), not {activation!r}"
    )
