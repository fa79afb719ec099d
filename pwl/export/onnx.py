"""Networks as ONNX models: preparation, networks, their mean, and the labels of classes, in standard operators of opset 17."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from pwl import validate
from pwl.data.decorrelation import Decorrelation
from pwl.data.scaling import inverse_scale
from pwl.errors import InputError
from pwl.export.exported import Exported, in_parts
from pwl.export.graph import OPSET, Graph
from pwl.export.onnx_layers import outputs
from pwl.files.write import write_atomic
from pwl.network.network import Network
from pwl.version import VERSION

IR_VERSION = 8  # the format of files that came with opset 17


def to_onnx(what: Exported, path: str | os.PathLike[str] | None = None) -> Any:
    """The onnx.ModelProto, which is also written to `path` if there is one. Raises InputError if `onnx` is not installed."""
    g = Graph(what.dtype)
    found = predictions(g, what, "x")
    for name, signal in found.items():
        g.named(signal, name)
    model = _model(g, what, found)
    if path is not None:
        write_atomic(validate.path("path", path), model.SerializeToString())
    return model


def predictions(g: Graph, what: Exported, x: str) -> dict[str, str]:
    """Signals of the outputs by name, for raw inputs: "y" for numbers; "label" and "probabilities" or "scores" for classes."""
    parts = [_answer(g, net, x) for net in what.nets]
    y = (
        parts[0]
        if len(parts) == 1
        else g.op("Sum", *(g.op("Mul", y, w) for y, w in zip(parts, what.weights, strict=True)))
    )
    if what.bounds is not None:
        y = g.op("Min", g.op("Max", y, what.bounds[0]), what.bounds[1])
    if what.classes is None:
        return {"y": y}
    labels = np.asarray(what.classes)
    number = g.op("ArgMax", y, axis=1, keepdims=0)
    return {
        "label": g.op("Gather", labels, number, axis=0),
        "probabilities" if what.first.loss.probabilities else "scores": y,
    }


def _answer(g: Graph, net: Network, x: str) -> str:
    """The outputs of one network in raw units, or probabilities or scores of classes."""
    y = outputs(g, net, _prepared(g, net, x))
    if net.loss.probabilities:
        return g.op("Softmax", y, axis=1)
    targets = None if net.preparation is None else net.preparation.targets
    return y if targets is None else g.op("Add", g.op("Mul", y, targets.scale), targets.offset)


def _prepared(g: Graph, net: Network, x: str) -> str:
    """Raw inputs as the network takes them."""
    if net.preparation is None:
        return x
    inputs = net.preparation.inputs
    for part in in_parts(inputs.offset, g.dtype):
        x = g.op("Sub", x, part)
    x = g.op("Mul", x, inverse_scale(inputs.scale))
    return g.op("MatMul", x, inputs.matrix) if isinstance(inputs, Decorrelation) else x


def _model(g: Graph, what: Exported, found: Mapping[str, str]) -> Any:
    """The graph as the package `onnx` has it."""
    try:
        from onnx import helper, numpy_helper
    except ModuleNotFoundError as missing:
        raise InputError("exports to ONNX need the package onnx: pip install 'pwl[onnx]'") from missing
    number = helper.np_dtype_to_tensor_dtype(g.dtype)
    label = number if what.classes is None else _label_type(np.asarray(what.classes))
    wide: list[str | int | None] = ["patterns", what.first.n_outputs]
    ends = [
        helper.make_tensor_value_info(name, label if name == "label" else number, wide[:1] if name == "label" else wide)
        for name in found
    ]
    graph = helper.make_graph(
        [helper.make_node(node.kind, node.inputs, node.outputs, **node.attributes) for node in g.nodes],
        "pwl",
        [helper.make_tensor_value_info("x", number, ["patterns", *what.first.input_shape])],
        ends,
        [
            numpy_helper.from_array(a.astype(object) if a.dtype.kind == "U" else a, name)
            for name, a in g.constants.items()
        ],
    )
    model = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="pwl",
        producer_version=VERSION,
    )
    helper.set_model_props(model, {"inputs": "\n".join(what.names)})
    return model


def _label_type(labels: np.ndarray) -> int:
    """The number of the type of labels: texts, truth values, or whole numbers."""
    from onnx import TensorProto

    return {"U": TensorProto.STRING, "b": TensorProto.BOOL}.get(labels.dtype.kind, TensorProto.INT64)
