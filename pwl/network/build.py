"""Builds networks: checks the structure and draws the starting parameters."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from pwl import activations, validate
from pwl.errors import InputError
from pwl.layers import BatchNorm2d, CurvedDense, Dense
from pwl.layers.layer import Deviation, Layer
from pwl.layers.skip import check_nothing_lost, shape_after
from pwl.losses import LOSSES
from pwl.network.layout import HEAD, address, lay_out
from pwl.network.network import Network
from pwl.runtime.backend import Array, as_array, host
from pwl.runtime.room import check_bytes
from pwl.validate import is_whole, listed, one_of, shown, truth, whole


def mlp(
    n_inputs: int,
    n_hidden: int | Sequence[int],
    n_outputs: int,
    activation: Any,
    *,
    bypass: bool,
    loss: str,
    seed: int,
    dtype: Any,
    W: Any,
    net_control: bool,
    input_hinges: Any,
) -> Network:
    """`Network.mlp`."""
    given = listed(n_hidden)
    widths = (n_hidden,) if given is None else given
    n_inputs, n_outputs = whole("n_inputs", n_inputs), whole("n_outputs", n_outputs)
    widths = tuple(whole("n_hidden", width) for width in widths)
    if not widths:
        raise InputError("n_hidden is empty: give at least one hidden layer")
    if not isinstance(activation, (list, tuple)):
        activation = [activation] * len(widths)
    if len(activation) != len(widths):
        raise InputError(f"{len(activation)} activations came for {len(widths)} hidden layers: give one, or one for each layer")
    each = [activations.resolve(one) for one in activation]
    first = Dense(widths[0]) if input_hinges is None else CurvedDense(widths[0], input_hinges)
    upper = (layer for width, one in zip(widths[1:], each[1:], strict=True) for layer in (Dense(width), one))
    layers = (first, each[0], *upper)
    net = build(
        layers,
        (n_inputs,),
        n_outputs,
        bypass=bypass,
        loss=loss,
        seed=seed,
        dtype=dtype,
        net_control=net_control,
    )
    if W is None:
        return net
    if len(widths) > 1 and not isinstance(W, Sequence):
        raise InputError(f"W must be a list of arrays of hidden weights, one per layer, not {type(W).__name__}")
    return _with_hidden_weights(net, W if len(widths) > 1 else [W])


def from_layers(
    layers: Sequence[Any], input_shape: Sequence[int], *, bypass: bool, loss: str, start: str, seed: int, dtype: Any
) -> Network:
    """`Network.from_layers`."""
    deviation = STARTS[one_of("start", start, STARTS)]
    if not isinstance(layers, Sequence) or not layers or not isinstance(layers[-1], Dense):
        raise InputError(
            "the last layer must give the outputs: end the list with pwl.layers.Dense(number of outputs)"
        )
    *body, last = layers
    known = tuple(layer if _is_layer(layer) else activations.resolve(layer) for layer in body)
    shape = _shape(input_shape)
    _check_shapes(known, shape)
    net = build(known, shape, last.units, bypass=bypass, loss=loss, seed=seed, dtype=dtype, net_control=False)
    parts = {HEAD: drawn_head(net, deviation, seed)}
    for index, layer in enumerate(known):
        p = layer.scaled_start(net.layer_parameters[index], net.layout.shapes[index], deviation)
        parts |= net.layout.keyed(index, p)
    ready = not any(isinstance(layer, (BatchNorm2d, CurvedDense)) or layer.span == "nets" for layer in known)
    return dataclasses.replace(net.with_parts(parts), initialised=ready)


def drawn_head(net: Network, deviation: Deviation, seed: int) -> Array:
    """Output weights drawn as in the body, with constants 0."""
    W = np.random.default_rng([seed, len(net.layers)]).standard_normal(net.W_o.shape)
    W *= deviation(W.shape[1] - 1, W.shape[0])
    W[:, 0] = 0
    return W.astype(net.theta.dtype)


def glorot(n_in: float, n_out: float) -> float:
    """Standard deviation of weights (Glorot & Bengio 2010)."""
    return (2 / (n_in + n_out)) ** 0.5


def he(n_in: float, n_out: float) -> float:
    """Standard deviation of weights (He et al. 2015)."""
    return (2 / n_in) ** 0.5


STARTS: dict[str, Deviation] = {"glorot": glorot, "he": he}


def _is_layer(layer: Any) -> bool:
    return isinstance(layer, Layer) and not isinstance(layer, type)


def _shape(input_shape: Any) -> tuple[int, ...]:
    sizes = listed(input_shape) or ()
    found = tuple(int(n) for n in sizes if is_whole(n))
    if not found or len(found) < len(sizes) or min(found) < 1:
        raise InputError(f"input_shape must be sizes such as (32, 32, 3), channels last, not {input_shape!r}")
    return found


def _check_shapes(layers: tuple[Layer, ...], shape: tuple[int, ...]) -> None:
    """Raises InputError with the name of the first layer that does not fit."""
    shapes = [shape]
    for number, layer in enumerate(layers):
        try:
            layer.shapes(shapes[-1])
            shapes.append(shape_after(layer, shapes))
        except InputError as wrong:
            raise InputError(f"layer {number}, {layer!r}: {wrong}") from None
    check_nothing_lost(layers)


def build(
    layers: tuple,
    input_shape: tuple[int, ...],
    n_outputs: int,
    *,
    bypass: bool,
    loss: str,
    seed: int,
    dtype: Any,
    net_control: bool,
) -> Network:
    """A network of `layers` with starting parameters. Each layer draws from a generator keyed by (seed, layer)."""
    truth("net_control", net_control)
    if not isinstance(loss, str) or loss not in LOSSES:
        raise InputError(f"unknown loss {shown(loss)}: use one of {', '.join(LOSSES)}")
    if LOSSES[loss].classes and n_outputs < 2:
        raise InputError(f"loss={loss!r} needs one output per class, 2 or more, not {n_outputs}")
    try:
        known = np.dtype(dtype) in (np.float32, np.float64)
    except (TypeError, ValueError, SyntaxError):  # of a dictionary, or of a text that NumPy takes for a list of types
        known = False
    if not known:
        raise InputError(f"dtype must be float32 or float64, not {shown(dtype)}")
    validate.seed(seed)
    truth("bypass", bypass)
    for layer in layers[1:]:
        if layer.reads_inputs:
            raise InputError(f"{layer!r} bends the inputs of a network, so it must be the first layer")
    layout = lay_out(layers, input_shape, n_outputs, bypass)
    check_bytes(4 * 8 * layout.size, f"{layout.size:,} parameters", "use fewer inputs or units")
    theta = np.zeros(layout.size, dtype=dtype)
    buffers: dict[str, Array] = {}
    for index, layer in enumerate(layers):
        shape = layout.shapes[index]
        start = layer.start_parameters(shape, np.random.default_rng([seed, index]))
        for slot in layout.of_layer(index):
            theta[slot.start : slot.stop] = np.ravel(start[slot.name])
        buffers |= {address(index, name): np.asarray(b, dtype=dtype) for name, b in layer.buffers(shape).items()}
    return Network(layers, input_shape, n_outputs, bypass, LOSSES[loss], theta, buffers, net_control=net_control)


def _with_hidden_weights(net: Network, weights: Sequence[Any]) -> Network:
    keys = net.keys("map")
    if len(weights) != len(keys):
        raise InputError(
            f"W holds weights for {len(weights)} hidden layers, but the net has {len(keys)}: give one array per layer"
        )
    given = {}
    for key, W in zip(keys, weights, strict=True):
        W = host(as_array(W, "hidden weights W"))
        if W.shape != net.parts[key].shape:
            raise InputError(
                f"hidden weights of shape {net.parts[key].shape} (threshold first) were wanted, but {W.shape} came"
            )
        if W.dtype.kind not in "fiu":
            raise InputError(f"hidden weights W must be real numbers, but an array of {W.dtype} came")
        if not np.all(np.isfinite(W)):
            raise InputError("hidden weights W must be finite numbers")
        given[key] = np.asarray(W, dtype=net.theta.dtype)
    return net.with_parts(given)
