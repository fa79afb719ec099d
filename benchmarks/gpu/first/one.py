"""Each kernel of curves and convolutions once, at its benchmark's size, for NVIDIA's profiler ncu."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.gpu import activated, conv, input_curves
from benchmarks.gpu import kernels as curve_kernels
from benchmarks.gpu.device import Device
from benchmarks.gpu.first.target import is_dry_run, target
from pwl.activations.fixed import FIXED
from pwl.kernels import engine

NETS, UNITS = 2**20, 128
SIDE, CHANNELS, FILTERS = 16, 64, 64


def main() -> None:
    device = target()
    rows, batch = (1000, 2) if is_dry_run() else (NETS, conv.BATCH)
    curves(device.xp, rows)
    made_nets(device.xp, rows)
    convolutions(device, batch)
    curves_on_inputs(device.xp, rows)
    device.wait()


def curves(xp: Any, rows: int) -> None:
    n, c, grid, A = curve_kernels.problem(xp, rows, UNITS, "spread")
    kernels, v, W = engine(n), c[:, :1] * 1, A[:, :1].T * 1
    kernels.value_slope(n, grid, A)
    kernels.scatter(n, grid, c)
    kernels.mix(n, grid, A, W)
    kernels.back(n, grid, A, v, W)
    kernels.back_scatter(n, grid, v, W)
    kernels.activation_slope(n, FIXED["sigmoid"].formula)


def made_nets(xp: Any, rows: int) -> None:
    """Curves of nets that kernels make from 20 inputs."""
    x, v, grid, A = curve_kernels.problem(xp, rows, UNITS, "spread")
    kernels, made = engine(x), engine(x).nets(x[:, :20] * 1, A[:, :21] * 1)
    kernels.mix(made, grid, A, A[:, :1].T * 1)
    kernels.back_scatter(made, grid, v[:, :1] * 1, A[:, :1].T * 1)


def convolutions(device: Device, batch: int) -> None:
    rng = np.random.default_rng(0)
    shapes = ((batch, SIDE, SIDE, CHANNELS), (batch, SIDE, SIDE, FILTERS), (FILTERS, 3, 3, CHANNELS))
    arrays = [device.xp.asarray(rng.standard_normal(shape, dtype=np.float32)) for shape in shapes]
    for job in conv.ours(*arrays).values():
        job()
    images, _, weights = arrays
    for kind in activated.KINDS:
        activated.ours(images, weights, activated.rule(device.xp, kind, FILTERS))[activated.TOGETHER]()


def curves_on_inputs(xp: Any, rows: int) -> None:
    for name, job in input_curves.jobs(xp, rows, 20, 200, "float32").items():
        if "times" not in name:
            job()


if __name__ == "__main__":
    main()
