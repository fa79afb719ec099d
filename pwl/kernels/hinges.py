"""Positions of the hinges of a layer's curves: fixed geometry that all engines share."""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np

from pwl.kernels.formula import Formula
from pwl.runtime.backend import Array


class Hinges(NamedTuple):
    """Hinges of a layer's curves.

    ns: hinge positions (units, K), increasing along each row.
    uniform: True if the spacing is equal along each row. A multiply and a floor then find the segment, otherwise a
    search does, Eq. (6).
    linear: True if the end segments continue outside the hinges. Otherwise the curve is constant there, Eq. (5).
    """

    ns: Array
    uniform: bool
    linear: bool


class Curves(NamedTuple):
    """Curves with ordinates A (units, K)."""

    grid: Hinges
    A: Array


Rule = Curves | Formula  # an activation as an engine sees it


class InputGeometry(NamedTuple):
    """What follows from the numbers of hinges of a network's inputs.

    inputs: those that have hinges. In tables each of them has `most` rises, or `most` + 3 hinges, those of `input_tails`, and
    `hinges` are those of all. There are `rises` between two hinges, one input after another. Input j's are rises begin[j] to
    begin[j + 1] - 1. owner: the place of a rise's input among `inputs`. left: the hinge on its left in a table without tails.
    kept: its place in a table of rises. padded: which rise is at each place of such a table, or `rises` where there is none.
    """

    inputs: tuple[int, ...]
    most: int
    hinges: int
    rises: int
    begin: tuple[int, ...]
    owner: tuple[int, ...]
    left: tuple[int, ...]
    kept: tuple[int, ...]
    padded: tuple[int, ...]


@functools.lru_cache(maxsize=256)
def input_geometry(counts: tuple[int, ...]) -> InputGeometry:
    """The geometry for these numbers of hinges of the inputs. An input with fewer than two has none."""
    inputs = tuple(j for j, count in enumerate(counts) if count > 1)
    most = max((counts[j] - 1 for j in inputs), default=0)
    each = [(place, m) for place, j in enumerate(inputs) for m in range(counts[j] - 1)]
    begin = (0, *np.cumsum([counts[j] - 1 for j in inputs]).tolist())
    kept = tuple(place * most + m for place, m in each)
    padded = np.full(len(inputs) * most, len(each))
    padded[list(kept)] = range(len(each))
    owner, left = tuple(place for place, _ in each), tuple(place * (most + 1) + m for place, m in each)
    return InputGeometry(inputs, most, len(inputs) * (most + 3), len(each), begin, owner, left, kept, tuple(padded.tolist()))


class Rises(NamedTuple):
    """The rises of curves on inputs, with the mean and the scale (rises,) that make them functions of mean 0 and deviation 1.

    ns: the hinges (inputs, most + 3) of the curves, those of `input_tails`.
    """

    geometry: InputGeometry
    ns: Array
    mean: Array
    scale: Array


class PairGeometry(NamedTuple):
    """Where products of hats of two inputs stand in a table of `rows` rows.

    sizes: the number of hinges of each input, which are counted through those of all inputs. base: (inputs, inputs). The product
    of hinges m of input j and o of input i <= j is in row base[j, i] + m sizes[i] + o. first: the first row of each two inputs.
    """

    sizes: np.ndarray
    base: np.ndarray
    first: np.ndarray
    rows: int


@functools.lru_cache(maxsize=256)
def pair_geometry(sizes: tuple[int, ...]) -> PairGeometry:
    """The geometry for these numbers of hinges of the inputs."""
    n = np.array(sizes)
    counts = np.tril(n[:, None] * n[None, :])
    first = np.tril((np.cumsum(counts) - counts.reshape(-1)).reshape(counts.shape))
    begin = np.cumsum(n) - n
    return PairGeometry(n, first - begin[:, None] * n[None, :] - begin[None, :], first, int(np.sum(counts)))
