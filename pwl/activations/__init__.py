"""Activations: fixed functions by name, and curves that are trained.

An activation is a layer (see pwl/layers/layer.py) that acts on each unit by itself. It has two more members:

- `pieces(p, b, saved)`   the smooth piece that each net lies in, as whole numbers or bools of n's shape
- `linear`                True if it has parameters and its output is linear in them, like the ordinates of a curve

Each row of a parameter belongs to one unit or filter.
"""

from __future__ import annotations

from typing import Any

from pwl.activations.apl import APL
from pwl.activations.fixed import FIXED, MATLAB, Fixed
from pwl.activations.piecewise_linear import PiecewiseLinear
from pwl.activations.plu import PLU
from pwl.activations.scaled import ScaledActivation
from pwl.activations.spline import Spline
from pwl.errors import InputError
from pwl.layers.layer import Layer

__all__ = ["APL", "FIXED", "NAMED", "PLU", "Fixed", "PiecewiseLinear", "ScaledActivation", "Spline", "resolve"]

NAMED: dict[str, Any] = {**FIXED, "apl": APL(), "spline": Spline()}


def resolve(activation: Any) -> Any:
    """Activation layer for a name, also one of MATLAB's, or an activation object. Otherwise raises InputError with the choices."""
    if isinstance(activation, str):
        activation = MATLAB.get(activation, activation)
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
