"""Gaps among several targets, in tables, commands, comparisons and pictures."""

from __future__ import annotations

import numpy as np
import pytest

import pwl
from pwl.cli.main import main
from pwl.data import read_table
from pwl.errors import InputError
from pwl.study.report import target_errors

RNG = np.random.default_rng(0)
X = RNG.normal(size=(120, 3)).round(4)
T = np.c_[3 * np.sin(X[:, 0]), X[:, 1] ** 2].round(4)
UNKNOWN = RNG.random(T.shape) < 0.2
UNKNOWN[7] = True
GAPS = np.where(UNKNOWN, np.nan, T)


def lines_of(x, t, gap="", mark="."):
    for row in np.c_[x, t]:
        yield ";".join(gap if np.isnan(v) else f"{v:.4f}".replace(".", mark) for v in row)


def write(path, kind):
    """The table with gaps as a file of this kind; its name."""
    if kind == "npz":
        np.savez(path / "gaps.npz", x=X, t=GAPS)
    elif kind == "npy":
        np.save(path / "gaps.npy", np.c_[X, GAPS])
    elif kind == "folder":
        (path / "gaps").mkdir()
        np.save(path / "gaps" / "a.npy", np.c_[X, GAPS][:50])
        np.save(path / "gaps" / "b.npy", np.c_[X, GAPS][50:])
        return path / "gaps"
    elif kind == "parquet":
        pa, pq = (pytest.importorskip(name) for name in ("pyarrow", "pyarrow.parquet"))
        columns = {
            n: pa.array([None if np.isnan(v) else v for v in c]) for n, c in zip("abcuv", np.c_[X, GAPS].T, strict=True)
        }
        pq.write_table(pa.table(columns), path / "gaps.parquet")
    else:
        gap, mark = {"csv": ("", "."), "nan.csv": ("NaN", "."), "comma.csv": ("-", ",")}[kind]
        (path / f"gaps.{kind}").write_text("a;b;c;u;v\n" + "\n".join(lines_of(X, GAPS, gap, mark)) + "\n")
    return path / f"gaps.{kind}"


@pytest.mark.parametrize("kind", ["csv", "nan.csv", "comma.csv", "npz", "npy", "folder", "parquet"])
def test_gaps_are_nan_in_every_kind_of_file(tmp_path, kind):
    table = read_table(write(tmp_path, kind), None if kind == "npz" else [4, 5])
    np.testing.assert_array_equal(table.x, X)
    np.testing.assert_array_equal(table.t, GAPS)


