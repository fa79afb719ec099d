"""The specification of pooling in plain Array API code, images (Nv, height, width, channels)."""

from __future__ import annotations

from collections.abc import Callable

from pwl.kernels.reference.convolution import shifts
from pwl.kernels.window import Window
from pwl.runtime.backend import Array, array_namespace


def max_pool(x: Array, window: Window) -> tuple[Array, Array]:
    """The largest value in each window and the number of its place there, both (Nv, out height, out width, channels), Eq. (55).

    Of equal values the first counts. NaN wins over every number, and of several NaNs the last counts.
    """
    xp = array_namespace(x)
    first, *rest = shifts(x, window)
    best, place = +first, xp.zeros(first.shape, dtype=xp.uint8 if len(rest) < 256 else xp.int32)
    for number, value in enumerate(rest, 1):
        larger = (value > best) | xp.isnan(value)
        best = xp.where(larger, value, best)
        place = xp.where(larger, xp.asarray(number, dtype=place.dtype), place)
    return best, place


def max_unpool(g: Array, place: Array, window: Window, shape: tuple[int, ...]) -> Array:
    """g at the maxima, carried back to the pixels that they came from, (Nv, height, width, channels), Eq. (55)."""
    xp = array_namespace(g)
    zero = xp.zeros_like(g)
    return spread(window, shape, lambda number: xp.where(place == number, g, zero), g)


def spread(window: Window, shape: tuple[int, ...], share: Callable[[int], Array], like: Array) -> Array:
    """The transpose of `shifts`: adds share(place), shaped like the outputs, to the pixels that each place of the window saw."""
    dx = array_namespace(like).zeros(shape, dtype=like.dtype)
    H, V = window.output(shape[1], shape[2])
    (sv, sh), wide = window.stride, window.size[1]
    for place in range(window.size[0] * wide):
        i, j = divmod(place, wide)
        rows, columns = slice(i, i + (H - 1) * sv + 1, sv), slice(j, j + (V - 1) * sh + 1, sh)
        dx[:, rows, columns, :] = dx[:, rows, columns, :] + share(place)
    return dx
