"""Names of a network's layers, by which they can be chosen: "7.Conv2d", and PyTorch's in networks whose weights it has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from pwl.errors import InputError
from pwl.models.pretrained import known_names
from pwl.network.layout import HEAD
from pwl.network.network import Network
from pwl.validate import is_whole, not_negative, shown, whole

OUTPUTS = "outputs"


def layer_names(net: Network) -> list[tuple[str, ...]]:
    """The names of each layer and of the outputs. A layer without weights bears PyTorch's name of the one before it as well."""
    own = [f"{index}.{type(layer).__name__}" for index, layer in enumerate(net.layers)] + [OUTPUTS]
    theirs = known_names(net)
    if not theirs:
        return [(name,) for name in own]
    found, at = [], -1
    for name, layer in zip(own, net.layers, strict=False):
        at += layer.kind == "map"
        found.append((name, theirs[max(at, 0)]))
    return [*found, (OUTPUTS, theirs[-1])]


def chosen(net: Network, patterns: Any) -> list[bool]:
    """Whether each layer, and the outputs, have a name that fits one of the patterns, such as "layer[1-3]*".

    Raises InputError for a pattern that no name fits.
    """
    wanted = [patterns] if isinstance(patterns, str) else patterns
    if not isinstance(wanted, (list, tuple)) or not all(isinstance(each, str) for each in wanted):
        raise InputError(f'layers are chosen by patterns such as "layer[1-3]*" or ["features*"], not {shown(patterns)}')
    names = layer_names(net)
    for pattern in wanted:
        if not any(fnmatchcase(name, pattern) for own in names for name in own):
            raise InputError(f"no layer is called {pattern!r}: there are {_listed(names)}")
    return [any(fnmatchcase(name, pattern) for name in own for pattern in wanted) for own in names]


def frozen_layers(net: Network, frozen: Any) -> tuple[int, dict[str, float]]:
    """The number of layers from the inputs on that stay as they are, and a factor 0 for the parameters of others that do."""
    most = max(len(net.layers) - 1, 0)
    if is_whole(frozen):
        return whole("frozen", frozen, 0, most=most, unit=" of layers"), {}
    if isinstance(frozen, (bool, float)) or frozen is None:
        whole("frozen", frozen, 0, most=most, unit=" of layers", also=", or patterns of names")
    stays = chosen(net, frozen)
    if stays[-1]:
        raise InputError("the outputs can't be frozen: choose layers below them")
    first = next(
        (index for index, each in enumerate(stays) if not each and (net.layout.of_layer(index))), len(net.layers)
    )
    first = min(first, most)
    zeros = {slot.key: 0.0 for slot in net.layout.slots if first <= slot.layer < len(net.layers) and stays[slot.layer]}
    return first, zeros


def factors(net: Network, rates: Mapping[str, float] | None) -> dict[str, float]:
    """The factor of the learning rate of each parameter from patterns of names. Later patterns count."""
    if rates is None:
        return {}
    if not isinstance(rates, Mapping):
        raise InputError(f'rates must be factors by patterns of names, such as {{"layer3*": 0.1}}, not {shown(rates)}')
    found: dict[str, float] = {}
    for pattern, factor in rates.items():
        not_negative(f"the factor of {pattern!r}", factor)
        fits = chosen(net, pattern)
        keys = [slot.key for slot in net.layout.slots if slot.layer < len(net.layers) and fits[slot.layer]]
        found |= dict.fromkeys([*keys, *([HEAD] if fits[-1] else [])], float(factor))
    return found


def _listed(names: Sequence[tuple[str, ...]]) -> str:
    text = ", ".join(" or ".join(own) for own in names)
    return text if len(text) < 300 else f"{text[:300]}..."
