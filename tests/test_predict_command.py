"""`pwl predict`: every row has its line, ids are carried through, scores, rows without an answer, networks from Python."""

from __future__ import annotations

import csv
import io
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from refusals import fails

import pwl
from pwl.cli import main

pytestmark = pytest.mark.usefixtures("empty_folder")
X = np.random.default_rng(0).uniform(1, 9, (60, 2)).round(3)
Y = (3 * X[:, 0] - X[:, 1]).round(3)


@pytest.fixture
def net(capsys):
    """A network for columns a and b; the table has an id as well."""
    lines = [f"n{i},{a},{b},{y}\n" for i, ((a, b), y) in enumerate(zip(X, Y, strict=True))]
    Path("t.csv").write_text("id,a,b,y\n" + "".join(lines))
    assert main(["train", "t.csv", "--drop", "id", "--iterations", "3", "--hidden", "3", "--out", "n"]) == 0
    capsys.readouterr()
    return "n"


def predicted(capsys, *arguments: str) -> tuple[list[list[str]], list[str]]:
    """Rows of standard output and lines of standard error of a command that must succeed."""
    assert main(["predict", *arguments]) == 0
    out = capsys.readouterr()
    return list(csv.reader(io.StringIO(out.out))), out.err.splitlines()


def test_ids_come_first_and_targets_are_scored(net, capsys):
    rows, said = predicted(capsys, net, "t.csv")
    assert rows[0] == ["id", "y"] and [row[0] for row in rows[1:]] == [f"n{i}" for i in range(60)]
    y = np.array([float(row[1]) for row in rows[1:]])
    np.testing.assert_array_equal(y, pwl.Network.load(net).predict(X)[:, 0])
    rmse, r2 = np.sqrt(np.mean((y - Y) ** 2)), 1 - np.sum((y - Y) ** 2) / np.sum((Y - Y.mean()) ** 2)
    assert said == [f"pwl: y: RMSE {rmse:.6g}, R^2 {r2:.4f} over 60 rows"]


def test_no_row_is_without_a_line(net, capsys):
    lines = Path("t.csv").read_text().splitlines()
    lines[3], lines[5], lines[7] = "n2,oops,1,2", "n4,1", 'n6,"1,2,3'
    lines[9] = "n8,1.7e308,-1.7e308,1"
    Path("bad.csv").write_text("\n".join(lines) + "\n")
    rows, said = predicted(capsys, net, "bad.csv")
    assert len(rows) == 61
    assert [i for i, row in enumerate(rows) if row[1] == ""] == [3, 5, 7, 9]
    assert rows[3][0] == "n2" and rows[5][0] == "n4" and rows[9][0] == "n8"
    assert (
        "3 of 60 rows can't be read and have empty cells; the first: bad.csv, line 4, column 'a': the text 'oops'"
        in said[1]
    )
    assert "1 of 60 rows have no finite prediction" in said[2]
    assert "bad.csv, line 8: a quote opens here" in fails(capsys, "predict", net, "bad.csv", "--strict", "--out", "o.csv")
    assert not Path("o.csv").exists()
    Path("far.csv").write_text("a,b\n1,2\n1.7e308,-1.7e308\n")
    assert "row 2 of data is not finite" in fails(capsys, "predict", net, "far.csv", "--strict", "--out", "o.csv")


def test_far_inputs_and_damaged_weights_are_refused_in_python(net):
    network = pwl.Network.load(net)
    with pytest.raises(pwl.InputError, match="prediction for row 1 is not finite"):
        network.predict([[1.0, 2.0], [1.7e308, 1.7e308]])
    theta = network.theta.copy()
    theta[0] = np.nan
    with pytest.raises(pwl.InputError, match="weights that are not finite"):
        network.with_theta(theta).predict(X)
    network.with_theta(theta).save("damaged")


def test_a_network_with_damaged_weights(net, capsys):
    network = pwl.Network.load(net)
    network.with_theta(np.full_like(network.theta, np.inf)).save("damaged")
    assert "weights that are not finite" in fails(capsys, "predict", "damaged", "t.csv")


def test_missing_targets_are_not_scored(net, capsys):
    lines = Path("t.csv").read_text().splitlines()
    lines[1] = lines[1].rsplit(",", 1)[0] + ","
    Path("some.csv").write_text("\n".join(lines) + "\n")
    rows, said = predicted(capsys, net, "some.csv")
    assert rows[1][1] != "" and said[0].endswith("over 59 rows")


def test_standard_input_and_packed_files(net, capsys, monkeypatch):
    rows, _ = predicted(capsys, net, "t.csv")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(Path("t.csv").read_bytes())))
    assert predicted(capsys, net, "-")[0] == rows


@pytest.mark.parametrize("classes", [False, True])
def test_networks_saved_from_python_serve(capsys, classes):
    t = np.array(["no", "yes"])[(Y > 10).astype(int)] if classes else Y
    preparation = pwl.Preparation.fit(X, t)
    net = pwl.Network.mlp(2, 3, 2 if classes else 1, loss="cross_entropy" if classes else "squared_error")
    net, _ = pwl.train(net.with_preparation(preparation), (X, t), pwl.MOLF(), iterations=3)
    net.save("n")
    Path("named.csv").write_text("size,age\n" + "".join(f"{a},{b}\n" for a, b in X))
    rows, said = predicted(capsys, "n", "named.csv")
    assert [row[0] for row in rows[1:]] == [str(y) for y in np.ravel(net.predict(X)).tolist()] and not said
    Path("whole.csv").write_text("".join(f"{a},{b},{y}\n" for (a, b), y in zip(X, t, strict=True)))
    assert len(predicted(capsys, "n", "whole.csv")[1]) == 1  # the target comes last, and is scored
    Path("four.csv").write_text("1.5,2,3,4\n")
    assert "wanted the 2 inputs or all 3" in fails(capsys, "predict", "n", "four.csv")


@pytest.mark.slow
def test_memory_does_not_grow_with_the_rows(net, capsys, monkeypatch):
    monkeypatch.setattr("pwl.data.scratch.BLOCK", 2**15)
    network = np.tile(X, (1500, 1))
    np.save("big.npy", network)
    np.save("small.npy", network[:24_000])
    peaks = []
    for name in ("small.npy", "big.npy"):
        tracemalloc.start()
        assert main(["predict", net, name, "--out", "p.csv"]) == 0
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert len(Path("p.csv").read_text().splitlines()) == len(network) + 1
    assert peaks[1] < 1.5 * peaks[0]
