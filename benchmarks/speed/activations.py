"""Sigmoid and tanh, value and slope, by compiled code beside NumPy's functions, PyTorch's and a plain vector loop.

One thread, over blocks of nets as in training. Times are medians of jobs that take turns in one process, in nanoseconds per
net. The loop reads as many bytes and writes as many, and does next to nothing with them. PyTorch computes the value alone.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.shared import markdown
from benchmarks.shared.cells import Cells
from benchmarks.shared.timing import in_turns, sleeping_torch
from benchmarks.speed.kernels import apart, write_two
from pwl.activations import FIXED
from pwl.files.write import write_atomic
from pwl.kernels import COMPILED, cpu, reference
from pwl.kernels.cpu.vectors import vector_bytes

SIZES = (32_768, 131_072)


def run(out: Path, quick: bool) -> None:
    cells = Cells(out / "activations.jsonl")
    rows = [
        cells.cell(f"{name}-{dtype}-{size}", lambda n=name, d=dtype, s=size: measure(n, d, s))
        for name in COMPILED
        for dtype in ("float64", "float32")
        for size in (SIZES[:1] if quick else SIZES)
    ]
    text = table(rows)
    write_atomic(out / "activations.md", text)
    print(text)


def measure(name: str, dtype: str, size: int) -> dict[str, Any]:
    """Nanoseconds per net."""
    n, o, slope = apart(3, size, dtype)
    n[...] = np.random.default_rng(0).normal(0, 2, size)
    formula = FIXED[name].formula
    jobs = {
        "ours": lambda: cpu.activation_slope(n, formula),
        "numpy": lambda: reference.activation_slope(n, formula),
        "loop": lambda: write_two(n, o, slope),
    }
    try:
        torch = sleeping_torch()
    except ModuleNotFoundError:
        pass
    else:
        nets = torch.from_numpy(n)
        jobs["torch"] = lambda: getattr(torch, name)(nets, out=torch.from_numpy(o))
    times = in_turns(jobs, 31)
    return {
        "activation": name, "dtype": dtype, "nets": size, "register bytes": vector_bytes(),
        "nanoseconds": {job: 1e9 * seconds / size for job, seconds in times.items()},
    }  # fmt: skip


def table(rows: list[dict[str, Any]]) -> str:
    """One line per case, and the time relative to NumPy's."""
    lines = markdown.head(["activation", "nets", "register", "ours", "ours / NumPy", "NumPy", "PyTorch, value alone", "loop"])
    for row in rows:
        times = row["nanoseconds"]
        figures = [f"{times[job]:.2f}" if job in times else "" for job in ("numpy", "torch", "loop")]
        ratio = f"{times['ours'] / times['numpy']:.2f}"
        case = [f"{row['activation']}, {row['dtype']}", f"{row['nets']:,}", f"{row['register bytes']} bytes"]
        lines.append(markdown.row([*case, f"{times['ours']:.2f}", ratio, *figures]))
    return "\n".join(lines) + "\n"
