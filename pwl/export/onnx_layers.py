"""A network in ONNX operators: its body layer by layer, and its outputs."""

from __future__ import annotations

import numpy as np

from pwl.activations import APL, PiecewiseLinear, ScaledActivation, Spline
from pwl.activations.parameterless import Parameterless
from pwl.export import onnx_curves, onnx_images
from pwl.export.graph import Graph
from pwl.export.known import check_known, unknown
from pwl.export.tables import input_curves
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
from pwl.network.network import Network


def outputs(g: Graph, net: Network, x: str) -> str:
    """The outputs (patterns, M) for prepared inputs, Eq. (9)."""
    signals = [x]
    for index in range(len(net.layers)):
        layer, p, b = net.layer(index)
        earlier = signals[net.joins[index]] if index in net.joins else x
        signals.append(_layer(g, layer, p, b, signals[-1], earlier, net.layout.shapes[index]))
    W_o = net.W_o
    o = rows(g, signals[-1], net.layout.shapes[-1])
    y = g.op("Add", g.op("MatMul", o, net.W_oh.T), W_o[:, 0])
    return g.op("Add", y, _direct(g, net, x, W_o[:, 1 : net.n_basis - net.n_features])) if net.bypass else y


def rows(g: Graph, x: str, shape: Shape) -> str:
    """Signals of this shape as rows (patterns, numbers)."""
    return x if len(shape) == 1 else g.op("Flatten", x, axis=1)


def _direct(g: Graph, net: Network, x: str, W: np.ndarray) -> str:
    """The sums that the outputs take of the inputs past the body, with weights W, Eqs. (9), (72)."""
    layer, _, b = net.layer(0)
    if isinstance(layer, CurvedDense):
        return _curved(g, layer, b, x, W)
    return g.op("MatMul", rows(g, x, net.input_shape), W.T)


def _curved(g: Graph, layer: CurvedDense, b: Arrays, x: str, W: np.ndarray) -> str:
    """x and its curves with weights W (units, N + rises), without thresholds."""
    straight = W.shape[1] - layer.rises
    table, n = input_curves(layer, b, W[:, straight:]), g.op("MatMul", x, W[:, :straight].T)
    return n if table is None else g.op("Add", n, onnx_curves.input_curves(g, table, x))


def _layer(g: Graph, layer: Layer, p: Arrays, b: Arrays, x: str, earlier: str, shape: Shape) -> str:
    """The output of a layer for its input x of this shape. earlier: the signal that it joins. InputError for layers of your own."""
    check_known(layer)
    match layer:
        case Dense():
            W = p["W"]
            return g.op("Add", g.op("MatMul", x, W[:, 1:].T), W[:, 0])
        case CurvedDense():
            W = p["W"]
            return g.op("Add", _curved(g, layer, b, x, W[:, 1:]), W[:, 0])
        case PiecewiseLinear():
            return onnx_curves.piecewise_linear(g, layer, p, b, x)
        case Spline():
            return onnx_curves.spline(g, layer, p, b, x)
        case APL():
            return onnx_curves.apl(g, layer, p, x)
        case ScaledActivation():
            return onnx_curves.scaled(g, layer, p, x)
        case Parameterless():
            return onnx_curves.fixed(g, layer, x)
        case Conv2d():
            return onnx_images.convolution(g, layer, p, x, shape)
        case MaxPool2d():
            return onnx_images.max_pool(g, layer, x)
        case AvgPool2d():
            return onnx_images.avg_pool(g, layer, x, shape)
        case Pad2d():
            return onnx_images.padded(g, layer.window, x)
        case AdaptiveAvgPool2d():
            return onnx_images.adaptive_pool(g, layer, x, shape)
        case GlobalAvgPool2d():
            return g.op("ReduceMean", x, axes=[1, 2], keepdims=0)
        case BatchNorm2d():
            return onnx_images.batch_norm(g, layer, p, b, x)
        case Flatten():
            return rows(g, x, shape)
        case Dropout():
            return x
        case Add():
            return g.op("Add", x, earlier)
        case From():
            return earlier
    raise unknown(layer)
