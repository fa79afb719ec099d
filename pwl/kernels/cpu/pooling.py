"""Max pooling on the CPU: one walk over the images, with vector instructions over all channels of a place."""

from __future__ import annotations

import numpy as np

from pwl.kernels.cpu.compiled import compiled
from pwl.kernels.window import Window
from pwl.runtime.backend import Array


@compiled
def _max_pool(x, kv, kh, sv, sh, best, place):
    found = np.empty(x.shape[3], np.int32)  # as wide as the compared numbers, so that loops become vector instructions
    for p in range(x.shape[0]):
        for r in range(best.shape[1]):
            for c in range(best.shape[2]):
                largest, first = best[p, r, c], x[p, r * sv, c * sh]
                for k in range(x.shape[3]):
                    largest[k] = first[k]
                    found[k] = 0
                for number in range(1, kv * kh):
                    other, here = x[p, r * sv + number // kh, c * sh + number % kh], np.int32(number)
                    for k in range(x.shape[3]):
                        larger = (other[k] > largest[k]) | (other[k] != other[k])
                        largest[k] = other[k] if larger else largest[k]
                        found[k] = here if larger else found[k]
                for k in range(x.shape[3]):
                    place[p, r, c, k] = found[k]


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


def max_pool(x: Array, window: Window) -> tuple[Array, Array]:
    """The largest value in each window and its place there, both (Nv, out height, out width, channels), Eq. (55)."""
    shape = (len(x), *window.output(*x.shape[1:3]), x.shape[3])
    places = window.size[0] * window.size[1]
    best, place = np.empty(shape, x.dtype), np.empty(shape, np.uint8 if places <= 256 else np.int32)
    _max_pool(x, *window.size, *window.stride, best, place)
    return best, place


def max_unpool(g: Array, place: Array, window: Window, shape: tuple[int, ...]) -> Array:
    """g at the maxima, carried back to the pixels that they came from, (Nv, height, width, channels), Eq. (55)."""
    dx = np.zeros(shape, g.dtype)
    _max_unpool(g, place, *window.size, *window.stride, dx)
    return dx
