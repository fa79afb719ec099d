"""Patterns: inputs, targets and weights, which are read block by block."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from pwl.data.augmentation import Augmentation, Key
from pwl.data.preparation import Preparation
from pwl.data.rows import Rows
from pwl.data.targets import check_each, known, known_counts, known_or_zero, labels
from pwl.data.weights import checked_weights
from pwl.errors import InputError
from pwl.losses import of_targets
from pwl.network.inputs import check_scaled, check_shape
from pwl.network.network import Network
from pwl.network.remembered import Remembered
from pwl.reductions.reads import Reads
from pwl.reductions.standing import Standing, dealt, standing
from pwl.runtime.backend import Array, as_array, beside, host, is_numpy_array, like
from pwl.runtime.finite import check_finite
from pwl.runtime.ranks import Communicator, check_alike, ranks_given
from pwl.validate import kind, number_of_bytes, shown

CHECKED = 1 << 20  # numbers in a block that is checked


class Whole(NamedTuple):
    """All patterns as one block for networks of one kind, and the last pass over them."""

    kind: tuple[Any, ...]
    block: tuple[Array, Array, Array | None]
    remembered: Remembered


class Patterns:
    """Holds training patterns: inputs x, targets t and, if given, a weight per pattern.

    Arrays are neither changed nor copied, and must not change while they are in use. Memory-mapped arrays are read block by
    block and never as a whole. If the network is on a GPU, arrays on the same GPU are prepared and used there. Blocks of other
    arrays are read, prepared and moved by separate threads while the GPU works on earlier blocks.

    Parameters
    ----------
    x : array (Nv, N) or (Nv, height, width, channels)
        Inputs.
    t : array (Nv, M) or (Nv,)
        Real targets, (Nv,) for one output, or integer labels (Nv,). A net for classes also takes (Nv, M) of zeros with a one in
        the column of the class. Under squared error a target that is NaN counts nothing, Eq. (95), and a pattern all of whose
        targets are NaN counts as absent.
    weights : array (Nv,), optional
        Weights of the patterns, 0 or more. A weight of 0 counts a pattern as absent, and of 2 as two. None: all weigh 1.
    preparation : pwl.Preparation, optional
        Applied to every block when it is read, so that raw data on disk need no prepared copy. A network that carries the same
        preparation does not prepare them again.
    block_bytes : int, optional
        Bound on the work arrays of a reduction, in bytes. None means 512 MiB, or a quarter of a GPU's memory. Blocks do not depend
        on the number of threads.
    comm : Communicator, optional
        The ranks that share the patterns, `pwl.ranks()`. Each rank holds its own patterns, which may be any number of them, also
        none. They are numbered in the order of the ranks.

    Attributes
    ----------
    passes : float
        Number of times that all patterns have been read.

    Raises
    ------
    InputError
        If lengths differ, there are no patterns, or weights are negative or all zero.
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
        if preparation is not None:
            kind("preparation", preparation, Preparation, "a pwl.Preparation")
        self.preparation, self.comm = preparation, ranks_given(comm)
        self.block_bytes = None if block_bytes is None else number_of_bytes("block_bytes", block_bytes)
        if self.x.ndim < 2:
            raise InputError(
                f"inputs of shape (patterns, inputs) were wanted, but {tuple(self.x.shape)} came: use x[:, None] for one input"
            )
        if self.t.ndim == 0:
            raise InputError("targets of shape (patterns, outputs) or (patterns,) were wanted, but a single number came")
        if self.x.shape[0] != self.t.shape[0]:
            raise InputError(f"there are {self.x.shape[0]} inputs but {self.t.shape[0]} targets: each pattern needs one of each")
        if self.x.shape[0] == 0 and self.comm.size == 1:
            raise InputError("no patterns came: at least two are needed to train")
        self.weights = None if weights is None else checked_weights(weights, self.x.shape[0], least=self.comm.size == 1)
        self._whole: Whole | None = None
        self._is_batch = False
        self._all_present = False  # until it has been looked for patterns without a target or weight
        self._in_part: bool | None = None  # whether some targets of a pattern are NaN on any rank, once it has been looked
        # blocks are read from here; sums and choices use the copy on the host
        self._given_weights = self.weights if weights is None else as_array(weights, "weights")
        self.reads = Reads()
        self._standing: Standing | None = None
        self.augmentation: Augmentation | None = None
        self._change: Callable[[np.ndarray, int], np.ndarray] | None = None  # changes a block's images, from a row on

    @classmethod
    def of(cls, data: Any) -> Patterns:
        """Patterns from (x, t), (x, t, weights) or Patterns, without those that are absent. Raises InputError for anything else."""
        return cls.given(data).present()

    @classmethod
    def given(cls, data: Any) -> Patterns:
        """The same with those that are absent, so that rows keep their numbers."""
        if isinstance(data, cls):
            return data
        if isinstance(data, (tuple, list)) and len(data) in (2, 3):
            return cls(*data)
        came = shown(data) if hasattr(data, "shape") else type(data).__name__
        raise InputError(f"data must be one argument, (x, t), (x, t, weights) or pwl.Patterns, but {came} came")

    @classmethod
    def fitting(cls, net: Network, data: Any) -> tuple[Network, Patterns]:
        """The network with the loss for the data, and `of` in its units, checked unless they are Patterns that are so already."""
        patterns = cls.of(data).in_units_of(net)
        net = patterns.suited(net)
        if patterns is not data:
            patterns.check(net)
        return net, patterns

    def suited(self, net: Network) -> Network:
        """The network with the loss that fits the targets: squared error counts only the known ones if some are NaN."""
        return net.with_loss(of_targets(net.loss, self._known_in_part()))

    def _known_in_part(self) -> bool:
        if self._in_part is None:
            self._in_part = any(self.comm.allgather(known(self.t).in_part))
        return self._in_part

    @classmethod
    def prepared(
        cls, x: Any, t: Any, preparation: Preparation, rows: Any, weights: Any = None, comm: Communicator | None = None
    ) -> Patterns:
        """Some rows of raw data, prepared at once if they are in memory. weights: of all rows. comm: as in `Patterns`.

        Memory-mapped data and images are prepared block by block. Prepared images would take eight times the memory.
        """
        x, t, w = Rows(x, rows), Rows(t, rows), None if weights is None else weights[rows]
        if isinstance(x.array, np.memmap) or x.ndim > 2:
            return cls(x, t, w, preparation=preparation, comm=comm)
        prepared_x, prepared_t = preparation.transform(x[:], t[:])
        return cls(prepared_x, prepared_t, w, comm=comm)

    def in_units_of(self, net: Network) -> Patterns:
        """The patterns as a network with this preparation trains on them: one owner prepares.

        Data are raw if the network carries a preparation. Patterns that have the same one already are not prepared twice, and
        InputError refuses those with another one.
        """
        kind("net", net, Network, "a pwl.Network")
        if net.loss.classes and self.t.ndim == 2 and (numbers := labels(self.t, net.n_outputs)) is not None:
            return self._with_labels(net, numbers).in_units_of(net)
        if net.preparation is None or self.preparation is net.preparation:
            return self
        if self.preparation is not None:
            if self.preparation.to_dict() != net.preparation.to_dict():
                raise InputError(
                    "the network carries a preparation, but the patterns came with another one: leave out one of the two"
                )
            return self
        same = self._same()
        same.preparation, same._whole = net.preparation, None
        return same

    def check_each_output(self) -> None:
        """Raises InputError if all targets of an output are NaN."""
        if self._known_in_part():
            check_each(known_counts(self.t, self.comm))

    def _with_labels(self, net: Network, numbers: Array) -> Patterns:
        """The same patterns with labels (Nv,) for the numbers of classes, which are in the order of the net's classes."""
        same = self._same()
        preparation = self.preparation or net.preparation
        classes = None if preparation is None else preparation.classes
        same.t, same._whole = numbers if classes is None else np.asarray(classes)[numbers], None
        return same

    def settled(self) -> Patterns:
        """The same patterns, prepared once and for all if they are in memory and no images."""
        if self.preparation is None or self.x.ndim > 2 or isinstance(_stored(self.x), np.memmap):
            return self
        same = self._same()
        same.x, same.t = self.preparation.transform(self.x[:], self.t[:])
        same.preparation, same._whole = None, None
        return same

    def present(self) -> Patterns:
        """The patterns with a target whose weight is not 0, to the same bits as if the others had never been there."""
        if self._all_present:
            return self
        rows, in_part = known(self.t)
        part = self if rows is None else self.take(rows)
        if part.weights is not None and not part.weights.all():
            part = part.take(np.flatnonzero(part.weights))
            if part.weights is not None and np.all(part.weights == 1):
                part.weights = part._given_weights = None
        part._all_present, part._in_part = True, any(self.comm.allgather(in_part))
        return part

    # ---- numbers of patterns

    def __repr__(self) -> str:
        """The sizes, because the arrays do not fit a screen."""
        words = [f"{len(self)} patterns", f"inputs {tuple(self.x.shape[1:])}", f"targets {tuple(self.t.shape[1:])}"]
        words += ["weights"] * (self.weights is not None) + ["a preparation"] * (self.preparation is not None)
        return f"Patterns({', '.join(words)})"

    def __len__(self) -> int:
        return self.x.shape[0]

    @property
    def passes(self) -> float:
        """Number of times that reductions have read all patterns so far. A batch counts by its share."""
        return self.reads.patterns / self.count()

    @property
    def standing(self) -> Standing:
        """Where these patterns stand among those of all ranks, which all ranks ask for at the same time."""
        if self._standing is None:
            self._standing = standing(self.comm, len(self), self.own_weight())
        return self._standing

    @property
    def first(self) -> int:
        """The number of the first pattern among those of all ranks."""
        return 0 if self.comm.size == 1 else self.standing.first

    def count(self) -> int:
        """Number of patterns on all ranks."""
        return len(self) if self.comm.size == 1 else self.standing.patterns

    def total_weight(self) -> float:
        """Sum of the weights of the patterns on all ranks, which is their number if all weigh 1."""
        return self.own_weight() if self.comm.size == 1 else self.standing.weight

    def own_weight(self) -> float:
        """Sum of the weights of this rank's patterns."""
        return float(len(self)) if self.weights is None else float(np.sum(self.weights))

    # ---- parts

    def take(self, rows: Any) -> Patterns:
        """The patterns of some of this rank's rows (a slice or indices), which are read only when they are needed."""
        w = None if self.weights is None else self.weights[rows]
        part = self._part(Rows(self.x, rows), Rows(self.t, rows), w)
        if w is not None and self.comm.size == 1 and not np.any(w > 0):
            raise InputError("the patterns that are taken have weights that are all zero: choose others")
        return part

    def _same(self) -> Patterns:
        """A copy that shares all arrays."""
        same = object.__new__(type(self))
        vars(same).update(vars(self))
        return same

    def _part(self, x: Any, t: Any, weights: np.ndarray | None) -> Patterns:
        part = self._same()
        part.x, part.t, part.weights, part._given_weights = x, t, weights, weights
        part.augmentation, part._change, part._whole, part._standing = None, None, None, None
        return part

    def apart(self) -> Patterns:
        """The same patterns for a training beside another one. They count their passes and remember the last for themselves."""
        same = self._same()
        same.reads, same._whole = Reads(), None
        return same

    def shared(self, rows: np.ndarray, together: int = 1) -> Patterns:
        """The patterns of these numbers, dealt out to the ranks in runs. Groups of `together` patterns are not divided."""
        if self.comm.size == 1:
            return self.take(rows)
        counts, found = dealt(self.comm, self.standing.counts, rows, together, self.x, self.t, self.weights)
        part = self._part(*found)
        if self.weights is None:
            part._standing = Standing(counts, sum(counts[: self.comm.rank]), float(len(rows)))
        return part

    def counted(self) -> np.ndarray:
        """The numbers of the patterns of weight above 0 on all ranks."""
        own = np.arange(len(self)) if self.weights is None else np.flatnonzero(self.weights)
        return own if self.comm.size == 1 else np.concatenate(self.comm.allgather(own + self.first))

    def own(self, rows: np.ndarray) -> np.ndarray:
        """Which of the patterns of sorted numbers are on this rank, as places among its own."""
        if self.comm.size == 1:
            return rows
        return rows[np.searchsorted(rows, self.first) : np.searchsorted(rows, self.first + len(self))] - self.first

    def augmented(self, augmentation: Augmentation) -> Patterns:
        """The same patterns with an augmentation that changes the images of batches only."""
        same = self._same()
        same.augmentation = augmentation
        return same

    def batch(self, rows: Any, key: Key, first: int, together: int = 1) -> Patterns:
        """`shared` patterns first, first + 1, ... of a pass with this key. Their images are changed when they are read."""
        part = self.shared(rows, together)
        part._is_batch = True
        if self.augmentation is not None:
            part._change = self.augmentation.of(key, first + part.first)
        return part

    # ---- blocks

    def block(self, net: Network, first: int, last: int) -> tuple[Array, Array, Array | None]:
        """Patterns first..last-1 as arrays of the network's kind. x and real targets have its dtype; labels keep theirs."""
        x, t = self._raw(first, last)
        if self.preparation is not None:
            x, t = self.preparation.transform(_near(x, net), _near(t, net))
        if self._change is not None:
            x = self._change(host(x), first)
        t = beside(t, net.theta) if net.loss.classes else like(t, net.theta)
        t = t[:, None] if t.ndim == 1 and not net.loss.classes else t
        w = None if self._given_weights is None else like(self._given_weights[first:last], net.theta)
        return like(x, net.theta), t, w

    def whole(self, net: Network) -> tuple[Network, Array, Array, Array | None]:
        """All patterns as one block, and the network for it.

        It is read and prepared once, because every reduction of a run needs it, and the network remembers the last pass over
        it. A batch is seldom read twice, and the results of its layers would take memory, so that nothing of it is kept.
        """
        if self.first:
            net = net.at_pattern(self.first)
        if self._is_batch:
            return net.remembering(None), *self.block(net, 0, len(self))
        kind = (net.theta.dtype, net.loss.classes)
        if self._whole is None or self._whole.kind != kind:
            self._whole = Whole(kind, self.block(net, 0, len(self)), Remembered())
        return net.remembering(self._whole.remembered), *self._whole.block

    def remembered_by(self, net: Network) -> Network:
        """The network of a run on these patterns: it keeps the memory that `whole` gives it, and so do those that follow."""
        return net if self._whole is None else net.remembering(self._whole.remembered)

    def are_beside(self, net: Network) -> bool:
        """Whether inputs and targets are on the network's device and stay unchanged, so that blocks are mere views."""
        return self._change is None and all(
            type(a) is type(net.theta) and a.device == net.theta.device for a in (_stored(self.x), _stored(self.t))
        )

    def check(self, net: Network) -> None:
        """Raises InputError, with the row and column of the fault, if the patterns do not fit the network."""
        check_alike(self.comm, {"shape of inputs": tuple(self.x.shape[1:]), "shape of targets": tuple(self.t.shape[1:])})
        check_shape(tuple(self.x.shape), net.input_shape)
        net = self.suited(net)
        for first, last in self._checked_blocks():
            x, t = self._raw(first, last)
            check_finite(x, first)
            if self.preparation is None:
                check_scaled(x, net.input_shape)
            else:
                if "float" in str(t.dtype):  # the preparation also checks, but knows only the row within the block
                    check_finite(known_or_zero(t) if self._known_in_part() else t, first, "target")
                t = self.preparation.transform(x, t)[1]
            if not net.loss.classes and t.ndim == 1 and net.n_outputs == 1:
                t = t[:, None]
            net.loss.check_targets(t, net.n_outputs, first)

    def _raw(self, first: int, last: int) -> tuple[Array, Array]:
        """A block as it was given. A block of a memory map becomes an array in memory."""
        return _in_memory(self.x[first:last, ...]), _in_memory(self.t[first:last, ...])

    def _checked_blocks(self) -> Iterator[tuple[int, int]]:
        rows = max(1, CHECKED // max(1, int(np.prod(self.x.shape[1:]))))
        for first in range(0, len(self), rows):
            yield first, min(first + rows, len(self))


def _in_memory(a: Any) -> Any:
    return np.asarray(a) if isinstance(a, np.ndarray) else a


def _stored(a: Any) -> Any:
    """The array that rows are taken from."""
    return a.array if isinstance(a, Rows) else a


def _near(a: Array, net: Network) -> Array:
    """`a` itself if the network has arrays of its kind, otherwise a copy in host memory."""
    return a if is_numpy_array(a) or type(a) is type(net.theta) else host(a)

