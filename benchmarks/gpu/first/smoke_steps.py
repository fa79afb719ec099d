"""Training steps on the device: how long, how soon the next one can be asked for, what is read back, which kernels run."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from functools import partial

from benchmarks.cnn import ACTIVATIONS, images, our_step
from benchmarks.gpu.device import Device
from benchmarks.gpu.first.checks import Check
from benchmarks.gpu.first.target import is_dry_run
from benchmarks.gpu.iteration import iterated
from benchmarks.gpu.kernels import has_torch

Job = Callable[[], object]
BATCH, DRY_BATCH = 512, 4
PATTERNS, DRY_PATTERNS, UNITS = 1_000_000, 2000, 200
ITERATIONS = ("AdAct", "MOLF")  # one with curves, one with sigmoids
SHOWN = 22  # lines of a profile


def checks(device: Device) -> Iterator[Check]:
    for activation in ACTIVATIONS:
        yield Check(f"step of vgg3, {activation}", partial(vgg_step, device, activation))
    for name in ITERATIONS:
        yield Check(f"iteration of {name}", partial(iteration, device, name))


def vgg_step(device: Device, activation: str) -> str:
    """A step of SGD, which should read nothing back."""
    job = our_step(device.xp, 3, activation, *images(DRY_BATCH if is_dry_run() else BATCH))
    said = timed(device, job, 10)
    return ", ".join([said, *read_back(job)]) + profiled(device, job)


def iteration(device: Device, name: str) -> str:
    job = iterated(device.xp, name, DRY_PATTERNS if is_dry_run() else PATTERNS, UNITS).job
    return timed(device, job, 3) + profiled(device, job)


def timed(device: Device, job: Job, calls: int) -> str:
    """The job's own time, and the time until it has been asked for while the device may still work on it."""
    job()
    device.wait()
    begin = time.perf_counter()
    job()
    asked = time.perf_counter() - begin
    seconds = device.seconds({"job": job}, repeats=1, calls=1 if is_dry_run() else calls)["job"]
    return f"{1e3 * seconds:.2f} ms, asked for in {1e3 * asked:.2f} ms"


def read_back(job: Job) -> Iterator[str]:
    """Whether the job waits for the device anywhere. A dry run says nothing."""
    if is_dry_run():
        return
    import cupyx

    try:
        with cupyx.allow_synchronize(False):
            job()
    except Exception as failure:
        yield f"READS BACK ({type(failure).__name__})"
    else:
        yield "reads nothing back"


def profiled(device: Device, job: Job) -> str:
    """Lines about the kernels that took longest, by PyTorch's profiler, or nothing where it isn't wanted."""
    if is_dry_run() or os.environ.get("SMOKE_PROFILE") == "0" or not has_torch():
        return ""
    try:
        return "\n".join(["", *profile(device, job)])
    except Exception as failure:  # the profiler's own, which says nothing about the step
        return f", no profile ({type(failure).__name__}: {failure})"


def profile(device: Device, job: Job) -> list[str]:
    from torch import profiler

    with profiler.profile(activities=[profiler.ProfilerActivity.CUDA]) as found:
        job()
        device.wait()
    rows = sorted(found.key_averages(), key=lambda row: -row.device_time_total)
    launches, total = sum(row.count for row in rows), sum(row.device_time_total for row in rows)
    lines = [f"{row.device_time_total / 1e3:13.3f} ms {row.count:5d} x {row.key[:110]}" for row in rows[:SHOWN]]
    return [f"     {launches} launches, {total / 1e3:.2f} ms on the device", *lines]
