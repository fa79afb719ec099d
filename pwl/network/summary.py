"""A network as a table: each layer's output shape, its parameters, and the multiplies of its products."""

from __future__ import annotations

import dataclasses
from typing import Any

from pwl.activations.parameterless import Parameterless
from pwl.files.text_table import aligned
from pwl.layers.layer import Layer
from pwl.network.network import Network


def summary(net: Network) -> str:
    """One line per layer, then the outputs and the total. Multiplies are those of weights in one pattern's forward pass."""
    rows = [("layer", "output", "parameters", "multiplies"), ("inputs", shape_text(net.input_shape), "", "")]
    total = 0
    for index, layer in enumerate(net.layers):
        out, slots = net.layout.shapes[index + 1], net.layout.of_layer(index)
        multiplies = sum(layer.multiplies(slot.shape, out) for slot in slots)
        total += multiplies
        size = sum(slot.stop - slot.start for slot in slots)
        rows.append((title(layer), shape_text(out), counted(size), counted(multiplies)))
    head = net.n_outputs * (net.n_basis - 1)
    rows.append(("outputs", shape_text((net.n_outputs,)), counted(net.W_o.size), counted(head)))
    rows.append(("all", "", counted(net.n_parameters), counted(total + head)))
    return aligned(rows, right=(2, 3))


def title(layer: Layer) -> str:
    """A layer with the settings that differ from the defaults."""
    if isinstance(layer, Parameterless) or not dataclasses.is_dataclass(layer):
        return layer.to_dict()["name"].lower()
    words, values = [], {field.name: short(getattr(layer, field.name)) for field in dataclasses.fields(layer)}
    for field in dataclasses.fields(layer):
        value = values[field.name]
        required = field.default is dataclasses.MISSING
        same = value == field.default or (field.name == "stride" and value == values.get("size"))
        if field.repr and (required or not same):
            words.append(repr(value) if required else f"{field.name}={value!r}")
    return f"{type(layer).__name__}({', '.join(words)})"


def short(value: Any) -> Any:
    """A pair of equal numbers as one number, and all else unchanged."""
    return value[0] if isinstance(value, tuple) and len(value) == 2 and value[0] == value[1] else value


def shape_text(shape: tuple[int, ...]) -> str:
    """A shape such as "28 x 28 x 1"."""
    return " x ".join(map(str, shape))


def counted(n: int) -> str:
    """A number with commas, and nothing for 0."""
    return f"{n:,}" if n else ""
