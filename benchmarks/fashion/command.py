"""AdAct without a learning rate beside SGD and Adam at their best rates: one CNN on Fashion-MNIST, equal epochs.

Of the 60,000 training images, 5,000 validate. The others train for 3 epochs in batches of 128. The 10,000 test images
test. With --quick there are 2,000 training images and 2 epochs. The network is in float32 and begins with Glorot's
weights. It has 3x3 convolutions of 16 and 32 filters, a pooling after each, and a dense layer of 64 units. --network
replaces it by a VGG net. --steps measures only what a step of each method costs. All runs train one curve of 13 hinges
per filter or unit together with the weights. The curves begin as ReLU, and their end segments are continued.

`pwl.MinibatchAdAct()` runs as it is, once more with directions as in Adam (largest_side=1), and once more with factors that
may fall as they are measured (holding=0) as well, as they did in 0.1.0. With --schedule-free, Schedule-Free AdamW by PyTorch
(PyPI schedulefree) runs as well, which needs a rate but no schedule; its curves take PyTorch several times as long. SGD
(momentum 0.9) and Adam run at each of four learning rates from the weights of the first seed. They do so at a constant rate,
since AdAct has no schedule either, and again with the one-cycle schedule. The rate with the highest validation accuracy then
also runs from the weights of the other seeds. In every run, the network of the epoch with the lowest validation error counts.
The test images choose nothing.
"""

from __future__ import annotations

import argparse
import dataclasses
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import pwl
from benchmarks.fashion import schedule_free as rival
from benchmarks.fashion import steps, tables
from benchmarks.shared import images
from benchmarks.shared.cells import Cells
from pwl.data.rows import Rows
from pwl.files.write import write_atomic
from pwl.layers import Conv2d, Dense, Flatten, MaxPool2d
from pwl.training.schedules import named

FORMS = {
    "adact": pwl.MinibatchAdAct(), "adact-plain": pwl.MinibatchAdAct(largest_side=1),
    "adact-falling": pwl.MinibatchAdAct(holding=0.0, measure_every=1, largest_side=1),
}  # fmt: skip
SCHEDULE_FREE = "schedule-free"
RATES = {pwl.SGD: (0.003, 0.01, 0.03, 0.1), pwl.Adam: (0.0003, 0.001, 0.003, 0.01)}
TUNED = {
    "sgd": (pwl.SGD, "constant"), "adam": (pwl.Adam, "constant"),
    "sgd-one-cycle": (pwl.SGD, "one_cycle"), "adam-one-cycle": (pwl.Adam, "one_cycle"),
}  # fmt: skip
GRIDS = {method: RATES[kind] for method, (kind, _) in TUNED.items()}
NETWORKS = ("small", "vgg1", "vgg2")
VALIDATION, SEEDS, BATCH = 5_000, 3, 128


@dataclass(frozen=True)
class Protocol:
    """The settings that all cells of a table share. network: one of NETWORKS. patterns: training images."""

    network: str = "small"
    patterns: int = 55_000
    epochs: int = 3

    def __str__(self) -> str:
        """All settings in one word, for keys and file names."""
        return f"{self.network}-{self.patterns}-{self.epochs}"


FULL = Protocol()
QUICK = Protocol(patterns=2_000, epochs=2)
TITLES = {FULL: "fashion", QUICK: "fashion_quick"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--seeds", type=int, default=SEEDS, help="starting weights per final row (default: %(default)s)"
    )
    parser.add_argument("--device", default="cpu", help="cpu or cuda (default: %(default)s)")
    parser.add_argument("--schedule-free", action="store_true", help="also Schedule-Free AdamW, by PyTorch and schedulefree")
    parser.add_argument("--steps", dest="steps_only", action="store_true", help="only what a step costs, in CPU seconds")
    protocol = parser.add_argument_group("changes to the protocol")
    protocol.add_argument("--network", choices=NETWORKS)
    protocol.add_argument("--patterns", type=int, help="training images")
    protocol.add_argument("--epochs", type=int)


