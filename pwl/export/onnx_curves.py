"""Activations and curves in ONNX operators. Curves look their ordinates up by Gather."""

from __future__ import annotations

from typing import Any

import numpy as np

from pwl.activations import APL, PLU, PiecewiseLinear, ScaledActivation, Spline
from pwl.activations.fixed import LEAK
from pwl.export.graph import Graph
from pwl.export.known import fixed_name
from pwl.export.tables import InputCurves, Uniform, cubics, curves
from pwl.layers.layer import Arrays


def fixed(g: Graph, f: Any, n: str) -> str:
    """An activation without parameters. Raises InputError for a function of your own."""
    if isinstance(f, PLU):
        inner = g.op("Min", g.op("Add", g.op("Mul", g.op("Sub", n, f.c), f.alpha), f.c), n)
        return g.op("Max", g.op("Sub", g.op("Mul", g.op("Add", n, f.c), f.alpha), f.c), inner)
    name = fixed_name(f)
    if name == "identity":
        return n
    if name == "leaky_relu":
        return g.op("Max", n, g.op("Mul", n, LEAK))
    return g.op({"relu": "Relu", "sigmoid": "Sigmoid", "tanh": "Tanh"}[name], n)


def scaled(g: Graph, layer: ScaledActivation, p: Arrays, n: str) -> str:
    """f(s a n), Eq. (46)."""
    return fixed(g, layer.activation, g.op("Mul", n, layer.scale(p)))


def apl(g: Graph, layer: APL, p: Arrays, n: str) -> str:
    """ReLU and trained hinges, Eq. (44)."""
    a, b = p["a"], p["b"]
    o = g.op("Relu", n)
    for s in range(layer.S):
        o = g.op("Add", o, g.op("Mul", g.op("Relu", g.op("Sub", b[:, s], n)), a[:, s]))
    return o


def piecewise_linear(g: Graph, layer: PiecewiseLinear, p: Arrays, b: Arrays, n: str) -> str:
    """o = A[m] + u (A[m + 1] - A[m]) for the segment m of each net, Eqs. (3), (6)."""
    table, linear = curves(layer, p, b), layer.outside == "linear"
    units, segments = table.A.shape[0], table.A.shape[1] - 1
    if isinstance(table, Uniform):
        t = g.op("Mul", g.op("Sub", n, table.first), table.inverse)
        m = segment(g, t, segments)
        at = numbered(g, m, units, segments)
        u = g.op("Sub", t if linear else g.op("Clip", t, 0.0, float(segments)), g.op("Cast", m, to=number_type(g)))
    else:
        inside = n if linear else g.op("Min", g.op("Max", n, table.ns[:, 0]), table.ns[:, -1])
        at = numbered(g, count(g, inside, table.ns[:, 1:-1]), units, segments)
        u = g.op("Mul", g.op("Sub", inside, looked_up(g, table.ns[:, :-1], at)), looked_up(g, table.inverse, at))
    return g.op("Add", looked_up(g, table.A[:, :-1], at), g.op("Mul", u, looked_up(g, np.diff(table.A), at)))


def spline(g: Graph, layer: Spline, p: Arrays, b: Arrays, n: str) -> str:
    """A cubic of the position u in each segment, Eq. (45)."""
    table = cubics(layer, p, b)
    units, segments = table.c.shape[1:]
    t = g.op("Mul", g.op("Sub", n, table.first), table.inverse)
    m = segment(g, t, segments)
    u = g.op("Sub", g.op("Clip", t, 0.0, float(segments)), g.op("Cast", m, to=number_type(g)))
    at = numbered(g, m, units, segments)
    o = looked_up(g, table.c[0], at)
    for c in table.c[1:]:
        o = g.op("Add", g.op("Mul", o, u), looked_up(g, c, at))
    return o


def input_curves(g: Graph, table: InputCurves, x: str) -> str:
    """Sums (patterns, units) of the curves of all inputs: two rows of ordinates for each input, Eqs. (67), (68)."""
    inputs, K, units = table.A.shape
    own = g.op("Min", g.op("Max", g.op("Gather", x, table.own, axis=1), table.ns[:, 0]), table.ns[:, -1])
    at = numbered(g, count(g, own, table.ns[:, 1:-1]), inputs, K - 1)
    u = g.op("Mul", g.op("Sub", own, looked_up(g, table.ns[:, :-1], at)), looked_up(g, table.inverse, at))
    low, rise = table.A[:, :-1].reshape(-1, units), np.diff(table.A, axis=1).reshape(-1, units)
    rises = g.op("Mul", g.op("Unsqueeze", u, np.array([2])), g.op("Gather", rise, at, axis=0))
    return g.op("ReduceSum", g.op("Add", g.op("Gather", low, at, axis=0), rises), np.array([1]), keepdims=0)


# ---- segments


def segment(g: Graph, t: str, segments: int) -> str:
    """The whole part of t, from 0 to segments - 1. The last bound also holds for NaN, so that it does no harm to other patterns."""
    whole = g.op("Cast", g.op("Floor", g.op("Clip", t, 0.0, float(segments - 1))), to=INT64)
    return g.op("Clip", whole, np.int64(0), np.int64(segments - 1))


def count(g: Graph, n: str, ns: np.ndarray) -> str:
    """How many of the hinges ns (units, inner) lie at or below each net (..., units): its segment."""
    if not ns.shape[1]:
        return g.op("Cast", g.op("Less", n, n), to=INT64)
    above = g.op("GreaterOrEqual", g.op("Unsqueeze", n, np.array([-1])), ns)
    return g.op("ReduceSum", g.op("Cast", above, to=INT64), np.array([-1]), keepdims=0)


def numbered(g: Graph, m: str, units: int, segments: int) -> str:
    """Segments counted on from unit to unit."""
    return g.op("Add", m, segments * np.arange(units))


def looked_up(g: Graph, table: np.ndarray, at: str) -> str:
    """table[k, at[..., k]] for tables (units, segments)."""
    return g.op("Gather", table.reshape(-1), at, axis=0)


INT64 = 7  # the number of the type in ONNX


def number_type(g: Graph) -> int:
    """The number of the graph's type in ONNX."""
    return 1 if g.dtype == np.float32 else 11
