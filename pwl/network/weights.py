"""The weights of a network by names that say what they are, such as "0.thresholds", and a network with others in their place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from pwl.errors import InputError
from pwl.layers.layer import Shape
from pwl.network.layout import HEAD, Slot
from pwl.network.network import Network
from pwl.runtime.backend import Array, array_namespace, as_array, host, like
from pwl.validate import nearest, shown

WORDS = {"A": "ordinates", "Q": "ordinates"}
OF_APL = {"a": "slopes", "b": "hinges"}


class Named(NamedTuple):
    """Columns first to last - 1 of a parameter, and the shape in which they are shown."""

    key: str
    first: int
    last: int
    shape: Shape


def weights(net: Network) -> dict[str, Array]:
    """`Network.weights`."""
    xp = array_namespace(net.theta)
    return {name: xp.reshape(net.parts[n.key][:, n.first : n.last], n.shape) for name, n in places(net).items()}


def with_weights(net: Network, given: Mapping[str, Any]) -> Network:
    """`Network.with_weights`."""
    if not isinstance(given, Mapping):
        raise InputError(f"weights must be a dictionary of arrays by name, as net.weights() gives it, not {shown(given)}")
    known, parts = places(net), {key: np.array(host(part)) for key, part in net.parts.items()}
    for name, value in given.items():
        if name not in known:
            raise InputError(
                f"this network has no weights {name!r}{nearest(str(name), known)}: it has {', '.join(known)}"
            )
        n, a = known[name], host(as_array(value, f"weights {name}"))
        if a.shape != n.shape or a.dtype.kind not in "fiu" or not np.all(np.isfinite(a)):
            raise InputError(f"{name} must be finite numbers of shape {n.shape}, not {shown(value)}")
        parts[n.key][:, n.first : n.last] = a.reshape(len(parts[n.key]), -1)
    return net.with_parts({key: like(part, net.theta) for key, part in parts.items()})


def places(net: Network) -> dict[str, Named]:
    """The place of all weights by name, in the order of theta."""
    found = {}
    for slot in net.layout.slots:
        beginning = "output" if slot.key == HEAD else str(slot.layer)
        for word, n in _of_head(net, slot) if slot.key == HEAD else _of_layer(net, slot):
            found[f"{beginning}.{word}"] = n
    return found


def _of_layer(net: Network, slot: Slot) -> list[tuple[str, Named]]:
    """The weights in a layer's parameter, by their words."""
    layer, (rows, width) = net.layers[slot.layer], (slot.shape[0], slot.shape[-1])
    kind = type(layer).__name__
    whole = Named(slot.key, 0, width, slot.shape)
    if kind == "BatchNorm2d":
        return [("shifts", Named(slot.key, 0, 1, (rows,))), ("scales", Named(slot.key, 1, 2, (rows,)))]
    if slot.kind != "map":
        word = (
            OF_APL.get(slot.name) if kind == "APL" else "scales" if kind == "ScaledActivation" else WORDS.get(slot.name)
        )
        return [(word or slot.name, whole)]
    straight = width - layer.rises
    shape: Shape = (rows, straight - 1)
    if kind == "Conv2d":
        shape = (rows, *layer.size, -1)  # type: ignore[attr-defined] # a Conv2d has a size
        channels = (straight - int(layer.bias)) // (shape[1] * shape[2])
        shape = (*shape[:3], channels)
    first = int(layer.bias)
    found = [("thresholds", Named(slot.key, 0, 1, (rows,)))] if layer.bias else []
    found.append(("weights", Named(slot.key, first, straight, shape)))
    return found + ([("rises", Named(slot.key, straight, width, (rows, layer.rises)))] if layer.rises else [])


def _of_head(net: Network, slot: Slot) -> list[tuple[str, Named]]:
    """The output weights, by the functions that they belong to."""
    M, rises, last = net.n_outputs, net.layout.direct_rises, net.n_basis - net.n_features
    found = [("constants", Named(slot.key, 0, 1, (M,)))]
    if net.bypass:
        found.append(("inputs", Named(slot.key, 1, last - rises, (M, last - rises - 1))))
    if rises:
        found.append(("rises", Named(slot.key, last - rises, last, (M, rises))))
    return [*found, ("weights", Named(slot.key, last, net.n_basis, (M, net.n_features)))]
