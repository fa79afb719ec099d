"""Curve kernels beside plain vector loops of the same traffic, torch.relu, NumPy, numpy.interp and torch's gather.

Times are medians in milliseconds of jobs that take turns in one process. Our kernels run over blocks of patterns on all
cores, as in training. The figure in brackets is the time relative to a loop over the same blocks that moves as many bytes
and does next to nothing with them: max(n, 0) for value and times slope, beside n > 0 for value + slope, and a sum of
products for scatter. Such a loop is as fast as memory.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.shared import markdown
from benchmarks.shared.cells import Cells
from benchmarks.shared.timing import in_turns, sleeping_torch
from pwl.files.write import write_atomic
from pwl.kernels import Hinges
from pwl.kernels.cpu import curves as cpu
from pwl.kernels.cpu.compiled import compiled
from pwl.kernels.cpu.vectors import lanes, load, spread, store, vector_bytes, where
from pwl.kernels.reference import curves as reference
from pwl.runtime.threads import ordered_map, workers

BLOCK = 131_072  # nets per block
GRIDS = ("uniform", "general", "per unit")
FULL = [
    *((200_000, 128, dtype, 25, grid) for dtype in ("float32", "float64") for grid in GRIDS),
    *((200_000, 128, "float32", hinges, "uniform") for hinges in (9, 21, 101)),
    (200_000, 128, "float32", 101, "general"),
    *((25_600_000 // units, units, "float32", 25, "uniform") for units in (8, 32, 512, 1024)),
]
QUICK = [(20_000, 128, "float32", 25, "uniform"), (20_000, 128, "float64", 25, "general")]


def run(out: Path, quick: bool) -> None:
    cells, rows = Cells(out / "kernels.jsonl"), []
    for case in QUICK if quick else FULL:
        # Cells without "loops" were measured beside copies.
        name = "-".join(map(str, (*case, "loops"))).replace(" ", "_")
        rows.append(cells.cell(name, lambda c=case: measure(*c)))
    text = table(rows)
    write_atomic(out / "kernels.md", text)
    print(text)


def measure(Nv: int, units: int, dtype: str, hinges: int, kind: str) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    n, c, o, slope = (a.reshape(Nv, units) for a in apart(4, Nv * units, dtype))
    n[...], c[...] = rng.normal(0.5, 1, n.shape), rng.standard_normal(n.shape)
    A = rng.standard_normal((units, hinges)).astype(dtype)
    ns = np.tile(np.linspace(-2.5, 3.5, hinges), (units, 1))
    if kind != "uniform":
        ns[:, 1:-1] += rng.uniform(-0.4, 0.4, (units if kind == "per unit" else 1, hinges - 2)) * (6 / (hinges - 1))
    grid = Hinges(ns.astype(dtype), kind == "uniform", False)

    def rows(work: Callable[[slice], object]) -> Callable[[], object]:
        return blocks(Nv, BLOCK // units, work)

    jobs = {
        "loop 1": rows(lambda s: write_one(n[s].reshape(-1), o[s].reshape(-1))),
        "loop 2": rows(lambda s: write_two(n[s].reshape(-1), o[s].reshape(-1), slope[s].reshape(-1))),
        "loop in": rows(lambda s: read_two(n[s].reshape(-1), c[s].reshape(-1), np.empty(64, dtype))),
        "value": rows(lambda s: cpu.value_into(n[s], grid, A, o[s])),
        "value + slope": rows(lambda s: cpu.value_slope_into(n[s], grid, A, o[s], slope[s])),
        "times slope": rows(lambda s: cpu.times_slope(n[s], grid, A, slope[s])),
        "scatter": rows(lambda s: cpu.scatter(n[s], grid, c[s])),
    }
    times = in_turns(jobs)
    times |= in_turns({"numpy": lambda: reference.value_slope(n, grid, A), "interp": lambda: interp(n, ns, A, o)}, 1)
    times |= torch_times(n, ns, A)
    return {
        "patterns": Nv, "units": units, "dtype": dtype, "hinges": hinges, "grid": kind, "threads": workers(),
        "register bytes": vector_bytes(),
        "milliseconds": {name: 1000 * seconds for name, seconds in times.items()},
    }  # fmt: skip


@compiled
def write_one(n, o):
    for p in range(0, n.size, lanes(n)):
        x = load(n, p)
        store(where(x > spread(x, 0), x, spread(x, 0)), o, p)


@compiled
def write_two(n, o, slope):
    for p in range(0, n.size, lanes(n)):
        x = load(n, p)
        store(where(x > spread(x, 0), x, spread(x, 0)), o, p)
        store(where(x > spread(x, 0), spread(x, 1), spread(x, 0)), slope, p)


@compiled
def read_two(n, c, found):
    total = spread(load(n, 0), 0)
    for p in range(0, n.size, lanes(n)):
        total = total + load(n, p) * load(c, p)
    store(total, found, 0)


def apart(count: int, size: int, dtype: str) -> list[np.ndarray]:
    """Arrays that begin at different places of a page; else the processor takes some loads to depend on stores."""
    gap, space = size + 64 * 17, np.ones(count * (size + 64 * 17) + 64, dtype)
    first = -space.ctypes.data % 64 // space.itemsize
    return [space[first + k * gap :][:size] for k in range(count)]


def blocks(Nv: int, size: int, work: Callable[[slice], object]) -> Callable[[], object]:
    """A job that does the work for blocks of `size` patterns, spread over the cores."""
    slices = [slice(first, first + size) for first in range(0, Nv, size)]
    return lambda: [None for _ in ordered_map(work, slices, len(slices))]


def interp(n: np.ndarray, ns: np.ndarray, A: np.ndarray, o: np.ndarray) -> None:
    for k in range(n.shape[1]):
        o[:, k] = np.interp(n[:, k], ns[k], A[k])


def torch_times(n: np.ndarray, ns: np.ndarray, A: np.ndarray) -> dict[str, float]:
    """Seconds of torch.relu into an existing array and of the curve by gather, if torch is installed."""
    try:
        torch = sleeping_torch()
    except ModuleNotFoundError:
        return {}
    nets, curves = torch.from_numpy(n), torch.from_numpy(A)
    out = torch.empty_like(nets)
    first, step = float(ns[0, 0]), float(ns[0, -1] - ns[0, 0]) / (A.shape[1] - 1)

    def gather() -> None:
        t = ((nets - first) / step).clamp(0, A.shape[1] - 1)
        m = t.floor().clamp(max=A.shape[1] - 2).long()
        left, right = curves.T.gather(0, m), curves.T.gather(0, m + 1)
        torch.add(left, (t - m) * (right - left), out=out)

    with torch.no_grad():
        fast = in_turns({"torch relu": lambda: torch.clamp(nets, min=0, out=out)})
        return fast | in_turns({"torch gather": gather}, 3)


def table(rows: list[dict[str, Any]]) -> str:
    """One line per case, with milliseconds and, in brackets, the time relative to the loop of the same traffic."""
    loops = {"value": "loop 1", "value + slope": "loop 2", "times slope": "loop 1", "scatter": "loop in"}
    others = ["loop 1", "loop 2", "loop in", "torch relu", "torch gather", "numpy", "interp"]
    heads = ["nets", "hinges", *loops, *others]
    lines = markdown.head(heads)
    for row in rows:
        ms = row["milliseconds"]
        cells = [
            f"{row['patterns']} x {row['units']} {row['dtype']}",
            f"{row['hinges']} {row['grid']}",
            *(f"{ms[name]:.1f} ({ms[name] / ms[loop]:.2f})" for name, loop in loops.items()),
            *(f"{ms[name]:.{int(name.startswith('loop'))}f}" if name in ms else "not run" for name in others),
        ]
        lines.append(markdown.row(cells))
    return "\n".join(lines) + "\n"