def run(
    out: Path, quick: bool, seeds: int, device: str, steps_only: bool = False, schedule_free: bool = False, **changes: Any
) -> None:
    """Computes the missing cells, then writes the tables."""
    given = {name: value for name, value in changes.items() if value is not None}
    protocol = dataclasses.replace(QUICK if quick else FULL, **given)
    try:
        data = {part: pwl.data.load("fashion-mnist", part) for part in ("train", "test")}
    except pwl.InputError as missing:
        print(f"fashion: not run ({missing})")
        return
    if steps_only:
        x, t = data["train"]
        text = steps.table(network("small", 0, x.shape[1:]), *(a[: steps.BATCH * steps.BATCHES] for a in (x, t)))
        write_atomic(out / "fashion_steps.md", text)
        print(text)
        return
    cells = Cells(out / "fashion.jsonl")

    def one(method: str, rate: float | None, seed: int) -> dict[str, Any]:
        key = f"{protocol}/{method}{'' if rate is None else f'-{rate:g}'}-{seed}"
        return images.run_cell(cells, key, lambda to: measure(to, data, protocol, method, rate, seed, device))

    grids = GRIDS | ({SCHEDULE_FREE: RATES[pwl.Adam]} if schedule_free else {})
    if schedule_free and (protocol.network != "small" or not rival.there()):
        print("fashion: not run (--schedule-free is for the small network, and needs torch and schedulefree)")
        return
    tried = {method: {rate: one(method, rate, 0) for rate in grid} for method, grid in grids.items()}
    chosen = dict.fromkeys(FORMS) | {method: best_rate(grid) for method, grid in tried.items()}
    rows = {method: [one(method, rate, seed) for seed in range(seeds)] for method, rate in chosen.items()}
    text = tables.table(rows, tried)
    write_atomic(out / f"{TITLES.get(protocol, f'fashion_{protocol}')}.md", text)
    print(text)


def best_rate(cells: dict[float, dict[str, Any]]) -> float:
    """The learning rate with the highest validation accuracy. Among equals it is the lowest rate."""
    return max(sorted(cells), key=lambda rate: cells[rate]["validation_accuracy"])


def measure(
    checkpoint: Path, data: dict[str, Any], protocol: Protocol, method: str, rate: float | None, seed: int, device: str
) -> dict[str, Any]:
    """One run, with accuracies in percent of the network with the lowest validation error, and the seconds of all epochs."""
    (x, t), test = data["train"], data["test"]
    rows = split(len(x), protocol.patterns)
    net = network(protocol.network, seed, x.shape[1:]).to(device)
    preparation = pwl.Preparation.fit(
        Rows(x, rows["train"]), Rows(t, rows["train"]), classes=pwl.data.describe("fashion-mnist").classes
    )
    parts = {part: images.patterns(x[own], t[own], preparation, net) for part, own in rows.items()}
    if method == SCHEDULE_FREE:
        test = images.patterns(*test, preparation, net)
        found = rival.run(net, parts | {"test": test}, rate or 0.0, protocol.epochs, BATCH, seed)
        return {**shared(method, rate, seed, protocol, net), **found}
    algorithm = optimiser(method, rate, protocol)
    best, record = images.trained(checkpoint, net, parts, algorithm, protocol.epochs, BATCH, seed)
    wrong = pwl.evaluate(best, images.patterns(*test, preparation, net)).classification_error
    validation = images.accuracies(record, "validation_")
    return {
        **shared(method, rate, seed, protocol, net), "device": device, "settings": record.settings,
        "stop": record.stop_code, "best_epoch": record.best_iteration, "seconds": record["seconds"][-1],
        "error": record["error"], "validation_error": record["validation_error"], "accuracies": validation,
        "validation_accuracy": validation[record.best_iteration],
        "test_accuracy": round(100 * (1 - (wrong or 0.0)), 4),
    }  # fmt: skip


def shared(method: str, rate: float | None, seed: int, protocol: Protocol, net: pwl.Network) -> dict[str, Any]:
    """What all cells hold beside their figures."""
    return {
        "method": method, "rate": rate, "seed": seed, "network": protocol.network, "patterns": protocol.patterns,
        "epochs": protocol.epochs, "batch_size": BATCH, "parameters": net.n_parameters,
    }  # fmt: skip


def optimiser(method: str, rate: float | None, protocol: Protocol) -> Any:
    if method in FORMS:
        return FORMS[method]
    kind, schedule = TUNED[method]
    assert rate is not None
    return kind(named(schedule, rate, protocol.epochs * math.ceil(protocol.patterns / BATCH)))


def split(n: int, patterns: int) -> dict[str, np.ndarray]:
    """Sorted rows for validation and training, the same for all runs."""
    if not BATCH <= patterns <= n - VALIDATION:
        raise pwl.InputError(
            f"there are {n - VALIDATION} training images: take at least {BATCH} and at most all, not {patterns}"
        )
    order = np.random.default_rng(0).permutation(n)
    return {"validation": np.sort(order[:VALIDATION]), "train": np.sort(order[VALIDATION : VALIDATION + patterns])}


def network(name: str, seed: int, input_shape: tuple[int, ...] = (28, 28, 1)) -> pwl.Network:
    """The network of this name with its curves. The seed draws its weights."""
    curves = pwl.PiecewiseLinear("relu", 13, outside="linear")
    if name != "small":
        return pwl.models.vgg(int(name[-1]), curves, input_shape=input_shape, seed=seed)
    layers = [
        *(Conv2d(16, 3, padding="same"), curves, MaxPool2d(2)), *(Conv2d(32, 3, padding="same"), curves, MaxPool2d(2)),
        *(Flatten(), Dense(64), curves, Dense(10)),
    ]  # fmt: skip
    return pwl.Network.from_layers(layers, input_shape, seed=seed)
