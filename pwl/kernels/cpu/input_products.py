"""Products of curves on inputs, compiled by Numba: two inputs touch four rows of a table, however many hinges they have.

The columns are taken in strips of a few registers, so that the table of a strip stays in the second cache
if inputs and hinges are few.
"""

from __future__ import annotations

import numpy as np

from pwl.kernels.cpu.compiled import compiled
from pwl.kernels.cpu.strips import WIDE, aligned, load_row, plus_times, put_row
from pwl.kernels.cpu.vectors import inlined, lanes, load, spread, table, vector_bytes
from pwl.kernels.hinges import pair_geometry
from pwl.kernels.reference.input_curves import Places
from pwl.runtime.backend import Array


@inlined
def _add_to(rows, place, number, row):
    put_row(plus_times(load_row(row, rows, place), number, row), rows, place)


@compiled
def _products(at, u, sizes, base, c, found, width, strip):
    """found (rows, width) = sums over patterns for c (patterns, width). strip: room for `WIDE` registers of each row."""
    zero = spread(load(c, 0), 0)
    none, step, inputs = (zero, zero, zero, zero), WIDE * lanes(c), sizes.size
    places, shares, counts, bases = table(at, 0), table(u, 0), table(sizes, 0), table(base, 0)
    source, rows, goal = table(c, 0), table(strip, 0), table(found, 0)
    for first in range(0, width, step):
        strip[:] = 0
        for p in range(at.size // inputs):
            row = load_row(none, source, p * width + first)
            for j in range(inputs):
                m, share = places[p * inputs + j], shares[p * inputs + j]
                left, right = plus_times(none, 1 - share, row), plus_times(none, share, row)
                for i in range(j + 1):
                    other, size = shares[p * inputs + i], counts[i]
                    place = (bases[j * inputs + i] + m * size + places[p * inputs + i]) * step
                    _add_to(rows, place, 1 - other, left)
                    _add_to(rows, place + step, other, left)
                    _add_to(rows, place + size * step, 1 - other, right)
                    _add_to(rows, place + size * step + step, other, right)
        for m in range(found.size // width):
            put_row(load_row(none, rows, m * step), goal, m * width + first)


def input_products(places: Places, sizes: tuple[int, ...], c: Array) -> Array:
    """Sums over patterns of phi_m phi_o c (rows, columns) for hinges of each two inputs, as in `pair_geometry`, Eq. (109).

    sizes: the number of hinges of each input. c: (Nv, columns).
    """
    own, columns = pair_geometry(sizes), c.shape[1]
    step = WIDE * vector_bytes() // c.itemsize
    wide = np.zeros((len(c), -(-columns // step) * step), c.dtype)
    wide[:, :columns] = c
    found = np.empty((own.rows, wide.shape[1]), c.dtype)
    at, u = np.ascontiguousarray(places.at, np.int64).reshape(-1), np.ascontiguousarray(places.u, c.dtype).reshape(-1)
    numbers = own.sizes, own.base.reshape(-1), wide.reshape(-1), found.reshape(-1)
    _products(at, u, *numbers, wide.shape[1], aligned(own.rows * step, c.dtype))
    return found[:, :columns]
