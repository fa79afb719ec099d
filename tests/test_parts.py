"""Parts of the data and weights: `pwl.data.split`, and on the command line shares, files, order, groups and weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from refusals import fails

import pwl
from pwl.cli import main
from pwl.data import split

R = np.random.default_rng(0)
X = R.uniform(1, 9, (80, 3)).round(3)
Y = (np.sin(X[:, 0]) + X[:, 1]).round(3)


@given(
    st.integers(10, 200), st.integers(0, 9), st.sampled_from([(0.7, 0.15, 0.15), (0.2, 0.8), (1.0,), (0.5, 0.0, 0.5)])
)
def test_parts_share_out_all_patterns(n, seed, shares):
    for more in ({}, {"labels": np.arange(n) % 3}, {"ordered": True}, {"groups": np.arange(n) // 2}):
        parts = split(n, shares, seed, **more)
        np.testing.assert_array_equal(np.sort(np.concatenate(parts)), np.arange(n))
        for share, rows in zip(shares, parts, strict=True):
            assert abs(len(rows) - share * n) <= 3 and (np.diff(rows) > 0).all()


def test_classes_are_shared_out_and_none_is_held_out_whole():
    labels = np.r_[np.zeros(90), np.ones(10), [2, 2], [3]]
    for seed in range(50):
        held, train = split(len(labels), (0.3, 0.7), seed, labels=labels)
        assert set(labels[train]) == {0, 1, 2, 3}
        assert abs(np.sum(labels[held] == 0) - 27) <= 1 and abs(np.sum(labels[held] == 1) - 3) <= 1


def test_groups_stay_whole_and_order_is_kept():
    groups = np.repeat(np.arange(20), 4)
    held, train = split(80, (0.25, 0.75), 3, groups=groups)
    assert not set(groups[held]) & set(groups[train]) and len(held) == 20
    first, last = split(10, (0.8, 0.2), ordered=True)
    assert first.tolist() == list(range(8)) and last.tolist() == [8, 9]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((10, (0.5, 0.6)), "sum to 1"),
        ((10, (-0.5, 1.5)), "numbers from 0 to 1"),
        ((10, (0.01, 0.99)), "is none"),
        ((10, ("a", 0.5)), "numbers from 0 to 1"),
    ],
)
def test_parts_that_cannot_be(arguments, words):
    with pytest.raises(pwl.InputError, match=words):
        split(*arguments)
    with pytest.raises(pwl.InputError, match=r"labels came with shape \(3,\)"):
        split(10, (0.5, 0.5), labels=[1, 2, 3])


# ---- the command line


@pytest.fixture
def table(empty_folder):
    rows = [
        f"{g},{w},{a},{b},{c},{y}\n"
        for g, w, (a, b, c), y in zip(np.arange(80) // 8, np.arange(80) % 3, X, Y, strict=True)
    ]
    Path("t.csv").write_text("g,w,a,b,c,y\n" + "".join(rows))
    Path("v.csv").write_text(
        "y,a,b,c\n" + "".join(f"{y},{a},{b},{c}\n" for (a, b, c), y in zip(X[:20], Y[:20], strict=True))
    )
    return "t.csv"


def trained(*arguments: str) -> pwl.Record:
    assert main(["train", "t.csv", "--iterations", "3", "--hidden", "3", "--out", "n", *arguments]) == 0
    from pwl.training.saved import load

    return load("n").record


def test_parts_on_the_command_line(table, capsys):
    drop = ["--drop", "g,w"]
    assert (
        trained(*drop, "--ordered", "--validation", "0.2", "--test", "0.1").settings["validation"]
        == "16 of 80 patterns, the last ones"
    )
    net = pwl.Network.load("n")
    record = trained(*drop, "--ordered", "--validation", "0.2", "--test", "0.1")
    residual = net.predict(X[72:])[:, 0] - Y[72:]
    assert record["test_error"][record.best_iteration] == pytest.approx(np.mean(residual**2))
    assert "test of y: RMSE" in capsys.readouterr().out
    assert "whole groups" in trained("--drop", "w", "--group", "g", "--validation", "0.2").settings["validation"]
    record = trained(*drop, "--validation", "v.csv")
    assert record.settings["validation"] == "20 patterns of v.csv"
    residual = pwl.Network.load("n").predict(X[:20])[:, 0] - Y[:20]
    assert record["validation_error"][record.best_iteration] == pytest.approx(np.mean(residual**2))
    for arguments, words in (
        (["--ordered", "--group", "g"], "wanted one of them"),
        (["--ordered", "--validation", "0"], "nothing is held out"),
        (["--validation", "nowhere.csv"], "does not exist"),
        (["--validation", "1.5"], "less than 1"),
        (["--test", "0.99"], "leaves"),
        (["--out", "v.csv", "--validation", "v.csv"], "is read as well as written"),
    ):
        assert words in fails(capsys, "train", "t.csv", *arguments)


def test_weights_on_the_command_line(table):
    """Weight 0 leaves a row out, and weight 2 is the row twice."""
    weights = np.arange(80) % 3
    a = trained("--drop", "g", "--weights", "w", "--validation", "0")
    rows = [line for line, w in zip(Path("t.csv").read_text().splitlines()[1:], weights, strict=True) for _ in range(w)]
    Path("t.csv").write_text("g,w,a,b,c,y\n" + "\n".join(rows) + "\n")
    b = trained("--drop", "g,w", "--validation", "0")
    np.testing.assert_allclose(a["error"], b["error"], rtol=1e-6)


def test_images_of_ones_own(empty_folder, capsys):
    labels = np.array(["cat", "dog"])[np.arange(40) % 2]
    images = R.integers(0, 99, (40, 10, 12)).astype(np.uint8) + (np.arange(40) % 2 * 99).astype(np.uint8)[:, None, None]
    np.savez("i.npz", x_train=images, y_train=labels, x_test=images[:8], y_test=labels[:8])
    line = ["train", "i.npz", "--iterations", "2", "--out", "n"]
    assert main([*line, "--network", "vgg1", "--algorithm", "adam", "--validation", "0.2", "--test", "i.npz"]) == 0
    out = capsys.readouterr().out
    assert "40 patterns, images of 10x12x1, 2 classes of class" in out and "test accuracy" in out
    assert set(pwl.Network.load("n").predict(images[..., None]).tolist()) <= {"cat", "dog"}
    assert main([*line, "--hidden", "3"]) == 0
    assert "120 inputs" in capsys.readouterr().out
