"""Patterns: inputs, targets and weights, and how a block of them is read."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from pwl.data.augmentation import Augmentation, Key
from pwl.data.preparation import Preparation
from pwl.data.rows import Rows
from pwl.errors import InputError
from pwl.network.inputs import check_scaled, check_shape
from pwl.network.network import Network
from pwl.runtime.backend import Array, as_array, beside, host, is_numpy_array, like
from pwl.runtime.finite import check_finite
from pwl.runtime.ranks import Communicator, Serial
from pwl.validate import shown, whole

CHECKED = 1 << 20  # numbers of a block that is checked


class Reads:
    """How many patterns reductions have read; parts of patterns share it with them."""

    def __init__(self) -> None:
        self.patterns = 0

    def count(self, patterns: int) -> None:
        """So many more."""
        self.patterns += patterns


class Patterns:
    """Training patterns: inputs x, targets t and, if given, a weight per pattern.

    Memory-mapped arrays are read block by block and never copied whole. Arrays are neither changed nor copied. For a network
    on a GPU, arrays that are there already are prepared and used there. Blocks of others are read, prepared and moved by
    threads of their own while it works on those before.

    Parameters
    ----------
    x : array (Nv, N) or (Nv, height, width, channels)
    t : array (Nv, M) of real targets, (Nv,) for one output, or (Nv,) of integer labels
    weights : array (Nv,), optional
        Not negative. A whole number w counts a pattern w times. None: all 1.
    preparation : pwl.Preparation, optional
        Applied to every block as it is read, so that raw data on disk need no prepared copy.
    block_bytes : int, optional
        Bound on the work arrays of a reduction, in bytes. None: 512 MiB, or 2 GiB of a GPU's memory. Blocks do not depend on
        the number of threads.
    comm : Communicator, optional
        The ranks that share the patterns, each holding its own.

    Raises
    ------
    InputError
        For lengths that differ, no patterns, or weights that are negative or all zero.
    """

    def __init__(
        self,
        x: Any,
        t: Any,
        weights: Any = None,
        *,
        preparation: Preparation | None = None,
        block_bytes: int | None = None,
        comm: Communicator | None = None,
    ) -> None:
        self.x, self.t = as_array(x, "inputs x"), as_array(t, "targets t")
        self.preparation, self.comm = preparation, comm or Serial()
        self.block_bytes = None if block_bytes is None else _checked_bytes(block_bytes)
        if self.x.ndim < 2:
            raise InputError(
                f"inputs of shape (patterns, inputs) were wanted, but {tuple(self.x.shape)} came: use x[:, None] for one input"
            )
        if self.t.ndim == 0:
            raise InputError(
                f"targets of shape (patterns, outputs) or (patterns,) were wanted, but a single number came: {self.t!r}"
            )
        if self.x.shape[0] != self.t.shape[0]:
            raise InputError(
                f"there are {self.x.shape[0]} inputs but {self.t.shape[0]} targets: each pattern needs one of each"
            )
        if self.x.shape[0] == 0:
            raise InputError("no patterns came: at least two are needed to train")
        self.weights = None if weights is None else _checked_weights(weights, self.x.shape[0])
        # read block by block where they are; the host's copy serves sums and choices
        self._given_weights = self.weights if weights is None else as_array(weights, "weights")
        self.reads = Reads()
        self.augmentation: Augmentation | None = None
        self._change: Callable[[np.ndarray, int], np.ndarray] | None = None  # of a block's images from a row on

    @classmethod
    def of(cls, data: Any) -> Patterns:
        """Patterns from (x, t), (x, t, weights), or Patterns. Raises InputError for anything else."""
        if isinstance(data, cls):
            return data
        if isinstance(data, (tuple, list)) and len(data) in (2, 3):
            return cls(*data)
        came = shown(data) if hasattr(data, "shape") else type(data).__name__
        raise InputError(f"data is one argument, (x, t), (x, t, weights) or pwl.Patterns, but {came} came")

    @classmethod
    def fitting(cls, net: Network, data: Any) -> Patterns:
        """`of`, checked against the network unless the data come as Patterns already."""
        patterns = cls.of(data)
        if patterns is not data:
            patterns.check(net)
        return patterns

    @classmethod
    def prepared(cls, x: Any, t: Any, preparation: Preparation, rows: Any) -> Patterns:
        """Some rows of raw data, prepared at once if they are in memory.

        Memory-mapped data are prepared block by block, and so are images: prepared, they take eight times the memory.
        """
        x, t = Rows(x, rows), Rows(t, rows)
        if isinstance(x.array, np.memmap) or x.ndim > 2:
            return cls(x, t, preparation=preparation)
        return cls(*preparation.transform(x[:], t[:]))

    # ---- how many

    def __len__(self) -> int:
        return self.x.shape[0]

    @property
    def passes(self) -> float:
        """How often reductions have read all patterns so far; batches count by their share."""
        return self.reads.patterns / len(self)

    def count(self) -> int:
        """Number of patterns on all ranks."""
        return int(sum(int(rank[0]) for rank in self.comm.allgather([np.asarray(len(self))])))

    def total_weight(self) -> float:
        """Sum of the weights of the patterns on all ranks: their number if all weigh 1."""
        return float(sum(float(rank[0]) for rank in self.comm.allgather([np.asarray(self.own_weight())])))

    def own_weight(self) -> float:
        """Sum of the weights of this rank's patterns."""
        return float(len(self)) if self.weights is None else float(np.sum(self.weights))

    # ---- parts

    def take(self, rows: Any) -> Patterns:
        """Patterns of the given rows (a slice or indices), which are read when they are needed."""
        part = copy.copy(self)
        part.x, part.t = Rows(self.x, rows), Rows(self.t, rows)
        if self.weights is not None:
            part.weights = part._given_weights = _checked_weights(self.weights[rows], len(part))
        part.augmentation, part._change = None, None
        return part

    def augmented(self, augmentation: Augmentation) -> Patterns:
        """The same patterns, whose batches are to be changed so; they themselves are read as they are."""
        same = copy.copy(self)
        same.augmentation = augmentation
        return same

    def batch(self, rows: Any, key: Key, first: int) -> Patterns:
        """`take` of patterns first, first + 1, ... of a pass with that key; their images are changed as they are read."""
        part = self.take(rows)
        if self.augmentation is not None:
            part._change = self.augmentation.of(key, first)
        return part

    # ---- blocks

    def block(self, net: Network, first: int, last: int) -> tuple[Array, Array, Array | None]:
        """Patterns first..last-1 as arrays of the network's kind: x and real targets in its dtype, labels as they are."""
        x, t = self._raw(first, last)
        if self.preparation is not None:
            x, t = self.preparation.transform(_near(x, net), _near(t, net))
        if self._change is not None:
            x = self._change(host(x), first)
        if not net.loss.classes:
            t = like(t, net.theta)
            t = t[:, None] if t.ndim == 1 else t
        else:
            t = beside(t, net.theta)
        w = None if self._given_weights is None else like(self._given_weights[first:last], net.theta)
        return like(x, net.theta), t, w

    def are_beside(self, net: Network) -> bool:
        """Whether inputs and targets lie where the network does, and stay there: blocks are then mere views."""
        return self._change is None and all(
            type(a) is type(net.theta) and a.device == net.theta.device for a in (_stored(self.x), _stored(self.t))
        )

    def check(self, net: Network) -> None:
        """Raises InputError if the patterns do not fit the network, naming row and column of what is wrong."""
        check_shape(tuple(self.x.shape), net.input_shape)
        for first, last in self._checked_blocks():
            x, t = self._raw(first, last)
            check_finite(x, first)
            if self.preparation is None:
                check_scaled(x, net.input_shape)
            else:
                if "float" in str(t.dtype):  # the preparation checks as well, but knows only the row within the block
                    check_finite(t, first, "target")
                t = self.preparation.transform(x, t)[1]
            if not net.loss.classes and t.ndim == 1 and net.n_outputs == 1:
                t = t[:, None]
            net.loss.check_targets(t, net.n_outputs, first)

    def _raw(self, first: int, last: int) -> tuple[Array, Array]:
        """A block as it was given; of a memory map an array in memory."""
        return _in_memory(self.x[first:last, ...]), _in_memory(self.t[first:last, ...])

    def _checked_blocks(self) -> Iterator[tuple[int, int]]:
        rows = max(1, CHECKED // max(1, int(np.prod(self.x.shape[1:]))))
        for first in range(0, len(self), rows):
            yield first, min(first + rows, len(self))


def _in_memory(a: Any) -> Any:
    return np.asarray(a) if isinstance(a, np.ndarray) else a


def _stored(a: Any) -> Any:
    """The array behind rows of it."""
    return a.array if isinstance(a, Rows) else a


def _near(a: Array, net: Network) -> Array:
    """`a` where it is, if the network is there, too; else in host memory."""
    return a if is_numpy_array(a) or type(a) is type(net.theta) else host(a)


def _checked_bytes(block_bytes: Any) -> int:
    if isinstance(block_bytes, float) and block_bytes.is_integer():  # such as 1e9
        block_bytes = int(block_bytes)
    return whole("block_bytes", block_bytes, unit=" of bytes")


def _checked_weights(weights: Any, n: int) -> np.ndarray:
    w = host(as_array(weights, "weights"))
    if w.shape != (n,):
        raise InputError(f"weights of shape ({n},), one per pattern, were wanted, but {w.shape} came")
    if w.dtype.kind not in "fiub" or not np.all(np.isfinite(w)) or np.any(w < 0) or not np.any(w > 0):
        raise InputError("pattern weights must be finite, not negative, and not all zero")
    return w.astype(np.float64)
