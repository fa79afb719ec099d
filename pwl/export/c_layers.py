"""The layers of a network as calls of the functions of a C header."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pwl.activations import APL, PLU, PiecewiseLinear, ScaledActivation, Spline
from pwl.export.exported import size
from pwl.export.known import check_known, fixed_name
from pwl.export.source import Source
from pwl.export.tables import InputCurves, Uniform, cubics, curves, input_curves
from pwl.kernels.window import Window
from pwl.layers import (
    AdaptiveAvgPool2d,
    Add,
    AvgPool2d,
    BatchNorm2d,
    Conv2d,
    CurvedDense,
    Dense,
    Dropout,
    Flatten,
    From,
    GlobalAvgPool2d,
    MaxPool2d,
    Pad2d,
)
from pwl.layers.layer import Arrays, Layer, Shape
from pwl.layers.pooling import window


class At(NamedTuple):
    """A layer in its place. key: the beginning of the names of its arrays. shape, to: shapes of input and output.

    x, earlier, n: its input, the earlier signal that it joins, and its output, which is x if it works in place.
    """

    key: str
    x: str
    earlier: str
    n: str
    shape: Shape
    to: Shape

    @property
    def grid(self) -> tuple[int, int]:
        """Places and units: pixels and channels of images, or 1 and the length of vectors."""
        return size(self.to[:-1]), self.to[-1]


def add_layer(c: Source, layer: Layer, p: Arrays, b: Arrays, at: At) -> None:
    """Adds the calls of a layer. Raises InputError for layers of your own."""
    check_known(layer)
    match layer:
        case Dense() | CurvedDense():
            add_sums(c, layer, b, at.key, p["W"], at.x, at.n)
        case Conv2d():
            _convolve(c, layer, p["W"], at)
        case MaxPool2d():
            c.call("max_pool", c.window(f"{at.key}_window", _window(window(layer), at)), at.x, at.n)
        case AvgPool2d():
            c.call("avg_pool", c.window(f"{at.key}_window", _window(window(layer), at)), at.x, at.n)
        case Pad2d():
            c.call("pad", c.window(f"{at.key}_window", _window(layer.window, at)), at.x, at.n)
        case AdaptiveAvgPool2d():
            c.call("adaptive_pool", *at.shape, *layer.size, at.x, at.n)
        case GlobalAvgPool2d():
            c.call("mean", size(at.shape[:-1]), at.shape[-1], at.x, at.n)
        case Flatten() | Dropout() | From():
            pass  # the work space has them in place
        case _:
            if at.n != at.x:
                c.call("copy", size(at.to), at.x, at.n)
            _in_place(c, layer, p, b, at)


def _in_place(c: Source, layer: Layer, p: Arrays, b: Arrays, at: At) -> None:
    """Layers that take one number to one number."""
    match layer:
        case Add():
            c.call("add", size(at.to), at.earlier, at.n)
        case BatchNorm2d():
            W, mean, variance = p["W"], b["mean"], b["variance"]
            c.call("subtract", *at.grid, c.array(f"{at.key}_mean", mean), at.n)
            c.call("scale", *at.grid, c.array(f"{at.key}_scale", W[:, 1] / np.sqrt(variance + layer.epsilon)), at.n)
            c.call("shift", *at.grid, c.array(f"{at.key}_shift", W[:, 0]), at.n)
        case PiecewiseLinear():
            _curves(c, layer, p, b, at)
        case Spline():
            table = cubics(layer, p, b)
            arrays = (c.array(f"{at.key}_{name}", a) for name, a in table._asdict().items())
            c.call("splines", *at.grid, table.c.shape[2], *arrays, at.n)
        case APL():
            c.call("apl", *at.grid, layer.S, *(c.array(f"{at.key}_{name}", p[name]) for name in "ab"), at.n)
        case ScaledActivation():
            c.call("scale", *at.grid, c.array(f"{at.key}_scale", layer.scale(p)), at.n)
            _fixed(c, layer.activation, at)
        case _:
            _fixed(c, layer, at)


def _curves(c: Source, layer: PiecewiseLinear, p: Arrays, b: Arrays, at: At) -> None:
    """Piecewise-linear curves, Eqs. (3), (6)."""
    table, straight = curves(layer, p, b), layer.outside == "linear"
    arrays = [c.array(f"{at.key}_{name}", a) for name, a in table._asdict().items()]
    segments = table.A.shape[1] - 1
    if isinstance(table, Uniform):
        c.call("straight_curves" if straight else "curves", *at.grid, segments, *arrays, at.n)
    else:
        c.call("free_curves", *at.grid, segments, int(straight), *arrays, at.n)


def _fixed(c: Source, f: Layer, at: At) -> None:
    """Activations without parameters. Raises InputError for a function of your own."""
    if isinstance(f, PLU):
        c.call("plu", size(at.to), f.alpha, f.c, at.n)
    elif (name := fixed_name(f)) != "identity":
        c.call(name, size(at.to), at.n)


def add_sums(c: Source, layer: Layer, b: Arrays, key: str, W: np.ndarray, x: str, n: str) -> None:
    """n = W [1, x], and the curves of x if the layer has them, for W (units, 1 + N + rises), Eqs. (67), (68)."""
    units, straight = len(W), W.shape[1] - layer.rises
    c.call("copy", units, c.array(f"{key}_thresholds", W[:, 0]), n)
    c.call("sums", straight - 1, units, c.array(f"{key}_W", W[:, 1:straight].T), x, n)
    table = input_curves(layer, b, W[:, straight:]) if isinstance(layer, CurvedDense) else None
    if table is not None:
        _input_curves(c, table, key, x, n)


def _input_curves(c: Source, table: InputCurves, key: str, x: str, n: str) -> None:
    arrays = (c.array(f"{key}_{name}", a) for name, a in table._asdict().items())
    c.call("input_curves", *table.A.shape, *arrays, x, n)


def _convolve(c: Source, layer: Conv2d, W: np.ndarray, at: At) -> None:
    """Eq. (53), with weights of all filters side by side."""
    thresholds = W[:, 0] if layer.bias else np.zeros(layer.filters)
    kernel = W[:, int(layer.bias) :].reshape(layer.filters, *layer.size, -1)
    v = c.window(f"{at.key}_window", _window(layer.window, at))
    arrays = c.array(f"{at.key}_thresholds", thresholds), c.array(f"{at.key}_W", np.moveaxis(kernel, 0, -1))
    c.call("convolve", v, layer.filters, layer.groups, *arrays, at.x, at.n)


def _window(v: Window, at: At) -> dict[str, int | tuple[int, int]]:
    """A window as the header's struct has it."""
    height, width, channels = at.shape
    high, wide = v.output(height, width)
    return {
        "height": height, "width": width, "channels": channels, "high": high, "wide": wide, "size": v.size, "stride": v.stride,
        "dilation": v.dilation, "before": (v.padding[0][0], v.padding[1][0]),
    }  # fmt: skip
