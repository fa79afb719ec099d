"""Convolution on the GPU: matrix products with patches that are never stored.

Tensor cores make those of float32 (`tensor_convolution`) where there are any. cuda/convolution.cu makes the others.
"""

from __future__ import annotations

import math
from typing import Any

import cupy
import numpy as np

from pwl.kernels.cuda import activations, curves, tensor_convolution
from pwl.kernels.cuda.launch import at_once, covering, in_order, kernel, launch, named, resident
from pwl.kernels.cuda.sums import group_sums
from pwl.kernels.cuda.tensor_convolution import sizes, wide_enough
from pwl.kernels.hinges import Rule
from pwl.kernels.reference.activated import in_turn
from pwl.kernels.window import Window
from pwl.runtime.backend import Array

DEEP, ROWS = 8, 8  # as in cuda/convolution.cu
SPREAD_BYTES = 2**26  # signals with zeros between them that are made at a time

# Tiles of places x filters and of inputs x filters. The first that is wide enough is taken, otherwise the last.
PLACES = {"float": ((256, 32), (256, 64), (128, 128)), "double": ((256, 32), (128, 64))}
INPUTS = {"float": ((96, 32), (96, 64), (96, 128)), "double": ((96, 32), (96, 64))}
FEW = 32  # up to this many inputs and filters have a tile of their own, as for images with three colours

OF = {  # instances by type of number, compiled together when the first one is needed
    t: tuple(
        f"{name}<{t}, {v}, {high}, {wide}>"
        for name, tiles in (("convolve", PLACES[t]), ("correlate", ((FEW, FEW), *INPUTS[t])))
        for high, wide in tiles
        for v in (1, most)
    )
    for t, most in (("float", 4), ("double", 2))
}
INSTANCES = OF["float"] + OF["double"]


def convolve(x: Array, W: Array, window: Window, threshold: Array | None = None) -> Array:
    """Nets (Nv, out height, out width, filters) of images x with weights W and, if given, thresholds (filters,), Eq. (53)."""
    return _convolve(x, W, window, threshold, _room(x, W, window))


_value_in_turn, _value_slope_in_turn = in_turn(
    convolve, curves.value, curves.value_slope, activations.activation, activations.activation_slope
)


def convolve_value(x: Array, W: Array, window: Window, threshold: Array | None, rule: Rule) -> Array:
    """The activation o of the nets of `convolve` alone, (Nv, out height, out width, filters), Eqs. (3), (53)."""
    if not (tensor_convolution.takes(x.dtype, window, x.shape[1:]) and tensor_convolution.puts(rule)):
        return _value_in_turn(x, W, window, threshold, rule)
    o = _room(x, W, window)
    tensor_convolution.convolve(x, W.reshape(len(W), -1), window, threshold, rule, None, o, None)
    return o


def convolve_value_slope(
    x: Array, W: Array, window: Window, threshold: Array | None, rule: Rule
) -> tuple[Array, Array, Array]:
    """The nets n of `convolve`, their activation o and do/dn, all (Nv, out height, out width, filters), Eqs. (3), (53)."""
    if not (tensor_convolution.takes(x.dtype, window, x.shape[1:]) and tensor_convolution.puts(rule)):
        return _value_slope_in_turn(x, W, window, threshold, rule)
    n, o, slope = (_room(x, W, window) for _ in range(3))
    tensor_convolution.convolve(x, W.reshape(len(W), -1), window, threshold, rule, n, o, slope)
    return n, o, slope


def weight_gradient(x: Array, g: Array, window: Window) -> Array:
    """Sum over patterns and places of g times the patch there, (filters, window height, window width, channels)."""
    sums = tensor_convolution.correlate if tensor_convolution.takes(x.dtype, window, x.shape[1:]) else _correlate
    return in_order(sums(x, g, window).T, x.dtype).reshape(g.shape[3], *window.size, x.shape[3])


