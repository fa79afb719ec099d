"""Convolutions, pooling and batch normalisation in ONNX operators. Images stay (patterns, height, width, channels)."""

from __future__ import annotations

import numpy as np

from pwl.export.graph import Graph
from pwl.kernels.window import Window
from pwl.layers import AdaptiveAvgPool2d, AvgPool2d, BatchNorm2d, Conv2d, MaxPool2d
from pwl.layers.adaptive_pooling import means
from pwl.layers.layer import Arrays, Shape
from pwl.layers.pooling import window

CHANNELS_FIRST, CHANNELS_LAST = [0, 3, 1, 2], [0, 2, 3, 1]  # ONNX has images (patterns, channels, height, width)


def convolution(g: Graph, layer: Conv2d, p: Arrays, x: str, shape: Shape) -> str:
    """Eq. (53). In float64, for which common runtimes have no Conv, it is a product with the patches of the window."""
    W = p["W"]
    threshold = W[:, 0] if layer.bias else np.zeros(layer.filters, W.dtype)
    kernel = W[:, int(layer.bias) :].reshape(layer.filters, *layer.size, -1)
    if g.dtype == np.float64:
        return g.op("Add", _products(g, layer, kernel, x, shape), threshold)
    (top, bottom), (left, right) = layer.window.padding
    n = g.op(
        "Conv", g.op("Transpose", x, perm=CHANNELS_FIRST), np.transpose(kernel, (0, 3, 1, 2)), threshold,
        pads=[top, left, bottom, right], strides=list(layer.stride), dilations=list(layer.dilation), group=layer.groups,
    )  # fmt: skip
    return g.op("Transpose", n, perm=CHANNELS_LAST)


def _products(g: Graph, layer: Conv2d, kernel: np.ndarray, x: str, shape: Shape) -> str:
    """Patches times weights, group by group."""
    places = shifts(g, padded(g, layer.window, x), layer.window, shape)
    inputs, filters, found = shape[2] // layer.groups, layer.filters // layer.groups, []
    for group in range(layer.groups):
        first, last = np.array([group * inputs]), np.array([(group + 1) * inputs])
        own = places if layer.groups == 1 else [g.op("Slice", a, first, last, np.array([3])) for a in places]
        patch = own[0] if len(own) == 1 else g.op("Concat", *own, axis=3)
        weights = kernel[group * filters : (group + 1) * filters].reshape(filters, -1).T
        found.append(g.op("MatMul", patch, weights))
    return found[0] if len(found) == 1 else g.op("Concat", *found, axis=3)


def padded(g: Graph, window: Window, x: str) -> str:
    """Images with their borders of zeros."""
    (top, bottom), (left, right) = window.padding
    return g.op("Pad", x, np.array([0, top, left, 0, 0, bottom, right, 0]))


def shifts(g: Graph, x: str, window: Window, shape: Shape) -> list[str]:
    """The pixels that each place of a window sees, of images that are padded already. shape: of one image before its padding."""
    high, wide = window.output(shape[0], shape[1])
    (sv, sh), (dv, dh) = window.stride, window.dilation
    found = []
    for i in range(window.size[0]):
        for j in range(window.size[1]):
            first = np.array([i * dv, j * dh])
            last = first + np.array([(high - 1) * sv + 1, (wide - 1) * sh + 1])
            found.append(g.op("Slice", x, first, last, np.array([1, 2]), np.array([sv, sh])))
    return found


def max_pool(g: Graph, layer: MaxPool2d, x: str) -> str:
    """Eq. (55)."""
    o = g.op(
        "MaxPool", g.op("Transpose", x, perm=CHANNELS_FIRST), kernel_shape=list(layer.size), strides=list(layer.stride)
    )
    return g.op("Transpose", o, perm=CHANNELS_LAST)


def avg_pool(g: Graph, layer: AvgPool2d, x: str, shape: Shape) -> str:
    """Eq. (56), as a sum of shifted images, because common runtimes have no AveragePool in float64."""
    places = shifts(g, x, window(layer), shape)
    return g.op("Mul", g.op("Sum", *places), 1 / len(places))


def adaptive_pool(g: Graph, layer: AdaptiveAvgPool2d, x: str, shape: Shape) -> str:
    """Eq. (99), as products with the matrices of both means."""
    (height, width, channels), (rows, columns) = shape, layer.size
    o = g.op("MatMul", means(height, rows), g.op("Reshape", x, np.array([-1, height, width * channels])))
    o = g.op("MatMul", means(width, columns), g.op("Reshape", o, np.array([-1, width, channels])))
    return g.op("Reshape", o, np.array([-1, rows, columns, channels]))


def batch_norm(g: Graph, layer: BatchNorm2d, p: Arrays, b: Arrays, x: str) -> str:
    """Eq. (58)."""
    W, mean, variance = p["W"], b["mean"], b["variance"]
    return g.op("Add", g.op("Mul", g.op("Sub", x, mean), W[:, 1] / np.sqrt(variance + layer.epsilon)), W[:, 0])
