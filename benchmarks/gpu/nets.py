"""Sums of curves whose nets the kernels make themselves, beside a product that stores the nets and a kernel that reads them.

There are 20 inputs, 200 units and 1 output, as in an iteration of AdAct, and curves have 25 hinges. The nets would take 2 GB in
float32.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from benchmarks.gpu.device import Device
from benchmarks.gpu.kernels import FIRST, HINGES, LAST, NETS, QUICK_NETS, filled
from pwl.kernels import Hinges, engine
from pwl.runtime.backend import augmented

INPUTS, UNITS = 20, 200
PAIRS = {"mix": ("stored, mix", "made, mix"), "back scatter": ("stored, back scatter", "made, back scatter")}


def cells(device: Device, quick: bool) -> Iterator[tuple[str, Callable[[], dict[str, Any]]]]:
    Nv = (QUICK_NETS if quick else NETS) // UNITS
    for dtype in ("float32", "float64"):
        yield f"{Nv}-{INPUTS}-{UNITS}-{dtype}", lambda t=dtype: measure(device, Nv, INPUTS, UNITS, t)


def measure(device: Device, Nv: int, inputs: int, units: int, dtype: str, repeats: int = 7) -> dict[str, Any]:
    """Seconds of each job. A job "stored" begins with the product."""
    xp, rng = device.xp, np.random.default_rng(0)
    rows = min(Nv, 2**16)
    x, v = (filled(xp, Nv, xp.asarray(rng.standard_normal((rows, columns)).astype(dtype))) for columns in (inputs, 1))
    W, A, w = (
        xp.asarray(rng.standard_normal(shape).astype(dtype)) for shape in ((units, inputs + 1), (units, HINGES), (1, units))
    )
    W = W * inputs**-0.5
    grid = Hinges(xp.asarray(np.tile(np.linspace(FIRST, LAST, HINGES), (units, 1)).astype(dtype)), True, False)
    kernels, made = engine(x), engine(x).nets(x, W)
    jobs: dict[str, Callable[[], object]] = {
        "product": lambda: augmented(x) @ W.T,
        "stored, mix": lambda: kernels.mix(augmented(x) @ W.T, grid, A, w),
        "made, mix": lambda: kernels.mix(made, grid, A, w),
        "stored, back scatter": lambda: kernels.back_scatter(augmented(x) @ W.T, grid, v, w),
        "made, back scatter": lambda: kernels.back_scatter(made, grid, v, w),
    }
    seconds = device.seconds(jobs, repeats)
    return {
        "patterns": Nv, "inputs": inputs, "units": units, "dtype": dtype, "hinges": HINGES, "seconds": seconds,
        "ratio": {name: seconds[other] / seconds[stored] for name, (stored, other) in PAIRS.items()},
    }  # fmt: skip


def table(cells: list[dict[str, Any]]) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Milliseconds of each job, and the time of nets that are made as a share of that of nets that are stored."""
    jobs = ("product", *(job for pair in PAIRS.values() for job in pair))
    rows = [
        (
            f"{cell['patterns']} x {cell['inputs']} -> {cell['units']} {cell['dtype']}",
            *(f"{1000 * cell['seconds'][job]:.3g}" for job in jobs),
            *(f"{ratio:.2f}" for ratio in cell["ratio"].values()),
        )
        for cell in cells
    ]
    return ("nets", *jobs, *(f"made / stored, {name}" for name in PAIRS)), rows
