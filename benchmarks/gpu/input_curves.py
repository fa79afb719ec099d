"""Kernels of curves on inputs, beside cuBLAS's products with the inputs themselves, which a plain layer needs.

There are 9 hinges per input. `value` adds the curves of all inputs to the nets, `gradient` sums signals at the hinges, and
`pairs` is the autocorrelation of the hats, which a run sums once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from benchmarks.gpu.device import Device
from benchmarks.gpu.kernels import filled
from pwl.kernels import Hinges, engine

PATTERNS, QUICK_PATTERNS = 2**20, 2**12
SIZES = ((8, 64), (20, 200))  # inputs, units
HINGES = 9
JOBS = ("places", "value", "gradient", "pairs", "inputs times weights", "signals times inputs")


def cells(device: Device, quick: bool) -> Iterator[tuple[str, Callable[[], dict[str, Any]]]]:
    Nv = QUICK_PATTERNS if quick else PATTERNS
    for inputs, units in SIZES:
        for dtype in ("float32", "float64"):
            name = "-".join(map(str, (Nv, inputs, units, dtype)))
            yield name, lambda i=inputs, u=units, d=dtype: measure(device, Nv, i, u, d)


def measure(device: Device, Nv: int, inputs: int, units: int, dtype: str, repeats: int = 7) -> dict[str, Any]:
    return {
        "patterns": Nv, "inputs": inputs, "units": units, "hinges": HINGES, "dtype": dtype,
        "seconds": device.seconds(jobs(device.xp, Nv, inputs, units, dtype), repeats, calls=3),
    }  # fmt: skip


def jobs(xp: Any, Nv: int, inputs: int, units: int, dtype: str) -> dict[str, Callable[[], object]]:
    rng = np.random.default_rng(0)
    rows = min(Nv, 2**14)
    x, n = (filled(xp, Nv, xp.asarray(rng.standard_normal((rows, count)).astype(dtype))) for count in (inputs, units))
    ns = np.sort(rng.standard_normal((inputs, HINGES)), axis=1).astype(dtype)
    grid, hinges = Hinges(xp.asarray(ns), False, False), inputs * HINGES
    A, W = (xp.asarray(rng.standard_normal((count, units)).astype(dtype)) for count in (hinges, inputs))
    kernels = engine(x)
    places = kernels.input_places(x, grid)
    found: tuple[Callable[[], object], ...] = (
        lambda: kernels.input_places(x, grid),
        lambda: kernels.add_input_curves(n, places, A),
        lambda: kernels.input_scatter(places, hinges, n),
        lambda: kernels.input_pairs(places, hinges, None),
        lambda: xp.matmul(x, W),
        lambda: xp.matmul(n.T, x),
    )
    return dict(zip(JOBS, found, strict=True))


def table(cells: list[dict[str, Any]]) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Milliseconds."""
    rows = [
        (
            f"{cell['patterns']} x {cell['inputs']} -> {cell['units']}", cell["dtype"],
            *(f"{1000 * cell['seconds'][name]:.3f}" for name in JOBS),
        )
        for cell in sorted(cells, key=lambda c: (c["inputs"], c["dtype"]))
    ]  # fmt: skip
    return ("patterns x inputs -> units", "type", *JOBS), rows
