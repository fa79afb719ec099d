"""Few patterns and single things: notes and sentences about them."""

from __future__ import annotations

import numpy as np
import pytest

import pwl
from pwl.cli import main

RNG = np.random.default_rng(0)
X, T = RNG.normal(size=(12, 2)), RNG.normal(size=(12, 1))


def test_fine_tuning_on_few_patterns_is_noted():
    net = pwl.initialise(pwl.Network.mlp(2, 9, 1, bypass=False), (X, T))
    with pytest.warns(UserWarning, match="5 patterns are fewer than the 10 basis functions"):
        pwl.finetune(net, (X[:5], T[:5]), pwl.MOLF(), iterations=1)


def test_folds_that_leave_too_few_to_train_on(tmp_path, capsys):
    table = tmp_path / "t.csv"
    for rows, left in ((3, 1), (5, 1)):
        table.write_text("a,y\n" + "".join(f"{i},{i * i}\n" for i in range(rows)))
        assert main(["compare", str(table), "--folds", "3", "--out", str(tmp_path / "found")]) == 2
        assert f"--folds 3 of {rows} patterns leaves {left} to train on" in capsys.readouterr().err


def test_one_iteration_and_one_row(tmp_path, capsys):
    table = tmp_path / "t.csv"
    table.write_text("a,y\n" + "".join(f"{i},{i * i}\n" for i in range(20)))
    out = str(tmp_path / "n.safetensors")
    assert main(["train", str(table), "--iterations", "1", "--hidden", "2", "--algorithm", "molf", "--out", out]) == 0
    assert "best of 1 iteration: " in capsys.readouterr().out
    assert repr(pwl.train(pwl.Network.mlp(2, 2, 1), (X, T), pwl.MOLF(), iterations=1)[1]).startswith("Record(1 iteration, ")
    table.write_text("a,y\n1,1\n")
    assert main(["predict", out, str(table)]) == 0
    assert capsys.readouterr().err.rstrip().endswith(" over 1 row")