def _correlate(x: Array, g: Array, window: Window) -> Array:
    """Sum over patterns and places of the patch times g (Nv, out height, out width, filters), (inputs, filters)."""
    (filters, channels), places = (g.shape[3], x.shape[3]), math.prod(g.shape[:3])
    inputs = math.prod(window.size) * channels
    x, g = in_order(x, x.dtype), in_order(g, x.dtype)
    few = inputs <= FEW and filters <= FEW
    high, wide = (FEW, FEW) if few else wide_enough(INPUTS[named(x.dtype)], filters)
    tiles, threads, shared = covering(inputs, high) * covering(filters, wide), _threads(x, high, wide), _shared_bytes(x, high, wide)
    own = _instance("correlate", x, min(at_once(channels, x), at_once(filters, g)), high, wide)
    parts = max(1, min(resident(own, threads, shared) // tiles, places // (2 * DEEP)))
    each = covering(places, parts * DEEP) * DEEP
    partial = cupy.empty((parts, inputs * filters), x.dtype)
    launch(
        own,
        (tiles, parts),
        (threads, 1),
        x,
        g,
        np.int64(places),
        each,
        *sizes(x.shape, g.shape, window),
        partial,
        shared_bytes=shared,
    )
    return group_sums(partial[None])[0].reshape(inputs, filters)


def input_gradient(g: Array, W: Array, window: Window, height: int, width: int) -> Array:
    """g (Nv, out height, out width, filters) carried back to the inputs (Nv, height, width, channels), Eq. (54).

    It is a convolution of g with the turned weights. For strides above 1, zeros are put between the places.
    """
    turned = W.transpose(3, 1, 2, 0)[:, ::-1, ::-1]
    (top, _), (left, _) = window.padding
    down, along = (reach - 1 for reach in window.reach())
    back = window._replace(stride=(1, 1), padding=((down - top, 0), (along - left, 0)))
    dx = cupy.empty((g.shape[0], height, width, W.shape[3]), g.dtype)
    if window.stride == (1, 1):
        return _convolve(g, turned, back, None, dx)
    images = max(1, SPREAD_BYTES // (math.prod(_spread_shape(g, window)) * g.shape[3] * g.dtype.itemsize))
    for first in range(0, g.shape[0], images):
        _convolve(_spread(g[first : first + images], window), turned, back, None, dx[first : first + images])
    return dx


def _room(x: Array, W: Array, window: Window) -> Array:
    """An array for nets or outputs."""
    return cupy.empty((x.shape[0], *window.output(*x.shape[1:3]), W.shape[0]), x.dtype)


def _convolve(x: Array, W: Array, window: Window, threshold: Array | None, out: Array) -> Array:
    """`out` (Nv, out height, out width, filters), made with weights W (filters, window height, window width, channels)."""
    places, filters = math.prod(out.shape[:3]), len(W)
    if tensor_convolution.takes(x.dtype, window, x.shape[1:]):
        tensor_convolution.convolve(x, W.reshape(filters, -1), window, threshold, None, out, None, None)
    elif places:
        x, W = in_order(x, x.dtype), in_order(W.transpose(1, 2, 3, 0), x.dtype).reshape(-1, filters)
        high, wide = wide_enough(PLACES[named(x.dtype)], filters)
        launch(
            _instance("convolve", x, min(at_once(x.shape[3], x), at_once(filters, W, out)), high, wide),
            (covering(places, high), covering(filters, wide)),
            (_threads(x, high, wide), 1),
            x,
            W,
            cupy.zeros(filters, x.dtype) if threshold is None else in_order(threshold, x.dtype),
            np.int64(places),
            *sizes(x.shape, out.shape, window),
            out,
            shared_bytes=_shared_bytes(x, high, wide),
        )
    return out


def _spread_shape(g: Array, window: Window) -> tuple[int, int]:
    return (g.shape[1] - 1) * window.stride[0] + 1, (g.shape[2] - 1) * window.stride[1] + 1


def _spread(g: Array, window: Window) -> Array:
    """g with zeros between its places, one for each place that the window's stride skips."""
    wide = cupy.zeros((len(g), *_spread_shape(g, window), g.shape[3]), g.dtype)
    wide[:, :: window.stride[0], :: window.stride[1]] = g
    return wide


def _threads(a: Array, high: int, wide: int) -> int:
    """Threads per block. Each has 8 rows and 4 columns, or 8 columns for float32 in tiles that are wide enough."""
    return high // ROWS * wide // (8 if a.dtype.itemsize == 4 and wide >= 64 else 4)


def _shared_bytes(a: Array, high: int, wide: int) -> int:
    return 2 * DEEP * (high + wide) * a.dtype.itemsize


def _instance(name: str, a: Array, vector: int, high: int, wide: int) -> Any:
    t = named(a.dtype)
    return kernel("convolution", OF[t], f"{name}<{t}, {vector}, {high}, {wide}>")
