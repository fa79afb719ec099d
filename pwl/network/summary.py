"""A network as a table: what each layer makes of a pattern, its parameters, and the multiplies of its products."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

from pwl.files.text_table import aligned
from pwl.network.network import Network


def summary(net: Network) -> str:
    """One line a layer, the outputs' and the sum's last. Multiplies: of one pattern's way forward, in products with weights."""
    rows = [("layer", "output", "parameters", "multiplies"), ("inputs", shape_text(net.input_shape), "", "")]
    total = 0
    for index, layer in enumerate(net.layers):
        out, slots = net.layout.shapes[index + 1], [slot for slot in net.layout.slots if slot.layer == index]
        mixes = layer.kind == "map" and not getattr(layer, "elementwise", False)
        multiplies = products(layer, slots[0].shape, out) if mixes else 0
        total += multiplies
        size = sum(slot.stop - slot.start for slot in slots)
        rows.append((title(layer), shape_text(out), counted(size), counted(multiplies)))
    head = net.n_outputs * (net.n_basis - 1)
    rows.append(("outputs", shape_text((net.n_outputs,)), counted(net.W_o.size), counted(head)))
    rows.append(("all", "", counted(net.n_parameters), counted(total + head)))
    return aligned(rows, right=(2, 3))


def products(layer: Any, W: tuple[int, ...], out: tuple[int, ...]) -> int:
    """Multiplies of weights (units, [1 +] inputs) at every place of a pattern."""
    return math.prod(out[:-1]) * W[0] * (W[1] - int(getattr(layer, "bias", True)))


def title(layer: Any) -> str:
    """A layer in few words: what differs from its defaults."""
    if not dataclasses.is_dataclass(layer) or hasattr(layer, "f"):
        return getattr(layer, "name", repr(layer))
    words = []
    for field in dataclasses.fields(layer):
        value = short(getattr(layer, field.name))
        required = field.default is dataclasses.MISSING
        same = value == field.default or (field.name == "stride" and value == short(getattr(layer, "size", None)))
        if field.repr and (required or not same):
            words.append(repr(value) if required else f"{field.name}={value!r}")
    return f"{type(layer).__name__}({', '.join(words)})"


def short(value: Any) -> Any:
    """A pair of equal numbers as one."""
    return value[0] if isinstance(value, tuple) and len(value) == 2 and value[0] == value[1] else value


def shape_text(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))


def counted(n: int) -> str:
    return f"{n:,}" if n else ""
