"""Inputs checked: their shape, their numbers, and what may have been meant instead."""

from __future__ import annotations

import math

from pwl.errors import InputError
from pwl.runtime.backend import Array, array_namespace

Shape = tuple[int, ...]


def check_shape(shape: Shape, wanted: Shape) -> None:
    """Raises InputError if inputs of a shape (patterns, ...) do not fit a network that wants patterns of the shape `wanted`."""
    if tuple(shape[1:]) != wanted:
        raise InputError(
            f"inputs of shape (patterns, {', '.join(map(str, wanted))}) were wanted, but {shape} came{meant(shape, wanted)}"
        )


def meant(shape: Shape, wanted: Shape) -> str:
    """How the inputs would fit, in words; empty if that can't be told."""
    own = tuple(shape[1:])
    if shape == wanted:
        return ": x[None] is an array of this one pattern"
    if len(wanted) == 3 and own == (wanted[2], *wanted[:2]):
        return ": channels are the last axis here, np.moveaxis(x, 1, -1) or x.transpose(0, 2, 3, 1) puts them there"
    if len(wanted) == 3 and own == wanted[:2] and wanted[2] == 1:
        return ": x[..., None] adds the axis of the one channel"
    if math.prod(own) == math.prod(wanted) and 1 in (len(own), len(wanted)):
        order = " if the channels of a pixel lie side by side" if len(wanted) == 3 and wanted[2] > 1 else ""
        return f": use x.reshape({', '.join(map(str, (-1, *wanted)))}){order}"
    return ""


def check_scaled(x: Array, wanted: Shape) -> None:
    """Raises InputError for images of whole numbers, such as bytes, without a preparation: nearly always a mistake."""
    if len(wanted) == 3 and array_namespace(x).isdtype(x.dtype, "integral"):
        raise InputError(
            f"images of {x.dtype} came without a preparation, images of numbers around 1 were wanted: "
            "use pwl.Preparation.fit(x, t), or x / 255 (x.astype(np.float32) to have them as they are)"
        )
