"""Ranks that `mpiexec` or `srun` started, joined by MPI. Importing this module starts MPI; `pwl.ranks()` does so if it must.

A rank that raises ends all ranks: rank 0, which alone speaks, says why and whose fault it was. Ctrl-C is held back until all
ranks meet, so that none waits for one that has stopped.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
from mpi4py import MPI

from pwl.errors import InputError
from pwl.runtime.backend import host
from pwl.runtime.ranks import Communicator, check_alike, checksum, visible_gpu

POLL = 0.05  # seconds between looks for messages of ranks that failed
SPOKEN = 0.3  # seconds that a launcher gets to pass on the last words, because it drops what it has not read at the end
PATIENCE = 5.0  # seconds after which a rank that failed ends the others without rank 0
SIGNALS = (signal.SIGINT, signal.SIGTERM)
GPUS = Path("/proc/driver/nvidia/gpus")


class Ranks(Communicator):
    """The processes of a launch. Calls are collective, and come from one thread of each process."""

    def __init__(self, world: Any) -> None:
        self.world, self.rank, self.size = world, world.rank, world.size
        self.interrupted = False

    def allgather(self, value: Any) -> list[Any]:
        return self.world.allgather(value)

    def alltoall(self, values: Sequence[Any]) -> list[Any]:
        return self.world.alltoall(list(values))

    def allgather_array(self, a: np.ndarray) -> np.ndarray:
        found = np.empty((self.size, *a.shape), a.dtype)
        self.world.Allgather(np.ascontiguousarray(a), found)
        return found

    def alltoall_array(self, a: np.ndarray) -> np.ndarray:
        found = np.empty_like(a)
        self.world.Alltoall(np.ascontiguousarray(a), found)
        return found

    def same(self, value: Any) -> Any:
        return self.world.bcast(value if self.rank == 0 else None)

    def meet(self, *numbers: Any) -> None:
        came = self.allgather((self.interrupted, checksum(*map(host, numbers))))
        if any(interrupted for interrupted, _ in came):
            self.interrupted = False  # only here: a signal that came while the ranks met is for the next time
            raise KeyboardInterrupt
        if len({bits for _, bits in came}) > 1:
            check_alike(self, {"network or error": checksum(*map(host, numbers))})

    def end(self, words: str, status: int) -> None:
        if Failures.current is not None:
            Failures.current.end(words, status)

    @contextlib.contextmanager
    def steady(self) -> Iterator[None]:
        """The first signal waits for `meet`. A second one ends all ranks at once."""
        before = {}
        if threading.current_thread() is threading.main_thread():
            before = {number: signal.signal(number, self._hold) for number in SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _hold(self, number: int, frame: FrameType | None) -> None:
        if self.interrupted:
            self.end("interrupted twice", 128 + number)
        self.interrupted = True


def started() -> Ranks | None:
    """The ranks of this launch, or None if there is one process alone. Sets up each process for its place on its machine."""
    if MPI.COMM_WORLD.size == 1:
        return None
    ranks, failures = Ranks(MPI.COMM_WORLD.Dup()), Failures(MPI.COMM_WORLD.Dup())
    machine = MPI.COMM_WORLD.Split_type(MPI.COMM_TYPE_SHARED)
    _share_cores(machine.allgather(_cores()))
    visible = visible_gpu(machine.rank, os.environ.get("CUDA_VISIBLE_DEVICES"), len(list(GPUS.glob("*"))))
    if visible is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = visible
    sys.excepthook = failures.excepthook
    Failures.current = failures
    return ranks


def _cores() -> frozenset[int]:
    return frozenset(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else frozenset(range(os.cpu_count() or 1))


def _share_cores(sets: list[frozenset[int]]) -> None:
    """Divides the machine's cores among its ranks, unless the launcher or the user has done so."""
    if len(set(sets)) == 1 and len(sets) > 1:
        os.environ.setdefault("OMP_NUM_THREADS", str(max(1, len(sets[0]) // len(sets))))


class Failures:
    """The end of all ranks when one fails. Its message goes to rank 0, which says it once and ends them."""

    current: Failures | None = None

    def __init__(self, world: Any) -> None:
        self.world, self.said = world, threading.Lock()
        if world.rank == 0 and MPI.Query_thread() == MPI.THREAD_MULTIPLE:
            threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        """Rank 0: waits for the message of another rank, also while this rank waits in a sum for it."""
        while not MPI.Is_finalized():
            if self.world.iprobe(source=MPI.ANY_SOURCE):
                status = MPI.Status()
                words, code = self.world.recv(source=MPI.ANY_SOURCE, status=status)
                self._end(f"rank {status.source}: {words}", code)
            time.sleep(POLL)

    def _end(self, words: str, code: int) -> None:
        """Says why the ranks end, once, and ends them. The thread that comes second waits for the end."""
        self.said.acquire()
        with contextlib.suppress(OSError):
            os.write(2, f"pwl: {words}\n".encode(errors="backslashreplace"))
        time.sleep(SPOKEN)
        MPI.COMM_WORLD.Abort(code)
        os._exit(code)  # where the launcher takes its time to end this process

    def end(self, words: str, code: int) -> None:
        """Ends all ranks because this one failed. It does not come back."""
        if self.world.rank > 0:
            self.world.isend((words, code), 0)
            time.sleep(PATIENCE)
        self._end(f"rank {self.world.rank}: {words}", code)

    def excepthook(self, kind: type[BaseException], value: BaseException, trace: Any) -> None:
        """The end of a program that did not catch an exception: a sentence for wrong input, else the trace."""
        if issubclass(kind, (InputError, KeyboardInterrupt)):
            words = f"{value}" or "interrupted"
        else:
            words = "".join(traceback.format_exception(kind, value, trace)).rstrip()
        self.end(words, 130 if issubclass(kind, KeyboardInterrupt) else 1)
