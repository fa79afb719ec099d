"""Curve kernels beside a parallel copy of the same bytes, NumPy, numpy.interp, torch.relu and torch's gather.

Times are medians in milliseconds of jobs that take turns in one process. Our kernels run over blocks of patterns on all
cores, as in training. "copies" is the time relative to a parallel copy that moves as many bytes. The copy reads the
nets once and writes each result once, into existing arrays.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.shared.cells import Cells
from benchmarks.shared.timing import in_turns
from pwl.files.write import write_atomic
from pwl.kernels import Hinges
from pwl.kernels.cpu import curves as cpu
from pwl.kernels.reference import curves as reference
from pwl.runtime.threads import ordered_map, workers

BLOCK = 1024  # patterns per block
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
        name = "-".join(map(str, case)).replace(" ", "_")
        rows.append(cells.cell(name, lambda c=case: measure(*c)))
    text = table(rows)
    write_atomic(out / "kernels.md", text)
    print(text)


def measure(Nv: int, units: int, dtype: str, hinges: int, kind: str) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    n = rng.normal(0.5, 1, (Nv, units)).astype(dtype)
    c, o, slope = rng.standard_normal(n.shape).astype(dtype), np.empty_like(n), np.empty_like(n)
    A = rng.standard_normal((units, hinges)).astype(dtype)
    ns = np.tile(np.linspace(-2.5, 3.5, hinges), (units, 1))
    if kind != "uniform":
        ns[:, 1:-1] += rng.uniform(-0.4, 0.4, (units if kind == "per unit" else 1, hinges - 2)) * (6 / (hinges - 1))
    grid = Hinges(ns.astype(dtype), kind == "uniform", False)

    jobs = {
        "copy 1": blocks(Nv, lambda s: np.copyto(o[s], n[s])),
        "copy 2": blocks(Nv, lambda s: (np.copyto(o[s], n[s]), np.copyto(slope[s], n[s]))),
        "read 2": blocks(Nv, lambda s: (n[s].max(), c[s].max())),
        "value": blocks(Nv, lambda s: cpu.value_into(n[s], grid, A, o[s])),
        "value + slope": blocks(Nv, lambda s: cpu.value_slope_into(n[s], grid, A, o[s], slope[s])),
        "scatter": blocks(Nv, lambda s: cpu.scatter(n[s], grid, c[s])),
    }
    times = in_turns(jobs)
    times |= in_turns({"numpy": lambda: reference.value_slope(n, grid, A), "interp": lambda: interp(n, ns, A, o)}, 1)
    times |= torch_times(n, ns, A)
    return {
        "patterns": Nv, "units": units, "dtype": dtype, "hinges": hinges, "grid": kind, "threads": workers(),
        "milliseconds": {name: 1000 * seconds for name, seconds in times.items()},
    }  # fmt: skip


def blocks(Nv: int, work: Callable[[slice], object]) -> Callable[[], object]:
    """A job that does the work for blocks of patterns, spread over the cores."""
    slices = [slice(first, first + BLOCK) for first in range(0, Nv, BLOCK)]
    return lambda: [None for _ in ordered_map(work, slices, len(slices))]


def interp(n: np.ndarray, ns: np.ndarray, A: np.ndarray, o: np.ndarray) -> None:
    for k in range(n.shape[1]):
        o[:, k] = np.interp(n[:, k], ns[k], A[k])


def torch_times(n: np.ndarray, ns: np.ndarray, A: np.ndarray) -> dict[str, float]:
    """Seconds of torch.relu into an existing array and of the curve by gather, if torch is installed."""
    try:
        import torch
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
    """One line per case, with milliseconds and, in brackets, the time relative to a copy or read of the same bytes."""
    heads = [
        "nets",
        "hinges",
        "value",
        "value + slope",
        "scatter",
        "copy 1 / 2",
        "torch relu",
        "torch gather",
        "numpy",
        "interp",
    ]
    lines = ["| " + " | ".join(heads) + " |", "|" + " --- |" * len(heads)]
    for row in rows:
        ms = row["milliseconds"]
        cells = [
            f"{row['patterns']} x {row['units']} {row['dtype']}",
            f"{row['hinges']} {row['grid']}",
            f"{ms['value']:.1f} ({ms['value'] / ms['copy 1']:.1f} copies)",
            f"{ms['value + slope']:.1f} ({ms['value + slope'] / ms['copy 2']:.1f} copies)",
            f"{ms['scatter']:.1f} ({ms['scatter'] / ms['read 2']:.1f} reads)",
            f"{ms['copy 1']:.1f} / {ms['copy 2']:.1f}",
            *(
                f"{ms[name]:.0f}" if name in ms else "not run"
                for name in ("torch relu", "torch gather", "numpy", "interp")
            ),
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"
