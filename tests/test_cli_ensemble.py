"""`pwl train` without options of network and training: the default learner on the command line."""

from __future__ import annotations

import contextlib
import io
import re
import signal
from pathlib import Path

import numpy as np
import pytest

import pwl
from pwl.cli.ensemble import patient
from pwl.cli.main import main

QUICK = ("--hidden", "3", "--max-seconds", "60", "--out", "net.safetensors")
FEW = ("--patterns", "40")


def write(folder):
    """A table of two inputs, a number and a class, in a folder; the number bends at 0."""
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, size=(120, 2))
    y = np.abs(x[:, 0]) + 0.1 * x[:, 1] + 0.01 * rng.normal(size=120)
    for name, target in (("numbers", y), ("words", np.where(x[:, 0] > 0, "up", "down"))):
        lines = [f"{a:.6f},{b:.6f},{c if isinstance(c, str) else format(c, '.6f')}" for (a, b), c in zip(x, target, strict=True)]
        (folder / f"{name}.csv").write_text("\n".join(["a,b,y", *lines]) + "\n")
    return x, y


@pytest.fixture
def table(tmp_path, monkeypatch):
    """The table in the current folder."""
    monkeypatch.chdir(tmp_path)
    return write(tmp_path)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """What the default learner says of the table of numbers, a fifth of which tests, and its file: trained once for all tests."""
    folder = tmp_path_factory.mktemp("trained")
    write(folder)
    with contextlib.chdir(folder), contextlib.redirect_stdout(io.StringIO()) as said:
        assert main(["train", "numbers.csv", "--target", "y", "--test", "0.2", *QUICK]) == 0
    return said.getvalue(), (folder / "net.safetensors").read_bytes()


@pytest.fixture
def ensemble(table, trained):
    """The networks of `trained`, whose file is in the current folder beside the table."""
    Path("net.safetensors").write_bytes(trained[1])
    return pwl.Ensemble.load("net.safetensors")


def test_numbers_are_predicted_with_their_intervals(table, trained, ensemble):
    (x, y), (said, _) = table, trained
    assert "the default learner" in said and "test of y: RMSE" in said and "hinges" in said
    assert len(ensemble.nets) > 1 and np.sqrt(np.mean((ensemble.predict(x).reshape(-1) - y) ** 2)) < 0.1 * np.std(y)
    assert main(["predict", "net.safetensors", "numbers.csv", "--interval", "90", "--out", "y.csv"]) == 0
    _, *lines = (line.split(",") for line in open("y.csv").read().splitlines())
    low, high = (np.array([float(line[i]) for line in lines]) for i in (-2, -1))
    assert len(lines) == 120 and 0.7 < np.mean((low < y) & (y < high)) <= 1.0


def test_classes_have_their_accuracy(table, capsys):
    assert main(["train", "words.csv", "--target", "y", *QUICK]) == 0
    said = capsys.readouterr().out
    accuracy = float(said.split(" as if left out: ")[1].split("%")[0])
    net = pwl.Ensemble.load("net.safetensors")
    assert accuracy > 80 and net.predict(np.array([[0.5, 0.0], [-0.5, 0.0]])).tolist() == ["up", "down"]


@pytest.mark.parametrize(
    "more",
    [["--single"], ["--algorithm", "lm"], ["--hinges", "7"], ["--iterations", "100"], ["--input-hinges", "auto"],
     ["--iterations", "5", "--resume"], ["--batch-size", "32", "--error-sample", "20"],
     ["--checkpoint-seconds", "5"]],
)  # fmt: skip
def test_what_asks_for_one_network_trains_one(table, more, capsys):
    single = ["train", "numbers.csv", "--target", "y", "--max-seconds", "10", *more]
    if "--resume" in more:
        assert main(single) == 2 and "no checkpoint" in capsys.readouterr().err
        single.remove("--resume")
    assert main(single) == 0
    assert "the default learner" not in capsys.readouterr().out
    assert isinstance(pwl.Network.load("net.safetensors"), pwl.Network)


def test_errors_for_patterns_left_out_are_those_of_new_ones(trained, ensemble, capsys):
    told = float(trained[0].split(" as if left out: RMSE ")[1].split(",")[0])
    x = np.random.default_rng(9).uniform(-1, 1, size=(2000, 2))
    y = np.abs(x[:, 0]) + 0.1 * x[:, 1] + 0.01 * np.random.default_rng(8).normal(size=2000)
    real = np.sqrt(np.mean((ensemble.predict(x).reshape(-1) - y) ** 2))
    assert 0.6 * real < told < 3 * real
    assert main(["train", "numbers.csv", "--target", "y", "--validation", "0.2", *QUICK, *FEW]) == 0
    said = capsys.readouterr().out
    assert "left out" not in said and "validation of y: RMSE" in said


