"""Which layers and functions can be exported: those of pwl, whose formulas are known."""

from __future__ import annotations

from typing import Any

from pwl.activations import FIXED, Fixed
from pwl.errors import InputError
from pwl.layers.layer import Layer


def check_known(layer: Layer) -> None:
    """Raises InputError for a layer of your own, also if it derives from one of pwl's."""
    if not type(layer).__module__.startswith("pwl."):
        raise unknown(layer)


def unknown(layer: Layer) -> InputError:
    """The sentence for a layer that can't be exported."""
    return InputError(f"the layer {layer!r} is not part of pwl, so it can't be exported: use layers of pwl.layers")


def fixed_name(f: Any) -> str:
    """The name of a fixed activation. Raises InputError for a function of your own."""
    if not isinstance(f, Fixed) or FIXED.get(f.name) != f:
        raise InputError(
            f"the activation {f!r} is not part of pwl, so it can't be exported: use one of {', '.join(FIXED)}"
        )
    return f.name
