"""Small VGG nets: their sizes, the table of their layers, and that they learn."""

from __future__ import annotations

import gzip

import numpy as np
import pytest

import pwl
from pwl.cli import main
from pwl.models import vgg


@pytest.mark.parametrize(
    ("blocks", "features", "parameters"),
    [(1, 16 * 16 * 32, 1_060_138), (2, 8 * 8 * 64, 591_274), (3, 4 * 4 * 128, 550_570)],
)
def test_sizes(blocks, features, parameters):
    """Parameters as counted by hand: 9 c f + f a convolution, (inputs + 1) units a dense layer."""
    net = vgg(blocks)
    wanted, channels = 0, 3
    for filters in (32, 64, 128)[:blocks]:
        wanted += 9 * channels * filters + filters + 9 * filters * filters + filters
        channels = filters
    wanted += (features + 1) * 128 + 129 * 10
    assert net.n_parameters == wanted == parameters
    assert net.layout.shapes[-3] == (features,)
    assert net.theta.dtype == np.float32 and net.loss.name == "cross_entropy" and net.initialised


def test_summary_has_a_line_a_layer():
    text = vgg(1, pwl.PiecewiseLinear("relu", 9), input_shape=(28, 28, 1)).summary()
    lines = [line.split() for line in text.splitlines()]
    assert lines[0] == ["layer", "output", "parameters", "multiplies"]
    assert lines[2] == ["Conv2d(32,", "3,", "padding='same')", "28", "x", "28", "x", "32", "320", "225,792"]
    assert lines[3] == ["PiecewiseLinear(hinges=9)", "28", "x", "28", "x", "32", "288"]
    assert lines[4][-2:] == ["9,248", f"{28 * 28 * 9 * 32 * 32:,}"]
    assert lines[6] == ["MaxPool2d()", "14", "x", "14", "x", "32"]
    assert lines[-2] == ["outputs", "10", "1,290", "1,280"]
    assert (
        lines[-1][0] == "all"
        and lines[-1][1] == f"{vgg(1, pwl.PiecewiseLinear('relu', 9), input_shape=(28, 28, 1)).n_parameters:,}"
    )


def test_summary_of_a_multilayer_perceptron():
    text = pwl.Network.mlp(3, (5, 4), 2, "tanh").summary()
    assert [line.split()[0] for line in text.splitlines()] == [
        "layer", "inputs", "Dense(5)", "tanh", "Dense(4)", "tanh", "outputs", "all",
    ]  # fmt: skip


@pytest.mark.parametrize("start", ["glorot", "he"])
def test_starting_weights_have_the_spread_that_was_asked_for(start):
    net = vgg(3, start=start)
    W = net.parts["12.W"]  # 128 filters that see 128 channels
    wanted = (2 / (2 * 9 * 128)) ** 0.5 if start == "glorot" else (2 / (9 * 128)) ** 0.5
    assert np.std(W[:, 1:]) == pytest.approx(wanted, rel=0.02)
    assert not np.any(W[:, 0])
    np.testing.assert_array_equal(vgg(3, start=start).theta, net.theta)
    assert np.any(vgg(3, start=start, seed=1).theta != net.theta)


@pytest.mark.parametrize("activation", ["relu", pwl.PiecewiseLinear("relu", 13)], ids=["relu", "curves"])
def test_it_learns_where_the_bright_half_is(activation):
    rng = np.random.default_rng(0)
    t = rng.integers(0, 2, 96)
    x = rng.standard_normal((96, 8, 8, 1))
    x[:, :4] += np.where(t, 1.0, -1.0)[:, None, None, None]
    net = vgg(1, activation, input_shape=(8, 8, 1), n_classes=2)
    net, record = pwl.train(net, (x, t), pwl.Adam(0.002), iterations=4, batch_size=16)
    assert record["classification_error"][-1] < 0.05 < record["classification_error"][0]


@pytest.mark.parametrize("blocks", [0, 4, True, 1.5, "2"])
def test_other_numbers_of_blocks_are_refused(blocks):
    with pytest.raises(pwl.InputError, match="blocks must be a whole number from 1 to 3"):
        vgg(blocks)


def test_images_too_small_are_refused_by_the_layer():
    with pytest.raises(pwl.InputError, match="layer 14, MaxPool2d.*does not fit"):
        vgg(3, input_shape=(4, 4, 1))


# ---- the command line


