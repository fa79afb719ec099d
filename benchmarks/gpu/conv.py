"""Each pass of vgg3's 3x3 convolutions on the GPU, beside PyTorch and bare matrix products of the same shapes.

Batches hold 512 images in float32. TF32 is on or off on all sides, as CUPY_TF32 says. The bare products are products
by cuBLAS with a matrix of patches that exists already. PyTorch runs in both of its formats, with cuDNN's search for
the fastest algorithm. The input gradient of the first layer is left out because no training needs it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from benchmarks.conv import LAYERS, PASSES, best_torch
from benchmarks.gpu.device import Device
from benchmarks.gpu.kernels import has_torch
from pwl.kernels import engine
from pwl.layers import Conv2d

BATCH = 512
FORMATS = ("contiguous", "channels_last")  # PyTorch's
Jobs = dict[str, Callable[[], object]]


def cells(device: Device, quick: bool) -> Iterator[tuple[str, Callable[[], dict[str, Any]]]]:
    Nv = 64 if quick else BATCH
    for layer in LAYERS:
        yield "-".join(map(str, (Nv, *layer))), lambda a=layer: measure(device, Nv, *a, torch=has_torch())


def measure(
    device: Device, Nv: int, side: int, channels: int, filters: int, torch: bool, repeats: int = 9
) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    shapes = ((Nv, side, side, channels), (Nv, side, side, filters), (filters, 3, 3, channels))
    x, g, W = (rng.standard_normal(shape, dtype=np.float32) for shape in shapes)
    there = tuple(map(device.xp.asarray, (x, g, W)))
    jobs = {"ours": ours(*there), "bare products": bare(device.xp, *there)} | (torch_jobs(device, x, g, W) if torch else {})
    passes = PASSES if channels > 3 else (PASSES[0], PASSES[2])
    return {
        "patterns": Nv, "side": side, "channels": channels, "filters": filters, "dtype": "float32",
        "multiplies": Nv * side**2 * 9 * channels * filters,
        "seconds": {name: device.seconds({who: own[name] for who, own in jobs.items()}, repeats, calls=5) for name in passes},
    }  # fmt: skip


def ours(x: Any, g: Any, W: Any) -> Jobs:
    window, kernels = Conv2d(W.shape[0], 3, padding="same").window, engine(x)
    return {
        "forward": lambda: kernels.convolve(x, W, window),
        "input gradient": lambda: kernels.input_gradient(g, W, window, *x.shape[1:3]),
        "weight gradient": lambda: kernels.weight_gradient(x, g, window),
    }


def bare(xp: Any, x: Any, g: Any, W: Any) -> Jobs:
    """X W', G W and G'X for patches X and signals G."""
    places, filters = int(np.prod(g.shape[:3])), W.shape[0]
    kernel, G = xp.reshape(W, (filters, -1)), xp.reshape(g, (places, filters))
    X = xp.ones((places, kernel.shape[1]), dtype=x.dtype)
    return {
        "forward": lambda: xp.matmul(X, kernel.T),
        "input gradient": lambda: xp.matmul(G, kernel),
        "weight gradient": lambda: xp.matmul(G.T, X),
    }


def torch_with(device: Device) -> Any:
    """PyTorch with TF32 as it is on our side, and with cuDNN's search for the fastest algorithm."""
    import torch

    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = device.tf32
    torch.backends.cudnn.benchmark = True
    return torch


def torch_array(torch: Any, name: str, a: np.ndarray) -> Any:
    """Images or weights on the GPU, in one of PyTorch's formats."""
    layout = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}[name]
    return torch.from_numpy(a.transpose(0, 3, 1, 2).copy()).to("cuda").contiguous(memory_format=layout)


def torch_jobs(device: Device, x: np.ndarray, g: np.ndarray, W: np.ndarray) -> dict[str, Jobs]:
    torch, found = torch_with(device), {}
    for name in FORMATS:
        xt, gt, Wt = (torch_array(torch, name, a) for a in (x, g, W))
        found[f"torch {name}"] = {
            "forward": lambda x=xt, W=Wt: torch.nn.functional.conv2d(x, W, padding=1),
            "input gradient": lambda x=xt, W=Wt, g=gt: torch.nn.grad.conv2d_input(x.shape, W, g, padding=1),
            "weight gradient": lambda x=xt, W=Wt, g=gt: torch.nn.grad.conv2d_weight(x, W.shape, g, padding=1),
        }
    return found


def table(cells: list[dict[str, Any]]) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """One line per layer and pass, then the sums, with milliseconds and the ratios of our time to the others'."""
    rows, total = [], np.zeros(4)  # ours, bare, PyTorch, multiplies
    for cell in sorted(cells, key=lambda c: (-c["side"], c["channels"])):
        layer = f"{cell['patterns']} x {cell['side']} x {cell['side']} x {cell['channels']} -> {cell['filters']}"
        for name, seconds in cell["seconds"].items():
            own = np.array([seconds["ours"], seconds["bare products"], best_torch(seconds), cell["multiplies"]])
            rows.append(line(layer, name, own))
            total += own
    heads = (
        "layer",
        "pass",
        "ours, ms",
        "TFLOP/s",
        "bare products, ms",
        "PyTorch, ms",
        "ours / bare",
        "ours / PyTorch",
    )
    return heads, [*rows, line("all", "all", total)]


def line(layer: str, name: str, own: np.ndarray) -> tuple[str, ...]:
    ours, bare, torch, multiplies = own
    beside = (f"{1000 * torch:.3f}", f"{ours / torch:.2f}") if torch == torch else ("not run", "")
    flops = 2e-12 * multiplies / ours
    return (
        layer, name, f"{1000 * ours:.3f}", f"{flops:.1f}", f"{1000 * bare:.3f}", beside[0], f"{ours / bare:.2f}", beside[1],
    )  # fmt: skip
