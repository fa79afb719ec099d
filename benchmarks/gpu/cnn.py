"""One SGD step of a VGG net on the GPU beside PyTorch eager, with ReLU or one curve of 13 hinges per filter.

Batches hold 512 images of CIFAR's shape in float32. TF32 is on or off on both sides, as CUPY_TF32 says. Images and
labels are in the device's memory. PyTorch runs in its contiguous and its channels_last format, with cuDNN's search for
the fastest algorithm. It gathers the curves from a table, and autograd computes their gradients.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import pwl
from benchmarks.cnn import ACTIVATIONS, ENGINES, HINGES, MOMENTUM, RATE, SPAN, torch_net
from benchmarks.gpu.conv import torch_with
from benchmarks.gpu.device import Device
from benchmarks.gpu.kernels import has_torch

BATCH = 512


def cells(device: Device, quick: bool) -> Iterator[tuple[str, Callable[[], dict[str, Any]]]]:
    Nv = 64 if quick else BATCH
    for blocks in (1, 2, 3):
        for activation in ACTIVATIONS:
            name = f"vgg{blocks}-{activation}-{Nv}"
            yield name, lambda b=blocks, a=activation: measure(device, b, a, Nv, torch=has_torch())


def measure(device: Device, blocks: int, activation: str, Nv: int, torch: bool, repeats: int = 15) -> dict[str, Any]:
    x, t = images(Nv)
    steps = {"ours": our_step(device.xp, blocks, activation, x, t)}
    if torch:
        steps |= {engine: torch_step(device, engine, blocks, activation, x, t) for engine in ENGINES[1:]}
    seconds = device.seconds(steps, repeats)
    return {
        "blocks": blocks, "activation": activation, "patterns": Nv, "hinges": HINGES, "dtype": "float32",
        "seconds": seconds, "images_a_second": {name: Nv / value for name, value in seconds.items()},
    }  # fmt: skip


def images(Nv: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.standard_normal((Nv, 32, 32, 3)).astype(np.float32), rng.integers(0, 10, Nv)


def our_step(xp: Any, blocks: int, activation: str, x: np.ndarray, t: np.ndarray) -> Callable[[], object]:
    """A function that takes the next step with every call."""
    kind = pwl.PiecewiseLinear("relu", HINGES, span=SPAN) if activation == "curves" else activation
    net, algorithm = pwl.models.vgg(blocks, kind).to(xp), pwl.SGD(RATE, MOMENTUM)
    patterns = pwl.Patterns(xp.asarray(x), xp.asarray(t))
    at = {"net": net, "state": algorithm.init(net, patterns, 0)}

    def one() -> None:
        at["net"], at["state"], *_ = algorithm.step(at["net"], patterns, at["state"])

    return one


def torch_step(device: Device, engine: str, blocks: int, activation: str, x: np.ndarray, t: np.ndarray) -> Callable[[], object]:
    torch = torch_with(device)
    torch.manual_seed(0)
    layout = torch.channels_last if engine.endswith("channels_last") else torch.contiguous_format
    model = torch_net(blocks, activation).to("cuda", memory_format=layout)
    pictures = torch.from_numpy(x.transpose(0, 3, 1, 2).copy()).to("cuda").contiguous(memory_format=layout)
    labels, loss = torch.from_numpy(t).to("cuda"), torch.nn.CrossEntropyLoss()
    optimiser = torch.optim.SGD(model.parameters(), RATE, MOMENTUM)

    def one() -> None:
        optimiser.zero_grad()
        loss(model(pictures), labels).backward()
        optimiser.step()

    return one
