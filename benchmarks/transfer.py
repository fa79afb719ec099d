"""Transfer from ImageNet to CIFAR-10: ends with ReLU, with curves and of output weights alone on a frozen trunk.

The trunk is ResNet18 up to its third stage (conv1 to layer3), with torchvision's weights for ImageNet, batch normalisation
folded into them. The weights of layer4 are not at hand. They are read from imagenet/ in the data folder, or from --weights.
A random trunk of the same form is the control. CIFAR-10's test batch is not used. 20,000 of the 50,000 training images are
drawn, with the same share of each class, and cross-validated in 5 folds. Images are scaled to 64 x 64 pixels. They pass the
trunk once. What its pooling gives, 256 numbers for each image, is kept on disk, and read by all ends and folds.

An end is a dense layer of 256 units with ReLU or with a curve of 13 hinges for each unit, then the outputs. The fold's number
draws its weights, which both ends share. Adam trains it for 20 epochs at 0.002 with the one-cycle schedule, in batches of
128. The third end is the outputs alone, solved for by OWO with the ridge of the highest evidence (pwl.finish). The last
epoch counts, and nothing is chosen by the part that tests. Differences are paired by fold.

--paper is the published protocol: VGG11 (91.78 % with curves, 91.44 % with ReLU) and ResNet18 (95.30 %, 95.1 %), on all images
at 224 x 224 pixels, 100 epochs, 10 folds. It needs --network, --weights with torchvision's file (resnet18-f37072fd.pth,
vgg11-8a719046.pth), and better a GPU (--device cuda). --quick takes 400 images of 32 x 32 pixels and 3 folds.
"""

from __future__ import annotations

import argparse
import dataclasses
import math
import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import pwl
from benchmarks.shared import markdown
from benchmarks.shared.cells import Cells
from benchmarks.shared.paired import in_words, mean_and_error, verdict
from pwl.data.load import data_home
from pwl.files.write import write_atomic
from pwl.layers import Dense
from pwl.learners.features import features
from pwl.models import imagenet_preparation, load_pretrained, resnet18, vgg11
from pwl.network.network import Network
from pwl.training.schedules import named

ENDS = {"relu": "ReLU", "curves": "curves", "owo": "output weights alone"}
TRUNKS = {"imagenet": "ImageNet", "random": "random"}
FILE = "imagenet/resnet18_torchvision_bnfolded_PARTIAL.npz"
UNITS, HINGES, BATCH, RATE = 256, 13, 128, 0.002
PAPER = {"vgg11": (91.78, 91.44), "resnet18": (95.30, 95.1)}


@dataclass(frozen=True)
class Protocol:
    """The settings that all cells of a table share. network: "resnet18-3" is ResNet18 without its last stage."""

    network: str = "resnet18-3"
    size: int = 64
    patterns: int = 20_000
    folds: int = 5
    epochs: int = 20

    def __str__(self) -> str:
        return "-".join(map(str, dataclasses.astuple(self)))


STANDARD, QUICK = Protocol(), Protocol(size=32, patterns=400, folds=3, epochs=2)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--paper", action="store_true", help="the published protocol, of --network with --weights")
    parser.add_argument("--network", choices=("resnet18", "vgg11"), help="with --paper")
    parser.add_argument("--weights", type=Path, help="file of the trunk's weights (.pth, .safetensors, .npz)")
    parser.add_argument("--device", default="cpu", help="cpu or cuda (default: %(default)s)")


def run(out: Path, quick: bool, paper: bool, network: str | None, weights: Path | None, device: str) -> None:
    """Computes the missing cells trunk by trunk, then writes the table."""
    protocol = QUICK if quick else STANDARD
    if paper:
        protocol = Protocol(network or "resnet18", 224, 50_000, 10, 100)
    source = weights or data_home() / FILE
    try:
        if paper and weights is None:
            raise pwl.InputError("--paper needs --weights, torchvision's file")
        if not source.exists():
            raise pwl.InputError(f"{source} is not there")
        x, t = pwl.data.load("cifar-10")
    except pwl.InputError as missing:
        print(f"transfer: not run ({missing})")
        return
    cells = Cells(out / "transfer.jsonl")
    rows = np.sort(np.concatenate([own.test for own in pwl.data.folds(len(t), 10, 0, t)])[: protocol.patterns])
    found = {}
    for trunk in TRUNKS:
        keys = {
            (trunk, end, fold): f"{protocol}/{trunk}-{end}-{fold}" for end in ENDS for fold in range(protocol.folds)
        }
        seen = None
        for (_, end, fold), key in keys.items():
            if key not in cells and seen is None:
                seen = through(trunk, source, x[rows], t[rows], protocol, out / "transfer", device)
            found[trunk, end, fold] = cells.cell(
                key, lambda s=seen, e=end, f=fold, u=trunk: measure(s, u, e, f, protocol, device)
            )
    text = table(found, protocol)
    write_atomic(out / f"transfer{'' if protocol == STANDARD else f'_{protocol}'}.md", text)
    print(text)


