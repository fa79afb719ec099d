"""Dropout: in training, a network does without some of its numbers (Srivastava et al. 2014)."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from pwl.layers.layer import Layer
from pwl.runtime.backend import Array, array_namespace
from pwl.validate import share

LEVELS = 2**16  # values of a random number of 16 bits, and so of the rate
DRAWS = 16  # such numbers per count of Philox's counter


@dataclass(frozen=True)
class Dropout(Layer):
    """Sets each number to 0 with probability `rate` in training by first-order methods, Eq. (61). Otherwise the identity.

    The other numbers are divided by 1 - rate, so that the mean does not change. Inputs and outputs have the same shape.

    Parameters
    ----------
    rate : float
        Probability in [0, 1), rounded to a multiple of 1/65536.

    Raises
    ------
    InputError
        If the rate is outside [0, 1).
    """

    rate: float
    kind: ClassVar[str] = "shape"

    def __post_init__(self) -> None:
        object.__setattr__(self, "rate", share("Dropout's rate", self.rate))

    def training(self, key: tuple[int, ...]) -> DropoutTraining:
        return DropoutTraining(min(round(self.rate * LEVELS), LEVELS - 1), key)

    def output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        return input_shape

    def apply(self, p: dict, b: dict, x: Array) -> Array:
        return x

    def forward(self, p: dict, b: dict, x: Array) -> tuple[Array, None]:
        return x, None

    def keep(self, p: dict, b: dict, x: Array) -> None:
        return None

    def backward(self, p: dict, b: dict, saved: None, g: Array) -> Array:
        return g

    def tangent(self, p: dict, b: dict, saved: None, d: dict, dx: Array | None) -> Array | None:
        return dx


@dataclass(frozen=True)
class DropoutTraining(Layer):
    """Dropout in training, Eq. (61): `dropped` of 65536 numbers are 0. key: seeds the random numbers. first: the first pattern.

    Key and first pattern do not count in comparisons. Networks that differ only in them have the same layout.
    """

    dropped: int
    key: tuple[int, ...] = field(compare=False)
    first: int = field(default=0, compare=False)
    kind: ClassVar[str] = "shape"

    def at_pattern(self, first: int) -> DropoutTraining:
        return dataclasses.replace(self, first=first)

    def output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        return input_shape

    def apply(self, p: dict, b: dict, x: Array) -> Array:
        return x * self.keep(p, b, x)

    def forward(self, p: dict, b: dict, x: Array) -> tuple[Array, Array]:
        mask = self.keep(p, b, x)
        return x * mask, mask

    def keep(self, p: dict, b: dict, x: Array) -> Array:
        """The mask, shaped like x, with values 0 and 1 / (1 - rate)."""
        xp = array_namespace(x)
        kept = xp.asarray(drawn(self.key, self.first, tuple(x.shape)) >= self.dropped, device=x.device)
        mask = xp.astype(kept, x.dtype)
        mask *= LEVELS / (LEVELS - self.dropped)
        return mask

    def backward(self, p: dict, b: dict, mask: Array, g: Array) -> Array:
        g *= mask
        return g

    def tangent(self, p: dict, b: dict, mask: Array, d: dict, dx: Array | None) -> Array | None:
        return None if dx is None else dx * mask


def drawn(key: tuple[int, ...], first: int, shape: tuple[int, ...]) -> np.ndarray:
    """Random numbers of 16 bits for Eq. (61), for patterns first, first + 1, ... They depend only on the key and the pattern.

    Philox makes them from a counter. Each pattern has its own stretch of it, so any block can make its part.
    """
    size = int(np.prod(shape[1:]))
    counts = -(-size // DRAWS)
    stream = np.random.Philox(key=np.random.SeedSequence(key).generate_state(2, np.uint64))
    stream.advance(first * counts)
    # The words of the stream themselves, in which every bit is random.
    words = np.random.Generator(stream).integers(0, 2**64 - 1, (shape[0], 4 * counts), dtype=np.uint64, endpoint=True)
    return words.view(np.uint16)[:, :size].reshape(shape)
