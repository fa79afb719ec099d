"""The 3x3 convolutions of vgg3 beside PyTorch and bare matrix products of the same shapes, for 128 CIFAR images.

Each layer has three passes: forward, input gradient and weight gradient. Times are medians in milliseconds, in float32,
of jobs that take turns in one process. Our passes run over all cores in the blocks of patterns that a training step
makes. PyTorch runs in its contiguous and its channels_last format, and the faster one counts. The bare products use the
same blocks and a matrix of patches that exists already. The input gradient of the first layer is left out because no
training needs it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import pwl
from benchmarks.shared import markdown
from benchmarks.shared.cells import Cells
from benchmarks.shared.timing import in_turns, sleeping_torch
from pwl.files.write import write_atomic
from pwl.kernels import engine
from pwl.layers import Conv2d
from pwl.reductions.blocks import block_rows
from pwl.runtime.threads import ordered_map, workers

LAYERS = ((32, 3, 32), (32, 32, 32), (16, 32, 64), (16, 64, 64), (8, 64, 128), (8, 128, 128))  # side, channels, filters
PASSES = ("forward", "input gradient", "weight gradient")
Jobs = dict[str, Callable[[], object]]


def run(out: Path, quick: bool) -> None:
    Nv = 32 if quick else 128
    cells, rows = Cells(out / "conv.jsonl"), []
    for layer in LAYERS:
        name = "-".join(map(str, (Nv, *layer)))
        rows.append(cells.cell(name, lambda a=(Nv, *layer): measure(*a, repeats=1 if quick else 7)))
    text = table(rows)
    write_atomic(out / "conv.md", text)
    print(text)


def measure(Nv: int, side: int, channels: int, filters: int, repeats: int) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((Nv, side, side, channels)).astype(np.float32)
    g = rng.standard_normal((Nv, side, side, filters)).astype(np.float32)
    W = rng.standard_normal((filters, 3, 3, channels)).astype(np.float32)
    rows = block_rows(pwl.models.vgg(3))  # of a training step
    passes = PASSES if channels > 3 else (PASSES[0], PASSES[2])
    jobs = {"ours": ours(x, g, W, rows), "bare products": bare(x, g, W, rows), **torch_jobs(x, g, W)}
    times: dict[str, dict[str, float]] = {}
    for each in passes:
        seconds = in_turns({name: own[each] for name, own in jobs.items()}, repeats)
        times[each] = {name: 1000 * s for name, s in seconds.items()}
    return {
        "patterns": Nv, "side": side, "channels": channels, "filters": filters, "block": rows, "threads": workers(),
        "multiplies": Nv * side**2 * 9 * channels * filters, "milliseconds": times,
    }  # fmt: skip


def in_blocks(Nv: int, rows: int, work: Callable[[slice], Any]) -> list[Any]:
    """The results of the work for every block of patterns, with blocks spread over the cores as in a reduction."""
    slices = [slice(first, min(first + rows, Nv)) for first in range(0, Nv, rows)]
    return list(ordered_map(work, slices, len(slices)))


def ours(x: np.ndarray, g: np.ndarray, W: np.ndarray, rows: int) -> Jobs:
    window, Nv = Conv2d(len(W), 3, padding="same").window, len(x)
    return {
        "forward": lambda: in_blocks(Nv, rows, lambda s: engine(x).convolve(x[s], W, window)),
        "input gradient": lambda: in_blocks(
            Nv, rows, lambda s: engine(x).input_gradient(g[s], W, window, *x.shape[1:3])
        ),
        "weight gradient": lambda: sum(
            in_blocks(Nv, rows, lambda s: engine(x).weight_gradient(x[s], g[s], window))
        ),
    }


def bare(x: np.ndarray, g: np.ndarray, W: np.ndarray, rows: int) -> Jobs:
    """X W', G W and G'X for the patches X and signals G of a block, written into existing arrays."""
    Nv, places, taps = len(x), x.shape[1] * x.shape[2], 9 * x.shape[3]
    kernel = W.reshape(len(W), taps)
    n = min(rows, Nv) * places

    class Work(threading.local):
        def __init__(self) -> None:
            self.X, self.G = np.ones((n, taps), np.float32), np.ones((n, len(W)), np.float32)
            self.W = np.empty_like(kernel)

    work = Work()

    def size(s: slice) -> int:
        return (s.stop - s.start) * places

    def forward(s: slice) -> None:
        np.matmul(work.X[: size(s)], kernel.T, out=work.G[: size(s)])

    def back(s: slice) -> None:
        np.matmul(work.G[: size(s)], kernel, out=work.X[: size(s)])

    def weights(s: slice) -> None:
        np.matmul(work.G[: size(s)].T, work.X[: size(s)], out=work.W)

    return {
        name: lambda product=product: in_blocks(Nv, rows, product)
        for name, product in zip(PASSES, (forward, back, weights), strict=True)
    }


def torch_jobs(x: np.ndarray, g: np.ndarray, W: np.ndarray) -> dict[str, Jobs]:
    """The same passes by PyTorch in both formats, if it is installed."""
    try:
        torch = sleeping_torch()
    except ModuleNotFoundError:
        return {}
    torch.set_num_threads(workers())
    found = {}
    for name, layout in (("torch contiguous", torch.contiguous_format), ("torch channels_last", torch.channels_last)):
        xt, gt, Wt = (torch.from_numpy(a.transpose(0, 3, 1, 2)).contiguous(memory_format=layout) for a in (x, g, W))
        found[name] = {
            "forward": lambda x=xt, W=Wt: torch.nn.functional.conv2d(x, W, padding=1),
            "input gradient": lambda x=xt, W=Wt, g=gt: torch.nn.grad.conv2d_input(x.shape, W, g, padding=1),
            "weight gradient": lambda x=xt, W=Wt, g=gt: torch.nn.grad.conv2d_weight(x, W.shape, g, padding=1),
        }
    return found


def best_torch(ms: dict[str, float]) -> float:
    return min((value for name, value in ms.items() if name.startswith("torch")), default=float("nan"))


def table(rows: list[dict[str, Any]]) -> str:
    """One line per layer and pass, then the sums, with milliseconds and the ratios of our time to the others'."""
    heads = [
        "layer",
        "pass",
        "ours",
        "GFLOP/s",
        "bare products",
        "contiguous",
        "channels_last",
        "ours / bare",
        "ours / PyTorch",
    ]
    lines = markdown.head(heads)
    total = dict.fromkeys(("ours", "bare", "torch", "multiplies"), 0.0)
    for row in rows:
        for name, ms in row["milliseconds"].items():
            torch_ms = best_torch(ms)
            layer = f"{row['patterns']} x {row['side']} x {row['side']} x {row['channels']} -> {row['filters']}"
            lines.append(line([layer, name], ms, row["multiplies"], torch_ms))
            for key, value in zip(total, (ms["ours"], ms["bare products"], torch_ms, row["multiplies"]), strict=True):
                total[key] += value
    sums = {"ours": total["ours"], "bare products": total["bare"]}
    lines.append(line(["all", "all"], sums, total["multiplies"], total["torch"]))
    return "\n".join(lines) + "\n"


def line(begin: list[str], ms: dict[str, float], multiplies: float, torch_ms: float) -> str:
    others = [f"{ms[name]:.2f}" if name in ms else "" for name in ("torch contiguous", "torch channels_last")]
    if not any(others) and torch_ms == torch_ms:
        others = ["", f"{torch_ms:.2f} (the better of each)"]
    cells = [
        *begin, f"{ms['ours']:.2f}", f"{2e-6 * multiplies / ms['ours']:.0f}", f"{ms['bare products']:.2f}", *others,
        f"{ms['ours'] / ms['bare products']:.2f}", f"{ms['ours'] / torch_ms:.2f}" if torch_ms == torch_ms else "not run",
    ]  # fmt: skip
    return markdown.row(cells)
