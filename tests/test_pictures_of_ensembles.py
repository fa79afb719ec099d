"""Comparisons in which the default learner, an ensemble, meets classes and numbers: their pictures and their report."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

import pwl
from pwl import plots
from pwl.cli import main

pytest.importorskip("matplotlib")

X = np.random.default_rng(0).normal(size=(45, 2)).round(3)


@pytest.mark.parametrize("classes", [False, True])
def test_a_comparison_with_the_default_learner(classes, tmp_path, capsys, quick_pictures):
    wanted = {f"{'confusion' if classes else 'predicted'}-{name}" for name in ("molf", "default")}
    quick_pictures |= wanted
    last = np.where(X[:, 0] > 0.3, "p", np.where(X[:, 1] > 0, "q", "r")) if classes else np.sin(X[:, 0]).round(3)
    with (tmp_path / "t.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["a", "b", "y"], *zip(*X.T, last, strict=True)])
    run = ["compare", str(tmp_path / "t.csv"), "--algorithms", "molf,default", "--iterations", "2", "--folds", "3"]
    assert main([*run, "--out", str(tmp_path / "found")]) == 0, capsys.readouterr().err
    assert wanted <= {path.stem for path in Path(tmp_path / "found").rglob("*.svg") if "</g>" in path.read_text()}
    assert (tmp_path / "found" / "report.html").exists()


def test_pictures_take_ensembles_and_refuse_other_things():
    t, k = np.sin(X[:, :1]), np.arange(45) % 3
    of_numbers = pwl.Ensemble([pwl.initialise(pwl.Network.mlp(2, 4, 1, seed=seed), (X, t)) for seed in (0, 1)])
    start = pwl.Network.mlp(2, 4, 3, loss="cross_entropy")
    of_classes = pwl.Ensemble([pwl.initialise(start, (X, k))])
    for draw, net, target in (
        (plots.predicted, of_numbers, t), (plots.residuals, of_numbers, t), (plots.confusion, of_classes, k)
    ):  # fmt: skip
        assert draw(net, X, target).axes
        with pytest.raises(pwl.InputError, match="net must be a pwl.Network or a pwl.Ensemble, not 3"):
            draw(3, X, target)
