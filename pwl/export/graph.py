"""A graph of ONNX operators while it is being made: nodes, and constants by name. It needs no package but NumPy."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from pwl.export.exported import narrowed

OPSET = 17


class Node(NamedTuple):
    """One operator. inputs, outputs: names of signals and constants."""

    kind: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: dict[str, Any]


class Graph:
    """Collects operators one after another. dtype: the type of all numbers, float32 or float64."""

    def __init__(self, dtype: np.dtype) -> None:
        self.dtype = dtype
        self.nodes: list[Node] = []
        self.constants: dict[str, np.ndarray] = {}

    def op(self, kind: str, *inputs: Any, **attributes: Any) -> str:
        """Adds an operator and returns the name of its output. Inputs are names, or numbers and arrays, which become constants."""
        names = tuple(given if isinstance(given, str) else self.constant(given) for given in inputs)
        out = f"{kind}_{len(self.nodes)}"
        self.nodes.append(Node(kind, names, (out,), attributes))
        return out

    def constant(self, a: Any) -> str:
        """The name of a constant. Floats get the type of the graph, whole numbers stay 64 bits wide."""
        a = np.asarray(a)
        if a.dtype.kind == "f":
            a = narrowed(a, self.dtype)
        elif a.dtype.kind in "iu":
            a = a.astype(np.int64)
        same = (
            name
            for name, b in self.constants.items()
            if a.dtype == b.dtype and a.shape == b.shape and np.array_equal(a, b)
        )
        name = next(same, f"constant_{len(self.constants)}")
        self.constants[name] = a
        return name

    def named(self, signal: str, name: str) -> None:
        """Gives a signal the name of an output."""
        self.nodes.append(Node("Identity", (signal,), (name,), {}))
