"""Statistics: the quantities that are summed over patterns, and the rules that join the sums of blocks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from pwl.runtime.backend import Array, array_namespace, is_numpy_array

Tree = Any  # an array, or a tuple or dictionary of arrays, tuples and dictionaries
Part = tuple[Tree, list[Array]]  # the form of a result without its arrays, and the arrays


@dataclass(frozen=True)
class Statistic:
    """A quantity of a block of patterns, and the rule that joins the quantities of two blocks.

    of_block(net, x, t, w): returns an array, or a NamedTuple of arrays and of dictionaries of arrays, for one block. The block
        has inputs x (b, ...), targets t (b, M) or labels (b,), and pattern weights w (b,), or None if all weigh 1. The
        function must multiply by the weights.
    combine: "sum", "min", "max", "qr" or "rows". A sum is divided by the sum of the weights. "qr" folds blocks of rows into one
        triangular factor R, so that R'R is the sum of the blocks' products divided by the sum of the weights, Eq. (42). "rows"
        does so once there are more rows than columns, and keeps the rows till then.
    floats: numbers of work space per pattern beyond those of a forward and a backward pass.
    beside: an array with a row per pattern, if any. `of_block` gets a block's rows of it as its last argument.
    """

    of_block: Callable[..., Tree]
    combine: str = "sum"
    floats: int = 0
    beside: Array | None = None

    def beside_rows(self, first: int, last: int) -> tuple[Array, ...]:
        """The rows of `beside` for patterns first..last-1, if there are any."""
        return () if self.beside is None else (self.beside[first:last],)

    def start(self, values: Tree) -> list[Array]:
        """A block's arrays in the form that goes into a total."""
        found = list(leaves(values))
        return [ROWS[self.combine](a) for a in found] if self.of_rows else found

    @property
    def of_rows(self) -> bool:
        """Whether blocks of rows are joined into one."""
        return self.combine in ROWS

    def fold(self, total: list[Array], values: list[Array]) -> list[Array]:
        """The total with the arrays of one more block. An empty list is the total of no blocks."""
        fold = COMBINE[self.combine]
        return [fold(a, b) for a, b in zip(total, values, strict=True)] if total else values

    def mean(self, total: list[Array], weight: float) -> list[Array]:
        """The total over patterns whose weights sum to `weight`, divided as `combine` says."""
        if self.combine == "sum":
            return [a / weight for a in total]
        return [a / weight**0.5 for a in total] if self.of_rows else total

    def alone(self, values: Tree, weight: float) -> Tree:
        """The mean over the patterns of the only block, in its form: `start` and `mean` in one."""
        if self.combine == "sum":
            return mapped(lambda a: a / weight, values)
        return mapped(lambda a: ROWS[self.combine](a) / weight**0.5, values) if self.of_rows else values


def leaves(tree: Tree) -> Iterator[Array]:
    """The arrays of a tree, in their order."""
    if isinstance(tree, dict):
        tree = tuple(tree.values())
    if isinstance(tree, tuple):
        for branch in tree:
            yield from leaves(branch)
    else:
        yield tree


def mapped(f: Callable[[Array], Array], tree: Tree) -> Tree:
    """A tree of the same form with f of each array."""
    if isinstance(tree, dict):
        return {key: mapped(f, branch) for key, branch in tree.items()}
    if isinstance(tree, tuple):
        branches = [mapped(f, branch) for branch in tree]
        return type(tree)(*branches) if hasattr(tree, "_fields") else tuple(branches)
    return f(tree)


def grown(tree: Tree, arrays: Iterator[Array]) -> Tree:
    """A tree of the same form with other arrays."""
    return mapped(lambda _: next(arrays), tree)


def triangle(rows: Array) -> Array:
    """The triangular factor R (min(m, n), n) of rows (m, n), with R'R = rows' rows."""
    if is_numpy_array(rows):  # the Array API standard always computes Q, too, which doubles the time
        return np.linalg.qr(rows, mode="r")
    return array_namespace(rows).linalg.qr(rows, mode="reduced")[1]


def few(rows: Array) -> Array:
    """The rows (m, n) themselves, or their triangular factor if there are more of them than columns."""
    return rows if rows.shape[0] <= rows.shape[1] else triangle(rows)


def _sum(a: Array, b: Array) -> Array:
    return a + b


def _min(a: Array, b: Array) -> Array:
    return array_namespace(a).minimum(a, b)


def _max(a: Array, b: Array) -> Array:
    return array_namespace(a).maximum(a, b)


def _fold(a: Array, b: Array) -> Array:
    return triangle(array_namespace(a).concat([a, b], axis=0))


def _fold_many(a: Array, b: Array) -> Array:
    return few(array_namespace(a).concat([a, b], axis=0))


COMBINE = {"sum": _sum, "min": _min, "max": _max, "qr": _fold, "rows": _fold_many}
ROWS = {"qr": triangle, "rows": few}
NEUTRAL = {"sum": 0.0, "min": float("inf"), "max": -float("inf")}  # the numbers that change no total
