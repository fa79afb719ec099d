"""Schedule-Free AdamW (Defazio and others 2024) by PyTorch, on the small network of `benchmarks fashion` from the same weights."""

from __future__ import annotations

import importlib.util
import time
from typing import Any

import numpy as np

import pwl
from benchmarks.shared.timing import sleeping_torch
from pwl.runtime.threads import workers

HINGES, SPAN = 13, (-2.5, 3.5)


def there() -> bool:
    return all(importlib.util.find_spec(name) is not None for name in ("torch", "schedulefree"))


def run(
    net: pwl.Network, parts: dict[str, pwl.Patterns], rate: float, epochs: int, batch_size: int, seed: int
) -> dict[str, Any]:
    """The figures of a cell. Batches are drawn by NumPy's generator of this seed. Its own weight decay stays 0, its default."""
    torch = sleeping_torch()
    import schedulefree

    torch.set_num_threads(workers())
    model = torch_net(torch, net).to(memory_format=torch.channels_last)
    optimiser = schedulefree.AdamWScheduleFree(model.parameters(), lr=rate)
    tensors = {part: (channels_first(torch, p.x), torch.from_numpy(np.asarray(p.t))) for part, p in parts.items()}
    loss, (x, t), rng = torch.nn.CrossEntropyLoss(), tensors["train"], np.random.default_rng(seed)
    accuracies, errors, tests, seconds = [], [], [], 0.0
    for epoch in range(epochs + 1):
        model.eval(), optimiser.eval()
        with torch.no_grad():
            found = {part: evaluated(torch, model, *tensors[part]) for part in ("validation", "test")}
        accuracies.append(found["validation"][0]), errors.append(found["validation"][1]), tests.append(found["test"][0])
        if epoch == epochs:
            break
        start = time.perf_counter()
        model.train(), optimiser.train()
        order = torch.from_numpy(rng.permutation(len(t)))
        for first in range(0, len(t), batch_size):
            rows = order[first : first + batch_size]
            optimiser.zero_grad()
            loss(model(x[rows]), t[rows]).backward()
            optimiser.step()
        seconds += time.perf_counter() - start
    best = int(np.argmin(errors))
    return {
        "device": "cpu", "stop": "iterations", "best_epoch": best, "seconds": seconds, "validation_error": errors,
        "accuracies": accuracies, "validation_accuracy": accuracies[best], "test_accuracy": tests[best],
    }  # fmt: skip


def channels_first(torch: Any, x: np.ndarray) -> Any:
    return torch.from_numpy(np.moveaxis(x, 3, 1).copy()).contiguous(memory_format=torch.channels_last)


def evaluated(torch: Any, model: Any, x: Any, t: Any) -> tuple[float, float]:
    """Accuracy in percent, and the mean cross-entropy."""
    y = torch.cat([model(part) for part in x.split(1000)])
    right = (y.argmax(1) == t).double().mean()
    return round(100 * float(right), 4), float(torch.nn.functional.cross_entropy(y, t))


def torch_net(torch: Any, net: pwl.Network) -> Any:
    """The small network with our weights: two convolutions with poolings, a dense layer, and curves after each of them."""
    nn = torch.nn
    layers = [
        *(nn.Conv2d(1, 16, 3, padding=1), curves(torch, 16), nn.MaxPool2d(2)),
        *(nn.Conv2d(16, 32, 3, padding=1), curves(torch, 32), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(32 * 49, 64), curves(torch, 64), nn.Linear(64, 10)),
    ]
    model = nn.Sequential(*layers)
    W = [torch.from_numpy(np.array(net.parts[key])) for key in (*net.keys("map"), "head.W")]
    with torch.no_grad():
        for layer, own in zip((model[0], model[3], model[7], model[9]), W, strict=True):
            weight = own[:, 1:]
            if isinstance(layer, nn.Conv2d):
                weight = weight.reshape(len(own), 3, 3, -1).permute(0, 3, 1, 2)
            elif layer is model[7]:
                weight = weight.reshape(64, 7, 7, 32).permute(0, 3, 1, 2).reshape(64, -1)
            layer.weight.copy_(weight), layer.bias.copy_(own[:, 0])
    return model


def curves(torch: Any, units: int) -> Any:
    """One curve per channel from ReLU, gathered from the table of ordinates. End segments are continued."""
    first, width = SPAN[0], (SPAN[1] - SPAN[0]) / (HINGES - 1)

    class Curves(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.A = torch.nn.Parameter(torch.relu(torch.linspace(*SPAN, HINGES)).repeat(units, 1))
            self.register_buffer("rows", torch.arange(units) * HINGES)

        def forward(self, n: Any) -> Any:
            t = (n - first) / width
            m = t.detach().floor().clamp(0, HINGES - 2)
            places = m.long() + self.rows.reshape(1, -1, *[1] * (n.ndim - 2))
            table = self.A.reshape(-1)
            left, right = table[places], table[places + 1]
            return left + (t - m) * (right - left)

    return Curves()
