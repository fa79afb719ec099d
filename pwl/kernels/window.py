"""The window of a convolution or a pooling, which moves over images (Nv, height, width, channels)."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from pwl.errors import InputError
from pwl.validate import listed, shown


class Window(NamedTuple):
    """A window. Pairs are (vertical, horizontal), and padding is ((top, bottom), (left, right)) in pixels of zeros."""

    size: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[tuple[int, int], tuple[int, int]]
    dilation: tuple[int, int]

    def reach(self) -> tuple[int, int]:
        """Height and width in pixels from the first to the last pixel that the window sees."""
        (kv, kh), (dv, dh) = self.size, self.dilation
        return dv * (kv - 1) + 1, dh * (kh - 1) + 1

    def output(self, height: int, width: int) -> tuple[int, int]:
        """Number of places of the window on an image, down and across."""
        (high, wide), (sv, sh), (v, h) = self.reach(), self.stride, self.padding
        return (height + sum(v) - high) // sv + 1, (width + sum(h) - wide) // sh + 1


def pair(name: str, value: Any, least: int) -> tuple[int, int]:
    """One or two whole numbers as a pair. Raises InputError for anything else."""
    both = (value, value) if isinstance(value, (int, np.integer)) and not isinstance(value, bool) else value
    found = listed(both) or ()
    good = len(found) == 2 and all(
        isinstance(v, (int, np.integer)) and not isinstance(v, bool) and v >= least for v in found
    )
    if not good:
        raise InputError(f"{name} must be one or two whole numbers, {least} or more, not {shown(value)}")
    return int(found[0]), int(found[1])


def padded(padding: Any, size: tuple[int, int], dilation: tuple[int, int]) -> tuple[tuple[int, int], tuple[int, int]]:
    """Pixels of padding on both sides for "same" (outputs as large as inputs at stride 1), "valid" (none) or numbers."""
    if padding == "same":
        v, h = dilation[0] * (size[0] - 1), dilation[1] * (size[1] - 1)
        return (v // 2, v - v // 2), (h // 2, h - h // 2)  # an odd pixel goes below or to the right
    if isinstance(padding, str) and padding != "valid":
        raise InputError(f'padding must be "same", "valid" or whole numbers, not {padding!r}')
    v, h = (0, 0) if padding == "valid" else pair("padding", padding, 0)
    return (v, v), (h, h)
