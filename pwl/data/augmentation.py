"""Images of a batch moved and mirrored at random, each by numbers of its own that do not depend on blocks or threads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pwl.errors import InputError

Key = tuple[int, int]  # the seed and the iteration
STREAM = 1  # keeps these random numbers apart from those that shuffle the patterns


@dataclass(frozen=True)
class Augmentation:
    """How the images of batches are changed while a network trains on them: `train(..., augment=pwl.Augmentation())`.

    shift: each image moves by up to so many pixels, vertically and horizontally, all amounts equally likely. What comes in
        from outside is 0, in prepared units the mean. flip: half of the images are mirrored, left to right.

    Raises InputError for a shift that is not a whole number, 0 or more, or a flip that is neither True nor False.
    """

    shift: int = 4
    flip: bool = True

    def __post_init__(self) -> None:
        if not isinstance(self.shift, (int, np.integer)) or isinstance(self.shift, bool) or self.shift < 0:
            raise InputError(f"shift must be a whole number of pixels, 0 or more, not {self.shift!r}")
        if not isinstance(self.flip, (bool, np.bool_)):
            raise InputError(f"flip must be True or False, not {self.flip!r}")
        object.__setattr__(self, "shift", int(self.shift))  # so that equal ones have the same repr
        object.__setattr__(self, "flip", bool(self.flip))

    def check(self, input_shape: tuple[int, ...], batch_size: int | None) -> None:
        """InputError where a network's inputs are no images, or too small, or where steps take all patterns."""
        if len(input_shape) != 3:
            raise InputError(
                f"augment changes images (height, width, channels), but this network's inputs have shape {input_shape}: "
                "leave augment out"
            )
        if self.shift >= min(input_shape[:2]):
            raise InputError(
                f"a shift of {self.shift} pixels moves images of {input_shape[0]} x {input_shape[1]} out of sight: "
                f"choose one below {min(input_shape[:2])}"
            )
        if batch_size is None:
            raise InputError(
                "augment needs a batch_size: steps on all patterns share their pass with the error recorded, which is that "
                "of the images as they are"
            )

    def of(self, key: Key, place: int) -> Callable[[np.ndarray, int], np.ndarray]:
        """What changes images of a batch that begins at a place of the pass, given the first's row in the batch."""
        return lambda x, row: self.apply(x, key, place + row)

    def apply(self, x: np.ndarray, key: Key, first: int) -> np.ndarray:
        """The images x (b, height, width, channels) mirrored, then moved. They are numbers first, first + 1, ... of the pass."""
        down, right, mirrored = self.draw(key, first, len(x))
        (b, height, width, channels), s = x.shape, self.shift
        framed = np.zeros((b, height + 2 * s, width + 2 * s, channels), x.dtype)
        framed[:, s : s + height, s : s + width] = x
        rows = np.arange(s, s + height) - down[:, None]
        columns = np.arange(s, s + width) - right[:, None]
        columns = np.where(mirrored[:, None], framed.shape[2] - 1 - columns, columns)
        starts = np.arange(b)[:, None] * framed.shape[1] + rows  # of each row in a list of all rows
        places = starts[:, :, None] * framed.shape[2] + columns[:, None, :]
        pixels = framed.reshape(-1, channels)
        return np.take(pixels, places, axis=0, mode="wrap")  # all lie within; "raise" would be slower

    def draw(self, key: Key, first: int, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Pixels down and to the right, and whether mirrored, (count,) each, of the patterns first, first + 1, ...

        Philox makes four words from a counter: each pattern has its own, so that any block can draw its own part.
        """
        stream = np.random.SeedSequence([*key, STREAM]).generate_state(2, np.uint64)
        words = np.random.Philox(key=stream, counter=first).random_raw(4 * count).reshape(count, 4)
        down, right = ((words[:, i] % np.uint64(2 * self.shift + 1)).astype(np.int64) - self.shift for i in (0, 1))
        return down, right, (words[:, 2] % np.uint64(2) == 1) & self.flip
