"""Convolution in float32 on tensor cores, cuda/tensor_convolution.cu, for cards of compute capability 8.0 or more."""

from __future__ import annotations

import itertools
import math
import os
from collections.abc import Sequence
from typing import Any, TypeVar

import cupy

from pwl.kernels.cuda.launch import (
    FLAGS,
    SHARED_BYTES,
    at_once,
    covering,
    flag,
    in_order,
    kernel,
    launch,
    processors,
    resident,
)
from pwl.kernels.cuda.sums import group_sums
from pwl.kernels.hinges import Curves, Rule
from pwl.kernels.window import Window
from pwl.runtime.backend import Array

Tile = tuple[int, int, int]
T = TypeVar("T", bound=tuple[int, ...])

DEEP, STAGES, LANES = 16, 3, 32  # as in cuda/tensor_convolution.cu
OLDEST = 80  # compute capability
NUMBERS = 2**30  # in the largest array of a launch, so that 32 bits count them
WINDOW = 16  # rows and columns of a window at most

# Tiles of places x filters and of inputs x filters, each with the side of a warp's square. They leave room in the registers, so
# that about 512 threads are there at a time. Of the latter the first that is wide enough is taken, otherwise the last.
PLACES = ((64, 128, 32), (128, 64, 32), (128, 32, 32))
INPUTS = ((96, 32, 32), (96, 64, 32), (64, 128, 32))
FEW = (32, 32, 16)  # for up to 32 inputs and filters, as for images with three colours

AFTER = ("Nothing", "Relu", *(f"Curve<{uniform}>" for uniform in FLAGS))
PLACES_OF = {4: PLACES, 1: PLACES[2:]}  # by numbers moved at once; for single ones, wide tiles have too few registers
COPY = 16  # products that are reckoned to take as long as the copy of a number to shared memory


def _name(name: str, vector: int, tile: Tile, *rest: Any) -> str:
    return f"{name}<{', '.join(map(str, (vector, *tile, *rest)))}>"


# instances that are compiled together when the first one is needed
CONVOLVE = {
    (products, after): tuple(_name("convolve", v, tile, products, after) for v, tiles in PLACES_OF.items() for tile in tiles)
    for products in (1, 3)
    for after in AFTER
}
CORRELATE = {
    products: tuple(_name("correlate", v, tile, products) for v in PLACES_OF for tile in (FEW, *INPUTS)) for products in (1, 3)
}
INSTANCES = tuple(itertools.chain(*CONVOLVE.values(), *CORRELATE.values()))


@cupy.memoize(for_each_device=True)
def products() -> int:
    """TF32 products for a product of float32: 3, Eq. (97), or 1 if CUPY_TF32 is 1, Eq. (98), and 0 on a card that has none."""
    if int(cupy.cuda.Device().compute_capability) < OLDEST:
        return 0
    return 1 if int(os.environ.get("CUPY_TF32", "0")) > 0 else 3


def takes(dtype: Any, window: Window, image: tuple[int, ...]) -> bool:
    """Whether tensor cores convolve images (height, width, channels) of this type."""
    return bool(dtype == "float32" and products() and max(window.size) <= WINDOW and math.prod(image) <= NUMBERS)


def puts(rule: Rule) -> bool:
    """Whether there is a kernel for an activation, and its tables fit into the shared memory of a block."""
    return _after(rule) in AFTER and bool(_fitting(rule))


