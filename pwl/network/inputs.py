"""Checks of the shape and the scale of inputs, with a hint if they do not fit."""

from __future__ import annotations

import math

from pwl.data.preparation import Preparation
from pwl.errors import InputError
from pwl.runtime.backend import Array, array_namespace
from pwl.validate import kind

Shape = tuple[int, ...]


def check_shape(shape: Shape, wanted: Shape) -> None:
    """Raises InputError if inputs of shape (patterns, ...) do not fit a network for patterns of the shape `wanted`."""
    if tuple(shape[1:]) != wanted:
        raise InputError(
            f"inputs of shape (patterns, {', '.join(map(str, wanted))}) were wanted, but {shape} came{meant(shape, wanted)}"
        )


def meant(shape: Shape, wanted: Shape) -> str:
    """A hint that would make the inputs fit, or nothing if there is none."""
    own = tuple(shape[1:])
    if shape == wanted:
        return ": x[None] is an array of this one pattern"
    if len(wanted) == 3 and own == (wanted[2], *wanted[:2]):
        return ": channels must be the last axis, and np.moveaxis(x, 1, -1) or x.transpose(0, 2, 3, 1) puts them there"
    if len(wanted) == 3 and own == wanted[:2] and wanted[2] == 1:
        return ": x[..., None] adds the axis of the one channel"
    if math.prod(own) == math.prod(wanted) and 1 in (len(own), len(wanted)):
        order = " if the channels of a pixel lie side by side" if len(wanted) == 3 and wanted[2] > 1 else ""
        return f": use x.reshape({', '.join(map(str, (-1, *wanted)))}){order}"
    return ""


def check_scaled(x: Array, wanted: Shape) -> None:
    """Raises InputError for images of whole numbers without a preparation, which are nearly always a mistake."""
    if len(wanted) == 3 and array_namespace(x).isdtype(x.dtype, "integral"):
        raise InputError(
            f"images of {x.dtype} came without a preparation, but images of numbers around 1 were wanted: "
            "use pwl.Preparation.fit(x, t), or x / 255 (or x.astype(np.float32) if they must keep their values)"
        )


def check_preparation(preparation: Preparation, n_inputs: int, n_outputs: int) -> None:
    """Raises InputError if the numbers of inputs or targets differ between a preparation and a network."""
    kind("preparation", preparation, Preparation, "a pwl.Preparation")
    found = len(preparation.inputs.scale), len(preparation.target_scale)
    if found != (n_inputs, n_outputs):
        raise InputError(
            f"a preparation for {n_inputs} inputs and {n_outputs} outputs was wanted, but one for {found[0]} and {found[1]} came"
        )
