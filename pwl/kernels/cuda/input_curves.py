"""Curves on inputs on the GPU, cuda/input_curves.cu: an input touches two rows of a table, however many hinges it has.

A launch takes as many inputs as have their part of a table in shared memory. If one input's part does not fit (thousands of
hinges, or a hundred for `input_pairs`), the reference does the work.
"""

from __future__ import annotations

from typing import Any

import cupy
import numpy as np

from pwl.kernels.cuda.launch import (
    FLAGS,
    SHARED_BYTES,
    THREADS,
    VECTORS,
    at_once,
    by_type,
    covering,
    flag,
    in_order,
    kernel,
    launch,
    named,
    resident,
)
from pwl.kernels.cuda.lines import DEEP, LANES, lines_of, packs_of
from pwl.kernels.cuda.sums import joined
from pwl.kernels.hinges import Hinges, Rises
from pwl.kernels.reference import input_curves as reference
from pwl.kernels.reference.input_curves import Places
from pwl.runtime.backend import Array

LINES = 16  # least rows per thread before there are fewer blocks
PATTERNS = 64  # least patterns of a part before there are fewer parts, which have to be summed
PAIR_THREADS = (64, 32, 8, 1)

_NAMES = ("scatter", "pairs", "ordinates", "rises")
INSTANCES = (
    *(f"places<{t}, {fits}>" for t, _ in VECTORS for fits in FLAGS),
    *(f"add<{t}, {v}>" for t, v in VECTORS),
    *(f"{name}<{t}>" for name in _NAMES for t in ("float", "double")),
)
OF = by_type(INSTANCES)


def input_places(x: Array, grid: Hinges) -> Places:
    """The places of inputs x (Nv, inputs) among hinges (inputs, K)."""
    (Nv, inputs), K = x.shape, grid.ns.shape[1]
    at, u = cupy.empty(x.shape, np.int32), cupy.empty(x.shape, x.dtype)
    lines, shared = lines_of(Nv, inputs, 1), K * LANES * x.dtype.itemsize
    fits = shared <= SHARED_BYTES
    found = _instance("places", x, flag(fits))
    shared = shared if fits else 0
    launch(
        found,
        (lines.blocks(DEEP, resident(found, lines.lanes * DEEP, shared), LINES), lines.tiles),
        (lines.lanes, DEEP),
        *(in_order(a, x.dtype) for a in (x, grid.ns)),
        np.int64(x.size),
        inputs,
        K,
        lines.width,
        int(grid.linear),
        at,
        u,
        shared_bytes=shared,
    )
    return Places(at, u)


