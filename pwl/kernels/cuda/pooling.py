"""Max pooling on the GPU, cuda/pooling.cu."""

from __future__ import annotations

from typing import Any

import cupy
import numpy as np

from pwl.kernels.cuda.launch import columns_by_rows, in_order, kernel, launch, named
from pwl.kernels.window import Window
from pwl.runtime.backend import Array

INSTANCES = tuple(
    f"{name}<{t}, {number}>"
    for name in ("max_pool", "max_unpool")
    for t in ("float", "double")
    for number in ("unsigned char", "int")
)


def max_pool(x: Array, window: Window) -> tuple[Array, Array]:
    """The largest value in each window and its place there, both (Nv, out height, out width, channels), Eq. (55)."""
    Nv, height, width, channels = x.shape
    H, V = window.output(height, width)
    best = cupy.empty((Nv, H, V, channels), x.dtype)
    place = cupy.empty(best.shape, np.uint8 if window.size[0] * window.size[1] <= 256 else np.int32)
    launch(
        _instance("max_pool", x, place),
        *columns_by_rows(V * channels, Nv * H),
        in_order(x, x.dtype),
        Nv * H,
        *_sizes(x.shape, window),
        best,
        place,
    )
    return best, place


def max_unpool(g: Array, place: Array, window: Window, shape: tuple[int, ...]) -> Array:
    """g at the maxima, carried back to the pixels that they came from, (Nv, height, width, channels), Eq. (55)."""
    Nv, height, width, channels = shape
    dx = cupy.empty(shape, g.dtype)
    launch(
        _instance("max_unpool", g, place),
        *columns_by_rows(width * channels, Nv * height),
        in_order(g, g.dtype),
        in_order(place, place.dtype),
        Nv * height,
        *_sizes(shape, window),
        dx,
    )
    return dx


def _sizes(shape: tuple[int, ...], window: Window) -> tuple[int, ...]:
    return *shape[1:], *window.output(*shape[1:3]), *window.size, *window.stride


def _instance(name: str, a: Array, place: Array) -> Any:
    return kernel("pooling", INSTANCES, f"{name}<{named(a.dtype)}, {named(place.dtype)}>")
