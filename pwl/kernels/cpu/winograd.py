"""3x3 convolutions at stride 1 with 16 products for a square of 2 x 2 places, in place of 36, Eqs. (105), (106).

The channels of a plane of squares are multiplied as in any convolution, by tiles in registers. A few squares are worked on at a
time, so that what they are turned into stays in the second cache.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pwl.kernels.cpu.addresses import LINE, address
from pwl.kernels.cpu.compiled import compiled
from pwl.kernels.cpu.frames import enclose, geometry, pitch_of, side_by_side
from pwl.kernels.cpu.register_tile import ROWS, VECTORS, multiply, wide
from pwl.kernels.cpu.squares import carry_signals, gather_gradient, keep_nets, see_pixels, weigh
from pwl.kernels.window import Window
from pwl.runtime.backend import Array

SPACE = 2**19  # bytes of the planes of squares that are worked on at a time, unless weights are large
SHARE = 4  # of the bytes of large weights: planes have at least a quarter, because weights pass through memory each time
TOGETHER = 256  # squares of small images that are in frames at a time, at most
THRESHOLD = 5  # the plane whose products reach all four places with weight 1, so that thresholds are added there


class Squares(NamedTuple):
    """Where the squares of images lie in frames: `down` x `across` in each image."""

    corner: tuple[int, int]  # row and pixel of the frame where the image begins
    line: int  # numbers in a row of the frame
    down: int
    across: int
    at_once: int  # squares that are worked on at a time
    places: np.ndarray  # offset of each square in all frames


def serves(window: Window, shape: tuple[int, ...], filters: int, itemsize: int) -> bool:
    """Whether a convolution is of this kind: 3x3 at stride 1, with channels and filters that fill registers.

    The number of patterns does not count, so that a pattern's nets do not depend on the others; few squares of many channels take
    longer than tiles. Small images, whose squares would be half empty, are left out.
    """
    _, height, width, channels = shape
    lanes, plain = wide(itemsize) // VECTORS, window.size == (3, 3) and window.stride == window.dilation == (1, 1)
    return plain and channels % lanes == filters % lanes == 0 and min(window.output(height, width)) > 3


def laid_in_squares(x: Array, filters: int, window: Window) -> tuple[Squares, np.ndarray]:
    """The squares of images x (Nv, height, width, channels), and frames for a few images. Odd places get a neighbour."""
    Nv, height, width, channels = x.shape
    (top, bottom), (left, right) = window.padding
    H, V = window.output(height, width)
    seen = Window((4, 4), (2, 2), ((top, bottom + H % 2), (left, right + V % 2)), (1, 1))
    at = geometry(seen, height, width, channels, channels)
    together = max(1, min(Nv, side_by_side(at.size[0] * at.size[1], TOGETHER)))
    count = together * at.size[0] * at.size[1]
    space = max(SPACE, 16 * channels * filters * x.itemsize // SHARE)
    parts = -(-count * 16 * (channels + filters) * x.itemsize // space)
    at_once = -(-count // (parts * ROWS)) * ROWS
    frames = np.zeros((together, *at.frame), x.dtype)
    places = (np.arange(together)[:, None] * frames[0].size + at.places).ravel()
    return Squares(at.corner, at.frame[1] * channels, *at.size, at_once, places), frames


@compiled
def _nets(x, frames, numbers, at, U, thresholds, V, N, out):
    """Writes the nets of images x (Nv, rows, pixels, channels) to out, a row of the numbers of an even number of rows of places.

    frames, numbers: work space for a few images at a time, as images and as one row. U: weights (bands, 16, channels, wide).
    thresholds: (2, bands, wide), of which the first are 0. V, N: work space for 16 planes of squares.
    """
    like, size, (bands, _, channels, wide) = x.dtype.type(0), x.itemsize, U.shape
    together, each, pitch = frames.shape[0], at.down * at.across, bands * wide
    filters, rows = out.size // (4 * each * x.shape[0]), np.arange(at.at_once) * channels
    plane, goal_plane, start = V.size // 16, N.size // 16, np.zeros(1, np.int64)
    for p in range(0, x.shape[0], together):
        images = min(together, x.shape[0] - p)
        for i in range(images):
            enclose(x[p + i], frames[i], *at.corner)
        for first in range(0, images * each, at.at_once):
            count = min(at.at_once, images * each - first)
            see_pixels(numbers, at.places, first, count, at.line, channels, channels, plane, V)
            for k in range(16):
                for band in range(bands):
                    before = address(thresholds[int(k == THRESHOLD), band])
                    for t in range(0, count, ROWS):
                        multiply(
                            like, before, 0, address(rows) + 8 * t, address(V) + k * plane * size, address(start), 1, channels, 1,
                            address(U[band, k]), wide, address(N) + (k * goal_plane + t * pitch + band * wide) * size, pitch,
                        )  # fmt: skip
            keep_nets(N, p * each + first, count, filters, pitch, goal_plane, at.across, out)


@compiled
def _sums(x, g, frames, numbers, at, pitch, filters, V, D, S):
    """Adds, for each number of a square, the sums over squares of V D to S (bands, 16, channels in whole tiles, wide).

    g: signals, as `out` in `_nets`; the rest as there. pitch: numbers from a square to the next in V.
    """
    like, size, channels, (bands, _, rows, wide) = x.dtype.type(0), x.itemsize, x.shape[3], S.shape
    together, each, signals = frames.shape[0], at.down * at.across, bands * wide
    plane, signal_plane, start = V.size // 16, D.size // 16, np.zeros(1, np.int64)
    taps = np.minimum(np.arange(rows), channels - 1)
    for p in range(0, x.shape[0], together):
        images = min(together, x.shape[0] - p)
        for i in range(images):
            enclose(x[p + i], frames[i], *at.corner)
        for first in range(0, images * each, at.at_once):
            count = min(at.at_once, images * each - first)
            see_pixels(numbers, at.places, first, count, at.line, channels, pitch, plane, V)
            carry_signals(g, p * each + first, count, filters, signals, signal_plane, at.across, D)
            for k in range(16):
                for band in range(bands):
                    for c in range(0, rows, ROWS):
                        tile = address(S[band, k]) + c * wide * size
                        multiply(
                            like, tile, wide, address(taps) + 8 * c, address(V) + k * plane * size, address(start), 1, count,
                            pitch, address(D) + (k * signal_plane + band * wide) * size, signals, tile, wide,
                        )  # fmt: skip


def nets(x: Array, w: np.ndarray, thresholds: np.ndarray, filters: int, window: Window) -> Array:
    """Nets (Nv, out height, out width, filters), Eq. (105).

    Bands: weights w (bands, 9 channels, wide) and thresholds (bands, wide).
    """
    (at, frames), (Nv, height, width, channels), (bands, _, side) = laid_in_squares(x, filters, window), x.shape, w.shape
    U, before = np.empty((bands, 16, channels, side), x.dtype), np.stack([np.zeros_like(thresholds), thresholds])
    weigh(w.reshape(-1), channels * side, U.reshape(-1))
    out = np.empty((Nv, 2 * at.down, 2 * at.across, filters), x.dtype)
    V, N = (planes(at.at_once * numbers, x.dtype) for numbers in (channels, bands * side))
    _nets(np.ascontiguousarray(x), frames, frames.reshape(-1), at, U, before, V, N, out.reshape(-1))
    H, W = window.output(height, width)
    return out if out.shape[1:3] == (H, W) else np.ascontiguousarray(out[:, :H, :W])


def weight_gradient(x: Array, g: Array, window: Window) -> np.ndarray:
    """Sum over patterns and places of g times the patch there, in bands (bands, 9 channels, wide), Eq. (106)."""
    (at, frames), channels, (_, H, W, filters) = laid_in_squares(x, g.shape[3], window), x.shape[3], g.shape
    if H % 2 or W % 2:  # no signals come from places that were added
        g = np.pad(g, ((0, 0), (0, H % 2), (0, W % 2), (0, 0)))
    side, pitch = wide(x.itemsize), pitch_of(channels, x.itemsize)
    bands, rows = -(-filters // side), -(-channels // ROWS) * ROWS
    V, D = (planes(at.at_once * numbers, x.dtype) for numbers in (pitch, bands * side))
    S, G = np.zeros((bands, 16, rows, side), x.dtype), np.empty((bands, 9, channels, side), x.dtype)
    _sums(np.ascontiguousarray(x), np.ascontiguousarray(g).reshape(-1), frames, frames.reshape(-1), at, pitch, filters, V, D, S)
    gather_gradient(S.reshape(-1), rows * side, channels * side, G.reshape(-1))
    return G.reshape(bands, 9 * channels, side)


def planes(numbers: int, dtype: np.dtype) -> np.ndarray:
    """Work space for 16 planes that begin at different places of a page."""
    return np.empty(16 * (numbers + LINE // dtype.itemsize), dtype)