def add_input_curves(n: Array | None, places: Places, A: Array) -> Array:
    """n (Nv, units), if given, + the curves of all inputs with ordinates A (hinges, units), Eq. (68). May overwrite n."""
    n = cupy.zeros((len(places.u), A.shape[1]), places.u.dtype) if n is None else n
    (Nv, units), inputs, K, n = n.shape, *_counts(places, A.shape[0]), in_order(n, n.dtype)
    row = K * n.dtype.itemsize  # of one unit of one input
    vector = next((v for v in (at_once(units, n), 1) if row * v <= SHARED_BYTES), 0)
    if vector == 0:
        return reference.add_input_curves(n, places, A)
    packs = min(packs_of(units // vector)[0], SHARED_BYTES // (row * vector))
    tiles, high = covering(units, packs * vector), THREADS // packs
    some = min(inputs, SHARED_BYTES // (row * packs * vector))
    found, shared = _instance("add", n, vector), some * row * packs * vector
    blocks = max(1, min(resident(found, packs * high, shared) // tiles, covering(Nv, high)))
    at, u, A = *_rows(places, n.dtype), in_order(A, n.dtype)
    for first in range(0, inputs, some):
        count = min(some, inputs - first)
        launch(
            found, (blocks, tiles), (packs, high), at, u, A, np.int64(Nv), inputs, first, count, K, units, n, shared_bytes=shared
        )
    return n


def input_scatter(places: Places, hinges: int, c: Array) -> Array:
    """Sum over patterns of phi_m c (hinges, columns), for c (Nv, columns), Eq. (69), with the same bits in every run."""
    (Nv, columns), inputs, K = c.shape, *_counts(places, hinges)
    row = K * c.dtype.itemsize
    own = min(columns, LANES, SHARED_BYTES // row)  # columns of a block
    if own == 0:
        return reference.input_scatter(places, hinges, c)
    lanes = max(1, min(LANES, SHARED_BYTES // row) // own) * own
    some = min(inputs, SHARED_BYTES // (row * lanes))
    high, tiles, shared = min(some, THREADS // lanes), covering(columns, own), some * row * lanes
    found = _instance("scatter", c)
    parts = max(1, min(resident(found, lanes * high, shared) // tiles, covering(Nv, PATTERNS * (lanes // own))))
    partial = cupy.empty((parts, hinges, columns), c.dtype)
    at, u, c = *_rows(places, c.dtype), in_order(c, c.dtype)
    sizes = np.int64(Nv), np.int64(covering(Nv, parts)), inputs
    for first in range(0, inputs, some):
        given = (first, min(some, inputs - first), K, hinges, columns, own)
        launch(found, (parts, tiles), (lanes, high), at, u, c, *sizes, *given, partial, shared_bytes=shared)
    return joined(partial)


def input_pairs(places: Places, hinges: int, w: Array | None) -> Array:
    """Sum over patterns of w phi_m phi_m' (hinges, hinges), Eq. (70), with the same bits in every run."""
    Nv, inputs, K = len(places.u), *_counts(places, hinges)
    each = K * K * places.u.dtype.itemsize
    threads = next((threads for threads in PAIR_THREADS if each * threads <= SHARED_BYTES), 0)
    if threads == 0:
        return reference.input_pairs(places, hinges, w)
    found, tiles = _instance("pairs", places.u), covering(inputs**2, threads)
    parts = max(1, min(resident(found, threads, each * threads) // tiles, covering(Nv, PATTERNS)))
    partial = cupy.empty((parts, hinges, hinges), places.u.dtype)
    at, u = _rows(places, places.u.dtype)
    launch(
        found,
        (parts, tiles),
        (threads, 1),
        at,
        u,
        u if w is None else in_order(w, u.dtype),
        np.int64(Nv),
        np.int64(covering(Nv, parts)),
        inputs,
        K,
        int(w is not None),
        partial,
        shared_bytes=each * threads,
    )
    return joined(partial)


def input_ordinates(W: Array, rises: Rises) -> Array:
    """Ordinates (hinges, units) of whole curves with weights W (units, 1 + inputs + rises), Eq. (68).

    W has the thresholds, the slopes of the straight parts, and the weights of the rises. The first input's curves contain the
    thresholds.
    """
    A = cupy.empty((rises.geometry.hinges, W.shape[0]), W.dtype)
    _by_columns("ordinates", in_order(W, W.dtype), rises, W.shape[0], A)
    return A


def input_rises(G: Array, rises: Rises) -> Array:
    """The transpose of `input_ordinates`: sums (hinges, n) over hats as sums (1 + inputs + rises, n), Eq. (69)."""
    own, columns = rises.geometry, G.shape[1]
    found = cupy.empty((1 + len(own.inputs) + own.rises, columns), G.dtype)
    _by_columns("rises", in_order(G, G.dtype), rises, columns, found)
    return found


def _by_columns(name: str, given: Array, rises: Rises, columns: int, found: Array) -> None:
    """Runs a kernel in which a thread takes one input and one column."""
    own = rises.geometry
    inputs = len(own.inputs)
    launch(
        _instance(name, given),
        (max(1, covering(inputs * columns, THREADS)), 1),
        (THREADS, 1),
        given,
        *(in_order(a, given.dtype) for a in (rises.ns, rises.mean, rises.scale)),
        _begin(own.begin),
        inputs,
        own.most + 3,
        columns,
        found,
    )


@cupy.memoize(for_each_device=True)
def _begin(begin: tuple[int, ...]) -> Array:
    """The first rise of each input, copied to the device once."""
    return cupy.asarray(np.array(begin, np.int32))


def _counts(places: Places, hinges: int) -> tuple[int, int]:
    """Numbers of inputs and of hinges of each."""
    inputs = places.u.shape[1]
    return inputs, hinges // inputs


def _rows(places: Places, dtype: Any) -> tuple[Array, Array]:
    return in_order(places.at, np.int32), in_order(places.u, dtype)


def _instance(name: str, a: Array, *rest: Any) -> Any:
    t = named(a.dtype)
    return kernel("input_curves", OF[t], f"{name}<{', '.join(map(str, (t, *rest)))}>")
