"""What a convolution or a pooling sees: a window that moves over images (Nv, height, width, channels)."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from pwl.errors import InputError


class Window(NamedTuple):
    """Pairs are (vertical, horizontal); padding is ((top, bottom), (left, right)), in pixels of zeros."""

    size: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[tuple[int, int], tuple[int, int]]
    dilation: tuple[int, int]

    def reach(self) -> tuple[int, int]:
        """Pixels from the first to the last that the window sees."""
        return tuple(d * (k - 1) + 1 for k, d in zip(self.size, self.dilation, strict=True))

    def output(self, height: int, width: int) -> tuple[int, int]:
        """Places of the window on an image."""
        sizes = zip((height, width), self.reach(), self.stride, self.padding, strict=True)
        return tuple((n + sum(pad) - reach) // stride + 1 for n, reach, stride, pad in sizes)


def pair(name: str, value: Any, least: int) -> tuple[int, int]:
    """Two whole numbers from one or two; InputError says what was wanted."""
    both = (value, value) if isinstance(value, (int, np.integer)) and not isinstance(value, bool) else value
    try:
        found = tuple(both)
    except TypeError:
        found = ()
    good = len(found) == 2 and all(
        isinstance(v, (int, np.integer)) and not isinstance(v, bool) and v >= least for v in found
    )
    if not good:
        raise InputError(f"{name} must be one or two whole numbers, {least} or more, not {value!r}")
    return int(found[0]), int(found[1])


def padded(padding: Any, size: tuple[int, int], dilation: tuple[int, int]) -> tuple[tuple[int, int], tuple[int, int]]:
    """Padding on both sides: "same" (outputs as large as inputs at stride 1), "valid" (none), or one or two numbers."""
    if padding == "same":
        whole = [d * (k - 1) for k, d in zip(size, dilation, strict=True)]
        return tuple((w // 2, w - w // 2) for w in whole)  # an odd one more stands below and to the right
    if isinstance(padding, str) and padding != "valid":
        raise InputError(f'padding must be "same", "valid" or whole numbers, not {padding!r}')
    v, h = (0, 0) if padding == "valid" else pair("padding", padding, 0)
    return (v, v), (h, h)
