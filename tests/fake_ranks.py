"""Ranks that are threads of this process, and what is computed by them."""

from __future__ import annotations

import copy
import threading
from concurrent.futures import ThreadPoolExecutor

import pwl
from pwl.reductions.patterns import Reads
from pwl.runtime.ranks import Communicator


class Cluster:
    """Ranks that are threads of this process and meet at a barrier."""

    def __init__(self, ranks):
        self.barrier = threading.Barrier(ranks, timeout=60)
        self.values = [None] * ranks

    def rank(self, number):
        return Rank(self, number)


class Rank(Communicator):
    def __init__(self, cluster, number):
        self.cluster, self.rank, self.size = cluster, number, len(cluster.values)

    def allgather(self, value):
        self.cluster.values[self.rank] = copy.deepcopy(value)  # as a message would be
        self.cluster.barrier.wait()
        found = list(self.cluster.values)
        self.cluster.barrier.wait()  # nobody writes the next round before all have read this one
        return found


def on_comms(f, ranks):
    """[f(comm) of rank 0, of rank 1, ...]."""
    cluster = Cluster(ranks)

    def run(number):
        try:
            return f(cluster.rank(number))
        except BaseException:
            cluster.barrier.abort()  # the others would wait for this rank
            raise

    with ThreadPoolExecutor(ranks) as pool:
        running = [pool.submit(run, number) for number in range(ranks)]
    failures = [each.exception() for each in running if each.exception() is not None]
    for failure in failures:
        if not isinstance(failure, threading.BrokenBarrierError):  # the first cause
            raise failure
    return [each.result() for each in running]


def on_ranks(f, parts):
    """[f(Patterns of rank 0), f(Patterns of rank 1), ...]: parts holds (x, t) or (x, t, weights) of every rank."""
    return on_comms(lambda comm: f(pwl.Patterns(*parts[comm.rank], comm=comm)), len(parts))


def everywhere(f, patterns, ranks=None):
    """f(patterns), or rank 0's result of f where so many ranks share the patterns, as `pytest --ranks 3` asks for."""
    ranks = Asked.ranks if ranks is None else ranks
    if ranks == 1 or patterns.comm.size > 1:
        return f(patterns)
    n = len(patterns)
    cuts = [0, *(n * (2 * rank - 1) // (2 * ranks) for rank in range(1, ranks)), n]  # unlike shares

    def part(comm):
        own = patterns.take(slice(cuts[comm.rank], cuts[comm.rank + 1]))
        own.comm, own.reads, own.augmentation = comm, Reads(), patterns.augmentation
        own.reads.patterns = patterns.reads.patterns
        return f(own), own.reads

    found = on_comms(part, ranks)
    patterns.reads.patterns = found[0][1].patterns
    return found[0][0]


def by_ranks(f):
    """A function of (net, data, ...) whose data are shared by ranks."""
    return lambda net, data, *rest, **options: everywhere(
        lambda own: f(net, own, *rest, **options), pwl.Patterns.of(data)
    )


class Asked:
    """ranks: how many ranks share the patterns in tests of algorithms, an option of pytest."""

    ranks = 1
