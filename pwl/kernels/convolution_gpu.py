"""Convolution on the GPU: patches of some rows of places at a time, cuda/convolution.cu, and cuBLAS for the products.

Patches take a bounded part of the device's memory, whatever the number of images.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import cupy

from pwl.backend import Array
from pwl.kernels.launch_gpu import at_once, columns_by_rows, in_order, kernel, launch, named
from pwl.kernels.window import Window

PATCH_BYTES = 2**26  # patches at once: enough for the product to fill a device

INSTANCES = tuple(
    f"{name}<{t}, {v}>" for name in ("gather", "add_up") for t, most in (("float", 4), ("double", 2)) for v in (1, most)
)


def convolve(x: Array, W: Array, window: Window, threshold: Array | None = None) -> Array:
    """Nets (Nv, out height, out width, filters) of images x with weights W and, if given, thresholds (filters,), Eq. (53)."""
    (H, V), filters = window.output(*x.shape[1:3]), W.shape[0]
    out = cupy.empty((x.shape[0] * H, V, filters), x.dtype)
    kernel = W.reshape(filters, -1).T
    for rows, columns in _patches(x, window):
        cupy.dot(columns, kernel, out=out[rows].reshape(-1, filters))
    if threshold is not None:
        out += threshold
    return out.reshape(x.shape[0], H, V, filters)


def weight_gradient(x: Array, g: Array, window: Window) -> Array:
    """Sum over patterns and places of g times the patch there, (filters, window height, window width, channels)."""
    filters, channels = g.shape[3], x.shape[3]
    by_rows = in_order(g, g.dtype).reshape(-1, *g.shape[2:])
    G = cupy.zeros((filters, window.size[0] * window.size[1] * channels), g.dtype)
    for rows, columns in _patches(x, window):
        G += cupy.dot(by_rows[rows].reshape(-1, filters).T, columns)
    return G.reshape(filters, *window.size, channels)


def input_gradient(g: Array, W: Array, window: Window, height: int, width: int) -> Array:
    """g (Nv, out height, out width, filters) carried back to the inputs (Nv, height, width, channels)."""
    Nv, H, V, filters = g.shape
    channels, kernel = W.shape[3], W.reshape(filters, -1)
    dx, g = cupy.empty((Nv, height, width, channels), g.dtype), in_order(g, g.dtype)
    images = max(1, PATCH_BYTES // (H * V * kernel.shape[1] * g.dtype.itemsize))
    for first in range(0, Nv, images):
        share = dx[first : first + images]
        columns = cupy.dot(g[first : first + images].reshape(-1, filters), kernel)
        vector = at_once(channels, columns, share)
        launch(
            _instance("add_up", g, vector),
            *columns_by_rows(width * channels // vector, len(share) * height),
            columns,
            len(share) * height,
            *_sizes(share.shape, window),
            share,
        )
    return dx


def _patches(x: Array, window: Window) -> Iterator[tuple[slice, Array]]:
    """Rows of places, counted through all images, and their patches (places, window places x channels)."""
    Nv, height, width, channels = x.shape
    (H, V), inputs = window.output(height, width), window.size[0] * window.size[1] * channels
    x = in_order(x, x.dtype)
    vector = at_once(channels, x)
    count = max(1, PATCH_BYTES // (V * inputs * x.dtype.itemsize))
    for first in range(0, Nv * H, count):
        rows = min(count, Nv * H - first)
        columns = cupy.empty((rows * V, inputs), x.dtype)
        launch(
            _instance("gather", x, vector),
            *columns_by_rows(V * inputs // vector, rows),
            x,
            first,
            rows,
            *_sizes(x.shape, window),
            columns,
        )
        yield slice(first, first + rows), columns


def _sizes(shape: tuple[int, ...], window: Window) -> tuple[int, ...]:
    (top, _), (left, _) = window.padding
    return *shape[1:], *window.output(*shape[1:3]), *window.size, *window.stride, *window.dilation, top, left


def _instance(name: str, a: Array, vector: int) -> Any:
    return kernel("convolution", INSTANCES, f"{name}<{named(a.dtype)}, {vector}>")
