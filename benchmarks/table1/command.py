"""The paper's Table 1: CIFAR-10, nets of 1 to 3 VGG layers with AdAct's curves, ReLU and leaky ReLU, from the same start.

The full protocol is 10-fold cross-validation within the 50,000 training images. CIFAR-10's test batch is not used. Nine
parts of ten train (45,000 images) and one tests (5,000), with classes spread evenly. Training takes 100 epochs of SGD
at 0.001 with momentum 0.9 in batches of 64. The paper does not state these settings. They are usual for the small VGG
nets that the published figures fit. This protocol needs a GPU (--device cuda).

--standard is a protocol for two cores. It takes folds 0 to 2, all 45,000 training images of a fold and 6 epochs of Adam
with the one-cycle schedule, in batches of 128. Half of the images are mirrored, anew in each epoch. The rate is the
best of CANDIDATES on fold 9, which is not reported (--recipe makes that choice and its table). A fourth network has
ReLU and one filter more in every convolution. It has more parameters than the network with curves, so that it shows
what a like number of parameters brings without curves. Networks are trained fold by fold, and the table tells how many
folds are done. --table writes the table of the cells that are there.

--quick is a smaller protocol. It takes folds 0 to 2, a fifth of each fold's training images (9,000), and
3 epochs of Adam at 0.002 with the one-cycle schedule. Its figures are lower than the published ones and show only which
activation learns faster. The protocol is part of a cell's key, so that a table never mixes protocols.

The number of the fold draws the weights from Glorot's normal distribution and shuffles the batches. The three
activations of a depth and fold therefore share weights, images and batches; the wider network shares images and
batches. There is one curve per filter or unit. It has 13 hinges, and its end segments are continued. It begins as leaky
ReLU, so that the AdAct net begins as the leaky ReLU net. The same algorithm trains ordinates and weights together. The
figure of a run is the accuracy on the test part after the last epoch, and nothing is chosen by it. Verdicts come from
Student's paired test over the folds. They are a little too certain, because folds share training images.
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
from benchmarks.table1.tables import WIDE
from pwl.data.rows import Rows
from pwl.files.write import write_atomic
from pwl.models.vgg import FILTERS
from pwl.training.schedules import NAMED, named

ACTIVATIONS = {
    "adact": pwl.PiecewiseLinear("leaky_relu", 13, outside="linear"), "relu": "relu", "leaky-relu": "leaky_relu",
}  # fmt: skip
ALGORITHMS = {"sgd": pwl.SGD, "adam": pwl.Adam}  # SGD's momentum is 0.9
DEPTHS, FOLDS, FEW_FOLDS, BATCH = (1, 2, 3), 10, 3, 64


@dataclass(frozen=True)
class Protocol:
    """The settings that all cells of a table share.

    patterns: training images per fold. learning_rate: the highest rate of the schedule. curve_rate: the rate of the
    curves' ordinates, or None for the same rate. schedule: a name in NAMED. flip, shift: as in pwl.Augmentation.
    """

    patterns: int = 45_000
    epochs: int = 100
    algorithm: str = "sgd"
    learning_rate: float = 0.001
    curve_rate: float | None = None
    schedule: str = "constant"
    batch_size: int = BATCH
    flip: bool = False
    shift: int = 0

    def __str__(self) -> str:
        """All settings in one word, for keys and file names."""
        curves = "" if self.curve_rate is None else f"-curves-{self.curve_rate:g}"
        batches = "" if self.batch_size == BATCH else f"-batch-{self.batch_size}"
        changes = ("-flip" if self.flip else "") + (f"-shift-{self.shift}" if self.shift else "")
        names = f"{self.algorithm}-{self.learning_rate:g}{curves}-{self.schedule}-{self.patterns}-{self.epochs}"
        return names + batches + changes

    def augmentation(self) -> pwl.Augmentation | None:
        return pwl.Augmentation(self.shift, self.flip) if self.flip or self.shift else None

    def optimiser(self) -> Any:
        steps = self.epochs * math.ceil(self.patterns / self.batch_size)
        rate, curve_rate = (
            None if rate is None else named(self.schedule, rate, steps)
            for rate in (self.learning_rate, self.curve_rate)
        )
        return ALGORITHMS[self.algorithm](learning_rate=rate, curve_rate=curve_rate)


FULL = Protocol()
QUICK = Protocol(9_000, 3, "adam", 0.002, None, "one_cycle")
STANDARD = Protocol(45_000, 6, "adam", 0.004, None, "one_cycle", 128, flip=True)
TITLES = {FULL: "table1", QUICK: "table1_quick", STANDARD: "table1_standard"}
RECIPE_FOLD, RECIPE_DEPTH, RECIPE_ACTIVATIONS = 9, 2, ("adact", "relu")
CANDIDATES = tuple(
    dataclasses.replace(STANDARD, patterns=20_000, epochs=3, learning_rate=rate) for rate in (0.002, 0.004)
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--depths", type=int, nargs="+", choices=DEPTHS, default=list(DEPTHS), help="VGG layers (default: all)"
    )
    parser.add_argument(
        "--folds",
        type=int,
        nargs="+",
        choices=range(FOLDS),
        metavar="FOLD",
        help="folds, counted from 0 (default: all, or 0 1 2 with --quick or --standard)",
    )
    parser.add_argument("--standard", action="store_true", help="6 epochs on all training images of 3 folds")
    parser.add_argument("--table", action="store_true", help="only the table of the cells that are there")
    parser.add_argument("--recipe", action="store_true", help="choose the rate of --standard on fold 9")
    parser.add_argument("--device", default="cpu", help="cpu or cuda (default: %(default)s)")
    protocol = parser.add_argument_group("changes to the protocol")
    protocol.add_argument("--patterns", type=int, help="training images per fold")
    protocol.add_argument("--epochs", type=int)
    protocol.add_argument("--algorithm", choices=ALGORITHMS)
    protocol.add_argument("--learning-rate", type=float)
    protocol.add_argument("--curve-rate", type=float, help="learning rate of the curves' ordinates (default: the same)")
    protocol.add_argument("--schedule", choices=NAMED)
    protocol.add_argument("--batch-size", type=int)
    protocol.add_argument("--flip", action="store_const", const=True, help="mirror half of the images")
    protocol.add_argument("--shift", type=int, help="shift images by up to this many pixels")


def run(
    out: Path,
    quick: bool,
    depths: list[int],
    folds: list[int] | None,
    device: str,
    standard: bool = False,
    recipe: bool = False,
    table: bool = False,
    **changes: Any,
) -> None:
    """Computes the missing cells fold by fold, and writes the table of the selection after each depth of a fold."""
    given = {name: value for name, value in changes.items() if value is not None}
    protocol = dataclasses.replace(QUICK if quick else STANDARD if standard else FULL, **given)
    folds = folds or list(range(FEW_FOLDS if quick or standard else FOLDS))
    try:
        x, t = pwl.data.load("cifar-10")
    except pwl.InputError as missing:
        print(f"table1: not run ({missing})")
        return
    cells = Cells(out / "table1.jsonl")

    def one(protocol: Protocol, *case: Any) -> dict[str, Any]:
        key = key_of(protocol, *case)
        return images.run_cell(cells, key, lambda to: measure(to, x, t, protocol, *case, device))

    if recipe:
        text = tables.recipe({p: [one(p, RECIPE_DEPTH, a, RECIPE_FOLD) for a in RECIPE_ACTIVATIONS] for p in CANDIDATES})
        write_atomic(out / "table1_recipe.md", text)
        print(text)
        return
    cases = [(d, a, f) for f in folds for d in depths for a in ((*ACTIVATIONS, WIDE) if standard else ACTIVATIONS)]
    if table:
        cases = [case for case in cases if key_of(protocol, *case) in cells]
    results: tables.Results = {}
    for case in cases:
        results[case] = one(protocol, *case)
        if case == cases[-1] or case[1] == WIDE:  # so that a long run leaves its table after each depth
            text = tables.table(results, depths, folds)
            write_atomic(out / f"{TITLES.get(protocol, f'table1_{protocol}')}.md", text)
    print(text if cases else "table1: no cell is there")


def key_of(protocol: Protocol, depth: int, activation: str, fold: int) -> str:
    return f"vgg{depth}-{activation}-{protocol}-{fold}"


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
    """One run, with accuracies in percent at the start and after each epoch.

    The last "test_accuracy" is the figure of the cell.
    """
    net = network(depth, activation, fold, x.shape[1:]).to(device)
    batch_size, augment = protocol.batch_size, protocol.augmentation()
    train, test = split(t, protocol.patterns, fold)
    preparation = pwl.Preparation.fit(Rows(x, train), Rows(t, train), classes=pwl.data.describe("cifar-10").classes)
    parts = {
        name: images.patterns(x[rows], t[rows], preparation, net) for name, rows in (("train", train), ("test", test))
    }
    _, record = images.trained(checkpoint, net, parts, protocol.optimiser(), protocol.epochs, batch_size, fold, augment)
    return {
        "depth": depth, "activation": activation, "fold": fold, "folds": FOLDS, "protocol": dataclasses.asdict(protocol),
        "batch_size": batch_size, "parameters": net.n_parameters, "test_patterns": len(test), "device": device,
        "settings": record.settings,
        "stop": record.stop_code, "seconds": record["seconds"][-1], "error": record["error"],
        "accuracy": images.accuracies(record), "test_accuracy": images.accuracies(record, "test_"),
    }  # fmt: skip


def network(depth: int, activation: str, seed: int, input_shape: tuple[int, ...] = (32, 32, 3)) -> pwl.Network:
    """The VGG net of a depth. Its weights depend on the seed but not on the activation, except those of the wider net."""
    if activation == WIDE:
        return pwl.models.vgg(depth, "relu", input_shape=input_shape, filters=[n + 1 for n in FILTERS], seed=seed)
    return pwl.models.vgg(depth, ACTIVATIONS[activation], input_shape=input_shape, seed=seed)


def split(t: np.ndarray, patterns: int, fold: int) -> tuple[np.ndarray, np.ndarray]:
    """Sorted rows for training and for testing. The fold's number draws `patterns` rows of the nine training parts."""
    own = pwl.data.folds(len(t), FOLDS, 0, t)[fold]
    rest = np.concatenate([own.train, own.validation])
    if not BATCH <= patterns <= len(rest):
        raise pwl.InputError(
            f"a fold has {len(rest)} training images: take at least {BATCH} and at most all, not {patterns}"
        )
    return np.sort(np.random.default_rng(fold).permutation(rest)[:patterns]), own.test
