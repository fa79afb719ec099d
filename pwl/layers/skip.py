"""Connections that skip layers. A network stays a flat list, and two layers name the earlier signal that they read.

Signal i is the input of layer i. A layer at place k with `back` reads signal k - back, the input of the last `back` layers.
Networks fetch the earlier signal. The layers join the two signals and their changes, and share out the signals that go back.
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
    """Adds the input of the last `back` layers to their output, Eq. (62). A residual block of n layers is followed by Add(n).

    Parameters
    ----------
    back : int
        Number of layers that the earlier signal skips, 1 or more.

    Raises
    ------
    InputError
        If `back` is below 1 or reaches beyond the first layer, or if the two shapes differ.
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
                f"shape {earlier} went into the last {self.back} layers, but {shape} came out: both must be the same. Give "
                "the input that shape by From and a convolution or a dense layer, then add it"
            )
        return shape

    def joined(self, x: Array, earlier: Array) -> Array:
        return x + earlier

    def shares(self, g: Array) -> tuple[Array | None, Array]:
        """g for both signals. Each gets an array of its own, because layers overwrite their signals."""
        return g, +g

    def changed(self, dx: Array | None, earlier: Array | None) -> Array | None:
        """Change of the output, as a new array, from the changes of the two signals (None means zero)."""
        if dx is None or earlier is None:
            return dx if earlier is None else +earlier
        return dx + earlier


@dataclass(frozen=True)
class From(Layer):
    """Continues from the input of the last `back` layers, Eq. (62). A later Add or From must read their output.

    A shortcut with weights is ``[*block, From(len(block)), Conv2d(filters, 1), Add(2)]``.

    Parameters
    ----------
    back : int
        Number of layers that are skipped, 1 or more.

    Raises
    ------
    InputError
        If `back` is below 1 or reaches beyond the first layer, or if nothing reads the output of the layer before.
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
    """The earlier signal that a layer reads, by the place of each layer that joins signals."""
    return {index: index - layer.reaches_back for index, layer in enumerate(layers) if layer.reaches_back}


def shape_after(layer: Any, shapes: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
    """Shape of a layer's output from the shapes of all signals up to its input. Raises InputError if they do not fit."""
    if not layer.reaches_back:
        return layer.output_shape(shapes[-1])
    if layer.reaches_back >= len(shapes):
        raise InputError(f"there are {len(shapes) - 1} layers before it: it can't go back {layer.reaches_back}")
    return layer.joined_shape(shapes[-1], shapes[-1 - layer.reaches_back])


def check_nothing_lost(layers: Sequence[Any]) -> None:
    """Raises InputError if nothing reads the output of the layers before a From."""
    read = sources(layers)
    for index, layer in enumerate(layers):
        if isinstance(layer, From) and not any(at > index and signal == index for at, signal in read.items()):
            raise InputError(
                f"layer {index}, {layer!r}: nothing reads the output of layer {index - 1}, the layer before it. Add that "
                f"output to the shortcut, with Add(n) after n - 1 layers"
            )
