"""OWO for the last layer as a finishing step of any training: accuracies before and after pwl.finish.

Networks for Fashion-MNIST (10,000 test images) and CIFAR-10 (fold 0 of 10 of its 50,000 training images; the test batch is
not used) are trained on 10,000 images for 2 epochs in batches of 128. "small" is the network of `benchmarks fashion` with
curves, whose outputs see 64 units; "wide" ends in its second pooling, whose pixels the outputs see directly (1,568 functions
on Fashion-MNIST, 2,048 on CIFAR-10). Trainings are Adam at 0.01 with the one-cycle schedule, AdAct without a rate, and none:
a network as it was drawn, after an output step. --quick takes 1,000 images and one epoch.
"""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Any

import numpy as np

import pwl
from benchmarks.shared import images, markdown
from benchmarks.shared.cells import Cells
from benchmarks.shared.paired import in_words
from pwl.data.rows import Rows
from pwl.files.write import write_atomic
from pwl.layers import Conv2d, Dense, Flatten, MaxPool2d
from pwl.training.schedules import named

SETS = {"fashion-mnist": "Fashion-MNIST", "cifar-10": "CIFAR-10"}
NETWORKS = ("small", "wide")
TRAININGS = {"none": "none", "adam-one-cycle": "Adam, one-cycle", "adact": "AdAct, no rate"}
SEEDS, BATCH = 1, 128


def run(out: Path, quick: bool) -> None:
    """Computes the missing cells, then writes the table."""
    patterns, epochs, seeds = (1_000, 1, 1) if quick else (10_000, 2, SEEDS)
    cells, found = Cells(out / "finish.jsonl"), {}
    for name in SETS:
        try:
            data = parts(name, patterns)
        except pwl.InputError as missing:
            print(f"finish: {name} is not run ({missing})")
            continue
        for kind in NETWORKS:
            for training in TRAININGS:
                for seed in range(seeds):
                    key = f"{name}-{kind}-{training}-{patterns}-{epochs}-{seed}"
                    found[name, kind, training, seed] = images.run_cell(
                        cells, key, lambda to, c=(name, data, epochs, kind, training, seed): measure(to, *c)
                    )
    text = table(found, patterns, epochs)
    write_atomic(out / f"finish{'_quick' if quick else ''}.md", text)
    print(text)


def parts(name: str, patterns: int) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Raw images and labels that train and that test."""
    x, t = pwl.data.load(name)
    rng = np.random.default_rng(0)
    if pwl.data.describe(name).test and name == "fashion-mnist":
        rows = np.sort(rng.permutation(len(t))[:patterns])
        return {"train": (x[rows], t[rows]), "test": pwl.data.load(name, "test")}
    own = pwl.data.folds(len(t), 10, 0, t)[0]
    rows = np.sort(rng.permutation(np.concatenate([own.train, own.validation]))[:patterns])
    return {"train": (x[rows], t[rows]), "test": (x[own.test], t[own.test])}


def network(kind: str, seed: int, input_shape: tuple[int, ...]) -> pwl.Network:
    curves = pwl.PiecewiseLinear("relu", 13, outside="linear")
    layers: list[Any] = [
        Conv2d(16, 3, padding="same"),
        curves,
        MaxPool2d(2),
        Conv2d(32, 3, padding="same"),
        curves,
        MaxPool2d(2),
    ]
    layers += [Flatten()] if kind == "wide" else [Flatten(), Dense(64), curves]
    return pwl.Network.from_layers([*layers, Dense(10)], input_shape, seed=seed)


def measure(
    checkpoint: Path, name: str, data: dict[str, Any], epochs: int, kind: str, training: str, seed: int
) -> dict[str, Any]:
    """One network, trained and finished, with accuracies on the test part in percent."""
    (x, t), net = data["train"], network(kind, seed, data["train"][0].shape[1:])
    preparation = pwl.Preparation.fit(
        Rows(x, slice(None)), Rows(t, slice(None)), classes=pwl.data.describe(name).classes
    )
    train, test = (images.patterns(*data[part], preparation, net) for part in ("train", "test"))
    steps, seconds = epochs * math.ceil(len(t) / BATCH), 0.0
    if training == "none":
        net = pwl.owo_step(pwl.initialise(net, train), train)[0]
    else:
        algorithm = pwl.MinibatchAdAct() if training == "adact" else pwl.Adam(named("one_cycle", 0.01, steps))
        net, record = images.trained(checkpoint, net, {"train": train}, algorithm, epochs, BATCH, seed)
        seconds = record["seconds"][-1]
    start = time.perf_counter()
    finished, found = pwl.finish(net, train)
    return {
        "data": name, "network": kind, "training": training, "seed": seed, "functions": net.n_basis, "ridge": found.ridge,
        "gamma": found.gamma, "error": [found.before, found.after], "seconds": seconds,
        "finish_seconds": time.perf_counter() - start,
        "accuracy": accuracy(net, test), "finished_accuracy": accuracy(finished, test),
        "test_error": [pwl.evaluate(each, test).error for each in (net, finished)],
    }  # fmt: skip


def accuracy(net: pwl.Network, test: pwl.Patterns) -> float:
    return round(100 * (1 - (pwl.evaluate(net, test).classification_error or 0.0)), 4)


def table(found: dict[tuple[str, str, str, int], dict[str, Any]], patterns: int, epochs: int) -> str:
    heads = ["data", "network", "functions", "training", "accuracy", "finished", "gain", "E on test", "finished"]
    heads += ["seconds", "of finishing"]
    lines = markdown.head(heads)
    seeds = sorted({seed for *_, seed in found})
    for name, kind, training in dict.fromkeys(case[:3] for case in found):
        own = [found[name, kind, training, seed] for seed in seeds]
        gain = [c["finished_accuracy"] - c["accuracy"] for c in own]
        words = [in_words([c[key] for c in own]) for key in ("accuracy", "finished_accuracy")]
        errors = [f"{np.mean([c['test_error'][place] for c in own]):.4f}" for place in (0, 1)]
        seconds = [f"{np.mean([c[key] for c in own]):.0f}" for key in ("seconds", "finish_seconds")]
        cells = [
            SETS[name],
            kind,
            str(own[0]["functions"]),
            TRAININGS[training],
            *words,
            in_words(gain, "+"),
            *errors,
            *seconds,
        ]
        lines.append(markdown.row(cells))
    return (
        f"Test accuracy in percent before and after `pwl.finish`: mean over {len(seeds)} starts, {patterns} "
        f"training images, {epochs} epochs in batches of {BATCH}.\n\n" + "\n".join(lines) + "\n"
    )
