"""Images of another size, by sums of neighbouring pixels."""

from __future__ import annotations

from typing import Any

import numpy as np

from pwl.errors import InputError
from pwl.validate import shown, whole

BLOCK = 256  # images at a time


def resized(x: Any, size: int | tuple[int, int]) -> np.ndarray:
    """Scales images by linear interpolation, or where they get smaller by means over as many pixels as one becomes, Eq. (100).

    Parameters
    ----------
    x : array (Nv, height, width, channels)
        Images of bytes or floats.
    size : int or (height, width)
        In pixels.

    Returns
    -------
    array (Nv, height, width, channels)
        Of the wanted size, and of the same type as x.

    Raises
    ------
    InputError
        If x holds no images.
    """
    x = np.asarray(x)
    if x.ndim != 4 or x.dtype.kind not in "fiu" or 0 in x.shape:
        raise InputError(f"images (patterns, height, width, channels) were wanted, but {shown(x)} came")
    pair = size if isinstance(size, tuple) else (size, size)
    high, wide = (whole("the size of images", n, unit=" of pixels") for n in pair)
    rows, columns = weights(x.shape[1], high), weights(x.shape[2], wide)
    found = np.empty((len(x), high, wide, x.shape[3]), x.dtype)
    for first in range(0, len(x), BLOCK):
        part = np.asarray(x[first : first + BLOCK], dtype=np.float32)
        b, h, w, c = part.shape
        part = np.matmul(rows, part.reshape(b, h, w * c)).reshape(b * high, w, c)
        part = np.matmul(columns, part).reshape(b, high, wide, c)
        found[first : first + BLOCK] = part if x.dtype.kind == "f" else np.rint(part)
    return found


def weights(n: int, outputs: int) -> np.ndarray:
    """The matrix (outputs, n) of a triangle about each output's middle, Eq. (100). Its half width is a pixel, or a larger scale."""
    scale = n / outputs
    middles = (np.arange(outputs) + 0.5) * scale - 0.5
    reach = max(scale, 1.0)
    found = np.maximum(0, 1 - np.abs(np.arange(n) - middles[:, None]) / reach)
    return (found / found.sum(axis=1, keepdims=True)).astype(np.float32)
