"""Batches of images straight from a memory-mapped .npy file: what is in memory is a block, never the whole."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

import pwl

COUNT, SIZE = 3_000, 72  # 47 million bytes, 373 million as float64


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Paths of images (COUNT, SIZE, SIZE, 3) as bytes and of their labels: the class is the brighter third of the rows."""
    folder = tmp_path_factory.mktemp("mapped")
    rng, t = np.random.default_rng(0), np.arange(COUNT) % 3
    x = rng.integers(0, 120, (COUNT, SIZE, SIZE, 3), dtype=np.uint8)
    for label in range(3):
        x[label::3, 24 * label : 24 * label + 24] += 100
    np.save(folder / "x.npy", x)
    np.save(folder / "t.npy", t)
    return folder / "x.npy", folder / "t.npy"


def mapped(files):
    return tuple(np.load(path, mmap_mode="r") for path in files)


def train(patterns, **settings):
    layers = [pwl.layers.AvgPool2d(8), pwl.layers.Conv2d(4, 3), "relu", pwl.layers.Flatten(), pwl.layers.Dense(3)]
    net = pwl.Network.from_layers(layers, (SIZE, SIZE, 3))
    return pwl.train(net, patterns, pwl.Adam(0.01), batch_size=64, iterations=1, **settings)


@pytest.mark.slow
def test_training_never_holds_the_whole(files):
    x, t = mapped(files)
    few = np.array(x[:100]), np.array(t[:100])
    # Kernels stay in memory.
    train(pwl.Patterns(*few, preparation=pwl.Preparation.fit(*few)), augment=pwl.Augmentation(2))
    tracemalloc.start()
    try:
        preparation = pwl.Preparation.fit(x, t)
        fitted = tracemalloc.get_traced_memory()[1]
        tracemalloc.reset_peak()
        patterns = pwl.Patterns(x, t, preparation=preparation, block_bytes=8 * 2**20)
        _, record = train(patterns, augment=pwl.Augmentation(2))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert record["error"][1] < 0.5 * record["error"][0]
    assert max(fitted, peak) < 0.9 * x.nbytes, (fitted, peak)  # as numbers they would take eight times as much


class Counting(np.ndarray):
    """A mapped array that notes the largest number of rows that were taken from it at once."""

    most = 0

    def __getitem__(self, rows):
        found = super().__getitem__(rows)
        if found.ndim == self.ndim and self.shape[0] == COUNT:
            Counting.most = max(Counting.most, len(found))
        return found


@pytest.mark.slow
def test_only_blocks_of_rows_are_read(files):
    x, t = mapped(files)
    preparation = pwl.Preparation.fit(x, t)
    train(pwl.Patterns(x.view(Counting), t, preparation=preparation))
    assert 64 <= Counting.most < COUNT / 10


def test_the_same_bits_as_from_memory(files):
    x, t = (a[:500] for a in mapped(files))
    preparation = pwl.Preparation.fit(x, t)
    here, there = (
        train(pwl.Patterns(*data, preparation=preparation), augment=pwl.Augmentation(2))
        for data in ((np.array(x), np.array(t)), (x, t))
    )
    assert np.array_equal(here[0].theta, there[0].theta) and here[1]["error"] == there[1]["error"]
    ready = there[0].with_preparation(preparation)
    assert np.array_equal(ready.predict(x), ready.predict(np.array(x)))
