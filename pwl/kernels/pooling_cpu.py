"""Max pooling on the CPU: one walk over the images, all channels of a place side by side in vector instructions."""

from __future__ import annotations

import numpy as np

from pwl.kernels.cpu import compiled
from pwl.kernels.window import Window


@compiled
def _max_pool(x, kv, kh, sv, sh, best, place):
    for p in range(x.shape[0]):
        for r in range(best.shape[1]):
            for c in range(best.shape[2]):
                for k in range(x.shape[3]):
                    best[p, r, c, k] = x[p, r * sv, c * sh, k]
                    place[p, r, c, k] = 0
                for number in range(1, kv * kh):
                    i, j = r * sv + number // kh, c * sh + number % kh
                    for k in range(x.shape[3]):
                        value, old = x[p, i, j, k], best[p, r, c, k]
                        larger = (value > old) | (value != value)
                        best[p, r, c, k] = value if larger else old
                        place[p, r, c, k] = number if larger else place[p, r, c, k]


@compiled
def _max_unpool(g, place, kv, kh, sv, sh, dx):
    for p in range(g.shape[0]):
        for r in range(g.shape[1]):
            for c in range(g.shape[2]):
                for number in range(kv * kh):
                    i, j = r * sv + number // kh, c * sh + number % kh
                    for k in range(g.shape[3]):
                        old = dx[p, i, j, k]
                        dx[p, i, j, k] = old + g[p, r, c, k] if place[p, r, c, k] == number else old


def max_pool(x: np.ndarray, window: Window) -> tuple[np.ndarray, np.ndarray]:
    shape = (len(x), *window.output(*x.shape[1:3]), x.shape[3])
    places = window.size[0] * window.size[1]
    best, place = np.empty(shape, x.dtype), np.empty(shape, np.uint8 if places <= 256 else np.int32)
    _max_pool(x, *window.size, *window.stride, best, place)
    return best, place


def max_unpool(g: np.ndarray, place: np.ndarray, window: Window, shape: tuple[int, ...]) -> np.ndarray:
    dx = np.zeros(shape, g.dtype)
    _max_unpool(g, place, *window.size, *window.stride, dx)
    return dx
