"""Ranks: processes that share the patterns, behind a few collective calls. One rank alone is `Serial`.

A collective call is made by all ranks, in the same order. Sums are folded in the order of the ranks, so that all ranks get
the same bits, whatever carries the messages.
"""

from __future__ import annotations

import contextlib
import functools
import os
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np

from pwl.errors import InputError
from pwl.runtime.backend import host
from pwl.validate import shown

WHOLE = 2**12  # numbers: smaller sums cross in one message, as a second one would take longer than their bytes
LAUNCHED = (  # what launchers call the number of processes that they have started
    "PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "MV2_COMM_WORLD_SIZE", "SLURM_STEP_NUM_TASKS", "PALS_SIZE",
)  # fmt: skip


@runtime_checkable
class Communicator(Protocol):
    """Base class of what joins ranks. `allgather`, `rank` and `size` are enough; the other members have bodies.

    Attributes
    ----------
    rank, size : int
        The number of this rank, from 0, and the number of ranks.
    interrupted : bool
        Whether Ctrl-C waits for `meet`.
    """

    rank: int = 0
    size: int = 1
    interrupted: bool = False

    def allgather(self, value: Any) -> list[Any]:
        """The values of all ranks, in the order of the ranks. Values are anything that can be pickled."""
        ...

    def alltoall(self, values: Sequence[Any]) -> list[Any]:
        """What each rank sends to this one. values: a value for each rank."""
        return [each[self.rank] for each in self.allgather(values)]

    def allgather_array(self, a: np.ndarray) -> np.ndarray:
        """The arrays of all ranks, (size, ...). All have the same shape and dtype."""
        return np.stack(self.allgather(a))

    def alltoall_array(self, a: np.ndarray) -> np.ndarray:
        """Row r of `a` (size, n) goes to rank r. What comes is a row from each rank, (size, n)."""
        return np.stack(self.alltoall(list(a)))

    def same(self, value: Any) -> Any:
        """The value of rank 0, on all ranks."""
        return self.allgather(value)[0]

    def meet(self, *numbers: Any) -> None:
        """A place that all ranks reach with the same arrays and numbers, once per iteration. Arrays may be on a device.

        Raises InputError on all ranks if they came with different ones. A communicator that holds back Ctrl-C raises
        KeyboardInterrupt here, on all ranks.
        """
        check_alike(self, {"network or error": checksum(*map(host, numbers))})

    def end(self, words: str, status: int) -> None:
        """Ends all ranks because this one failed, and says why. One rank alone goes on to its own end."""
        return

    @contextlib.contextmanager
    def steady(self) -> Iterator[None]:
        """Context in which Ctrl-C waits for `meet`, because ranks that stop at different places would wait for each other."""
        yield


class Serial(Communicator):
    """One rank alone."""

    def allgather(self, value: Any) -> list[Any]:
        return [value]

    def meet(self, *numbers: Any) -> None:
        return


def ranks_given(comm: Any) -> Communicator:
    """The ranks that were given, or one alone for None. Raises InputError for anything else."""
    if comm is None:
        return Serial()
    if not isinstance(comm, Communicator):
        raise InputError(f"comm must be pwl.ranks(), or derive from pwl.runtime.ranks.Communicator, not {shown(comm)}")
    return comm


def ranks() -> Communicator:
    """The ranks of this run: those that `mpiexec` or `srun` started, or one alone.

    Returns
    -------
    Communicator
        For `pwl.Patterns(x_mine, t_mine, comm=pwl.ranks())`. Of one launch it is always the same object.

    Raises
    ------
    InputError
        If a launcher started several processes, but mpi4py is missing, or belongs to another MPI.
    """
    return _SERIAL if _processes() == 1 else _launched()


_SERIAL = Serial()


def _processes() -> int:
    """How many processes the launcher has started."""
    return max(int(number) if (number := os.environ.get(name, "")).isdigit() else 1 for name in LAUNCHED)


@functools.cache
def _launched() -> Communicator:
    try:
        from pwl.runtime.mpi import started
    except ImportError as missing:
        raise InputError(f"{_processes()} ranks need mpi4py, which can't be used ({missing}): pip install 'pwl[mpi]'") from None
    found = started()
    if found is None:
        raise InputError(
            f"the launcher started {_processes()} processes, but each of them finds itself alone: use the mpiexec that belongs to "
            "mpi4py's MPI, or with srun its --mpi"
        )
    return found


def visible_gpu(place: int, visible: str | None, count: int) -> str | None:
    """The one GPU for the rank at a place on its machine, as CUDA_VISIBLE_DEVICES names it; None if there is none to choose.

    visible: the variable's value. count: GPUs of the machine. Ranks beyond the GPUs begin again with the first.
    """
    named = [str(number) for number in range(count)] if visible is None else [name for name in visible.split(",") if name]
    return named[place % len(named)] if named else None


# ---- what is made of the calls


def folded(comm: Communicator, a: np.ndarray, fold: Callable[[Any, Any], Any]) -> np.ndarray:
    """Arrays of one shape on all ranks, folded number by number in the order of the ranks, Eq. (93).

    Each rank folds a slice: it sends and receives 2 |a| (P - 1) / P numbers, where whole arrays would be P |a|.
    """
    if a.size <= WHOLE:
        return functools.reduce(fold, comm.allgather_array(a))
    slices = np.zeros((comm.size, -(-a.size // comm.size)), a.dtype)
    slices.reshape(-1)[: a.size] = a.reshape(-1)
    own = functools.reduce(fold, comm.alltoall_array(slices))
    return comm.allgather_array(own).reshape(-1)[: a.size].reshape(a.shape)


def along_tree(comm: Communicator, value: Any, fold: Callable[[Any, Any], Any]) -> Any:
    """Values folded along a fixed tree, neighbours first, Eq. (94): for folds that take longer than a message, such as QR."""
    step = 1
    while step < comm.size:
        upper = comm.rank % (2 * step) == step
        came = comm.alltoall([value if upper and other == comm.rank - step else None for other in range(comm.size)])
        if comm.rank % (2 * step) == 0 and comm.rank + step < comm.size:
            value = fold(value, came[comm.rank + step])
        step *= 2
    return comm.same(value)


def summed(comm: Communicator, *arrays: Any) -> tuple[np.ndarray, ...]:
    """Sums over all ranks of each array or number."""
    return tuple(folded(comm, np.asarray(a), np.add) for a in arrays) if comm.size > 1 else arrays


def share_of(n: int, rank: int, size: int) -> tuple[int, int]:
    """Which of n things are a rank's: from the first number to below the second. Shares have nearly equal lengths."""
    return n * rank // size, n * (rank + 1) // size


def check_alike(comm: Communicator, facts: Mapping[str, Any]) -> None:
    """Raises InputError on all ranks unless all have the same facts, by name."""
    everywhere = comm.allgather(dict(facts)) if comm.size > 1 else []
    for rank, other in enumerate(everywhere):
        for name, value in everywhere[0].items():
            if other.get(name) != value:
                raise InputError(
                    f"rank {rank} came with another {name} than rank 0, {other.get(name)!r} instead of {value!r}: start all ranks "
                    "with the same data, settings and versions, on processors of one kind"
                )


def checksum(*parts: Any) -> int:
    """A checksum over the bits of arrays and the digits of all else."""
    found = 0
    for part in parts:
        found = zlib.crc32(np.ascontiguousarray(part).data if isinstance(part, np.ndarray) else repr(part).encode(), found)
    return found
