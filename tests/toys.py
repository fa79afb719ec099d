"""Small problems, stub algorithms and a cluster of threads: what the tests of the loop and of the reduction share."""

from __future__ import annotations

import dataclasses
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np

import pwl
from pwl.network.network import HEAD


def waves(Nv=120, N=3, M=2, seed=0):
    """Smooth nonlinear targets (Nv, M) of inputs (Nv, N) with offsets and different scales, a little noise."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(Nv, N)) * np.arange(1, N + 1) + np.arange(N)
    phases = (x - x.mean(axis=0)) / x.std(axis=0) @ rng.normal(size=(N, M))
    return x, np.sin(1.5 * phases) + 0.05 * rng.normal(size=(Nv, M))


def spirals(Nv=150, M=3, seed=0):
    """Labels 0..M-1 of points on M noisy arms of a spiral (Nv, 2)."""
    rng = np.random.default_rng(seed)
    t = np.arange(Nv) % M
    r = rng.uniform(0.2, 1, Nv)
    angle = 2 * np.pi * t / M + 5 * r + 0.5 * rng.normal(size=Nv)
    return np.stack([r * np.cos(angle), r * np.sin(angle)], axis=1), t


def curves(N=3, Nh=5, M=2, seed=0, **options):
    """Network with trainable curves."""
    return pwl.Network.mlp(N, Nh, M, pwl.PiecewiseLinear("relu", hinges=13), seed=seed, **options)


def short(algorithm):
    """A test's name for an algorithm: what differs from the defaults."""
    if not dataclasses.is_dataclass(algorithm):
        return str(algorithm)
    fields = dataclasses.fields(algorithm)
    changed = [str(value) for f in fields if (value := getattr(algorithm, f.name)) != f.default]
    return f"{type(algorithm).__name__}({','.join(changed)})"


class Stub:
    """An algorithm that does nothing; the sub-classes say what it does instead."""

    def init(self, net, patterns, key):
        return {"steps": 0}

    def step(self, net, patterns, state):
        state = {"steps": state["steps"] + 1}
        return self.changed(net, state["steps"]), state, {}

    def changed(self, net, step):
        return net

    def multiplies(self, net, Nv):
        return 1.0 * Nv, 2.0 * Nv


class Worse(Stub):
    """Every step takes the output weights farther from the least squares solution."""

    def changed(self, net, step):
        return net.with_parts({HEAD: net.W_o + 1})


class NotFinite(Stub):
    """The steps from `at` on give NaN."""

    def __init__(self, at):
        self.at = at

    def changed(self, net, step):
        return net.with_theta(net.theta * np.nan) if step >= self.at else net.with_parts({HEAD: 0.5 * net.W_o})


class Watching(Stub):
    """Keeps the first input of every pattern of every batch."""

    def __init__(self):
        self.batches = []

    def step(self, net, patterns, state):
        self.batches.append(np.asarray(patterns.x[:, 0]).tolist())
        return net, state, {}


class Cluster:
    """Ranks that are threads of this process and meet at a barrier."""

    def __init__(self, ranks):
        self.barrier = threading.Barrier(ranks, timeout=60)
        self.values = [None] * ranks

    def rank(self, number):
        return _Rank(self, number)


class _Rank:
    def __init__(self, cluster, number):
        self.cluster, self.number = cluster, number

    def allgather(self, values):
        self.cluster.values[self.number] = values
        self.cluster.barrier.wait()
        found = list(self.cluster.values)
        self.cluster.barrier.wait()  # nobody writes the next round before all have read this one
        return found


def on_ranks(f, parts):
    """[f(Patterns of rank 0), f(Patterns of rank 1), ...]: parts holds (x, t) or (x, t, weights) of every rank."""
    cluster = Cluster(len(parts))

    def run(number):
        try:
            return f(pwl.Patterns(*parts[number], comm=cluster.rank(number)))
        except BaseException:
            cluster.barrier.abort()  # the others would wait for this rank
            raise

    with ThreadPoolExecutor(len(parts)) as pool:
        return list(pool.map(run, range(len(parts))))
