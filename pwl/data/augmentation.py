"""Images of a batch, moved and mirrored at random. The random numbers do not depend on blocks or threads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pwl.errors import InputError
from pwl.validate import whole

Key = tuple[int, int]  # the seed and the iteration
STREAM = 1  # keeps these random numbers apart from the ones that shuffle the patterns


@dataclass(frozen=True)
class Augmentation:
    """Random changes of the images of batches in training: `train(..., augment=pwl.Augmentation())`.

    Parameters
    ----------
    shift : int
        Each image moves by up to this many pixels vertically and horizontally, all amounts equally likely. Pixels that
        come in from outside are 0, which is the mean in prepared units.
    flip : bool
        Whether half of the images are mirrored, left to right.

    Raises
    ------
    InputError
        If shift is not a whole number, 0 or more, or flip is neither True nor False.
    """

    shift: int = 4
    flip: bool = True

    def __post_init__(self) -> None:
        shift = whole("shift", self.shift, 0, unit=" of pixels")
        if not isinstance(self.flip, (bool, np.bool_)):
            raise InputError(f"flip must be True or False, not {self.flip!r}")
        object.__setattr__(self, "shift", shift)  # Python's own types, so that equal values have the same repr
        object.__setattr__(self, "flip", bool(self.flip))

    def check(self, input_shape: tuple[int, ...], batch_size: int | None) -> None:
        """Raises InputError if a network's inputs are not images or are too small, or if each step takes all patterns."""
        if len(input_shape) != 3:
            raise InputError(
                "augment is for images (height, width, channels), but this network's inputs have shape "
                f"{input_shape}: leave augment out"
            )
        if self.shift >= min(input_shape[:2]):
            raise InputError(
                f"a shift of {self.shift} pixels moves images of {input_shape[0]} x {input_shape[1]} out of sight: "
                f"choose one below {min(input_shape[:2])}"
            )
        if batch_size is None:
            raise InputError(
                "augment needs a batch_size. Steps on all patterns share their pass over the data with the recorded error, "
                "which is measured on unchanged images"
            )

    def of(self, key: Key, place: int) -> Callable[[np.ndarray, int], np.ndarray]:
        """A function that changes images of a batch, given the row of the first one in the batch.

        place: of the batch's first image in the pass over the data.
        """
        return lambda x, row: self.apply(x, key, place + row)

    def apply(self, x: np.ndarray, key: Key, first: int) -> np.ndarray:
        """The images x (b, height, width, channels), mirrored and then moved. first: number of the first in the pass."""
        down, right, mirrored = self.draw(key, first, len(x))
        (b, height, width, channels), s = x.shape, self.shift
        framed = np.zeros((b, height + 2 * s, width + 2 * s, channels), x.dtype)
        framed[:, s : s + height, s : s + width] = x
        rows = np.arange(s, s + height) - down[:, None]
        columns = np.arange(s, s + width) - right[:, None]
        columns = np.where(mirrored[:, None], framed.shape[2] - 1 - columns, columns)
        starts = np.arange(b)[:, None] * framed.shape[1] + rows  # numbers of the rows in a list of all rows
        places = starts[:, :, None] * framed.shape[2] + columns[:, None, :]
        pixels = framed.reshape(-1, channels)
        return np.take(pixels, places, axis=0, mode="wrap")  # no place lies outside; "raise" would be slower

    def draw(self, key: Key, first: int, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Pixels down and to the right, and whether to mirror, (count,) each, for the patterns from `first` on.

        Philox makes four words from a counter. Each pattern has its own counter, so any block can draw its own part.
        """
        stream = np.random.SeedSequence([*key, STREAM]).generate_state(2, np.uint64)
        words = np.random.Philox(key=stream, counter=first).random_raw(4 * count).reshape(count, 4)
        down, right = ((words[:, i] % np.uint64(2 * self.shift + 1)).astype(np.int64) - self.shift for i in (0, 1))
        return down, right, (words[:, 2] % np.uint64(2) == 1) & self.flip
