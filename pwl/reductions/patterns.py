"""The only reduction over data. Algorithms never loop over patterns: they name a statistic and reduce it."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pwl.data.augmentation import Augmentation, Key
from pwl.data.rows import Rows
from pwl.errors import InputError
from pwl.network.inputs import check_scaled, check_shape
from pwl.network.network import Network, check_finite
from pwl.reductions.prefetch import computed
from pwl.runtime.backend import (
    Array,
    array_namespace,
    as_array,
    beside,
    host,
    is_numpy_array,
    is_out_of_memory,
    like,
    on_cores,
)
from pwl.runtime.ranks import Communicator, Serial
from pwl.runtime.threads import ordered_map

BLOCK_BYTES = 512 * 2**20  # work arrays of all blocks at once
CACHE_BYTES = 16 * 2**20  # work arrays of one block: larger ones leave the cache, smaller ones cost more calls
RUNS = 64  # runs of blocks that threads share out among themselves
SHARES = 8  # of the bound, one for a block: several are under way, whatever the number of threads
DEVICE_BYTES = 2 * 2**30  # work arrays of the one block that a GPU is at: large enough to fill it


@dataclass(frozen=True)
class Statistic:
    """What is summed over patterns.

    compute(net, x, t, w) -> tuple of arrays for one block: x (b, N), t (b, M) or labels (b,), and the weights w (b,)
        of the patterns, or None where all are 1; w must already be multiplied in.
    combine: "sum" (the total is divided by the sum of the weights), "min", "max", or "qr" (blocks of rows are folded
        into one triangular factor R with R'R = the sum of the blocks' products, divided likewise; Eq. (42)).
    floats: numbers of work space a pattern needs beyond a forward and a backward pass.
    beside: an array with a row a pattern, if any: compute gets a block's rows of it as its last argument.
    """

    compute: Callable[..., tuple[Array, ...]]
    combine: str = "sum"
    floats: int = 0
    beside: Array | None = None


def _sum(a: Array, b: Array) -> Array:
    return a + b


def _min(a: Array, b: Array) -> Array:
    return array_namespace(a).minimum(a, b)


def _max(a: Array, b: Array) -> Array:
    return array_namespace(a).maximum(a, b)


def _fold(a: Array, b: Array) -> Array:
    return _triangle(array_namespace(a).concat([a, b], axis=0))


def _triangle(rows: Array) -> Array:
    if is_numpy_array(rows):  # the standard always makes Q, too, which takes as long again
        return np.linalg.qr(rows, mode="r")
    return array_namespace(rows).linalg.qr(rows, mode="reduced")[1]


COMBINE = {"sum": _sum, "min": _min, "max": _max, "qr": _fold}


class Patterns:
    """Training patterns: inputs x, targets t and, if given, a weight per pattern.

    x: (Nv, N) or (Nv, height, width, channels); t: (Nv, M) real targets, (Nv,) for one output, or (Nv,) integer labels.
    weights: (Nv,) not negative; an integer weight w counts a pattern w times. None: all 1.
    preparation: applied to every block as it is read, so that raw data on disk need no prepared copy.
    block_bytes: bound on the work arrays of a reduction, in bytes; None: 512 MiB, or 2 GiB of a GPU's memory. Blocks do not
        depend on the number of threads.
    comm: the ranks that share the patterns, each holding its own.

    Memory-mapped arrays are read block by block and never copied whole. The arrays are not changed and not copied. For a
    network on a GPU, arrays that are there already stay there, and blocks of others are read, prepared and moved there by
    threads of their own while it works on those before.
    Raises InputError for lengths that differ, no patterns, or weights that are negative or all zero.
    """

    def __init__(
        self,
        x: Any,
        t: Any,
        weights: Any = None,
        *,
        preparation: Any = None,
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
        self._read = [0]  # patterns read by reductions; shared with parts taken from these patterns
        self.augmentation: Augmentation | None = None
        self._change: Callable[[np.ndarray, int], np.ndarray] | None = (
            None  # of a block's prepared images from a row on
        )

    @property
    def passes(self) -> float:
        """How often reductions have read all patterns so far; batches count by their share."""
        return self._read[0] / len(self)

    @passes.setter
    def passes(self, count: float) -> None:
        self._read[0] = round(count * len(self))

    @classmethod
    def of(cls, data: Any) -> Patterns:
        """Patterns from (x, t), (x, t, weights), or Patterns."""
        if isinstance(data, cls):
            return data
        if isinstance(data, (tuple, list)) and len(data) in (2, 3):
            return cls(*data)
        raise InputError(f"data is (x, t), (x, t, weights) or pwl.Patterns, not {type(data).__name__}")

    @classmethod
    def fitting(cls, net: Network, data: Any) -> Patterns:
        """`of`, checked against the network where the data do not come as Patterns already."""
        patterns = cls.of(data)
        if patterns is not data:
            patterns.check(net)
        return patterns

    @classmethod
    def prepared(cls, x: Any, t: Any, preparation: Any, rows: Any) -> Patterns:
        """Some rows of raw data, prepared: at once where they are in memory, block by block where they are mapped, or images,
        whose bytes would take eight times the memory."""
        x, t = Rows(x, rows), Rows(t, rows)
        if isinstance(x.array, np.memmap) or x.ndim > 2:
            return cls(x, t, preparation=preparation)
        return cls(*preparation.transform(x[:], t[:]))

    def count(self) -> int:
        """Number of patterns on all ranks."""
        return int(sum(int(rank[0]) for rank in self.comm.allgather([np.asarray(len(self))])))

    def total_weight(self) -> float:
        """Sum of the weights of the patterns on all ranks: their number where all weigh 1."""
        return float(sum(float(rank[0]) for rank in self.comm.allgather([np.asarray(self._own_weight())])))

    def _own_weight(self) -> float:
        return float(len(self)) if self.weights is None else float(np.sum(self.weights))

    def __len__(self) -> int:
        return self.x.shape[0]

    def take(self, rows: Any) -> Patterns:
        """Patterns of the given rows (a slice or indices), which are read when they are needed."""
        weights = None if self.weights is None else self.weights[rows]
        part = Patterns(
            Rows(self.x, rows),
            Rows(self.t, rows),
            weights,
            preparation=self.preparation,
            block_bytes=self.block_bytes,
            comm=self.comm,
        )
        part._read = self._read
        return part

    def augmented(self, augmentation: Augmentation) -> Patterns:
        """The same patterns, whose batches are to be changed so; they themselves are read as they are."""
        same = copy.copy(self)
        same.augmentation = augmentation
        return same

    def batch(self, rows: Any, key: Key, first: int) -> Patterns:
        """`take` of patterns first, first + 1, ... of a pass with that key: their images are changed as they are read."""
        part = self.take(rows)
        if self.augmentation is not None:
            part._change = self.augmentation.of(key, first)
        return part

    def block_rows(self, net: Network, floats: int = 0) -> int:
        """Patterns in a block, so that the work arrays stay within the bound and, on the CPU, where they can, in the cache."""
        row_bytes = self._row_bytes(net, floats)
        if on_cores(net.theta):
            rows = min((self.block_bytes or BLOCK_BYTES) // SHARES // row_bytes, max(CACHE_BYTES // row_bytes, 128))
        else:
            rows = (self.block_bytes or DEVICE_BYTES) // row_bytes
        return max(1, rows // net.group) * net.group

    def _row_bytes(self, net: Network, floats: int) -> int:
        return array_namespace(net.theta).finfo(net.theta.dtype).bits // 8 * (net.floats_per_pattern + floats)

    def block(self, net: Network, first: int, last: int) -> tuple[Array, Array, Array | None]:
        """Patterns first..last-1 as arrays of the network's kind: x and real targets in its dtype, labels as they are."""
        x, t = host_or_device(self.x[first:last, ...]), host_or_device(self.t[first:last, ...])
        if self.preparation is not None:
            x, t = self.preparation.transform(host(x), host(t))
        if self._change is not None:
            x = self._change(host(x), first)
        if not net.loss.classes:
            t = like(t, net.theta)
            t = t[:, None] if t.ndim == 1 else t
        else:
            t = beside(t, net.theta)
        w = None if self._given_weights is None else like(self._given_weights[first:last], net.theta)
        return like(x, net.theta), t, w

    def reduce(self, statistic: Statistic, net: Network) -> tuple[Array, ...]:
        """The statistic over all patterns of all ranks: sums divided by the sum of the weights, min, max, or R factors."""
        self._read[0] += len(self)
        fold = COMBINE[statistic.combine]
        rows = self.block_rows(net, statistic.floats)

        def read(first: int) -> tuple[Any, ...]:
            last = min(first + rows, len(self))
            own = () if statistic.beside is None else (statistic.beside[first:last],)
            return first, *self.block(net, first, last), *own

        def compute(first: int, *block: Any) -> tuple[Array, ...]:
            values = statistic.compute(net.at_pattern(first), *block)
            return tuple(map(_triangle, values)) if statistic.combine == "qr" else values

        def fold_all(parts: Iterable[Sequence[Array]]) -> list[Array]:
            total: list[Array] = []
            for values in parts:
                total = [fold(a, b) for a, b in zip(total, values, strict=True)] if total else list(values)
            return total

        starts = range(0, len(self), rows)
        if on_cores(net.theta):
            # A thread takes runs of blocks, not single ones: handing over each block would cost as much as some take.
            runs = [starts[a:b] for a, b in _runs(len(starts))]
            total = fold_all(ordered_map(lambda run: fold_all(compute(*read(at)) for at in run), runs, len(runs)))
        else:
            try:
                total = fold_all(computed(read, compute, starts, net.theta))
            except Exception as failure:
                if not is_out_of_memory(failure):
                    raise
                count = min(rows, len(self))
                raise InputError(_too_large(failure, count, count * self._row_bytes(net, statistic.floats))) from None
        ranks = self.comm.allgather([np.asarray(self._own_weight()), *total])
        weight = sum(float(rank[0]) for rank in ranks)
        total = fold_all(rank[1:] for rank in ranks)
        if statistic.combine == "sum":
            total = [a / weight for a in total]
        elif statistic.combine == "qr":
            total = [a / weight**0.5 for a in total]
        return tuple(total)

    def check(self, net: Network) -> None:
        """InputError where the patterns do not fit the network, naming row and column of what is wrong."""
        check_shape(tuple(self.x.shape), net.input_shape)
        for first, last in self._host_blocks():
            x, t = host(host_or_device(self.x[first:last, ...])), host(host_or_device(self.t[first:last, ...]))
            check_finite(x, first)
            if self.preparation is None:
                check_scaled(x, net.input_shape)
            else:
                if t.dtype.kind == "f":  # the preparation checks as well, but knows only the row within the block
                    check_finite(t, first, "target")
                t = self.preparation.transform(x, t)[1]
            if not net.loss.classes and t.ndim == 1 and net.n_outputs == 1:
                t = t[:, None]
            net.loss.check_targets(t, net.n_outputs, first)

    def _host_blocks(self) -> Iterator[tuple[int, int]]:
        rows = max(1, (1 << 20) // max(1, int(np.prod(self.x.shape[1:]))))
        for first in range(0, len(self), rows):
            yield first, min(first + rows, len(self))


def _runs(blocks: int) -> Iterator[tuple[int, int]]:
    """Borders of at most RUNS runs of blocks, of nearly equal length; the same whatever the number of threads."""
    count = min(blocks, RUNS)
    for run in range(count):
        yield blocks * run // count, blocks * (run + 1) // count


def _too_large(failure: Exception, patterns: int, needed: int) -> str:
    return (
        f"the GPU's memory does not suffice ({failure}): a block of {patterns} patterns takes about {needed} bytes. Try "
        f"batch_size={max(1, patterns // 2)}, or pwl.Patterns(x, t, block_bytes={max(1, needed // 2)})"
    )


def host_or_device(a: Any) -> Any:
    """A slice as a plain array: a memory map's block becomes an array in memory."""
    return np.asarray(a) if isinstance(a, np.ndarray) else a


def _checked_bytes(block_bytes: Any) -> int:
    if not isinstance(block_bytes, (int, float, np.number)) or not 1 <= block_bytes < float("inf"):
        raise InputError(f"block_bytes must be a number of bytes, 1 or more, not {block_bytes!r}")
    return int(block_bytes)


def _checked_weights(weights: Any, n: int) -> np.ndarray:
    w = host(as_array(weights, "weights"))
    if w.shape != (n,):
        raise InputError(f"weights of shape ({n},), one a pattern, were wanted, but {w.shape} came")
    if w.dtype.kind not in "fiub" or not np.all(np.isfinite(w)) or np.any(w < 0) or not np.any(w > 0):
        raise InputError("pattern weights must be finite, not negative, and not all zero")
    return w.astype(np.float64)
