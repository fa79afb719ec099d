"""Converters for skl2onnx, so that pipelines that end in PWLRegressor or PWLClassifier become one ONNX model."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from pwl.errors import InputError
from pwl.estimators.classifier import PWLClassifier
from pwl.estimators.regressor import PWLRegressor
from pwl.export.exported import Exported, exported
from pwl.export.graph import OPSET, Graph
from pwl.export.onnx import predictions
from pwl.export.onnx_curves import number_type
from pwl.network.network import Network


def register_skl2onnx() -> None:
    """Tells skl2onnx how to convert `PWLRegressor` and `PWLClassifier`, alone or within pipelines.

    A classifier gives its labels and its probabilities. The numbers of the model have the type of its inputs: float32, or float64
    for skl2onnx's DoubleTensorType.

    Raises
    ------
    InputError
        If skl2onnx is not installed.
    """
    try:
        from skl2onnx import update_registered_converter
    except ModuleNotFoundError as missing:
        raise InputError("converting pipelines needs the package skl2onnx: pip install 'pwl[skl2onnx]'") from missing
    update_registered_converter(PWLRegressor, "PwlPWLRegressor", _shapes_of_numbers, _convert)
    options = {"zipmap": [True, False, "columns"], "nocl": [True, False], "output_class_labels": [True, False]}
    update_registered_converter(PWLClassifier, "PwlPWLClassifier", _shapes_of_classes, _convert, options=options)


def _shapes_of_numbers(operator: Any) -> None:
    """Declares the type and the shape of predictions."""
    from skl2onnx.common.data_types import guess_tensor_type

    _check(operator)
    given = operator.inputs[0].type
    operator.outputs[0].type = guess_tensor_type(given)
    operator.outputs[0].type.shape = [given.shape[0], operator.raw_operator.net_.n_outputs]


def _shapes_of_classes(operator: Any) -> None:
    """Declares the types and the shapes of labels and probabilities."""
    from skl2onnx.common.shape_calculator import calculate_linear_classifier_output_shapes

    _check(operator)
    if not operator.raw_operator.net_.loss.probabilities:
        raise InputError(
            "a PWLClassifier with loss='output_reset' has no probabilities, which skl2onnx wants: use net_.to_onnx()"
        )
    calculate_linear_classifier_output_shapes(operator)


def _check(operator: Any) -> None:
    """Raises InputError for an estimator that is not fitted, and for inputs that are not one array."""
    estimator = operator.raw_operator
    if len(operator.inputs) != 1:
        raise InputError(
            f"{len(operator.inputs)} inputs came, but one array of all columns was wanted: name one initial type"
        )
    if not hasattr(estimator, "net_"):
        raise InputError(f"{type(estimator).__name__} is not fitted, so it can't be converted: call fit first")


def _convert(scope: Any, operator: Any, container: Any) -> None:
    """Adds the network's operators to the model of the pipeline."""
    from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType
    from skl2onnx.proto import onnx_proto

    estimator = operator.raw_operator
    dtype = np.float64 if isinstance(operator.inputs[0].type, DoubleTensorType) else np.float32
    g = Graph(np.dtype(dtype))
    x = operator.inputs[0].full_name
    if not isinstance(operator.inputs[0].type, (DoubleTensorType, FloatTensorType)):
        x = g.op("Cast", x, to=number_type(g))
    if estimator.means_ is not None:
        x = g.op("Where", g.op("IsNaN", x), estimator.means_, x)
    found = predictions(g, _exported(estimator, dtype), x)
    names = {signal: end.full_name for signal, end in zip(found.values(), operator.outputs, strict=True)}
    unique = {operator.inputs[0].full_name: operator.inputs[0].full_name}
    types = {"f": onnx_proto.TensorProto.FLOAT if dtype == np.float32 else onnx_proto.TensorProto.DOUBLE}
    types |= {"i": onnx_proto.TensorProto.INT64, "U": onnx_proto.TensorProto.STRING, "b": onnx_proto.TensorProto.INT64}
    for name, a in g.constants.items():
        unique[name] = scope.get_unique_variable_name(f"pwl_{name}")
        values = [text.encode() for text in a.ravel().tolist()] if a.dtype.kind == "U" else a.ravel().tolist()
        container.add_initializer(unique[name], types[a.dtype.kind], list(a.shape), values)
    for node in g.nodes:
        for out in node.outputs:
            unique[out] = scope.get_unique_variable_name(f"pwl_{out}")
        inputs = [unique[name] for name in node.inputs]
        title = scope.get_unique_operator_name(f"pwl_{node.kind}")
        container.add_node(
            node.kind, inputs, [unique[o] for o in node.outputs], name=title, op_version=OPSET, **node.attributes
        )
    for signal, end in names.items():
        title = scope.get_unique_operator_name("pwl_Identity")
        container.add_node("Identity", [unique[signal]], [end], name=title, op_version=OPSET)


def _exported(estimator: Any, dtype: Any) -> Exported:
    """The network of an estimator, or its networks, with the estimator's labels."""
    net = estimator.net_
    if isinstance(net, Network):
        return exported([_labelled(net, estimator)], dtype=dtype)
    return exported([_labelled(one, estimator) for one in net.nets], net.weights, net.bounds, dtype)


def _labelled(net: Network, estimator: Any) -> Network:
    """A classifier's network with its labels in place of class numbers. Labels that are not text become whole numbers."""
    if not hasattr(estimator, "classes_") or net.preparation is None:
        return net
    labels = estimator.classes_.tolist()
    classes = tuple(label if isinstance(label, str) else int(label) for label in labels)
    return net.with_preparation(dataclasses.replace(net.preparation, classes=classes))