def trunk_of(trunk: str, source: Path, protocol: Protocol) -> Network:
    """The trunk, whose outputs are not used, for raw images."""
    shape, name = (protocol.size, protocol.size, 3), protocol.network
    if name == "vgg11":
        net = vgg11(input_shape=shape, n_classes=10)
    else:
        folded = name != "resnet18"
        net = resnet18(input_shape=shape, n_classes=10, batch_norm=not folded, stages=3 if folded else 4)
    if trunk == "imagenet":
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the weights of stages that are not there
            net = load_pretrained(net, source, partial=name == "resnet18-3")
    net = dataclasses.replace(net, initialised=True)
    return net.with_preparation(imagenet_preparation(range(10)))


def through(
    trunk: str, source: Path, x: np.ndarray, t: np.ndarray, protocol: Protocol, cache: Path, device: str
) -> tuple[np.ndarray, np.ndarray, float]:
    """What the trunk makes of the images (Nv, F), the labels, and the seconds of the pass, near 0 if the features were kept."""
    net, start = trunk_of(trunk, source, protocol).to(device), time.perf_counter()
    images = pwl.data.resized(x, protocol.size)
    seen = features(net, pwl.Patterns(images, t).in_units_of(net), len(net.layers), cache)
    return seen.x.reshape(len(t), -1), seen.t, time.perf_counter() - start


def measure(seen: Any, trunk: str, end: str, fold: int, protocol: Protocol, device: str) -> dict[str, Any]:
    """One end on one fold: its accuracy on the fold's test part in percent."""
    x, t, seconds = seen
    own = pwl.data.folds(len(t), protocol.folds, 0, t)[fold]
    train = np.concatenate([own.train, own.validation])
    preparation = pwl.Preparation.fit(x[train], t[train])
    activation: Any = "relu" if end == "relu" else pwl.PiecewiseLinear("relu", HINGES, outside="linear")
    layers = [] if end == "owo" else [Dense(UNITS), activation]
    net = pwl.Network.from_layers([*layers, Dense(10)], x.shape[1:], seed=fold).with_preparation(preparation).to(device)
    data, start, first = (x[train], t[train]), time.perf_counter(), 0.0
    if end == "owo":
        net, found = pwl.finish(pwl.initialise(net, data), data)
        facts: dict[str, Any] = {"ridge": found.ridge, "gamma": found.gamma}
    else:
        steps = protocol.epochs * math.ceil(len(train) / BATCH)
        adam = pwl.Adam(named("one_cycle", RATE, steps))
        net, record = pwl.train(net, data, adam, iterations=protocol.epochs, batch_size=BATCH, seed=fold)
        first, facts = record["seconds"][1] - record["seconds"][0], {"error": record["error"]}
        finished, found = pwl.finish(net, data)
        facts["finished_accuracy"] = accuracy(finished, x[own.test], t[own.test])
    return {
        "trunk": trunk, "end": end, "fold": fold, "protocol": dataclasses.asdict(protocol), "features": x.shape[1],
        "trunk_seconds": seconds, "seconds": time.perf_counter() - start, "epoch_seconds": first, "device": device,
        "parameters": net.n_parameters, "test_patterns": len(own.test), "test_accuracy": accuracy(net, x[own.test], t[own.test]),
        **facts,
    }  # fmt: skip


def accuracy(net: Network, x: np.ndarray, t: np.ndarray) -> float:
    return round(100 * (1 - (pwl.evaluate(net, (x, t)).classification_error or 0.0)), 4)


def table(found: dict[tuple[str, str, int], dict[str, Any]], protocol: Protocol) -> str:
    """Accuracies by trunk and end, differences of curves and ReLU, and what a pass of the trunk costs beside an epoch."""
    folds = range(protocol.folds)

    def of(name: str, trunk: str, end: str) -> list[float]:
        return [found[trunk, end, fold][name] for fold in folds]

    heads = ["trunk", *ENDS.values(), "curves less ReLU", "curves are", "ReLU, then OWO", "curves, then OWO"]
    lines = markdown.head(heads)
    for trunk, name in TRUNKS.items():
        apart = [
            a - b for a, b in zip(of("test_accuracy", trunk, "curves"), of("test_accuracy", trunk, "relu"), strict=True)
        ]
        after = [in_words(of("finished_accuracy", trunk, end)) for end in ("relu", "curves")]
        words = [in_words(of("test_accuracy", trunk, end)) for end in ENDS]
        lines.append(markdown.row([name, *words, in_words(apart, "+"), verdict(apart), *after]))
    cell = found["imagenet", "relu", 0]
    passes = max(cell["trunk_seconds"] for cell in found.values())
    epoch = mean_and_error([c["epoch_seconds"] for c in found.values() if c["end"] == "curves"])[0]
    published = ""
    if (own := PAPER.get(protocol.network)) is not None:
        published = f" The paper has {own[0]} % with curves and {own[1]} % with ReLU."
    return (
        f"CIFAR-10, {protocol.patterns} images of the training part at {protocol.size} x {protocol.size} pixels, "
        f"{protocol.folds} folds; {protocol.network} up to its {cell['features']} features. Test accuracy in percent: mean ± "
        f"standard error over the folds; {protocol.epochs} epochs.{published}\n\n"
        + "\n".join(lines)
        + f"\n\nOne pass of all images through the trunk took {passes:.0f} seconds, and an epoch above it with curves {epoch:.2f} "
        f"seconds, {100 * epoch / (passes * (1 - 1 / protocol.folds) + epoch):.2g} % of a first epoch with its pass.\n"
    )
