"""The memory that is left, and the count of large matrices before they are made."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

from pwl.errors import InputError
from pwl.runtime.threads import workers

SMALL = 1000  # a matrix of this many functions x functions takes 8 MB, and is not counted
CGROUPS = (  # of version 2 and 1: the limit, the use, and the name of the share of it that files could give back
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current", "inactive_file"),
    (
        "/sys/fs/cgroup/memory/memory.limit_in_bytes",
        "/sys/fs/cgroup/memory/memory.usage_in_bytes",
        "total_inactive_file",
    ),
)


def check_square(n: int, functions: str, todo: str, outputs: int = 1) -> None:
    """Raises InputError if matrices of n x n functions do not fit the memory that is left.

    The count includes the sums of all threads, their total, and the work arrays of its solution. functions: what the rows
    stand for. todo: what would need less. outputs: number of outputs with a matrix each.
    """
    if n > SMALL or outputs > 1:
        each = "" if outputs == 1 else f" for each of {outputs} outputs"
        check_bytes(8 * n**2 * (outputs * (2 * workers() + 1) + 4), f"matrices of {n} x {n} {functions}{each}", todo)


def check_bytes(needed: int | float, what: str, todo: str) -> None:
    """Raises InputError if this is more than the memory that is left."""
    if needed <= 8 * SMALL**2:
        return
    left = available()
    if needed > left:
        raise InputError(f"{what} take about {in_units(needed)} of memory, but {in_units(left)} are left: {todo}")


def in_units(size: float) -> str:
    """A number of bytes for people to read."""
    for unit in ("bytes", "kB", "MB", "GB", "TB"):
        if size < 1000 or unit == "TB":
            return f"{size:.3g} {unit}"
        size /= 1000
    raise AssertionError


def available() -> float:
    """Bytes that this process can still have, by what the system reports, or infinity if it reports nothing."""
    return max(0.0, min(_limits(), default=math.inf))


def _limits() -> Iterator[float]:
    memory = _numbers("/proc/meminfo")
    if "MemAvailable" in memory:
        yield 1024 * (memory["MemAvailable"] + memory.get("SwapFree", 0))
    try:
        import resource
    except ImportError:  # not on Windows
        return
    own = _numbers("/proc/self/status")
    for kind, name in ((resource.RLIMIT_AS, "VmSize"), (resource.RLIMIT_DATA, "VmData")):
        soft = resource.getrlimit(kind)[0]
        if soft != resource.RLIM_INFINITY and name in own:
            yield soft - 1024 * own[name]
    for most, current, files in CGROUPS:
        try:
            limit, used = int(Path(most).read_text()), int(Path(current).read_text())
        except (OSError, ValueError):  # no such group, or "max"
            continue
        yield limit - used + _numbers(str(Path(most).with_name("memory.stat"))).get(files, 0)


def _numbers(path: str) -> dict[str, float]:
    """Lines such as "VmSize:  1234 kB" of a file of the system's, as numbers by name."""
    found = {}
    try:
        for line in Path(path).read_text().splitlines():
            name, *rest = line.replace(":", " ").split()
            if rest and rest[0].isdigit():
                found[name] = float(rest[0])
    except (OSError, ValueError):
        pass
    return found
