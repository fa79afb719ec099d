"""The place of every parameter in theta, and its address. No other module makes slot keys or takes them apart."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from pwl.layers.layer import Layer
from pwl.layers.skip import shape_after
from pwl.runtime.backend import Array, array_namespace, reshaped

HEAD = "head.W"  # W_o (M, Nu) over the basis [1, x if bypass, o]


class Slot(NamedTuple):
    """Place of a parameter in theta. key: "<layer>.<name>", such as "0.W", "1.A" or "head.W". kind: its layer's kind, or "head"."""

    key: str
    layer: int
    name: str
    start: int
    stop: int
    shape: tuple[int, ...]
    kind: str


@dataclass(frozen=True, eq=False)
class Layout:
    """Shapes between the layers and places of the parameters in theta, which follow from the structure alone.

    shapes: the input's shape for each layer, then the shape of the last layer's output. size: the length of theta.
    direct_rises: the number of rises of curves on inputs among the basis functions, the last of those before the features.
    own_penalties: whether a layer has a penalty on its parameters that no algorithm asked for.
    """

    shapes: tuple[tuple[int, ...], ...]
    slots: tuple[Slot, ...]
    size: int
    direct_rises: int = 0
    own_penalties: bool = False

    @cached_property
    def by_key(self) -> dict[str, Slot]:
        """The slots by their keys."""
        return {slot.key: slot for slot in self.slots}

    @cached_property
    def n_features(self) -> int:
        """Number of features o that the outputs see."""
        return math.prod(self.shapes[-1])

    def on_features(self, W_o: Array) -> Array:
        """The columns of output weights (M, Nu) that act on the features."""
        return W_o[:, W_o.shape[1] - self.n_features :]

    @cached_property
    def _by_layer(self) -> tuple[tuple[Slot, ...], ...]:
        return tuple(tuple(s for s in self.slots if s.layer == index) for index in range(len(self.shapes)))

    @functools.cache  # noqa: B019 - layouts are few, and are kept by `lay_out` in any case
    def keys(self, *kinds: str) -> tuple[str, ...]:
        """Keys of the parameters of layers of these kinds, in the order of theta: "map", "activation", "head"."""
        return tuple(slot.key for slot in self.slots if slot.kind in kinds)

    def of_layer(self, index: int) -> tuple[Slot, ...]:
        """The slots of one layer. The head has the index after the last layer's."""
        return self._by_layer[index]

    def layers(self, keys: Iterable[str]) -> list[int]:
        """Indices of the layers of some parameters, without repeats, in their order."""
        return self._layers(tuple(keys))

    @functools.lru_cache(maxsize=1024)  # noqa: B019 - as for `keys`
    def _layers(self, keys: tuple[str, ...]) -> list[int]:
        return sorted({self.by_key[key].layer for key in keys})

    def lifted(self, key: str, lowest: int) -> str:
        """The key of a parameter in a network that begins with layer `lowest`."""
        slot = self.by_key[key]
        return key if key == HEAD else address(slot.layer - lowest, slot.name)

    def size_of(self, keys: Iterable[str]) -> int:
        """Number of numbers in some parameters."""
        return sum(self.by_key[key].stop - self.by_key[key].start for key in keys)

    def keyed(self, index: int, of_layer: Mapping[str, Array]) -> dict[str, Array]:
        """Arrays of a layer's parameters by slot key, from arrays by name."""
        return {slot.key: of_layer[slot.name] for slot in self.of_layer(index) if slot.name in of_layer}

    def named(self, index: int, parts: Mapping[str, Array]) -> dict[str, Array]:
        """Arrays of one layer's parameters by its own names, from parts by slot key."""
        return {slot.name: parts[slot.key] for slot in self.of_layer(index) if slot.key in parts}

    @cached_property
    def _places(self) -> tuple[tuple[str, slice, tuple[int, ...]], ...]:
        return tuple((slot.key, slice(slot.start, slot.stop), slot.shape) for slot in self.slots)

    def split(self, theta: Array) -> dict[str, Array]:
        """Views of a vector like theta, by slot key."""
        return {key: reshaped(theta[place], shape) for key, place, shape in self._places}

    def by_layer(self, parts: Mapping[str, Array]) -> tuple[dict[str, Array], ...]:
        """All parts by slot key as one dictionary per layer, by the layer's own names. The head's comes last."""
        found: tuple[dict[str, Array], ...] = tuple([{} for _ in self.shapes])
        for slot in self.slots:
            found[slot.layer][slot.name] = parts[slot.key]
        return found

    def join(self, parts: Mapping[str, Array], theta: Array) -> Array:
        """A vector like theta from parts by slot key, with zeros for missing parameters."""
        xp = array_namespace(theta)
        found = [reshaped(parts[slot.key], (-1,)) for slot in self.slots if slot.key in parts]
        if len(found) == len(self.slots):
            return xp.concat(found)
        return self._with(parts, xp.zeros_like(theta))

    def replaced(self, parts: Mapping[str, Array], theta: Array) -> Array:
        """A copy of the vector theta with other parts by slot key."""
        return self._with(parts, array_namespace(theta).asarray(theta, copy=True))

    def _with(self, parts: Mapping[str, Array], vector: Array) -> Array:
        for key, place, _ in self._places:
            if key in parts:
                vector[place] = reshaped(parts[key], (-1,))
        return vector

    def cut(self, vector: Array, keys: Iterable[str]) -> dict[str, Array]:
        """Parts by slot key from a vector that holds the parameters `keys` one after another."""
        xp, parts, first = array_namespace(vector), {}, 0
        for key in keys:
            size = self.size_of((key,))
            parts[key] = xp.reshape(vector[first : first + size], self.by_key[key].shape)
            first += size
        return parts


