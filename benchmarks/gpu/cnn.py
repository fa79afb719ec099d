"""One SGD step of a VGG net on the GPU beside PyTorch eager, with ReLU or one curve of 13 hinges per filter.

Batches hold 512 images of CIFAR's shape in float32. TF32 is on or off on both sides, as CUPY_TF32 says. Images and
labels are in the device's memory. PyTorch runs in its contiguous and its channels_last format, with cuDNN's search for
the fastest algorithm. It gathers the curves from a table, and autograd computes their gradients.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from benchmarks.cnn import ACTIVATIONS, ENGINES, HINGES, images, our_step, torch_step
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
        steps |= {engine: torch_step(torch_with(device), "cuda", engine, blocks, activation, x, t) for engine in ENGINES[1:]}
    seconds = device.seconds(steps, repeats)
    return {
        "blocks": blocks, "activation": activation, "patterns": Nv, "hinges": HINGES, "dtype": "float32",
        "seconds": seconds, "images_a_second": {name: Nv / value for name, value in seconds.items()},
    }  # fmt: skip
