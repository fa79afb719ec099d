"""vgg3's 3x3 convolutions with the activation of their nets: one kernel, two kernels, and PyTorch's two.

Batches hold 512 images in float32. Our kernels give nets, values and slopes, as a training step needs them. PyTorch has ReLU
alone, in the faster of its formats. TF32 is on or off on all sides, as CUPY_TF32 says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from benchmarks.conv import LAYERS
from benchmarks.gpu.conv import BATCH, FORMATS, torch_array, torch_with
from benchmarks.gpu.device import Device
from benchmarks.gpu.kernels import has_torch
from pwl.activations.fixed import FIXED
from pwl.activations.rows import rows
from pwl.kernels import Hinges, engine
from pwl.kernels.formula import Formula
from pwl.kernels.hinges import Curves, Rule
from pwl.layers import Conv2d

KINDS = ("relu", "curves")
HINGES, SPAN = 13, (-3.0, 3.0)
ALONE, TOGETHER, APART = "convolution alone", "one kernel", "two kernels"


def cells(device: Device, quick: bool) -> Iterator[tuple[str, Callable[[], dict[str, Any]]]]:
    Nv = 64 if quick else BATCH
    for layer in LAYERS:
        for kind in KINDS:
            name = "-".join(map(str, (Nv, *layer, kind)))
            yield name, lambda a=layer, k=kind: measure(device, Nv, *a, k, torch=has_torch())


def measure(
    device: Device, Nv: int, side: int, channels: int, filters: int, kind: str, torch: bool, repeats: int = 9
) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((Nv, side, side, channels), dtype=np.float32)
    W = rng.standard_normal((filters, 3, 3, channels), dtype=np.float32) / np.float32(3 * channels**0.5)
    jobs = ours(device.xp.asarray(x), device.xp.asarray(W), rule(device.xp, kind, filters))
    if torch and kind == "relu":
        jobs |= torch_jobs(device, x, W)
    return {
        "patterns": Nv, "side": side, "channels": channels, "filters": filters, "activation": kind, "dtype": "float32",
        "seconds": device.seconds(jobs, repeats, calls=5),
    }  # fmt: skip


def rule(xp: Any, kind: str, filters: int) -> Rule:
    if kind == "relu":
        return FIXED["relu"].formula
    ns = np.tile(np.linspace(*SPAN, HINGES, dtype=np.float32), (filters, 1))
    return Curves(Hinges(xp.asarray(ns), True, False), xp.asarray(np.maximum(ns, 0)))


def ours(x: Any, W: Any, given: Rule) -> dict[str, Callable[[], object]]:
    window, kernels = Conv2d(W.shape[0], 3, padding="same").window, engine(x)
    threshold = W[:, 0, 0, 0] * 1

    def two() -> object:
        n = kernels.convolve(x, W, window, threshold)
        if isinstance(given, Formula):
            return kernels.activation_slope(n, given)
        return kernels.value_slope(rows(n), *given)

    return {
        ALONE: lambda: kernels.convolve(x, W, window, threshold),
        TOGETHER: lambda: kernels.convolve_value_slope(x, W, window, threshold, given),
        APART: two,
    }


def torch_jobs(device: Device, x: np.ndarray, W: np.ndarray) -> dict[str, Callable[[], object]]:
    torch, found = torch_with(device), {}
    for name in FORMATS:
        xt, Wt = (torch_array(torch, name, a) for a in (x, W))
        found[f"torch {name}"] = lambda x=xt, W=Wt: torch.relu(torch.nn.functional.conv2d(x, W, padding=1))
    return found


def table(cells: list[dict[str, Any]]) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """One line per layer and activation, in milliseconds."""
    rows = []
    for cell in sorted(cells, key=lambda c: (-c["side"], c["channels"], KINDS.index(c["activation"]))):
        ms = {name: 1000 * value for name, value in cell["seconds"].items()}
        others = [value for name, value in ms.items() if name.startswith("torch")]
        rows.append((
            f"{cell['patterns']} x {cell['side']} x {cell['side']} x {cell['channels']} -> {cell['filters']}", cell["activation"],
            *(f"{ms[name]:.3f}" for name in (ALONE, TOGETHER, APART)), f"{ms[TOGETHER] / ms[APART]:.2f}",
            f"{min(others):.3f}" if others else "not run",
        ))  # fmt: skip
    return ("layer", "activation", ALONE, TOGETHER, APART, "one / two", "PyTorch"), rows