def convolve(x: Array, W: Array, window: Window, threshold: Array | None, rule: Rule | None, n: Array | None, o: Array | None,
             slope: Array | None) -> None:  # fmt: skip
    """Writes the nets `n` (Nv, out height, out width, filters) of images x with weights W (filters, inputs), Eqs. (53), (97).

    With a rule it writes its activation `o`, and if `slope` is wanted, that and the nets as well.
    """
    out = n if o is None else o
    assert out is not None
    images = max(1, NUMBERS // max(1, math.prod(x.shape[1:]), math.prod(out.shape[1:])))
    x, W = in_order(x, x.dtype), in_order(W, x.dtype)
    threshold = cupy.zeros(len(W), x.dtype) if threshold is None else in_order(threshold, x.dtype)
    for first in range(0, len(x), images):
        parts = (None if a is None else a[first : first + images] for a in (n, o, slope))
        _convolve(x[first : first + images], W, window, threshold, rule, *parts)


def _convolve(x: Array, W: Array, window: Window, threshold: Array, rule: Rule | None, n: Array | None, o: Array | None,
              slope: Array | None) -> None:  # fmt: skip
    out = n if o is None else o
    assert out is not None
    places = math.prod(out.shape[:3])
    vector = min(at_once(x.shape[3], x), at_once(W.shape[1], W))
    tile = _best([tile for tile in _fitting(rule) if tile in PLACES_OF[vector]], places, len(W))
    tables: tuple[Any, ...] = (W, W, 0, 0)
    if isinstance(rule, Curves):
        tables = in_order(rule.grid.ns, x.dtype), in_order(rule.A, x.dtype), rule.A.shape[1], int(rule.grid.linear)
    instances = CONVOLVE[products(), _after(rule)]
    launch(
        kernel("tensor_convolution", instances, _name("convolve", vector, tile, products(), _after(rule))),
        (covering(places, tile[0]), covering(len(W), tile[1])),
        (_threads(tile), 1),
        x,
        W,
        threshold,
        places,
        *sizes(x.shape, out.shape, window),
        *tables,
        int(slope is not None),
        *(out if a is None else a for a in (n, o, slope)),
        shared_bytes=max(_shared_bytes(tile), _table_bytes(rule, tile[1])),
    )


def correlate(x: Array, g: Array, window: Window) -> Array:
    """Sum over patterns and places of the patch times g (Nv, out height, out width, filters), Eqs. (54), (97).

    It is (inputs, filters).
    """
    images = max(1, NUMBERS // max(1, math.prod(x.shape[1:]), math.prod(g.shape[1:])))
    x, g = in_order(x, x.dtype), in_order(g, x.dtype)
    G = _correlate(x[:images], g[:images], window)
    for first in range(images, len(x), images):
        G += _correlate(x[first : first + images], g[first : first + images], window)
    return G


def _correlate(x: Array, g: Array, window: Window) -> Array:
    (filters, channels), places = (g.shape[3], x.shape[3]), math.prod(g.shape[:3])
    inputs = math.prod(window.size) * channels
    tile = FEW if inputs <= FEW[0] and filters <= FEW[1] else wide_enough(INPUTS, filters)
    vector = min(at_once(channels, x), at_once(filters, g))
    own = kernel("tensor_convolution", CORRELATE[products()], _name("correlate", vector, tile, products()))
    blocks = covering(inputs, tile[0]) * covering(filters, tile[1])
    wave = resident(own, _threads(tile), _shared_bytes(tile)) // blocks
    parts = max(1, min(wave, places // (2 * DEEP)))
    each = covering(places, parts * DEEP) * DEEP
    partial = cupy.empty((parts, inputs * filters), x.dtype)
    launch(
        own,
        (blocks, parts),
        (_threads(tile), 1),
        x,
        g,
        places,
        each,
        *sizes(x.shape, g.shape, window),
        partial,
        shared_bytes=_shared_bytes(tile),
    )
    return group_sums(partial[None])[0].reshape(inputs, filters)


def _after(rule: Rule | None) -> str:
    """What follows the sums, in the words of the source."""
    if isinstance(rule, Curves):
        return f"Curve<{flag(rule.grid.uniform)}>"
    return "Nothing" if rule is None else rule.name.capitalize()


def _fitting(rule: Rule | None) -> list[Tile]:
    """Tiles of places x filters for which the tables of an activation fit into the shared memory of a block."""
    return [tile for tile in PLACES if _table_bytes(rule, tile[1]) <= SHARED_BYTES]


def _best(tiles: list[Tile], places: int, filters: int) -> Tile:
    """The tile that ends first if all processors have their share of the blocks, by products and copies. Of equals the first."""

    def cost(tile: Tile) -> int:
        high, wide, _ = tile
        blocks = covering(places, high) * covering(filters, wide)
        return covering(blocks, processors()) * (high * wide + COPY * (high + wide))

    return min(tiles, key=cost)


def wide_enough(tiles: Sequence[T], filters: int) -> T:
    """The first tile that is as wide as there are filters, otherwise the last."""
    return next((tile for tile in tiles if tile[1] >= filters), tiles[-1])


def _threads(tile: Tile) -> int:
    high, wide, side = tile
    return high // side * wide // side * LANES


def _shared_bytes(tile: Tile) -> int:
    return STAGES * DEEP * (tile[0] + tile[1]) * 4


def _table_bytes(rule: Rule | None, wide: int) -> int:
    """Bytes of the ordinates of as many filters as a tile is wide, and of their hinges if these are searched."""
    return (1 if rule.grid.uniform else 2) * wide * rule.A.shape[1] * 4 if isinstance(rule, Curves) else 0


def sizes(images: tuple[int, ...], out: tuple[int, ...], window: Window) -> tuple[int, ...]:
    """Sizes of images and outputs, and the window, in the order of the kernels' arguments."""
    (top, _), (left, _) = window.padding
    return *images[1:], out[3], *out[1:3], *window.size, *window.stride, *window.dilation, top, left
