"""`pwl check`: its table, its verdicts, and what it says is wrong."""

from __future__ import annotations

import argparse

import numpy as np
import pytest
from test_check import CURVE, spoil, untrained
from toys import waves

import pwl
from pwl.cli import check as command
from pwl.cli import main, source
from pwl.data import read_table
from pwl.data.preparation import Preparation
from pwl.network import save
from pwl.study.check import ALL_CROSS, Row, nothing

# ---- the command


def options(*words):
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return parser.parse_args(words)


@pytest.fixture
def table(tmp_path):
    """A text file of three inputs and two targets."""
    x, t = waves()
    np.savetxt(tmp_path / "waves.csv", np.hstack([x, t]), delimiter=",", header="a,b,c,p,q", comments="")
    return tmp_path / "waves.csv"


def test_command_builds_a_net(table, capsys):
    assert command.run(options(str(table), "--target", "p", "q", "--hidden", "6,4", "--activation", "tanh")) == 0
    out = capsys.readouterr().out
    assert "6, 4 hidden units, tanh" in out and "FAILED" not in out
    assert out.splitlines()[-1] == "all 12 checks passed"


def test_command_by_default(capsys):
    assert command.run(options()) == 0
    out = capsys.readouterr().out
    assert out.startswith("concrete: 1030 patterns") and "20 hidden units, curves" in out
    assert "all 15 checks passed" in out


def test_command_fails_where_the_engine_is_wrong(table, capsys, monkeypatch):
    spoil(monkeypatch, pwl.layers.Dense, "gradient")
    assert command.run(options(str(table), "--hidden", "4")) == 1
    out = capsys.readouterr().out
    assert out.count("FAILED") == 3 and out.splitlines()[-1] == "3 of 15 checks failed"


def test_command_passes_where_constant_inputs_leave_nothing_to_compare(tmp_path, capsys):
    np.savetxt(tmp_path / "constant.csv", np.c_[np.ones((50, 2)), np.arange(50)], delimiter=",")
    assert command.run(options(str(tmp_path / "constant.csv"), "--no-header", "--hidden", "4")) == 0
    out = capsys.readouterr().out
    assert "FAILED" not in out and out.count(f"not checkable: {ALL_CROSS}") == 7
    assert out.splitlines()[-1] == "all 8 checks passed, 7 not checkable"


def test_verdicts():
    good, bad, nan = (Row("G", "0.W", "quotients", difference, 9) for difference in (0.0, 1.0, float("nan")))
    none = nothing("G", "0.W")
    assert command.verdict([good, none]) == (0, "all 1 checks passed, 1 not checkable")
    assert command.verdict([good, bad, nan, none]) == (1, "2 of 3 checks failed, 1 not checkable")
    assert command.verdict([none, none]) == (1, "nothing was checked, 2 not checkable")


def test_command_wants_the_table_of_a_saved_net(table, tmp_path, capsys):
    read = read_table(table)
    net = pwl.Network.mlp(4, 3, 1, CURVE)
    mine = saved(tmp_path / "mine.safetensors", net, (read.x, read.t), read.schema)
    nameless = saved(tmp_path / "nameless.safetensors", net, (read.x, read.t), None)
    for name in (mine, nameless):
        with pytest.raises(pwl.InputError, match="does not fit concrete: give the table that this network was trained on"):
            command.run(options(name))
    concrete = source.named("concrete")
    net = pwl.Network.mlp(8, 3, 1, CURVE)
    own = saved(tmp_path / "concrete.safetensors", net, (concrete.x, concrete.t), concrete.schema)
    assert command.run(options(own)) == 0


def saved(path, net, data, schema, **choices):
    preparation = Preparation.fit(*data, **choices)
    net, _ = pwl.train(net, preparation.transform(*data), pwl.AdAct(), iterations=3)
    save.save(net.with_preparation(preparation), path, schema=schema)
    return str(path)


def test_command_opens_a_saved_net(table, tmp_path, capsys):
    """Its table's columns are found by name, in another order."""
    read = read_table(table, ["q", "p"])
    net = saved(tmp_path / "net.safetensors", untrained(5), (read.x, read.t), read.schema, targets="common")
    x, t = waves(60)
    np.savetxt(tmp_path / "new.csv", np.hstack([t, x[:, ::-1]]), delimiter=",", header="p,q,c,b,a", comments="")
    assert command.run(options(net, str(tmp_path / "new.csv"))) == 0
    assert "new: 60 patterns, 3 inputs, targets q, p" in capsys.readouterr().out


def classes_file(path, names):
    x, _ = waves(len(names), N=2)
    rows = [f"{a},{b},{name}" for (a, b), name in zip(x, names, strict=True)]
    path.write_text("\n".join(["a,b,kind", *rows]) + "\n", encoding="ascii")
    return path


def test_command_numbers_classes_as_the_net_does(tmp_path, capsys, monkeypatch):
    read = read_table(classes_file(tmp_path / "all.csv", ["ash", "elm", "oak"] * 30))
    net = untrained(4, loss="cross_entropy")
    net = saved(tmp_path / "n.safetensors", net, (read.x, read.t), read.schema, classes=read.class_names)
    seen = []
    right = command.check
    monkeypatch.setattr(command, "check", lambda net, data, *more: seen.append(data[1]) or right(net, data, *more))
    assert command.run(options(net, str(classes_file(tmp_path / "two.csv", ["oak", "ash"] * 30)))) == 0
    np.testing.assert_array_equal(seen[0], [2, 0] * 30)
    with pytest.raises(pwl.InputError, match="class 'fir'"):
        command.run(options(net, str(classes_file(tmp_path / "other.csv", ["fir", "ash"] * 30))))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["conrete"], "did you mean 'concrete'"),
        (["a.csv", "b.csv"], "wanted a .safetensors file"),
        (["none.safetensors"], "none.safetensors is not there"),
        (["n.safetensors", "--hidden", "3"], "--hidden is for a new network"),
        (["--activation", "rely"], "unknown activation"),
        (["--activation", "relu", "--hinges", "5"], "--hinges is for curves"),
        (["--hinges", "1"], "at least 2 hinges"),
        (["--hidden", "x"], "--hidden must be whole numbers"),
        (["--seed", "-1"], "seed"),
    ],
)
def test_command_says_what_is_wrong(words, message):
    with pytest.raises(pwl.InputError, match=message):
        command.run(options(*words))


def test_a_network_on_the_folder_of_its_images(capsys, tmp_path, monkeypatch):
    pytest.importorskip("PIL.Image", reason="images are read by Pillow")
    from test_image_folder import folder

    monkeypatch.chdir(tmp_path)
    folder(count=10, shape=(4, 5, 3))
    assert main(["train", "birds", "--network", "mlp", "--hidden", "2", "--algorithm", "molf", "--iterations", "1"]) == 0
    (tmp_path / "birds" / "crow").rename(tmp_path / "birds" / "zebra")
    assert main(["check", "net.safetensors", "birds"]) == 2
    assert "birds has the class 'zebra', but the network knows crow, swan" in capsys.readouterr().err
    (tmp_path / "birds" / "zebra").rename(tmp_path / "birds" / "crow")
    assert main(["check", "net.safetensors", "birds"]) == 0
    assert "birds: 20 patterns" in capsys.readouterr().out
    folder("small", count=10, shape=(3, 3, 3))
    assert main(["check", "net.safetensors", "small"]) == 2
    assert "small has images of (3, 3, 3), but net.safetensors takes (60,)" in capsys.readouterr().err