def test_a_gap_in_the_only_target_an_input_or_a_word_is_refused(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("a;b;u;v\n1;2;3;4\n5;6;;8\n7;8;x;10\n2;3;1;4\n")
    with pytest.raises(InputError, match=r"line 3, column 'u'"):
        read_table(path, ["u"], drop="v")
    with pytest.raises(InputError, match=r"line 4, column 'u'.*'x'"):
        read_table(path, ["u", "v"])
    path.write_text("a;b;u;v\n1;2;3;4\n5;;;8\n7;8;5;10\n2;3;1;4\n")
    with pytest.raises(InputError, match=r"line 3, column 'b'"):
        read_table(path, ["u", "v"])
    path.write_text("a;b;u;v\n1;2;;4\n5;6;;8\n7;8;;10\n2;3;;4\n")
    with pytest.raises(InputError, match="the target 'u' has no value in any row"):
        read_table(path, ["u", "v"])


def test_commands_take_gaps(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write(tmp_path, "csv")
    assert (
        main(["train", "gaps.csv", "--target", "u", "v", "--algorithm", "lm", "--hidden", "4", "--iterations", "4"])
        == 0
    )
    out = capsys.readouterr().out
    absent = int(np.sum(UNKNOWN.all(axis=1)))
    assert f"{120 - absent} patterns" in out and "validation of u" in out
    net = next(tmp_path.glob("*.safetensors"))
    assert main(["predict", net.name, "gaps.csv", "--out", "y.csv"]) == 0
    y = pwl.Network.load(net).predict(X)
    said = capsys.readouterr().err
    for i, name in enumerate("uv"):
        known = ~UNKNOWN[:, i]
        rmse = np.sqrt(np.mean((GAPS[known, i] - y[known, i]) ** 2))
        assert f"{name}: RMSE {rmse:.6g}" in said and f"over {known.sum()} rows" in said
    assert main(["check", net.name, "gaps.csv", "--target", "u", "v"]) == 0
    assert "all 9 checks passed" in capsys.readouterr().out


def test_a_comparison_measures_known_targets():
    names = ["molf-damped", "lm", "ridge", "default"]
    found = list(pwl.compare(X, GAPS, names, iterations=3, k=3, hidden=(4,)))
    present = ~UNKNOWN.all(axis=1)
    assert len(found) == 12 and all(0 < outcome.at_best("test_error") < 100 for outcome in found)
    x, t = X[present], GAPS[present]
    rmse, r2 = target_errors(t, found[0].net.predict(x))[0]
    known = ~np.isnan(t[:, 0])
    y = found[0].net.predict(x)[known, 0]
    assert rmse == pytest.approx(np.sqrt(np.mean((t[known, 0] - y) ** 2)), rel=1e-12)
    assert r2 == pytest.approx(1 - np.mean((t[known, 0] - y) ** 2) / np.var(t[known, 0]), rel=1e-10)


def test_pictures_show_known_targets():
    net, _ = pwl.train(pwl.Network.mlp(3, 3, 2, "tanh"), (X, GAPS), pwl.LM(), iterations=3)
    y = net.predict(X)
    known = ~UNKNOWN
    title = pwl.plots.regression(net, {"training": (X, GAPS)}).axes[0].get_title()
    assert title == f"training: R = {np.corrcoef(GAPS[known], y[known])[0, 1]:.5f}"
    heights = sum(bar.get_height() for bar in pwl.plots.error_histogram(net, {"training": (X, GAPS)}).axes[0].patches)
    assert heights == known.sum()
    first = pwl.plots.predicted(net, X, GAPS).axes[0].get_title()
    assert f"R = {np.corrcoef(GAPS[known[:, 0], 0], y[known[:, 0], 0])[0, 1]:.4f}" in first and "nan" not in first
    assert "nan" not in pwl.plots.residuals(net, X, GAPS).axes[1].get_title()


@pytest.mark.parametrize("kind", ["csv", "comma.csv", "npz", "npy", "folder", "parquet"])
def test_gaps_in_a_validation_file_of_its_own(tmp_path, capsys, kind):
    """E of the validation part counts the known targets, however the file is written."""
    own = write(tmp_path, kind)
    if kind in ("csv", "comma.csv", "parquet"):
        table = tmp_path / "whole.csv"
        table.write_text("a,b,c,u,v\n" + "\n".join(",".join(f"{v:.4f}" for v in row) for row in np.c_[X, T]) + "\n")
    else:
        table = tmp_path / "whole.npy"
        np.save(table, np.c_[X, T])
    out = tmp_path / "net.safetensors"
    run = ["train", str(table), "--target", "4", "5", "--algorithm", "molf", "--hidden", "3", "--iterations", "2"]
    assert main([*run, "--validation", str(own), "--out", str(out)]) == 0
    saved = pwl.Network.load(out)
    y = saved.predict(X)
    rows = ~UNKNOWN.all(axis=1)
    raw = np.nansum((GAPS - y) ** 2) / rows.sum()
    found = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("best of"))
    assert float(found.rpartition("validation error ")[2]) == pytest.approx(raw, rel=1e-5)


def test_what_a_validation_file_may_not_hold(tmp_path, capsys):
    table = tmp_path / "t.csv"
    table.write_text("a,u,v\n" + "\n".join(f"{i},{i % 3},{i % 5}" for i in range(30)) + "\n")
    own = tmp_path / "own.csv"
    run = ["train", str(table), "--target", "u", "v", "--algorithm", "molf", "--hidden", "2", "--iterations", "2"]
    for cell, said in (("x", "line 3, column 'u': the text 'x'"), ("inf", "line 3, column 'u': 'inf' is not a finite")):
        own.write_text(f"a,u,v\n1,2,3\n2,{cell},4\n3,4,5\n")
        assert main([*run, "--validation", str(own), "--out", str(tmp_path / "n")]) == 2
        assert said in capsys.readouterr().err
    own.write_text("a,u,v\n1,,3\n2,,4\n3,,5\n")
    assert main([*run, "--validation", str(own), "--out", str(tmp_path / "n")]) == 0
    printed = capsys.readouterr()
    assert "validation of u: no known values\n" in printed.out and printed.err.count("note:") == 0
    of_several = [*run[:5], "--max-seconds", "1", "--validation", str(own), "--out", str(tmp_path / "n")]
    assert main(of_several) == 0, capsys.readouterr().err
    assert "validation of u: no known values\n" in capsys.readouterr().out
    one = tmp_path / "one.csv"
    one.write_text("a,u\n1,2\n2,\n3,4\n")
    run[3:5] = ["u"]
    table.write_text("a,u\n" + "\n".join(f"{i},{i % 3}" for i in range(30)) + "\n")
    assert main([*run, "--validation", str(one), "--out", str(tmp_path / "n")]) == 2
    assert "line 3, column 'u': a value is missing" in capsys.readouterr().err
