"""CPU seconds of a step of each method on the small network of `benchmarks fashion`, in turns, after the first 64 steps."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

import pwl
from benchmarks.shared import images, markdown

METHODS = {
    "Adam": pwl.Adam(0.003), "SGD": pwl.SGD(0.03), "AdAct, no rate": pwl.MinibatchAdAct(),
    "AdAct, directions as in Adam": pwl.MinibatchAdAct(largest_side=1),
    "AdAct of 0.1.0": pwl.MinibatchAdAct(holding=0.0, measure_every=1, largest_side=1),
}  # fmt: skip
BATCH, BATCHES, FIRST, ROUNDS = 128, 24, 3, 9


def table(net: pwl.Network, x: np.ndarray, t: np.ndarray) -> str:
    """The whole text in Markdown. x, t: raw images and labels."""
    preparation = pwl.Preparation.fit(x, t)
    patterns = images.patterns(x, t, preparation, net)
    batches = [patterns.batch(np.arange(i * BATCH, (i + 1) * BATCH), (0, 0), i * BATCH) for i in range(BATCHES)]
    at: dict[str, Any] = {name: (net, method.init(net, patterns, 0)) for name, method in METHODS.items()}
    seconds: dict[str, list[float]] = {name: [] for name in METHODS}
    for turn in range(FIRST + ROUNDS):  # 3 x 24 steps go before, so that AdAct measures in every fourth step
        for name, method in METHODS.items():
            start = time.process_time()
            for batch in batches:
                at[name] = method.step(at[name][0], batch, at[name][1])[:2]
            if turn >= FIRST:
                seconds[name].append((time.process_time() - start) / BATCHES)
    lines = markdown.head(["method", "milliseconds of processors per step", "against Adam"])
    medians = {name: float(np.median(own)) for name, own in seconds.items()}
    lines += [f"| {name} | {1000 * own:.1f} | {own / medians['Adam']:.2f} |" for name, own in medians.items()]
    return (
        f"Batches of {BATCH}, medians of {ROUNDS} turns of {BATCHES} steps. Seconds of all processors together, so that other "
        "programs hardly count.\n\n" + "\n".join(lines) + "\n"
    )
