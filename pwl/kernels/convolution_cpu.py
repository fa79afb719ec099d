"""Convolution on the CPU without the whole column matrix: patches of a tile that stays in the cache, one product a tile.

The loops are serial and release the interpreter's lock: `patterns.reduce` runs blocks of patterns on all cores.
"""

from __future__ import annotations

import numpy as np

from pwl.kernels.cpu import compiled
from pwl.kernels.window import Window

TILE_BYTES = 2**19  # patches of a tile: half of a core's second cache


@compiled
def _patches(x, top, left, kv, kh, sv, sh, dv, dh, first, columns):
    """Patches of x (height, width, channels) at the rows of places from `first` on, as columns (rows, places, kv, kh, channels)."""
    height, width, channels = x.shape
    wide = columns.shape[1]
    for r in range(columns.shape[0]):
        for c in range(wide):
            for a in range(kv):
                i = (first + r) * sv + a * dv - top
                for b in range(kh):
                    j = c * sh + b * dh - left
                    if 0 <= i < height and 0 <= j < width:
                        for k in range(channels):
                            columns[r, c, a, b, k] = x[i, j, k]
                    else:
                        for k in range(channels):
                            columns[r, c, a, b, k] = 0


@compiled
def _add_patches(columns, top, left, sv, sh, dv, dh, first, dx):
    """The transpose: adds patches to the image dx."""
    height, width, channels = dx.shape
    rows, wide, kv, kh = columns.shape[:4]
    for r in range(rows):
        for c in range(wide):
            for a in range(kv):
                i = (first + r) * sv + a * dv - top
                if 0 <= i < height:
                    for b in range(kh):
                        j = c * sh + b * dh - left
                        if 0 <= j < width:
                            for k in range(channels):
                                dx[i, j, k] += columns[r, c, a, b, k]


class _Tiles:
    """The tiles of an image: some rows of places each, and the work array for their patches."""

    def __init__(self, window: Window, x_shape: tuple[int, ...], dtype: np.dtype) -> None:
        self.H, self.V = window.output(x_shape[1], x_shape[2])
        row_bytes = self.V * window.size[0] * window.size[1] * x_shape[3] * dtype.itemsize
        self.rows = max(1, min(self.H, TILE_BYTES // row_bytes))
        self.work = np.empty((self.rows, self.V, *window.size, x_shape[3]), dtype)
        (self.top, _), (self.left, _) = window.padding
        self.window = window

    def starts(self) -> range:
        return range(0, self.H, self.rows)

    def columns(self, first: int) -> np.ndarray:
        return self.work[: min(self.rows, self.H - first)]

    def fill(self, image: np.ndarray, first: int) -> np.ndarray:
        """Patches (places, window places x channels) of the tile that begins with row `first` of places."""
        columns, w = self.columns(first), self.window
        _patches(image, self.top, self.left, *w.size, *w.stride, *w.dilation, first, columns)
        return columns.reshape(-1, self.work[0, 0].size)


def convolve(x: np.ndarray, W: np.ndarray, window: Window) -> np.ndarray:
    tiles, filters = _Tiles(window, x.shape, x.dtype), len(W)
    out = np.empty((len(x), tiles.H, tiles.V, filters), x.dtype)
    kernel = np.ascontiguousarray(W.reshape(filters, -1).T)
    for image, o in zip(x, out, strict=True):
        for first in tiles.starts():
            rows = tiles.fill(image, first)
            np.matmul(rows, kernel, out=o[first : first + tiles.rows].reshape(-1, filters))
    return out


def weight_gradient(x: np.ndarray, g: np.ndarray, window: Window) -> np.ndarray:
    tiles, filters = _Tiles(window, x.shape, x.dtype), g.shape[3]
    G = np.zeros((filters, tiles.work[0, 0].size), x.dtype)
    for image, d in zip(x, g, strict=True):
        for first in tiles.starts():
            rows = tiles.fill(image, first)
            G += d[first : first + tiles.rows].reshape(-1, filters).T @ rows
    return G.reshape(filters, *window.size, x.shape[3])


def input_gradient(g: np.ndarray, W: np.ndarray, window: Window, height: int, width: int) -> np.ndarray:
    """At stride 1 a convolution of g with the weights turned round; else patches are added up."""
    if window.stride == (1, 1):
        return convolve(g, np.ascontiguousarray(W[:, ::-1, ::-1].transpose(3, 1, 2, 0)), _turned(window))
    tiles, filters = _Tiles(window, (len(g), height, width, W.shape[3]), g.dtype), len(W)
    dx = np.zeros((len(g), height, width, W.shape[3]), g.dtype)
    kernel = W.reshape(filters, -1)
    for d, image in zip(g, dx, strict=True):
        for first in tiles.starts():
            columns = tiles.columns(first)
            np.matmul(
                d[first : first + tiles.rows].reshape(-1, filters), kernel, out=columns.reshape(-1, kernel.shape[1])
            )
            _add_patches(columns, tiles.top, tiles.left, *window.stride, *window.dilation, first, image)
    return dx


def _turned(window: Window) -> Window:
    """The window of the transpose at stride 1: what was before the window's first place now lies behind its last."""
    (high, wide), ((top, bottom), (left, right)) = window.reach(), window.padding
    return window._replace(padding=((high - 1 - top, high - 1 - bottom), (wide - 1 - left, wide - 1 - right)))
