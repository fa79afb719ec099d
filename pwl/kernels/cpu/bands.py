"""Weights as bands of filters side by side, in the order in which a tile of a product reads them."""

from __future__ import annotations

import numpy as np

from pwl.kernels.cpu.register_tile import wide
from pwl.kernels.cpu.transpose import transpose


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


def by_filters(G: np.ndarray, filters: int) -> np.ndarray:
    """Bands (bands, inputs, wide) as weights (filters, inputs)."""
    found, side = np.empty((filters, G.shape[1]), G.dtype), G.shape[2]
    for band, first in zip(G, range(0, filters, side), strict=True):
        own = found[first : first + side]
        _turn_over(band[:, : len(own)], own)
    return found


def _turn_over(a: np.ndarray, out: np.ndarray) -> None:
    """Writes the columns of a (rows, columns) to the rows of out. In both, the numbers of a row stand side by side."""
    step, out_step = (each.strides[0] // each.itemsize for each in (a, out))
    transpose(a.dtype.type(0), a.ctypes.data, step, out.ctypes.data, out_step, *a.shape)