@functools.lru_cache(maxsize=256)
def lay_out(layers: tuple[Layer, ...], input_shape: tuple[int, ...], n_outputs: int, bypass: bool) -> Layout:
    """The layout of a network. Raises InputError for layers that do not fit together."""
    shapes, slots, start = [input_shape], [], 0
    for index, layer in enumerate(layers):
        for name, shape in layer.shapes(shapes[-1]).items():
            stop = start + math.prod(shape)
            slots.append(Slot(address(index, name), index, name, start, stop, shape, layer.kind))
            start = stop
        shapes.append(shape_after(layer, shapes))
    n_basis = 1 + (direct_width(layers, input_shape) if bypass else 0) + math.prod(shapes[-1])
    stop = start + n_outputs * n_basis
    slots.append(Slot(HEAD, len(layers), "W", start, stop, (n_outputs, n_basis), "head"))
    rises = layers[0].rises if bypass and layers else 0
    own_penalties = any(layers[slot.layer].penalty(slot.name, 0.0, 0.0).weight for slot in slots[:-1])
    return Layout(tuple(shapes), tuple(slots), stop, rises, own_penalties)


def direct_width(layers: tuple[Layer, ...], input_shape: tuple[int, ...]) -> int:
    """Number of functions of the inputs that the outputs of a network with a bypass see directly."""
    return layers[0].direct_width(input_shape) if layers else math.prod(input_shape)


def address(index: int, name: str) -> str:
    """The key of a layer's parameter or buffer."""
    return f"{index}.{name}"


def buffers_by_layer(buffers: Mapping[str, Array], count: int) -> tuple[dict[str, Array], ...]:
    """Buffers by key as one dictionary per layer, by the layer's own names."""
    found: tuple[dict[str, Array], ...] = tuple({} for _ in range(count))
    for key, b in buffers.items():
        index, name = key.split(".")
        found[int(index)][name] = b
    return found


def unit_rows(parts: Mapping[str, Array]) -> Iterator[tuple[str, slice]]:
    """The rows of each part if all parts are stacked."""
    first = 0
    for key, part in parts.items():
        yield key, slice(first, first + part.shape[0])
        first += part.shape[0]
