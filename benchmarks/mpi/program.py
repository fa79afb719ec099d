"""What the benchmark runs on ranks: `mpiexec -n P python -m benchmarks.mpi.program NAME ARGUMENT`. Rank 0 prints JSON."""

from __future__ import annotations

import json
import pickle
import statistics
import sys
import time
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np

import pwl
from benchmarks.shared.memory import Peak, private
from pwl.data.table import read_table
from pwl.runtime.ranks import Communicator, folded, share_of

INPUTS, UNITS, HINGES = 20, 20, 13
REPEATS = 1  # iterations that count after the first one
ALGORITHMS: dict[str, tuple[Any, int | None]] = {  # and the patterns in a batch
    "AdAct": (pwl.AdAct(), None), "MOLF": (pwl.MOLF(), None), "OWOBP": (pwl.OWOBP(), None), "CG": (pwl.CG(), None),
    "SCG": (pwl.SCG(), None), "LBFGS": (pwl.LBFGS(), None), "LM, Cholesky": (pwl.LM(solver="cholesky"), None),
    "LM, QR": (pwl.LM(solver="qr"), None), "BayesianLM": (pwl.BayesianLM(), None), "VarPro": (pwl.VarPro(), None),
    "Adam": (pwl.Adam(), 1000), "MinibatchAdAct": (pwl.MinibatchAdAct(), 1000),
}  # fmt: skip


def network() -> pwl.Network:
    return pwl.Network.mlp(INPUTS, UNITS, 1, pwl.PiecewiseLinear("tanh", HINGES), seed=0)


def iterations(path: str) -> dict[str, Any]:
    """Seconds of an AdAct iteration on a file of patterns, of its sums, and of reading the file."""
    comm, began = pwl.ranks(), time.perf_counter()
    table = read_table(Path(path), comm=comm)
    patterns = pwl.Patterns(table.x, table.t, comm=comm)
    started, start = time.perf_counter() - began, private()
    peak = Peak(start)
    _, record = pwl.train(network(), patterns, pwl.AdAct(), iterations=REPEATS + 1)
    memory = max(comm.allgather(peak.stop()))
    seconds = np.diff(record["seconds"])[1:]
    sums = np.diff(record["sum_seconds"])[1:] if comm.size > 1 else np.zeros(1)
    return {
        "reading": started, "seconds": statistics.median(seconds), "sums": statistics.median(sums), "peak_mib": memory,
        "error": record["error"][-1],
    }  # fmt: skip


def messages(_: str) -> dict[str, Any]:
    """Seconds of sums of several sizes, and of one message there and back, small and large."""
    comm = pwl.ranks()
    sizes = [1, 1000, 4096, 16_384, 262_144, 4_194_304]
    found = {str(n): _seconds(lambda a=np.ones(n): folded(comm, a, np.add), 5 if n > 10**6 else 50) for n in sizes}
    return {"sums": found, "latency": _exchange(comm, 1), "bandwidth": 8 * 2**20 / _exchange(comm, 2**20)}


def _exchange(comm: Any, n: int) -> float:
    """Seconds of one message of n numbers from rank 0 to rank 1, half of there and back."""
    a, world = np.ones(n), comm.world

    def there_and_back() -> None:
        if comm.rank == 0:
            world.Send(a, 1)
            world.Recv(a, 1)
        elif comm.rank == 1:
            world.Recv(a, 0)
            world.Send(a, 0)

    return _seconds(there_and_back, 50) / 2


def _seconds(job: Any, repeats: int) -> float:
    """The shortest time but a few, as others use the machine, too."""
    times = []
    for _ in range(repeats + 2):
        pwl.ranks().same(None)
        began = time.perf_counter()
        job()
        times.append(time.perf_counter() - began)
    return sorted(times)[len(times) // 4]


def memory(n: str) -> dict[str, Any]:
    """The peak of memory while a sum of n x n numbers crosses, in sums (n x n x 8 bytes) beyond the rank's own."""
    comm, a = pwl.ranks(), np.ones((int(n), int(n)))
    folded(comm, a, np.add)  # MPI's own memory
    peak = Peak(private())
    for _ in range(3):
        folded(comm, a, np.add)
    return {"sums": max(comm.allgather(peak.stop())) * 2**20 / a.nbytes}


class Alone(Communicator):
    """One rank of many, the others of which send zeros: what it allocates is what a rank of that many allocates."""

    def __init__(self, size: int) -> None:
        self.size = size

    def allgather_array(self, a: np.ndarray) -> np.ndarray:
        return np.zeros((self.size, *a.shape))

    def alltoall_array(self, a: np.ndarray) -> np.ndarray:
        return np.zeros_like(a)


def counted_memory(size: int, n: int) -> float:
    """The peak of what a rank of that many allocates for a sum of n x n numbers, in such sums."""
    a = np.ones((n, n))
    tracemalloc.start()
    folded(Alone(size), a, np.add)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / a.nbytes


class Counted(Communicator):
    """Ranks whose messages are counted: a list of (kind, bytes)."""

    def __init__(self, comm: Communicator) -> None:
        self.comm, self.rank, self.size = comm, comm.rank, comm.size
        self.messages: list[tuple[str, int]] = []

    def allgather(self, value: Any) -> list[Any]:
        self.messages.append(("gathered", len(pickle.dumps(value))))
        return self.comm.allgather(value)

    def alltoall(self, values: Any) -> list[Any]:
        rows = all(isinstance(value, list) for value in values)
        self.messages.append(("dealt" if rows else "tree", sum(len(pickle.dumps(v)) for v in values)))
        return self.comm.alltoall(values)

    def allgather_array(self, a: np.ndarray) -> np.ndarray:
        self.messages.append(("gathered", a.nbytes))
        return self.comm.allgather_array(a)

    def alltoall_array(self, a: np.ndarray) -> np.ndarray:
        self.messages.append(("slices", a.nbytes))
        return self.comm.alltoall_array(a)

    def same(self, value: Any) -> Any:
        self.messages.append(("broadcast", len(pickle.dumps(value))))
        return self.comm.same(value)


def costs(patterns: str) -> dict[str, Any]:
    """By algorithm, the messages of an iteration and its seconds per pattern and thread."""
    rng, comm, found = np.random.default_rng(0), pwl.ranks(), {}
    Nv = int(patterns)
    x = rng.standard_normal((Nv, INPUTS))
    t = np.sin(x @ rng.standard_normal((INPUTS, 1)) / 3) + 0.1 * rng.standard_normal((Nv, 1))
    own = slice(*share_of(Nv, comm.rank, comm.size))
    for name, (algorithm, batch) in ALGORITHMS.items():
        counted, lengths = Counted(comm), []
        options = {"iterations": 3, "batch_size": batch, "callback": lambda *_, n=lengths, c=counted: n.append(len(c.messages))}
        _, record = pwl.train(network(), pwl.Patterns(x[own], t[own], comm=counted), algorithm, **options)
        last = counted.messages[lengths[-2] : lengths[-1]]
        step = record["seconds"][-1] - record["seconds"][-2] - (record["sum_seconds"][-1] - record["sum_seconds"][-2])
        found[name] = {"messages": last, "seconds_a_pattern": step * comm.size / Nv, "steps": -(-Nv // (batch or Nv))}
    return {"algorithms": found}


if __name__ == "__main__":
    result = globals()[sys.argv[1]](sys.argv[2])
    if pwl.ranks().rank == 0:
        print(json.dumps(result))
