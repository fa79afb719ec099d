"""What is wrong with images, labels or layers is said in one sentence: what came, what was wanted, what to do."""

from __future__ import annotations

import numpy as np
import pytest
from refusals import refuses
from toys import curve_network, waves

import pwl
from pwl.layers import Conv2d, Dense, Flatten, MaxPool2d

RNG = np.random.default_rng(0)
X = RNG.normal(size=(20, 8, 8, 3))
GREY = RNG.normal(size=(20, 8, 8, 1))
LABELS = np.arange(20) % 4
BYTES = RNG.integers(0, 256, (20, 8, 8, 3), dtype=np.uint8)


def net(channels=3, *body, classes=4):
    body = body or (Conv2d(2, 3), "relu", Flatten())
    return pwl.Network.from_layers([*body, Dense(classes)], (8, 8, channels))


def everywhere(x, *words, network=None, t=LABELS):
    """Wherever inputs come in they are refused with the same words."""
    network = network or net()
    data = (x, t)
    refuses(lambda: pwl.train(network, data, pwl.Adam(), iterations=1, batch_size=5), *words)
    refuses(lambda: pwl.initialise(network, data), *words)
    refuses(lambda: pwl.evaluate(network, data), *words)
    refuses(lambda: network.predict(x), *words)
    refuses(lambda: network.predict_proba(x), *words)
    good = np.random.default_rng(7).normal(size=(20, *network.input_shape)), LABELS
    refuses(lambda: pwl.train(network, good, pwl.Adam(), validation=data), "validation data: ", *words)
    refuses(lambda: pwl.train(network, good, pwl.Adam(), test=data), "test data: ", *words)


# ---- shapes


@pytest.mark.parametrize("shape", [(9, 8, 3), (8, 8, 4), (8, 8, 1), (16, 16, 3), (8, 24), (192, 2), (8, 3, 8)])
def test_images_of_another_shape(shape):
    everywhere(np.ones((20, *shape)), "(patterns, 8, 8, 3) were wanted", f"(20, {', '.join(map(str, shape))}) came")


def test_channels_first():
    words = [
        "(patterns, 8, 8, 3) were wanted",
        "(20, 3, 8, 8) came",
        "np.moveaxis(x, 1, -1)",
        "x.transpose(0, 2, 3, 1)",
    ]
    everywhere(np.moveaxis(X, -1, 1), *words)
    everywhere(np.moveaxis(GREY, -1, 1), "np.moveaxis(x, 1, -1)", network=net(1))
    assert net().predict(np.moveaxis(np.moveaxis(X, -1, 1), 1, -1)).tolist() == net().predict(X).tolist()


def test_grey_images_without_the_axis_of_their_channel():
    everywhere(GREY[..., 0], "(patterns, 8, 8, 1) were wanted", "(20, 8, 8) came", "x[..., None]", network=net(1))
    with pytest.raises(pwl.InputError) as caught:
        net(3).predict(GREY[..., 0])
    assert "x[..., None]" not in str(caught.value)  # would not help


def test_images_as_rows_of_numbers_and_the_other_way_round():
    everywhere(GREY.reshape(20, -1), "(20, 64) came: use x.reshape(-1, 8, 8, 1)", network=net(1))
    everywhere(
        X.reshape(20, -1), "(20, 192) came: use x.reshape(-1, 8, 8, 3) if the channels of a pixel lie side by side"
    )
    vectors = pwl.Network.mlp(64, 3, 4, loss="cross_entropy")
    refuses(lambda: pwl.train(vectors, (GREY, LABELS), pwl.MOLF()), "(patterns, 64) were wanted", "x.reshape(-1, 64)")


def test_one_image_alone():
    refuses(lambda: net().predict(X[0]), "(patterns, 8, 8, 3) were wanted", "(8, 8, 3) came: x[None]")
    started = pwl.initialise(curve_network(), waves())
    refuses(lambda: started.predict(waves()[0][0]), "(patterns, 3) were wanted", "(3,) came: x[None]")


def test_numbers_of_images_and_labels_that_differ():
    refuses(lambda: pwl.train(net(), (X, LABELS[:7]), pwl.Adam()), "20 inputs", "7 targets")


# ---- whole numbers


