"""One SGD step of vgg1, vgg2 and vgg3 beside PyTorch: time and peak memory for 128 CIFAR images in float32.

Activations are ReLU, or one curve of 13 hinges per filter. PyTorch gathers the curves from a table and gets their
gradients by autograd. All steps of a network take turns in one process, and times are medians. PyTorch runs in its
contiguous and its channels_last format, and the faster one counts. Memory is the peak of private memory during the
first steps, beyond the memory that the imports take. Each case is measured in a process of its own.
"""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import pwl
from benchmarks.shared import markdown
from benchmarks.shared.apart import apart
from benchmarks.shared.cells import Cells
from benchmarks.shared.jobs import steps
from benchmarks.shared.memory import Peak, private
from benchmarks.shared.timing import in_turns, sleeping_torch
from pwl.files.write import write_atomic
from pwl.models.vgg import FILTERS, UNITS
from pwl.runtime.threads import workers

HINGES, SPAN = 13, (-2.5, 3.5)
ACTIVATIONS = ("relu", "curves")
ENGINES = ("ours", "torch contiguous", "torch channels_last")
RATE, MOMENTUM = 0.001, 0.9


def run(out: Path, quick: bool) -> None:
    Nv = 32 if quick else 128
    cells, rows = Cells(out / "cnn.jsonl"), []
    for blocks in (1,) if quick else (1, 2, 3):
        repeats = 1 if quick else 15
        rows.append(cells.cell(f"vgg{blocks}-{Nv}", lambda b=blocks, r=repeats: measure(b, Nv, r)))
    text = table(rows)
    write_atomic(out / "cnn.md", text)
    print(text)


def measure(blocks: int, Nv: int, repeats: int) -> dict[str, Any]:
    """Seconds and MiB by activation, then by engine."""
    engines = ENGINES if has_torch() else ENGINES[:1]
    jobs = {(kind, engine): step(engine, blocks, kind, Nv) for kind in ACTIVATIONS for engine in engines}
    seconds = in_turns(jobs, repeats)
    return {
        "blocks": blocks, "patterns": Nv, "hinges": HINGES, "threads": workers(),
        "seconds": {kind: {engine: seconds[kind, engine] for engine in engines} for kind in ACTIVATIONS},
        "peak_mib": {
            kind: {engine: apart("benchmarks.cnn", engine, blocks, kind, Nv) for engine in engines} for kind in ACTIVATIONS
        },
    }  # fmt: skip


def peak(engine: str, blocks: int, activation: str, Nv: int) -> float:
    """The most MiB beyond those of the imports while the network is built and takes three steps."""
    if engine != "ours":
        sleeping_torch().set_num_threads(workers())
    watch = Peak(private())
    one = step(engine, blocks, activation, Nv)
    for _ in range(3):
        one()
    return watch.stop()


def has_torch() -> bool:
    return importlib.util.find_spec("torch") is not None


def step(engine: str, blocks: int, activation: str, Nv: int) -> Callable[[], object]:
    """A function that takes the next step with every call."""
    if engine == "ours":
        return our_step(np, blocks, activation, *images(Nv))
    torch = sleeping_torch()
    torch.set_num_threads(workers())
    return torch_step(torch, "cpu", engine, blocks, activation, *images(Nv))


def images(Nv: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.standard_normal((Nv, 32, 32, 3)).astype(np.float32), rng.integers(0, 10, Nv)


def our_step(xp: Any, blocks: int, activation: str, x: np.ndarray, t: np.ndarray) -> Callable[[], object]:
    kind = pwl.PiecewiseLinear("relu", HINGES, span=SPAN) if activation == "curves" else activation
    net, patterns = pwl.models.vgg(blocks, kind).to(xp), pwl.Patterns(xp.asarray(x), xp.asarray(t))
    return steps(pwl.SGD(RATE, MOMENTUM), net, patterns)


def torch_step(
    torch: Any, device: str, engine: str, blocks: int, activation: str, x: np.ndarray, t: np.ndarray
) -> Callable[[], object]:
    torch.manual_seed(0)
    layout = torch.channels_last if engine.endswith("channels_last") else torch.contiguous_format
    model = torch_net(blocks, activation).to(device, memory_format=layout)
    pictures = torch.from_numpy(x.transpose(0, 3, 1, 2).copy()).to(device).contiguous(memory_format=layout)
    labels, loss = torch.from_numpy(t).to(device), torch.nn.CrossEntropyLoss()
    optimiser = torch.optim.SGD(model.parameters(), RATE, MOMENTUM)

    def one() -> None:
        optimiser.zero_grad()
        loss(model(pictures), labels).backward()
        optimiser.step()

    return one


def torch_net(blocks: int, activation: str) -> Any:
    """The same network as pwl.models.vgg."""
    from torch import nn

    def act(units: int) -> Any:
        return torch_curves(units) if activation == "curves" else nn.ReLU()

    layers, channels = [], 3
    for filters in FILTERS[:blocks]:
        for n in (channels, filters):
            layers += [nn.Conv2d(n, filters, 3, padding=1), act(filters)]
        layers += [nn.MaxPool2d(2)]
        channels = filters
    features = channels * (32 // 2**blocks) ** 2
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(features, UNITS), act(UNITS), nn.Linear(UNITS, 10))


def torch_curves(units: int) -> Any:
    """One curve per channel, gathered from the table of ordinates."""
    import torch

    first, width = SPAN[0], (SPAN[1] - SPAN[0]) / (HINGES - 1)

    class Curves(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            ns = torch.linspace(*SPAN, HINGES)
            self.A = torch.nn.Parameter(torch.relu(ns).repeat(units, 1))
            self.register_buffer("rows", torch.arange(units) * HINGES)

        def forward(self, n: Any) -> Any:
            t = ((n - first) / width).clamp(0, HINGES - 1)
            m = t.detach().floor().clamp(max=HINGES - 2)
            places = m.long() + self.rows.reshape(1, -1, *[1] * (n.ndim - 2))
            table = self.A.reshape(-1)
            left, right = table[places], table[places + 1]
            return left + (t - m) * (right - left)

    return Curves()


def table(rows: list[dict[str, Any]]) -> str:
    heads = ["network", "activations", "ours", *(engine.split()[1] for engine in ENGINES[1:]), "ours / PyTorch"]
    heads += ["ours / ours with ReLU", "peak MiB: ours", "PyTorch"]
    lines = markdown.head(heads)
    for row in rows:
        for kind in ACTIVATIONS:
            seconds, memory = row["seconds"][kind], row["peak_mib"][kind]
            best = min((name for name in ENGINES[1:] if name in seconds), key=seconds.get, default=None)
            cells = [
                f"vgg{row['blocks']}, batch {row['patterns']}", kind, f"{seconds['ours']:.3f} s",
                *(f"{seconds[name]:.3f} s" if name in seconds else "not run" for name in ENGINES[1:]),
                f"{seconds['ours'] / seconds[best]:.2f}" if best else "",
                f"{seconds['ours'] / row['seconds'][ACTIVATIONS[0]]['ours']:.2f}",
                f"{memory['ours']:.0f}", f"{memory[best]:.0f}" if best else "",
            ]  # fmt: skip
            lines.append(markdown.row(cells))
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(json.dumps(peak(sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4]))))
