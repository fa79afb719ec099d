"""`pwl train --ensemble`: the default learner on the command line."""

from __future__ import annotations

import numpy as np
import pytest

import pwl
from pwl.cli.main import main

QUICK = ("--ensemble", "--max-seconds", "2", "--out", "net.safetensors")


@pytest.fixture
def table(tmp_path, monkeypatch):
    """A table of two inputs, a number and a class, in the current folder; the number bends at 0."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, size=(120, 2))
    y = np.abs(x[:, 0]) + 0.1 * x[:, 1] + 0.01 * rng.normal(size=120)
    for name, target in (("numbers", y), ("words", np.where(x[:, 0] > 0, "up", "down"))):
        lines = [f"{a:.6f},{b:.6f},{c if isinstance(c, str) else format(c, '.6f')}" for (a, b), c in zip(x, target, strict=True)]
        (tmp_path / f"{name}.csv").write_text("\n".join(["a,b,y", *lines]) + "\n")
    return x, y


def test_numbers_are_predicted_with_their_intervals(table, capsys):
    x, y = table
    assert main(["train", "numbers.csv", "--target", "y", "--test", "0.2", *QUICK]) == 0
    said = capsys.readouterr().out
    assert "the default learner" in said and "test of y: RMSE" in said and "hinges" in said
    net = pwl.Ensemble.load("net.safetensors")
    assert len(net.nets) > 1 and np.sqrt(np.mean((net.predict(x).reshape(-1) - y) ** 2)) < 0.1 * np.std(y)
    assert main(["predict", "net.safetensors", "numbers.csv", "--interval", "90", "--out", "y.csv"]) == 0
    _, *lines = (line.split(",") for line in open("y.csv").read().splitlines())
    low, high = (np.array([float(line[i]) for line in lines]) for i in (-2, -1))
    assert len(lines) == 120 and 0.7 < np.mean((low < y) & (y < high)) <= 1.0


def test_classes_have_their_accuracy(table, capsys):
    assert main(["train", "words.csv", "--target", "y", *QUICK]) == 0
    said = capsys.readouterr().out
    accuracy = float(said.split("validation accuracy: ")[1].split("%")[0])
    net = pwl.Ensemble.load("net.safetensors")
    assert accuracy > 80 and net.predict(np.array([[0.5, 0.0], [-0.5, 0.0]])).tolist() == ["up", "down"]


@pytest.mark.parametrize(
    ("more", "said"),
    [(["--algorithm", "lm"], "--hidden only"), (["--hinges", "7"], "--hidden only"), (["--iterations", "7"], "--hidden only"),
     (["--resume"], "no checkpoint"), (["--input-hinges", "auto"], "--hidden only")],
)  # fmt: skip
def test_what_it_does_not_take_is_said(table, more, said, capsys):
    assert main(["train", "numbers.csv", "--target", "y", *QUICK, *more]) == 2
    assert said in capsys.readouterr().err
