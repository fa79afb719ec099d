"""Fine-tuning with frozen layers chosen by name, rates of single layers, and features that are computed once and kept."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

import pwl
from pwl.layers import BatchNorm2d, Conv2d, Dense, Flatten, MaxPool2d
from pwl.learners import features as kept
from pwl.learners.layer_names import layer_names
from pwl.network.passes import input_of

pytestmark = pytest.mark.usefixtures("empty_folder")


def cnn(seed=0):
    layers = [
        Conv2d(4, 3),
        "relu",
        MaxPool2d(2),
        Conv2d(6, 2),
        BatchNorm2d(),
        "relu",
        Flatten(),
        Dense(5),
        "relu",
        Dense(3),
    ]
    return pwl.initialise(pwl.Network.from_layers(layers, (9, 8, 1), seed=seed, dtype=np.float64), images())


def images(Nv=40):
    rng = np.random.default_rng(1)
    t = np.arange(Nv) % 3
    return rng.normal(size=(Nv, 9, 8, 1)) + t[:, None, None, None], t


@pytest.fixture
def computed(monkeypatch):
    """Counts the blocks that go through frozen layers."""
    calls = []

    def counted(net, index, x):
        calls.append(len(x))
        return input_of(net, index, x)

    monkeypatch.setattr(kept, "input_of", counted)
    return calls


# ---- names


def test_names_of_layers():
    assert [own[0] for own in layer_names(cnn())[-3:]] == ["7.Dense", "8.Fixed", "outputs"]
    resnet = layer_names(pwl.models.resnet18(input_shape=(32, 32, 3), n_classes=2, stages=1))
    assert resnet[0] == ("0.Conv2d", "conv1") and resnet[2] == ("2.Fixed", "bn1") and resnet[-1] == ("outputs", "fc")
    vgg = layer_names(pwl.models.vgg11(input_shape=(32, 32, 3), units=2, n_classes=2))
    assert [own[1] for own in vgg if own[0].endswith("Conv2d")] == [
        f"features.{i}" for i in (0, 3, 6, 8, 11, 13, 16, 18)
    ]
    assert [own[1] for own in vgg if own[0].endswith("Dense")] == ["classifier.0", "classifier.3"]


def test_layers_frozen_by_patterns_are_those_frozen_by_number():
    net, data = cnn(), images()
    by_number, record = pwl.finetune(net, data, pwl.MOLF(), frozen=6, iterations=2)
    by_name, same = pwl.finetune(net, data, pwl.MOLF(), frozen=["[0-5].*"], iterations=2)
    assert np.array_equal(by_number.theta, by_name.theta) and record["error"] == same["error"]
    assert same.settings["frozen"] == 7, "Flatten has nothing to train, so it belongs to the frozen part"


def test_layers_between_trained_ones_stay():
    net, data = cnn(), images()
    tuned, record = pwl.finetune(net, data, pwl.Adam(0.01), frozen="3.*", iterations=3)
    changed = {key for key, part in net.parts.items() if key != "head.W" and not np.array_equal(part, tuned.parts[key])}
    assert changed == {"0.W", "4.W", "7.W"} and "frozen" not in record.settings
    with pytest.raises(pwl.InputError, match=r"MOLF has no learning rates.*pwl.SGD or pwl.Adam"):
        pwl.finetune(net, data, pwl.MOLF(), frozen="3.*")


@pytest.mark.parametrize("algorithm", [pwl.SGD(0.1, momentum=0.0), pwl.Adam(0.01, epsilon=1e-300)])
def test_rates_of_single_layers(algorithm):
    """One step: each parameter moves by its factor times what it would move."""
    net, data = cnn(), images()
    options = {"frozen": 3, "new_head": False, "iterations": 1}
    plain, _ = pwl.finetune(net, data, algorithm, **options)
    tuned, _ = pwl.finetune(net, data, algorithm, rates={"*": 0.5, "3.*": 0.25, "outputs": 2}, **options)
    for key, factor in {"3.W": 0.25, "4.W": 0.5, "7.W": 0.5, "head.W": 2.0, "0.W": 0.0}.items():
        step = plain.parts[key] - net.parts[key]
        np.testing.assert_allclose(tuned.parts[key] - net.parts[key], factor * step, rtol=1e-9, atol=1e-15, err_msg=key)


def test_factors_are_checked_and_told():
    assert pwl.SGD(factors={"1.W": 0, "0.W": 1}) == pwl.SGD(factors=(("0.W", 1.0), ("1.W", 0.0)))
    net, data = cnn(), images()
    cases = [
        (lambda: pwl.SGD(factors=3), "factors must be numbers by parameter"),
        (lambda: pwl.Adam(factors={"0.W": -1}), "the factor of '0.W' must be 0 or a positive number"),
        (lambda: pwl.train(net, data, pwl.SGD(factors={"9.W": 1}), iterations=1), "no parameter|parameters are 0.W"),
        (lambda: pwl.finetune(net, data, pwl.SGD(), rates=[0.1]), "rates must be factors by patterns"),
        (
            lambda: pwl.finetune(net, data, pwl.SGD(), rates={"layer9": 0.1}),
            "no layer is called 'layer9': there are 0.Conv2d",
        ),
        (lambda: pwl.finetune(net, data, pwl.SGD(), frozen="head"), "no layer is called 'head'"),
        (lambda: pwl.finetune(net, data, pwl.SGD(), frozen=[1.5]), "layers are chosen by patterns"),
        (lambda: pwl.finetune(net, data, pwl.SGD(), frozen="*"), "the outputs can't be frozen"),
        (lambda: pwl.finetune(net, data, pwl.SGD(), frozen=3, copies=0), "copies must be"),
        (lambda: pwl.finetune(net, data, pwl.SGD(), frozen=3, augment=True), "augment must be"),
        (lambda: pwl.finetune(net, data, pwl.SGD(), frozen=3, cache=3), "cache must be the path"),
    ]
    for call, said in cases:
        with pytest.raises(pwl.InputError, match=said):
            call()


# ---- features on disk


def test_features_are_computed_once(computed):
    net, data = cnn(), images()
    run = {"frozen": 5, "iterations": 2, "cache": "cache", "validation": images(30)}
    first, record = pwl.finetune(net, data, pwl.MOLF(), **run)
    assert sum(computed) == 70 and len(list(Path("cache").glob("*.features"))) == 2
    again, same = pwl.finetune(net, data, pwl.MOLF(), **run)
    assert sum(computed) == 70 and np.array_equal(first.theta, again.theta) and record["error"] == same["error"]
    without, _ = pwl.finetune(net, data, pwl.MOLF(), **run | {"cache": None})
    assert np.array_equal(first.theta, without.theta)


def changed_nets():
    """Networks and data of which each differs from the plain ones in a thing that features depend on."""
    net, (x, t) = cnn(), images()
    parts = {"0.W": net.parts["0.W"] * (1 + 1e-15)}
    preparation = pwl.Preparation.fit(x, t)
    other = x.copy()
    other[-1, -1, -1, 0] = np.nextafter(other[-1, -1, -1, 0], 9)
    swapped = x[[1, 0, *range(2, 40)]]
    import dataclasses

    moments = dataclasses.replace(net, buffers=net.buffers | {"4.mean": net.buffers["4.mean"] + 1e-12})
    smooth = net.replace_activations(1, "tanh")
    return {
        "weights": (net.with_parts(parts), (x, t), 5), "moments": (moments, (x, t), 5), "function": (smooth, (x, t), 5),
        "preparation": (net.with_preparation(preparation), (x, t), 5), "pixel": (net, (other, t), 5),
        "order": (net, (swapped, t), 5), "fewer": (net, (x[:39], t[:39]), 5), "layers": (net, (x, t), 6),
        "type": (net.astype(np.float32) if hasattr(net, "astype") else net, (x.astype(np.float32), t), 5),
    }  # fmt: skip


@pytest.mark.parametrize(
    "name", ["weights", "moments", "function", "preparation", "pixel", "order", "fewer", "layers", "type"]
)
def test_other_weights_images_or_changes_are_never_served_from_the_cache(name, computed):
    run = {"iterations": 1, "cache": "cache", "batch_size": 10}
    pwl.finetune(cnn(), images(), pwl.Adam(), frozen=5, **run)
    before = sum(computed)
    net, data, frozen = changed_nets()[name]
    fresh, _ = pwl.finetune(net, data, pwl.Adam(), frozen=frozen, **run)
    assert sum(computed) == before + len(data[0])
    without, _ = pwl.finetune(net, data, pwl.Adam(), frozen=frozen, **run | {"cache": None})
    assert np.array_equal(fresh.theta, without.theta)


def test_layers_above_and_targets_share_the_features(computed):
    net, (x, t) = cnn(), images()
    run = {"iterations": 1, "cache": "cache", "frozen": 5}
    pwl.finetune(net, (x, t), pwl.MOLF(), **run)
    other = net.with_parts({"7.W": 2 * net.parts["7.W"]})
    pwl.finetune(other, (x, (t + 1) % 3), pwl.MOLF(), **run)
    assert sum(computed) == 40


def test_a_damaged_file_of_features_is_computed_anew(computed):
    net, data = cnn(), images()
    run = {"iterations": 1, "cache": "cache", "frozen": 5}
    wanted, _ = pwl.finetune(net, data, pwl.MOLF(), **run)
    (path,) = Path("cache").glob("*.features")
    content = bytearray(path.read_bytes())
    for damaged in (content[:-9], content[:-1] + bytes([content[-1] ^ 1]), b""):
        path.write_bytes(damaged)
        again, _ = pwl.finetune(net, data, pwl.MOLF(), **run)
        assert np.array_equal(again.theta, wanted.theta) and len(path.read_bytes()) == len(content)
    assert sum(computed) == 4 * 40


def test_changed_copies_are_made_once(computed):
    """The images and two changed copies of each, against the same data by hand."""
    net, (x, t) = cnn(), images()
    augment = pwl.Augmentation(shift=1, flip=True)
    run = {"frozen": 3, "iterations": 2, "seed": 4}
    tuned, record = pwl.finetune(net, (x, t), pwl.MOLF(), augment=augment, copies=2, cache="cache", **run)
    copies = [augment.apply(x, (4, copy), 0) for copy in range(2)]
    wanted, same = pwl.finetune(net, (np.concatenate([x, *copies]), np.tile(t, 3)), pwl.MOLF(), **run)
    assert record["error"] == pytest.approx(same["error"], rel=1e-12)
    np.testing.assert_allclose(tuned.theta, wanted.theta, rtol=1e-9, atol=1e-12)
    assert record.settings["cached_augmentation"] == "Augmentation(shift=1, flip=True), 2 of each image, made once"
    before = sum(computed)
    pwl.finetune(net, (x, t), pwl.MOLF(), augment=augment, copies=2, cache="cache", **run)
    assert sum(computed) == before
    pwl.finetune(net, (x, t), pwl.MOLF(), augment=pwl.Augmentation(shift=0), copies=1, cache="cache", **run)
    assert sum(computed) == before + 40, "the images come from the cache, their other copies do not"


def test_a_run_on_features_resumes(computed):
    net, data = cnn(), images()
    run = {"frozen": 5, "batch_size": 10, "cache": "cache"}
    whole, _ = pwl.finetune(net, data, pwl.Adam(), iterations=4, **run)
    pwl.finetune(net, data, pwl.Adam(), iterations=2, checkpoint=pwl.Checkpoint("run", 0), **run)
    rest, _ = pwl.finetune(net, data, pwl.Adam(), iterations=4, resume="run", **run)
    assert np.array_equal(whole.theta, rest.theta)


def test_later_epochs_cost_little():
    """What an epoch costs above a frozen trunk against the pass through the trunk."""
    layers = [Conv2d(32, 3, padding=1), "relu", Conv2d(32, 3, padding=1), "relu", MaxPool2d(8)]
    layers += [Flatten(), Dense(8), "relu", Dense(2)]
    net = pwl.initialise(pwl.Network.from_layers(layers, (32, 32, 3)), (np.zeros((4, 32, 32, 3)), [0, 1, 0, 1]))
    x, t = np.random.default_rng(0).random((512, 32, 32, 3), dtype=np.float32), np.arange(512) % 2
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        _, record = pwl.finetune(net, (x, t), pwl.Adam(), frozen=5, batch_size=64, iterations=3)
        epochs = np.diff(record["seconds"])
        seconds.append((time.perf_counter() - start - epochs.sum(), np.min(epochs)))
    first, later = np.min(seconds, axis=0)
    assert later < (first + later) / 10


def test_new_outputs_for_labels_in_rows_of_zeros_and_a_one():
    rng = np.random.default_rng(0)
    x, labels = rng.normal(size=(40, 3)), np.arange(40) % 4
    net = pwl.initialise(pwl.Network.mlp(3, 5, 2, loss="cross_entropy", bypass=False), (x, labels % 2))
    found = [pwl.finetune(net, (x, t), pwl.SCG(), frozen=1, iterations=2)[0] for t in (labels, np.eye(4)[labels])]
    assert found[0].n_outputs == 4 and np.array_equal(found[0].theta, found[1].theta)


def test_labels_and_seeds_that_cannot_be():
    rng = np.random.default_rng(0)
    x, labels = rng.normal(size=(40, 3)), np.arange(40) % 4
    net = pwl.initialise(pwl.Network.mlp(3, 5, 2, loss="cross_entropy", bypass=False), (x, labels % 2))
    with pytest.raises(pwl.InputError, match="all labels are 0, wanted class numbers"):
        pwl.finetune(net, (x, labels * 0), pwl.SCG(), iterations=1)
    with pytest.raises(pwl.InputError, match="seed must be a whole number"):
        pwl.finetune(net, (x, labels), pwl.SCG(), frozen=1, seed=None, iterations=1)