@pytest.mark.parametrize("kind", [np.uint8, np.int8, np.int16, np.int64, np.uint32])
def test_images_of_whole_numbers_without_a_preparation(kind):
    everywhere(
        (BYTES // 2).astype(kind),
        f"images of {np.dtype(kind)} came without a preparation", "pwl.Preparation.fit(x, t)", "x / 255", "astype",
    )  # fmt: skip


def test_mapped_bytes_without_a_preparation(tmp_path):
    np.save(tmp_path / "x.npy", BYTES)
    everywhere(np.load(tmp_path / "x.npy", mmap_mode="r"), "images of uint8", "pwl.Preparation.fit")


def test_what_is_said_to_do_serves():
    preparation = pwl.Preparation.fit(BYTES, LABELS)
    settings = {"iterations": 1, "batch_size": 5}
    for data in (
        pwl.Patterns(BYTES, LABELS, preparation=preparation),
        preparation.transform(BYTES, LABELS),
        (BYTES / 255, LABELS),
        (BYTES.astype(np.float32), LABELS),
        (BYTES > 127, LABELS),
    ):
        pwl.train(net(), data, pwl.Adam(), **settings)
    ready = net().with_preparation(preparation)
    assert ready.predict(BYTES).tolist() == net().predict(preparation.transform_inputs(BYTES)).tolist()


def test_tables_of_whole_numbers_serve_as_before():
    x, t = waves()
    started, _ = pwl.train(curve_network(), ((10 * x).astype(np.uint8), t), pwl.SGD(1e-6), iterations=1, batch_size=30)
    assert started.predict((10 * x).astype(np.int64)).shape == (120, 2)


# ---- numbers that are none, and labels


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_the_pixel_that_is_not_finite_is_named(value):
    x = X.copy()
    x[7, 2, 5, 1] = value
    everywhere(x, "input in row 7, column 2, 5, 1 is", str(value), "remove or fill")


@pytest.mark.parametrize(
    ("t", "words"),
    [
        (LABELS + 1, ["label 4 in row 3", "0..3", "4 outputs"]),
        (LABELS - 1, ["label -1 in row 0", "0..3"]),
        (LABELS.astype(float), ["integer labels 0..3", "astype(int)"]),
        (2 * np.eye(4)[LABELS], ["row 0 of the targets", "a class number per pattern"]),
    ],
)
def test_labels_that_cannot_be(t, words):
    refuses(lambda: pwl.train(net(), (X, t), pwl.Adam()), *words)
    refuses(lambda: pwl.evaluate(net(), (X, t)), *words)


def test_labels_that_the_preparation_does_not_know():
    preparation = pwl.Preparation.fit(BYTES, LABELS)
    patterns = pwl.Patterns(BYTES, LABELS + 2, preparation=preparation)
    refuses(lambda: pwl.train(net(), patterns, pwl.Adam()), "label 4 came", "0, 1, 2, 3")
    refuses(lambda: net(3, classes=5).with_preparation(preparation), "5 outputs was wanted", "4 came")
    refuses(lambda: net(1).with_preparation(preparation), "1 inputs", "one for 3 and 4 came")


# ---- layers and batches


@pytest.mark.parametrize(
    ("layers", "words"),
    [
        ([Conv2d(2, 9), Flatten(), Dense(4)], ["layer 0, Conv2d", "window of (9, 9)", "does not fit images of (8, 8)"]),
        ([Conv2d(2, 5), Conv2d(2, 5), Flatten(), Dense(4)], ["layer 1, Conv2d", "(5, 5)", "(4, 4)"]),
        ([Conv2d(2, 3, dilation=4), Flatten(), Dense(4)], ["layer 0", "(9, 9)", "(8, 8)"]),
        ([MaxPool2d(4), MaxPool2d(4), Flatten(), Dense(4)], ["layer 1, MaxPool2d", "(4, 4)", "(2, 2)"]),
        ([Dense(5), "relu", Dense(4)], ["layer 0, Dense(units=5)", "(8, 8, 3)", "flatten it first"]),
        ([Conv2d(2, 3), "relu", Dense(5), Dense(4)], ["layer 2, Dense", "(6, 6, 2)", "flatten it first"]),
        ([Flatten(), Conv2d(2, 3), Dense(4)], ["layer 1, Conv2d", "(height, width, channels)", "(192,)"]),
        ([Conv2d(4, 3, groups=2), Flatten(), Dense(4)], ["layer 0", "3 channels", "2 groups"]),
        ([Conv2d(2, 3), "relu", Flatten()], ["pwl.layers.Dense(number of outputs)"]),
        ([Conv2d(2, 3), "relu"], ["pwl.layers.Dense(number of outputs)"]),
        ([Flatten(), Dense(4), "relu"], ["pwl.layers.Dense(number of outputs)"]),
        ([], ["pwl.layers.Dense(number of outputs)"]),
    ],
)
def test_layers_that_do_not_fit(layers, words):
    refuses(lambda: pwl.Network.from_layers(layers, (8, 8, 3)), *words)


def test_images_smaller_than_a_network_by_name_wants():
    refuses(lambda: pwl.models.vgg(3, input_shape=(4, 4, 1)), "layer 14, MaxPool2d", "does not fit images of (1, 1)")
    refuses(lambda: pwl.models.vgg(1, input_shape=(28, 28)), "(height, width, channels)", "(28, 28)")


def test_a_batch_larger_than_the_data():
    refuses(
        lambda: pwl.train(net(), (X, LABELS), pwl.Adam(), batch_size=21),
        "batch_size 21 is larger than the 20 patterns", "make it smaller or leave it out",
    )  # fmt: skip
