"""Curve kernels on the GPU as shares of a device copy's bandwidth, which counts bytes read and bytes written.

The nets take 2 GB in float32, and curves have 25 hinges. The nets are spread over all segments or lie in a single one.
PyTorch's version gathers ordinates and adds to G_a by `index_add_`, on the same arrays.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from benchmarks.gpu.device import Device
from pwl.activations.fixed import FIXED
from pwl.kernels import Hinges, engine

NETS, QUICK_NETS = 2**29, 2**22
HINGES, FIRST, LAST = 25, -2.5, 3.5
KINDS = ("spread", "one segment")
# arrays of the size of the nets that a job reads or writes; from "mix" to "back scatter" the curves have one output above them
ARRAYS = {
    "copy": 2, "value": 2, "value + slope": 3, "scatter": 2, "mix": 1, "back": 2, "back scatter": 1, "relu + slope": 3,
    "sigmoid + slope": 3,
}  # fmt: skip


def cells(device: Device, quick: bool) -> Iterator[tuple[str, Callable[[], dict[str, Any]]]]:
    nets = QUICK_NETS if quick else NETS
    for units in (128, 32):
        for kind in KINDS:
            name = f"{nets // units}-{units}-{kind}".replace(" ", "_")
            yield name, lambda u=units, k=kind: measure(device, nets // u, u, k, torch=has_torch())


def measure(device: Device, Nv: int, units: int, kind: str, torch: bool, repeats: int = 7) -> dict[str, Any]:
    """Seconds of each job, and its bandwidth relative to the copy's."""
    n, c, grid, A = problem(device.xp, Nv, units, kind)
    o, kernels, v, w = device.xp.empty_like(n), engine(n), c[:, :1] * 1, A[:, :1].T * 1

    def copy() -> None:
        o[...] = n

    jobs: dict[str, Callable[[], object]] = {
        "copy": copy,
        "value": lambda: kernels.value(n, grid, A),
        "value + slope": lambda: kernels.value_slope(n, grid, A),
        "scatter": lambda: kernels.scatter(n, grid, c),
        "mix": lambda: kernels.mix(n, grid, A, w),
        "back": lambda: kernels.back(n, grid, A, v, w),
        "back scatter": lambda: kernels.back_scatter(n, grid, v, w),
        "relu + slope": lambda: kernels.activation_slope(n, FIXED["relu"].formula),
        "sigmoid + slope": lambda: kernels.activation_slope(n, FIXED["sigmoid"].formula),
    }
    seconds = device.seconds(jobs, repeats, calls=5)
    if torch:
        seconds |= device.seconds(torch_jobs(n, c, A), min(repeats, 3))
    return {
        "patterns": Nv, "units": units, "kind": kind, "dtype": "float32", "hinges": HINGES, "seconds": seconds,
        "gigabytes": {name: arrays * 4 * Nv * units / 1e9 for name, arrays in ARRAYS.items()},
        "share": {name: arrays / seconds[name] / (ARRAYS["copy"] / seconds["copy"]) for name, arrays in ARRAYS.items()},
    }  # fmt: skip


def problem(xp: Any, Nv: int, units: int, kind: str) -> tuple[Any, Any, Hinges, Any]:
    """Nets and signals (Nv, units), hinges and ordinates. They repeat about a million random numbers of the host."""
    rng = np.random.default_rng(0)
    rows = min(Nv, max(1, 2**20 // units))
    n = rng.uniform(FIRST - 0.5, LAST + 0.5, (rows, units)) if kind == "spread" else np.full((rows, units), 0.6)
    ns = np.tile(np.linspace(FIRST, LAST, HINGES), (units, 1))
    A, c = rng.standard_normal(ns.shape), rng.standard_normal((rows, units))
    n, c, ns, A = (xp.asarray(a.astype(np.float32)) for a in (n, c, ns, A))
    many = [filled(xp, Nv, a) for a in (n, c)]
    return *many, Hinges(ns, True, False), A


def filled(xp: Any, Nv: int, rows: Any) -> Any:
    """An array (Nv, units) that repeats these rows."""
    found = xp.empty((Nv, rows.shape[1]), dtype=rows.dtype)
    for first in range(0, Nv, rows.shape[0]):
        last = min(first + rows.shape[0], Nv)
        found[first:last, ...] = rows[: last - first, ...]
    return found


def has_torch() -> bool:
    """Whether PyTorch is installed and can use a GPU."""
    if importlib.util.find_spec("torch") is None:
        return False
    import torch

    return bool(torch.cuda.is_available())


def torch_jobs(n: Any, c: Any, A: Any) -> dict[str, Callable[[], object]]:
    """Value and slope by gathering, and G_a by `index_add_`, on arrays that PyTorch can share."""
    import torch

    nets, signals, table = (torch.from_dlpack(a) for a in (n, c, A))
    units, inverse = nets.shape[1], (HINGES - 1) / (LAST - FIRST)
    rows = torch.arange(units, device=nets.device) * HINGES

    def places() -> tuple[Any, Any, Any]:
        t = (nets - FIRST) * inverse
        inside = (t >= 0) & (t < HINGES - 1)
        t = t.clamp(0, HINGES - 1)
        m = t.floor().clamp(max=HINGES - 2)
        return (m.long() + rows).reshape(-1), t - m, inside

    def value_slope() -> tuple[Any, Any]:
        at, u, inside = places()
        left = table.reshape(-1)[at].reshape(u.shape)
        rise = table.reshape(-1)[at + 1].reshape(u.shape) - left
        return left + u * rise, inside * rise * inverse

    def scatter() -> Any:
        at, u, _ = places()
        G = torch.zeros(units * HINGES, dtype=nets.dtype, device=nets.device)
        right = signals * u
        return G.index_add_(0, at, (signals - right).reshape(-1)).index_add_(0, at + 1, right.reshape(-1))

    return {"torch value + slope": value_slope, "torch scatter": scatter}
