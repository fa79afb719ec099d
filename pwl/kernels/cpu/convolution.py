"""Convolution on the CPU without a matrix of patches: tiles of places x filters stay in registers (`register_tile`).

One or a few images at a time are copied into a frame of zeros. They stay in the cache, and no window meets a border. The
loops are serial and release the interpreter's lock, because `reduce` runs blocks of patterns on all cores.
"""

from __future__ import annotations

import functools
import math
from typing import NamedTuple

import numpy as np

from pwl.kernels.cpu.addresses import LINE, address, ask, copy
from pwl.kernels.cpu.compiled import compiled
from pwl.kernels.cpu.curves import value, value_slope
from pwl.kernels.cpu.register_tile import ROWS, VECTOR_BYTES, tile_product, wide
from pwl.kernels.cpu.transpose import transpose
from pwl.kernels.reference.activated import in_turn
from pwl.kernels.reference.activations import activation, activation_slope
from pwl.kernels.window import Window
from pwl.runtime.backend import Array

multiply = tile_product(ROWS, VECTOR_BYTES)

PATCHES = 2**17  # numbers in the patches that are made at a time, if a stride makes them necessary
TOGETHER = 1024  # places of small images that a convolution computes at a time, at most
PLACES = 128  # places that a tile of the weights' gradient sums at a time, so that its signals stay in the first cache


class Geometry(NamedTuple):
    """Offsets of a window's numbers in a framed image, as 64-bit whole numbers that count numbers, not bytes.

    places: the offset of each place's window, row by row. taps: the offset of each number within a window; each window
    consists of runs of `run` neighbours. starts: the offset of each run within a window. rows: the offset of the first
    window in each row of places. step: the distance from a place to the next one in its row.
    """

    frame: tuple[int, int, int]  # rows, pixels per row, numbers from a pixel to the next
    corner: tuple[int, int]  # row and pixel of the frame where the image begins
    size: tuple[int, int]  # rows of places, places per row
    places: np.ndarray
    taps: np.ndarray
    starts: np.ndarray
    run: int
    rows: np.ndarray
    step: int


@functools.lru_cache(maxsize=256)
def geometry(window: Window, height: int, width: int, channels: int, pitch: int) -> Geometry:
    """The offsets of a window. The last entry of `taps` is repeated until its tiles are full.

    pitch: numbers from a pixel of the frame to the next.
    """
    (top, bottom), (left, right) = window.padding
    (kv, kh), (sv, sh), (dv, dh) = window.size, window.stride, window.dilation
    (H, V), line = window.output(height, width), (left + width + right) * pitch
    rows, down = np.arange(H) * sv * line, np.arange(kv) * dv * line
    along = np.arange(kh) * dh * pitch
    places = (rows[:, None] + np.arange(V) * sh * pitch).ravel()
    taps = ((down[:, None] + along)[:, :, None] + np.arange(channels)).ravel()
    starts, run = (down, kh * channels) if dh == 1 and pitch == channels else ((down[:, None] + along).ravel(), channels)
    frame, corner = (top + height + bottom, left + width + right, pitch), (top, left)
    return Geometry(
        frame, corner, (H, V), places.astype(np.int64), full(taps), starts.astype(np.int64), run, rows.astype(np.int64), sh * pitch
    )


@compiled
def _enclose(image, frame, top, left):
    """Copies the image (rows, pixels, channels) into the frame. The border of the frame does not change."""
    (rows, pixels, channels), (_, wide, pitch), size = image.shape, frame.shape, image.itemsize
    source, line = address(image), pixels * channels * size
    goal = address(frame) + (top * wide + left) * pitch * size
    for i in range(rows):
        here, there = source + i * line, goal + i * wide * pitch * size
        if pitch == channels:  # a row of pixels is one run
            copy(here, there, line)
        else:
            for j in range(pixels):
                copy(here + j * channels * size, there + j * pitch * size, channels * size)


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
            _enclose(x[p + i], frames[i], top, left)
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
            _enclose(x[p + i], frames[i], top, left)
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


