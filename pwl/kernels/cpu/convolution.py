"""Convolution on the CPU without a matrix of patches: tiles of places x filters stay in registers (`register_tile`).

Most 3x3 convolutions are left to `winograd`, which needs fewer products. For all others, one or a few images at a time are
copied into a frame of zeros. They stay in the cache, and no window meets a border. The loops are serial and release the
interpreter's lock, because `reduce` runs blocks of patterns on all cores.
"""

from __future__ import annotations

import numpy as np

from pwl.kernels.cpu import winograd
from pwl.kernels.cpu.activations import activation, activation_slope
from pwl.kernels.cpu.addresses import address, ask, copy
from pwl.kernels.cpu.bands import bands, by_filters, room, turned_bands
from pwl.kernels.cpu.compiled import compiled
from pwl.kernels.cpu.curves import value, value_slope
from pwl.kernels.cpu.frames import enclose, full, geometry, pitch_of, side_by_side
from pwl.kernels.cpu.register_tile import ROWS, multiply, wide
from pwl.kernels.reference.activated import in_turn
from pwl.kernels.window import Window
from pwl.runtime.backend import Array

PATCHES = 2**17  # numbers in the patches that are made at a time, if a stride makes them necessary
TOGETHER = 1024  # places of small images that a convolution computes at a time, at most
PLACES = 128  # places that a tile of the weights' gradient sums at a time, so that its signals stay in the first cache


@compiled
def _convolve(x, frames, top, left, places, starts, count, w, threshold, out):
    """Writes the nets of images x (Nv, rows, pixels, channels) to out (Nv, places, filters).

    frames: work space for a few images at a time. places: the offset of each place's window in all frames. Filters come in
    bands: w (bands, taps, wide), threshold (bands, wide).
    """
    like, size = x.dtype.type(0), x.itemsize
    rows, together, (_, here, filters), wide = ROWS, frames.shape[0], out.shape, w.shape[2]
    own = np.empty((rows, wide), x.dtype)  # for tiles that are not whole
    for p in range(0, x.shape[0], together):
        images = min(together, x.shape[0] - p)
        for i in range(images):
            enclose(x[p + i], frames[i], top, left)
        for band in range(w.shape[0]):
            first = band * wide
            own_filters = min(wide, filters - first)
            weights, before = address(w[band]), address(threshold[band])
            target = address(out[p]) + first * size
            for q in range(0, images * here, rows):
                here_target = target + q * filters * size
                whole = q + rows <= images * here and own_filters == wide
                if whole:  # what is written to comes from memory, too
                    for r in range(rows):
                        ask(here_target + r * filters * size, wide * size)
                multiply(
                    like, before, 0, address(places) + 8 * q, address(frames), address(starts), starts.size, count,
                    1, weights, wide, here_target if whole else address(own), filters if whole else wide,
                )  # fmt: skip
                if not whole:
                    for r in range(min(rows, images * here - q)):
                        copy(address(own) + r * wide * size, here_target + r * filters * size, own_filters * size)


@compiled
def _weight_gradient(x, g, frames, signals, top, left, taps, starts, along, step, at_once, G):
    """Adds the gradient for images x (Nv, rows, pixels, channels) and signals g (Nv, places, filters) to G (bands, taps, wide).

    frames: work space for a few images at a time. signals: work space (bands, places of these images, wide) for their signals,
    band by band; with one whole band they are read where they are. starts: offsets of the rows of places in all frames. along:
    places per row. at_once: rows of places that a tile sums at a time.
    """
    like, rows, wide, size = x.dtype.type(0), ROWS, G.shape[2], x.itemsize
    (Nv, here, filters), together = g.shape, frames.shape[0]
    rows_each = starts.size // together
    for p in range(0, Nv, together):
        count = min(together, Nv - p)
        for i in range(count):
            enclose(x[p + i], frames[i], top, left)
        for band in range(G.shape[0]):
            first = band * wide
            source, own = address(g[p]) + first * size, address(signals[band])
            if filters == wide:
                own = source
            else:
                for q in range(count * here):
                    copy(source + q * filters * size, own + q * wide * size, min(wide, filters - first) * size)
            for row in range(0, count * rows_each, at_once):
                runs = min(at_once, count * rows_each - row)
                for k in range(0, taps.size, rows):
                    tile = address(G) + (band * taps.size + k) * wide * size
                    multiply(
                        like, tile, wide, address(taps) + 8 * k, address(frames), address(starts) + 8 * row, runs,
                        along, step, own + row * along * wide * size, wide, tile, wide,
                    )  # fmt: skip


@compiled
def _add_patches(columns, top, left, sv, sh, dv, dh, dx):
    """Adds patches (rows, places, window rows, window places, channels) to the pixels of the image dx that they came from."""
    height, width, channels = dx.shape
    H, V, kv, kh = columns.shape[:4]
    for r in range(H):
        for c in range(V):
            for a in range(kv):
                i = r * sv + a * dv - top
                if 0 <= i < height:
                    for b in range(kh):
                        j = c * sh + b * dh - left
                        if 0 <= j < width:
                            for k in range(channels):
                                dx[i, j, k] += columns[r, c, a, b, k]


