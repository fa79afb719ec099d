"""Augmentation: worked images, random numbers that depend on seed, iteration and place alone, and what a run does with it."""

from __future__ import annotations

import dataclasses

import array_api_strict
import numpy as np
import pytest
from toys import Stub, block_rows, curve_network, waves

import pwl
from pwl.data.augmentation import Augmentation
from pwl.runtime.backend import host
from pwl.training.train import evaluate

IMAGE = np.array([[1.0, 2, 3], [4, 5, 6]])[None, :, :, None]


def fixed(down, right, mirrored, shift=2):
    """An augmentation that draws these for every image."""

    class Fixed(Augmentation):
        def draw(self, key, first, count):
            return np.full(count, down), np.full(count, right), np.full(count, mirrored)

    return Fixed(shift)


def images(Nv=48, size=8, channels=1, classes=3, seed=0):
    """Images (Nv, size, size, channels) of whole numbers 0..255 whose brighter third of the rows is the class (Nv,)."""
    rng = np.random.default_rng(seed)
    t = np.arange(Nv) % classes
    x = rng.integers(0, 100, (Nv, size, size, channels))
    for p, row in enumerate(t * size // classes):
        x[p, row : row + 2] += 150
    return x.astype(np.uint8), t


def small_net(size=8, channels=1, classes=3, seed=0):
    layers = [pwl.layers.Conv2d(3, 3), pwl.PiecewiseLinear("relu", 5), pwl.layers.Flatten(), pwl.layers.Dense(classes)]
    return pwl.Network.from_layers(layers, (size, size, channels), seed=seed)


def prepared(**options):
    """Patterns of images that stay bytes."""
    x, t = images()
    return pwl.Patterns(x, t, preparation=pwl.Preparation.fit(x, t), **options)


class Seeing(Stub):
    """An algorithm that keeps the images of every batch, as a net gets them, and changes nothing."""

    def __init__(self):
        self.seen = []

    def step(self, net, patterns, state):
        rows = block_rows(patterns, net)
        blocks = [patterns.block(net, i, min(i + rows, len(patterns)))[0] for i in range(0, len(patterns), rows)]
        self.seen.append(np.concatenate([host(block) for block in blocks]))
        return super().step(net, patterns, state)


def seen(data, net=None, **settings):
    """The images of all batches, (batch, b, h, w, c)."""
    algorithm = Seeing()
    settings = {"batch_size": 16, "iterations": 1, "augment": Augmentation(2), **settings}
    pwl.train(net or small_net(), data, algorithm, **settings)
    return algorithm.seen


# ---- by hand


@pytest.mark.parametrize(
    ("draw", "wanted"),
    [
        ((0, 0, False), [[1, 2, 3], [4, 5, 6]]),
        ((0, 0, True), [[3, 2, 1], [6, 5, 4]]),
        ((1, 0, False), [[0, 0, 0], [1, 2, 3]]),
        ((-1, 0, False), [[4, 5, 6], [0, 0, 0]]),
        ((0, 1, False), [[0, 1, 2], [0, 4, 5]]),
        ((0, -2, False), [[3, 0, 0], [6, 0, 0]]),
        ((1, 1, True), [[0, 0, 0], [0, 3, 2]]),
        ((-1, -2, True), [[4, 0, 0], [0, 0, 0]]),
    ],
)
def test_a_tiny_image_by_hand(draw, wanted):
    found = fixed(*draw).apply(IMAGE, (0, 1), 0)
    assert found.shape == IMAGE.shape and found.dtype == IMAGE.dtype
    assert found[0, :, :, 0].tolist() == wanted


def test_channels_stay_together():
    x = np.stack([IMAGE[..., 0], 10 * IMAGE[..., 0], -IMAGE[..., 0]], axis=3).astype(np.float32)
    found = fixed(1, -1, True).apply(x, (0, 1), 0)
    assert found.dtype == np.float32
    assert found[0, 1, :, 0].tolist() == [2, 1, 0]
    assert np.array_equal(found[..., 1], 10 * found[..., 0]) and np.array_equal(found[..., 2], -found[..., 0])


def test_the_array_that_came_is_not_changed():
    x = np.random.default_rng(0).normal(size=(9, 5, 6, 2))
    before = x.copy()
    Augmentation(3).apply(x, (0, 1), 0)
    assert np.array_equal(x, before)
    assert np.array_equal(Augmentation(0, flip=False).apply(x, (0, 1), 0), x)


# ---- the random numbers


def test_all_shifts_and_half_of_the_mirrors_occur():
    down, right, mirrored = Augmentation(2).draw((0, 1), 0, 10_000)
    for amounts in (down, right):
        found, counts = np.unique(amounts, return_counts=True)
        assert found.tolist() == [-2, -1, 0, 1, 2]
        assert np.all(np.abs(counts - 2000) < 5 * 40)  # five standard deviations
    assert abs(mirrored.sum() - 5000) < 5 * 50
    assert abs(np.corrcoef([down, right, mirrored])[np.triu_indices(3, 1)]).max() < 0.05
    assert not Augmentation(2, flip=False).draw((0, 1), 0, 1000)[2].any()


def test_the_numbers_of_a_pattern_are_those_of_its_place():
    whole = Augmentation().draw((3, 7), 0, 100)
    for first, last in ((0, 1), (1, 40), (40, 100)):
        part = Augmentation().draw((3, 7), first, last - first)
        assert all(np.array_equal(a[first:last], b) for a, b in zip(whole, part, strict=True))


def test_other_seeds_and_iterations_draw_others():
    keys = [(0, 1), (0, 2), (1, 1), (1, 2), (2**70, 1)]
    drawn = [np.stack(Augmentation().draw(key, 0, 64)).tolist() for key in keys]
    assert all(drawn[i] != drawn[j] for i in range(5) for j in range(i))


# ---- in a run


@pytest.mark.parametrize("block_bytes", [1, 60_000, 2**28])
def test_blocks_do_not_matter(block_bytes):
    net = small_net()
    wanted = seen(prepared(), net)
    patterns = prepared(block_bytes=block_bytes)
    assert (block_rows(patterns, net) < 16) == (block_bytes < 10**6)
    for found, batch in zip(seen(patterns, net), wanted, strict=True):
        assert np.array_equal(found, batch)


def test_a_pattern_is_changed_as_its_place_in_the_pass_says():
    x, t = images()
    x = pwl.Preparation.fit(x, t).transform_inputs(x)
    found = seen((x, t), seed=5, iterations=2)
    for iteration in (1, 2):
        order = np.random.default_rng([5, iteration]).permutation(48)
        for batch in range(3):
            rows = order[16 * batch : 16 * batch + 16]
            wanted = Augmentation(2).apply(x[rows], (5, iteration), 16 * batch)
            assert np.array_equal(found[3 * (iteration - 1) + batch], wanted.astype(np.float32))


def test_mirrors_alone_show_about_half_of_the_images_mirrored():
    x, t = images(400)
    x = x / 255
    (found,) = seen((x, t), batch_size=400, augment=Augmentation(0))
    x = x[np.random.default_rng([0, 1]).permutation(400)]
    same = [np.array_equal(a, b.astype(np.float32)) for a, b in zip(found, x, strict=True)]
    mirrored = [np.array_equal(a, b[:, ::-1].astype(np.float32)) for a, b in zip(found, x, strict=True)]
    assert sum(same) + sum(mirrored) == 400 and 150 < sum(mirrored) < 250


def test_what_moves_in_is_the_mean():
    x, t = images()
    channels = np.concatenate([x, x // 2], axis=3)
    patterns = pwl.Patterns(channels, t, preparation=pwl.Preparation.fit(channels, t))
    found = np.concatenate(seen(patterns, small_net(channels=2), augment=Augmentation(4, flip=False)))
    down = Augmentation(4, flip=False).draw((0, 1), 0, 48)[0]
    assert all(np.all(a[:d] == 0) for a, d in zip(found, down, strict=True) if d > 0)
    assert np.mean(found == 0) > 0.2


def test_mapped_bytes_give_the_same_bits_as_memory(tmp_path):
    x, t = images()
    np.save(tmp_path / "x.npy", x)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    preparation, settings = pwl.Preparation.fit(x, t), {"batch_size": 10, "iterations": 2, "augment": Augmentation(2)}
    ready = preparation.transform_inputs(x)
    runs = [
        pwl.train(small_net(), data, pwl.Adam(), **settings)
        for data in (
            (ready, t),
            pwl.Patterns(x, t, preparation=preparation),
            pwl.Patterns(mapped, t, preparation=preparation),
        )
    ]
    for net, record in runs[1:]:
        assert np.array_equal(net.theta, runs[0][0].theta) and record["error"] == runs[0][1]["error"]


def test_arrays_of_another_library_get_the_same_images():
    net = small_net()
    for found, wanted in zip(seen(prepared(), net.to(array_api_strict)), seen(prepared(), net), strict=True):
        assert np.array_equal(found, wanted)


def test_errors_are_those_of_the_images_as_they_are():
    data, other, shown = prepared(), prepared().take(np.arange(0, 48, 3)), []
    settings = {"batch_size": 16, "iterations": 3, "validation": other, "test": other, "max_fail": 9}

    def callback(net, record):
        shown.append((evaluate(net, data).error, evaluate(net, other).error))

    net = small_net()
    _, record = pwl.train(net, data, pwl.Adam(), augment=Augmentation(2), callback=callback, **settings)
    assert list(zip(record["error"][1:], record["validation_error"][1:], strict=True)) == shown
    assert record["test_error"] == record["validation_error"]
    _, plain = pwl.train(net, data, pwl.Adam(), **settings)
    assert record["error"][0] == plain["error"][0] and record["error"][1] != plain["error"][1]


def test_initialisation_sees_the_images_as_they_are():
    x, t = images(150)
    layers = [pwl.layers.Conv2d(3, 3), pwl.PiecewiseLinear("relu", 5, span="nets"), pwl.layers.Flatten()]
    net = pwl.Network.from_layers([*layers, pwl.layers.Dense(3)], (8, 8, 1))
    started = pwl.initialise(net, (x / 255, t))
    found, _ = pwl.train(net, (x / 255, t), Seeing(), batch_size=16, iterations=1, augment=Augmentation(2))
    assert np.array_equal(found.theta, started.theta)


def test_patterns_that_were_given_stay_without():
    data = prepared()
    before = data.block(small_net(), 0, 48)[0]
    pwl.train(small_net(), data, pwl.Adam(), batch_size=16, iterations=1, augment=Augmentation(2))
    assert data.augmentation is None and np.array_equal(data.block(small_net(), 0, 48)[0], before)


def test_threads_do_not_matter(monkeypatch):
    found = []
    for threads in ("1", "2"):
        monkeypatch.setenv("OMP_NUM_THREADS", threads)
        patterns = prepared(block_bytes=60_000)
        net, _ = pwl.train(small_net(), patterns, pwl.SGD(), batch_size=24, iterations=2, augment=Augmentation(2))
        found.append(net.theta)
    assert np.array_equal(*found)


# ---- checkpoints


def test_resumed_runs_give_the_same_bits(tmp_path):
    settings = {"batch_size": 16, "seed": 3, "augment": Augmentation(2)}
    whole, record = pwl.train(small_net(), prepared(), pwl.Adam(), iterations=5, **settings)
    pwl.train(small_net(), prepared(), pwl.Adam(), iterations=2, checkpoint=tmp_path / "run", **settings)
    resumed, again = pwl.train(small_net(), prepared(), pwl.Adam(), iterations=5, resume=tmp_path / "run", **settings)
    assert np.array_equal(resumed.theta, whole.theta) and again["error"] == record["error"]
    assert record.settings["augment"] == "Augmentation(shift=2, flip=True)"


@pytest.mark.parametrize("other", [None, Augmentation(2, flip=False), Augmentation(3)], ids=str)
def test_a_checkpoint_of_another_augmentation_is_refused(tmp_path, other):
    settings = {"batch_size": 16, "iterations": 1, "checkpoint": tmp_path / "run"}
    pwl.train(small_net(), prepared(), pwl.Adam(), augment=Augmentation(2), **settings)
    with pytest.raises(pwl.InputError, match=r"another run: its augment is 'Augmentation\(shift=2, flip=True\)'"):
        pwl.train(small_net(), prepared(), pwl.Adam(), augment=other, resume=tmp_path / "run", **settings)


# ---- what can't be


@pytest.mark.parametrize("shift", [-1, 2.0, True, None, "4"])
def test_shifts_that_cannot_be(shift):
    with pytest.raises(pwl.InputError, match="shift must be a whole number of pixels, 0 or more, not"):
        Augmentation(shift)


def test_settings_that_cannot_be():
    with pytest.raises(pwl.InputError, match="flip must be True or False, not 1"):
        Augmentation(4, flip=1)
    assert repr(Augmentation(np.int64(4), np.True_)) == "Augmentation(shift=4, flip=True)"
    for augment in (4, "flip", Augmentation):
        with pytest.raises(pwl.InputError, match=r"augment must be an object such as pwl.Augmentation\(shift=4"):
            seen(prepared(), augment=augment)


def test_it_wants_batches_and_images_larger_than_the_shift():
    with pytest.raises(pwl.InputError, match="augment needs a batch_size"):
        seen(prepared(), batch_size=None)
    with pytest.raises(pwl.InputError, match=r"inputs have shape \(3,\): leave augment out"):
        pwl.train(curve_network(), waves(), pwl.Adam(), batch_size=20, augment=Augmentation())
    with pytest.raises(
        pwl.InputError, match="a shift of 8 pixels moves images of 8 x 8 out of sight: choose one below 8"
    ):
        seen(prepared(), augment=Augmentation(8))
    assert dataclasses.asdict(Augmentation()) == {"shift": 4, "flip": True}
