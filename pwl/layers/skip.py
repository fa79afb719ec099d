"""Connections that leave layers out: a network stays a flat list, and two layers say which earlier signal they read.

Signal i is what layer i gets. A layer at place k with `back` reads signal k - back, what went into the last `back` layers.
Networks do the reading; the layers say what is made of the two signals, their changes and what comes back to them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from pwl.errors import InputError
from pwl.layers.layer import Layer
from pwl.runtime.backend import Array
from pwl.validate import whole


@dataclass(frozen=True)
class Add(Layer):
    """Adds what went into the last `back` layers, Eq. (62): a residual block of n layers is followed by Add(n).

    Raises InputError for a `back` below 1 or beyond the first layer, and where the two shapes differ.
    """

    back: int
    kind: ClassVar[str] = "shape"

    def __post_init__(self) -> None:
        check_back(self)

    @property
    def reaches_back(self) -> int:
        return self.back

    def joined_shape(self, shape: tuple[int, ...], earlier: tuple[int, ...]) -> tuple[int, ...]:
        if shape != earlier:
            raise InputError(
                f"shape {earlier} went into the last {self.back} layers, but {shape} came out: both must be the same. Bring "
                "what went in to that shape by From and a convolution or a dense layer, then add it"
            )
        return shape

    def joined(self, x: Array, earlier: Array) -> Array:
        return x + earlier

    def shares(self, g: Array) -> tuple[Array | None, Array]:
        """What comes back to the signal and to the earlier one: an array each, as layers overwrite what they get."""
        return g, +g

    def changed(self, dx: Array | None, earlier: Array | None) -> Array | None:
        """Change of the output, an array of its own, from those of the two signals (None: zero)."""
        if dx is None or earlier is None:
            return dx if earlier is None else +earlier
        return dx + earlier


@dataclass(frozen=True)
class From(Layer):
    """Goes on from what went into the last `back` layers: only a later Add, or From, gets to what came before, Eq. (62).

    A shortcut with weights: [*block, From(len(block)), Conv2d(filters, 1), Add(2)].

    Raises InputError as `Add` does, and where nothing reads what came before.
    """

    back: int
    kind: ClassVar[str] = "shape"

    def __post_init__(self) -> None:
        check_back(self)

    @property
    def reaches_back(self) -> int:
        return self.back

    def joined_shape(self, shape: tuple[int, ...], earlier: tuple[int, ...]) -> tuple[int, ...]:
        return earlier

    def joined(self, x: Array, earlier: Array) -> Array:
        return earlier

    def shares(self, g: Array) -> tuple[Array | None, Array]:
        return None, g

    def changed(self, dx: Array | None, earlier: Array | None) -> Array | None:
        return None if earlier is None else +earlier


def check_back(layer: Add | From) -> None:
    object.__setattr__(layer, "back", whole(f"{type(layer).__name__}'s number of layers to go back", layer.back))


def sources(layers: Sequence[Any]) -> dict[int, int]:
    """By the place of each layer that joins signals, the earlier signal that it reads."""
    return {index: index - layer.reaches_back for index, layer in enumerate(layers) if layer.reaches_back}


def shape_after(layer: Any, shapes: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
    """Shape of what a layer gives; shapes: of all signals up to its own input. InputError where they do not fit."""
    if not layer.reaches_back:
        return layer.output_shape(shapes[-1])
    if layer.reaches_back >= len(shapes):
        raise InputError(f"there are {len(shapes) - 1} layers before it: it can't go back {layer.reaches_back}")
    return layer.joined_shape(shapes[-1], shapes[-1 - layer.reaches_back])


def check_nothing_lost(layers: Sequence[Any]) -> None:
    """InputError where the layers before a From lead nowhere."""
    read = sources(layers)
    for index, layer in enumerate(layers):
        if isinstance(layer, From) and not any(at > index and signal == index for at, signal in read.items()):
            raise InputError(
                f"layer {index}, {layer!r}: nothing reads what came before it, the output of layer {index - 1}: add it to "
                f"the shortcut, with Add(n) after n - 1 layers"
            )