def test_accuracies_count_weights(table, capsys, tmp_path):
    rng = np.random.default_rng(0)
    lines = ["a,w,y", *(f"{rng.normal():.4f},{10 if k % 2 else 0.1},{'p' if k % 2 else 'q'}" for k in range(100))]
    (tmp_path / "heavy.csv").write_text("\n".join(lines) + "\n")
    assert main(["train", "heavy.csv", "--target", "y", "--weights", "w", "--validation", "0.3", *QUICK]) == 0
    assert float(capsys.readouterr().out.split("validation accuracy: ")[1].split("%")[0]) > 95


@pytest.mark.parametrize("name", ["numbers.csv", "words.csv"])
def test_an_infinite_time_is_allowed(table, name, capsys):
    few = ["--hidden", "2", *FEW, "--out", "net.safetensors"]
    assert main(["train", name, "--target", "y", "--max-seconds", "inf", *few]) == 0


def test_the_first_ctrl_c_does_not_lose_trained_networks_and_the_second_ends(capsys):
    with patient():
        signal.raise_signal(signal.SIGINT)
    assert "Ctrl-C once more loses them" in capsys.readouterr().err

    def twice():
        with patient():
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        twice()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_hidden_units_are_those_of_all_networks(table, capsys):
    assert main(["train", "numbers.csv", "--target", "y", *QUICK, *FEW, "--hidden", "4,3"]) == 0
    assert "4 and 3 units" in capsys.readouterr().out
    nets = pwl.Ensemble.load("net.safetensors").nets
    assert {tuple(layer.units for layer in net.layers if hasattr(layer, "units")) for net in nets} == {(4, 3)}


def test_a_table_that_memory_holds_only_once_has_one_network(table, monkeypatch, capsys):
    monkeypatch.setattr("pwl.cli.ensemble.available", lambda: 10_000.0)
    assert main(["train", "numbers.csv", "--target", "y", *QUICK]) == 0
    assert "one network, because several would take about 15.4 kB of memory, but 10 kB are left" in capsys.readouterr().out
    assert isinstance(pwl.Network.load("net.safetensors"), pwl.Network)


def test_a_table_of_a_million_rows_has_one_network_with_a_checkpoint(table, monkeypatch, capsys, tmp_path):
    monkeypatch.setattr("pwl.cli.ensemble.FIRST_ORDER", 100)
    assert main(["train", "numbers.csv", "--target", "y", *QUICK]) == 0
    assert "one network, which a checkpoint keeps" in capsys.readouterr().out
    assert (tmp_path / "net.safetensors.checkpoint").exists()


def test_ctrl_c_saves_the_networks_that_are_trained(table, monkeypatch, capsys):
    trained = []

    def interrupted(*given, **options):
        if len(trained) == 2:
            raise KeyboardInterrupt
        trained.append(1)
        return pwl.train(*given, **options)

    monkeypatch.setattr("pwl.learners.learn.train", interrupted)
    monkeypatch.setattr("pwl.runtime.threads.workers", lambda: 1)
    assert main(["train", "numbers.csv", "--target", "y", "--out", "net.safetensors"]) == 130
    said = capsys.readouterr().out
    assert "stopped: interrupted" in said and "saved: net.safetensors" in said
    assert 1 <= len(pwl.Ensemble.load("net.safetensors").nets) <= 2


def test_commands_that_need_one_network_take_the_largest_share_or_say_how_to_train_one(ensemble, capsys):
    assert main(["check", "net.safetensors", "numbers.csv"]) == 0
    said = capsys.readouterr().out
    place = int(np.argmax(ensemble.weights)) + 1
    assert f"network {place} of the {len(ensemble.nets)} in net.safetensors" in said and "checks passed" in said
    assert main(["finetune", "net.safetensors", "numbers.csv", "--out", "tuned.safetensors"]) == 2
    assert "several networks, wanted one: train it by pwl train --single" in capsys.readouterr().err


def test_info_tells_of_each_structure_once(ensemble, capsys):
    assert main(["info", "net.safetensors"]) == 0
    said = capsys.readouterr().out
    shares = [float(part.split("\n")[0]) for part in said.split("share in the mean: ")[1:]]
    counts = [int(count) for count in re.findall(rf"^(\d+) networks? of {len(ensemble.nets)}$", said, re.MULTILINE)]
    assert len(shares) == len(counts) < len(ensemble.nets) == sum(counts) and abs(sum(shares) - 1) < 0.01
