"""The GPU that `benchmarks gpu` measures: its arrays, its clock and the facts that are kept beside every figure."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

from benchmarks.shared.timing import in_turns
from pwl.runtime.backend import namespace_named


class Device(NamedTuple):
    """A GPU as the benchmarks use it.

    xp: the namespace of its arrays. wait(): returns when the device has done all its work. free(): gives back memory
    that no array uses. facts: name, memory, driver and versions.
    """

    xp: Any
    wait: Callable[[], object]
    free: Callable[[], object]
    facts: dict[str, str]

    @property
    def tf32(self) -> bool:
        """Whether products of float32 may be those of TF32, ours and others'."""
        return self.facts.get("TF32") == "on"

    def seconds(self, jobs: dict[str, Callable[[], object]], repeats: int = 7, calls: int = 1) -> dict[str, float]:
        """Median seconds per call of each job, warmed up and in turns.

        Each timing takes `calls` calls and begins and ends with an idle device.
        """

        def all_of(job: Callable[[], object]) -> Callable[[], object]:
            def work() -> None:
                for _ in range(calls):
                    job()
                self.wait()

            return work

        self.wait()
        found = in_turns({name: all_of(job) for name, job in jobs.items()}, repeats)
        return {name: value / calls for name, value in found.items()}


def gpu() -> Device:
    """This machine's first GPU. If it can't be used, raises InputError with the reason."""
    cupy = namespace_named("cuda")
    runtime = cupy.cuda.runtime
    properties = runtime.getDeviceProperties(0)
    facts = {
        "name": properties["name"].decode(),
        "memory": f"{properties['totalGlobalMem'] / 2**30:.0f} GiB",
        "driver": driver() or version_text(runtime.driverGetVersion()),
        "CUDA": version_text(runtime.runtimeGetVersion()),
        "CuPy": cupy.__version__,
        "TF32": "on" if int(os.environ.get("CUPY_TF32", "0")) > 0 else "off",
    }
    return Device(cupy, cupy.cuda.Device(0).synchronize, free, facts)


def free() -> None:
    """Gives back the memory that no array uses, PyTorch's too, which would keep what the next cell needs."""
    sys.modules["cupy"].get_default_memory_pool().free_all_blocks()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()


def driver() -> str:
    """The driver's own version, or an empty text if the system does not tell it."""
    try:
        with open("/proc/driver/nvidia/version") as file:
            words = file.readline().split()
    except OSError:
        return ""
    return next((word for word in words if word[0].isdigit() and "." in word), "")


def version_text(number: int) -> str:
    """12040 as 12.4."""
    return f"{number // 1000}.{number % 1000 // 10}"