@pytest.fixture
def mnist(tmp_path, monkeypatch):
    """A tiny data set in the place and form of MNIST: the class is the brighter tenth of the rows."""
    rng = np.random.default_rng(0)
    for part, n in (("train", 120), ("t10k", 30)):
        t = rng.integers(0, 10, n, dtype=np.uint8)
        x = rng.integers(0, 60, (n, 28, 28), dtype=np.uint8)
        x[np.arange(n)[:, None], 2 * t[:, None] + np.arange(4)] += 180
        for kind, a in (("images-idx3", x), ("labels-idx1", t)):
            path = tmp_path / "data" / "mnist" / f"{part}-{kind}-ubyte.gz"
            path.parent.mkdir(parents=True, exist_ok=True)
            magic = bytes([0, 0, 8, a.ndim]) + np.array(a.shape, ">u4").tobytes()
            path.write_bytes(gzip.compress(magic + a.tobytes()))
    monkeypatch.setenv("PWL_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


QUICK = ["mnist", "--network", "vgg1", "--batch-size", "20", "--hinges", "9"]


def test_train_prints_accuracies_and_resumes_and_predicts(mnist, capsys):
    run = ["train", *QUICK, "--algorithm", "curved-adam", "--seed", "1"]
    assert main([*run, "--iterations", "1"]) == 0
    printed = capsys.readouterr().out
    assert "mnist: 120 patterns, images of 28x28x1, 10 classes of class; vgg1, curved-adam" in printed
    assert "validation accuracy: " in printed and "test accuracy: " in printed and "of 30 patterns" in printed
    assert main([*run, "--iterations", "2", "--resume"]) == 0
    assert main([*run, "--iterations", "2", "--out", "whole.net"]) == 0
    resumed, whole = pwl.Network.load("net.safetensors"), pwl.Network.load("whole.net")
    np.testing.assert_array_equal(resumed.theta, whole.theta)
    assert whole.theta.dtype == np.float32 and whole.input_shape == (28, 28, 1)
    capsys.readouterr()
    assert main(["info", "whole.net"]) == 0
    assert "channel 1: offset" in capsys.readouterr().out
    assert main(["predict", "whole.net", "mnist"]) == 0
    assert capsys.readouterr().out.splitlines()[1:] == whole.predict(pwl.data.load("mnist")[0]).tolist()


def test_a_missing_test_part_is_said(mnist, capsys):
    (mnist / "data" / "mnist" / "t10k-images-idx3-ubyte.gz").unlink()
    assert main(["train", *QUICK, "--algorithm", "adam", "--iterations", "1", "--patterns", "60"]) == 0
    printed = capsys.readouterr().out
    assert "mnist: 60 patterns" in printed
    assert "test accuracy: not measured, mnist/t10k-images-idx3-ubyte.gz is not in" in printed


@pytest.mark.slow
def test_compare_on_images(mnist, capsys):
    options = ["--algorithms", "adam,curved-adam", "--folds", "3", "--iterations", "1"]
    assert main(["compare", *QUICK, *options]) == 0
    printed = capsys.readouterr().out
    assert "3 folds, vgg1" in printed and "curved-adam" in printed and "test wrong" in printed
    for name in ("curves-curved-adam.svg", "confusion-adam.svg", "report.html"):
        assert (mnist / "pwl-compare" / name).exists()


def test_what_a_network_for_images_can_not_have(mnist, capsys):
    for options, words in (
        (["concrete", "--network", "vgg1"], "is for images, but concrete has none"),
        ([*QUICK, "--hidden", "5"], "--hidden is for an mlp"),
        ([*QUICK, "--patterns", "1"], "--patterns must be a whole number, 2 or more"),
        ([*QUICK, "--batch-size", "0"], "--batch-size must be a whole number, 1 or more"),
    ):
        assert main(["train", *options]) == 2
        assert words in capsys.readouterr().err


def test_images_stay_bytes_until_a_block_is_read(mnist):
    x, t = pwl.data.load("mnist")
    patterns = pwl.Patterns.prepared(x, t, pwl.Preparation.fit(x, t), np.arange(100))
    assert patterns.x.dtype == np.uint8 and len(patterns) == 100
    block = patterns.block(vgg(1, input_shape=(28, 28, 1)), 0, 7)[0]
    assert block.dtype == np.float32 and block.shape == (7, 28, 28, 1)
    assert abs(float(block.mean())) < 0.2
