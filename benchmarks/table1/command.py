"""The paper's Table 1: CIFAR-10, nets of 1 to 3 VGG layers with AdAct's curves, ReLU and leaky ReLU, from the same start.

The full protocol is 10-fold cross-validation within the 50,000 training images; CIFAR-10's test batch is not used. Nine parts of
ten train (45,000), one tests (5,000), classes spread evenly. SGD of 0.001 with momentum 0.9 in batches of 64, 100
epochs, as of the small VGG nets that the published figures fit; the paper does not say. It is for a GPU: --device cuda.

--quick is another, smaller protocol, for two cores: folds 0 to 2, a fifth of each fold's training images (9,000), 3 epochs of Adam
at 0.002 with the one-cycle schedule. Its figures are lower than the published ones and say only which activation learns faster;
the protocol is part of a cell's name, so that cells of different ones never meet in a table.

Weights are drawn from Glorot's normal distribution by the fold's number, which shuffles the batches, too: the three activations
of a depth and fold share weights, images and batches. Curves, one a filter or unit, have 13 hinges and begin as leaky ReLU, end
segments continued, so that the AdAct net begins as the leaky ReLU net; their ordinates are trained together with the weights, by
the same algorithm. What counts is the accuracy on the test part after the last epoch: nothing is chosen by it. A verdict is that
of Student's paired test over the folds, which share training images: it is a little sure of itself.
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
from benchmarks.shared import images
from benchmarks.shared.cells import Cells
from benchmarks.table1 import tables
from pwl.data.rows import Rows
from pwl.files.write import write_atomic
from pwl.training.schedules import NAMED, named

ACTIVATIONS = {
    "adact": pwl.PiecewiseLinear("leaky_relu", 13, outside="linear"), "relu": "relu", "leaky-relu": "leaky_relu",
}  # fmt: skip
ALGORITHMS = {"sgd": pwl.SGD, "adam": pwl.Adam}  # SGD's momentum is 0.9
DEPTHS, FOLDS, QUICK_FOLDS, BATCH = (1, 2, 3), 10, 3, 64


@dataclass(frozen=True)
class Protocol:
    """What all cells of a table share.

    patterns: training images of a fold. learning_rate: the highest of the schedule, a name in pwl.schedules.NAMED.
    curve_rate: that of the curves' ordinates; None: the same.
    """

    patterns: int = 45_000
    epochs: int = 100
    algorithm: str = "sgd"
    learning_rate: float = 0.001
    curve_rate: float | None = None
    schedule: str = "constant"

    def __str__(self) -> str:
        """All of it in a word, for names of files."""
        curves = "" if self.curve_rate is None else f"-curves-{self.curve_rate:g}"
        return f"{self.algorithm}-{self.learning_rate:g}{curves}-{self.schedule}-{self.patterns}-{self.epochs}"

    def optimiser(self) -> Any:
        steps = self.epochs * math.ceil(self.patterns / BATCH)
        rate, curve_rate = (
            None if rate is None else named(self.schedule, rate, steps)
            for rate in (self.learning_rate, self.curve_rate)
        )
        return ALGORITHMS[self.algorithm](learning_rate=rate, curve_rate=curve_rate)


FULL = Protocol()
QUICK = Protocol(9_000, 3, "adam", 0.002, None, "one_cycle")
TITLES = {FULL: "table1", QUICK: "table1_quick"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--depths", type=int, nargs="+", choices=DEPTHS, default=list(DEPTHS), help="default: all")
    parser.add_argument(
        "--folds",
        type=int,
        nargs="+",
        choices=range(FOLDS),
        metavar="FOLD",
        help="from 0 on (default: all; quick: 0 1 2)",
    )
    parser.add_argument("--device", default="cpu", help="cpu or cuda (default: %(default)s)")
    protocol = parser.add_argument_group("another protocol than the full, or quick, one")
    protocol.add_argument("--patterns", type=int, help="training images of a fold")
    protocol.add_argument("--epochs", type=int)
    protocol.add_argument("--algorithm", choices=ALGORITHMS)
    protocol.add_argument("--learning-rate", type=float)
    protocol.add_argument("--curve-rate", type=float, help="that of the curves' ordinates (default: the same)")
    protocol.add_argument("--schedule", choices=NAMED)


def run(out: Path, quick: bool, depths: list[int], folds: list[int] | None, device: str, **changes: Any) -> None:
    """Builds the cells that are missing, fold after fold, then the table of the selection."""
    given = {name: value for name, value in changes.items() if value is not None}
    protocol = dataclasses.replace(QUICK if quick else FULL, **given)
    folds = folds or list(range(QUICK_FOLDS if quick else FOLDS))
    try:
        x, t = pwl.data.load("cifar-10")
    except pwl.InputError as missing:
        print(f"table1: not run ({missing})")
        return
    cells, results = Cells(out / "table1.jsonl"), {}
    for fold in folds:
        for depth in depths:
            for activation in ACTIVATIONS:
                case = depth, activation, fold
                results[case] = images.run_cell(
                    cells,
                    f"vgg{depth}-{activation}-{protocol}-{fold}",
                    lambda to, c=case: measure(to, x, t, protocol, *c, device),
                )
    text = tables.table(results, depths, folds)
    write_atomic(out / f"{TITLES.get(protocol, f'table1_{protocol}')}.md", text)
    print(text)


def measure(
    checkpoint: Path,
    x: np.ndarray,
    t: np.ndarray,
    protocol: Protocol,
    depth: int,
    activation: str,
    fold: int,
    device: str,
) -> dict[str, Any]:
    """One run: accuracies in percent, at the start and after each epoch; the last of "test_accuracy" is the cell's figure."""
    net = network(depth, activation, fold, x.shape[1:]).to(device)
    train, test = split(t, protocol.patterns, fold)
    preparation = pwl.Preparation.fit(Rows(x, train), Rows(t, train), classes=pwl.data.describe("cifar-10").classes)
    parts = {
        name: images.patterns(x[rows], t[rows], preparation, net) for name, rows in (("train", train), ("test", test))
    }
    _, record = images.trained(checkpoint, net, parts, protocol.optimiser(), protocol.epochs, BATCH, fold)
    return {
        "depth": depth, "activation": activation, "fold": fold, "folds": FOLDS, "protocol": dataclasses.asdict(protocol),
        "batch_size": BATCH, "test_patterns": len(test), "device": device, "settings": record.settings,
        "stop": record.stop_code, "seconds": record["seconds"][-1], "error": record["error"],
        "accuracy": images.accuracies(record), "test_accuracy": images.accuracies(record, "test_"),
    }  # fmt: skip


def network(depth: int, activation: str, seed: int, input_shape: tuple[int, ...] = (32, 32, 3)) -> pwl.Network:
    """vgg of a depth; weights depend on the seed only, not on the activation."""
    return pwl.models.vgg(depth, ACTIVATIONS[activation], input_shape=input_shape, seed=seed)


def split(t: np.ndarray, patterns: int, fold: int) -> tuple[np.ndarray, np.ndarray]:
    """Sorted rows that train, `patterns` of the nine parts drawn by the fold's number, and those of the part that tests."""
    own = pwl.data.folds(len(t), FOLDS, 0, t)[fold]
    rest = np.concatenate([own.train, own.validation])
    if not BATCH <= patterns <= len(rest):
        raise pwl.InputError(f"a fold has {len(rest)} training images: take {BATCH} to so many of them, not {patterns}")
    return np.sort(np.random.default_rng(fold).permutation(rest)[:patterns]), own.test