def convolve(x: Array, W: Array, window: Window, threshold: Array | None = None) -> Array:
    """Nets (Nv, out height, out width, filters) of images x with weights W and, if given, thresholds (filters,), Eq. (53)."""
    W = W.astype(x.dtype, copy=False)  # compiled loops read bytes, and take them all for numbers of one type
    threshold = np.zeros(len(W), x.dtype) if threshold is None else threshold.astype(x.dtype, copy=False)
    return _nets(x, bands(W), bands(threshold)[:, 0], len(W), window)


def _nets(x: Array, w: np.ndarray, thresholds: np.ndarray, filters: int, window: Window) -> Array:
    """`convolve` for bands of weights and thresholds."""
    if winograd.serves(window, x.shape, filters, x.itemsize):
        return winograd.nets(x, w, thresholds, filters, window)
    Nv, height, width, channels = x.shape
    at = geometry(window, height, width, channels, channels)
    out = np.empty((Nv, *at.size, filters), x.dtype)
    together = max(1, min(Nv, side_by_side(len(at.places), TOGETHER)))
    frames = np.zeros((together, *at.frame), x.dtype)
    places = full(np.arange(together)[:, None] * frames[0].size + at.places)
    _convolve(
        np.ascontiguousarray(x), frames, *at.corner, places, at.starts, at.run, w, thresholds,
        out.reshape(Nv, len(at.places), filters),
    )
    return out


convolve_value, convolve_value_slope = in_turn(convolve, value, value_slope, activation, activation_slope)


def weight_gradient(x: Array, g: Array, window: Window) -> Array:
    """Sum over patterns and places of g times the patch there, (filters, window height, window width, channels)."""
    g, channels, filters = g.astype(x.dtype, copy=False), x.shape[3], g.shape[3]
    taps = window.size[0] * window.size[1] * channels
    by_squares = winograd.serves(window, x.shape, filters, x.itemsize)
    G = winograd.weight_gradient(x, g, window) if by_squares else _tiled_gradient(x, g, window)
    return by_filters(G[:, :taps], filters).reshape(filters, *window.size, channels)


def _tiled_gradient(x: Array, g: Array, window: Window) -> np.ndarray:
    """`weight_gradient` in bands (bands, taps in whole tiles, wide)."""
    (Nv, height, width, channels), filters = x.shape, g.shape[3]
    at, side = geometry(window, height, width, channels, pitch_of(channels, x.itemsize)), wide(x.itemsize)
    (H, V), count = at.size, -(-filters // side)
    together = max(1, min(Nv, PLACES // (H * V)))
    frames = np.zeros((together, *at.frame), x.dtype)
    starts = (np.arange(together)[:, None] * frames[0].size + at.rows).ravel()
    G = np.zeros((count, at.taps.size, side), x.dtype)
    _weight_gradient(
        np.ascontiguousarray(x), np.ascontiguousarray(g).reshape(Nv, H * V, filters), frames,
        room((count, together * H * V, side), x.dtype, filters), *at.corner, at.taps, starts, V, at.step,
        max(1, PLACES // V), G,
    )  # fmt: skip
    return G


def input_gradient(g: Array, W: Array, window: Window, height: int, width: int) -> Array:
    """g (Nv, out height, out width, filters) carried back to the inputs (Nv, height, width, channels).

    At stride 1 it is a convolution of g with the turned weights, Eq. (54). Otherwise the patches of a few rows of places at a
    time are added up.
    """
    W = W.astype(g.dtype, copy=False)
    if window.stride == (1, 1) and min(min(side) for side in turned(window).padding) >= 0:
        w = turned_bands(W)
        return _nets(g, w, np.zeros(w[:, 0].shape, g.dtype), W.shape[3], turned(window))
    ((top, _), (left, _)), (down, _) = window.padding, window.stride
    (Nv, H, V, filters), channels = g.shape, W.shape[3]
    dx, kernel = np.zeros((Nv, height, width, channels), g.dtype), W.reshape(filters, -1)
    rows = max(1, PATCHES // (V * kernel.shape[1]))
    for d, image in zip(g, dx, strict=True):
        for first in range(0, H, rows):
            columns = d[first : first + rows].reshape(-1, filters) @ kernel
            columns = columns.reshape(-1, V, *window.size, channels)
            _add_patches(columns, top - first * down, left, *window.stride, *window.dilation, image)
    return dx


def turned(window: Window) -> Window:
    """The window of the transpose at stride 1. The padding changes sides."""
    (high, wide), ((top, bottom), (left, right)) = window.reach(), window.padding
    return window._replace(padding=((high - 1 - top, high - 1 - bottom), (wide - 1 - left, wide - 1 - right)))