def bands(W: np.ndarray) -> np.ndarray:
    """Weights (filters, ...) as bands (bands, inputs, wide) of filters side by side. Zeros fill the last band."""
    side, rows = wide(W.itemsize), W.reshape(len(W), -1)
    if rows.strides[1] != rows.itemsize:
        rows = np.ascontiguousarray(rows)
    found = room((-(-len(W) // side), rows.shape[1], side), W.dtype, len(W))
    for band, first in zip(found, range(0, len(W), side), strict=True):
        _turn_over(rows[first : first + side], band)
    return found


def room(shape: tuple[int, ...], dtype: np.dtype, filters: int) -> np.ndarray:
    """An array (bands, ..., wide) for numbers of filters; zeros where they do not fill the last band."""
    return np.empty(shape, dtype) if shape[0] * shape[-1] == filters else np.zeros(shape, dtype)


def turned_bands(W: np.ndarray) -> np.ndarray:
    """Weights (filters, window height, window width, channels) of the transpose as bands (bands, inputs, wide) of channels."""
    channels, side = W.shape[3], wide(W.itemsize)
    around = np.moveaxis(W[:, ::-1, ::-1], 0, 2)
    found = room((-(-channels // side), *around.shape[:3], side), W.dtype, channels)
    for band, first in zip(found, range(0, channels, side), strict=True):
        own = around[..., first : first + side]
        band[..., : own.shape[3]] = own
    return found.reshape(len(found), -1, side)


def _turn_over(a: np.ndarray, out: np.ndarray) -> None:
    """Writes the columns of a (rows, columns) to the rows of out. In both, the numbers of a row stand side by side."""
    step, out_step = (each.strides[0] // each.itemsize for each in (a, out))
    transpose(a.dtype.type(0), a.ctypes.data, step, out.ctypes.data, out_step, *a.shape)


def convolve(x: Array, W: Array, window: Window, threshold: Array | None = None) -> Array:
    """Nets (Nv, out height, out width, filters) of images x with weights W and, if given, thresholds (filters,), Eq. (53)."""
    threshold = np.zeros(len(W), x.dtype) if threshold is None else threshold
    return _nets(x, bands(W), bands(threshold)[:, 0], len(W), window)


def _nets(x: Array, w: np.ndarray, thresholds: np.ndarray, filters: int, window: Window) -> Array:
    """`convolve` for bands of weights and thresholds."""
    Nv, height, width, channels = x.shape
    at = geometry(window, height, width, channels, channels)
    out = np.empty((Nv, *at.size, filters), x.dtype)
    together = max(1, min(Nv, side_by_side(at.size[0] * at.size[1])))
    frames = np.zeros((together, *at.frame), x.dtype)
    places = full(np.arange(together)[:, None] * frames[0].size + at.places)
    _convolve(
        np.ascontiguousarray(x), frames, *at.corner, places, at.starts, at.run, w, thresholds,
        out.reshape(Nv, len(at.places), filters),
    )
    return out


convolve_value, convolve_value_slope = in_turn(convolve, value, value_slope, activation, activation_slope)


def side_by_side(places: int) -> int:
    """How many images with this many places fill whole tiles; one if they have many."""
    images = math.lcm(places, ROWS) // places
    return images if images * places <= TOGETHER else 1


def full(offsets: np.ndarray) -> np.ndarray:
    """The offsets in a row, with the last one repeated until their tiles are full."""
    row = offsets.ravel()
    return np.append(row, np.full(-len(row) % ROWS, row[-1])).astype(np.int64)


def spread(channels: int, itemsize: int) -> int:
    """Numbers from a pixel to the next, chosen so that neighbouring pixels fall into many sets of the first cache."""
    return channels + LINE // itemsize if channels * itemsize % (4 * LINE) == 0 else channels


def weight_gradient(x: Array, g: Array, window: Window) -> Array:
    """Sum over patterns and places of g times the patch there, (filters, window height, window width, channels)."""
    (Nv, height, width, channels), filters = x.shape, g.shape[3]
    at, side = geometry(window, height, width, channels, spread(channels, x.itemsize)), wide(x.itemsize)
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
    taps = window.size[0] * window.size[1] * channels
    by_filters = np.empty((filters, taps), x.dtype)
    for band, first in zip(G, range(0, filters, side), strict=True):
        own = by_filters[first : first + side]
        _turn_over(band[:taps, : len(own)], own)
    return by_filters.reshape(filters, *window.size, channels)


def input_gradient(g: Array, W: Array, window: Window, height: int, width: int) -> Array:
    """g (Nv, out height, out width, filters) carried back to the inputs (Nv, height, width, channels).

    At stride 1 it is a convolution of g with the turned weights, Eq. (54). Otherwise the patches of a few rows of places at a
    time are added up.
    """
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
