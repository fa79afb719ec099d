"""Images in frames of zeros, in which no window meets a border, and where a window's numbers lie in them."""

from __future__ import annotations

import functools
import math
from typing import NamedTuple

import numpy as np

from pwl.kernels.cpu.addresses import LINE, address, copy
from pwl.kernels.cpu.compiled import compiled
from pwl.kernels.cpu.register_tile import ROWS
from pwl.kernels.window import Window


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
def enclose(image, frame, top, left):
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


def full(offsets: np.ndarray) -> np.ndarray:
    """The offsets in a row, with the last one repeated until their tiles are full."""
    row = offsets.ravel()
    return np.append(row, np.full(-len(row) % ROWS, row[-1])).astype(np.int64)


def side_by_side(places: int, most: int) -> int:
    """How many images with this many places fill whole tiles; one if they have more than `most` places then."""
    images = math.lcm(places, ROWS) // places
    return images if images * places <= most else 1


def pitch_of(channels: int, itemsize: int) -> int:
    """Numbers from a pixel to the next, chosen so that neighbouring pixels fall into many sets of the first cache."""
    return channels + LINE // itemsize if channels * itemsize % (4 * LINE) == 0 else channels
