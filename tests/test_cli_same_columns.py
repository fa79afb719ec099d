"""Files beside the table that trained: their columns, rows, dates, classes and weights are found as they are, or refused."""

from __future__ import annotations

import json
import os
import threading

import numpy as np
import pytest

from pwl.cli.main import main
from pwl.data import read_inputs

QUICK = ["--iterations", "3", "--algorithm", "lm", "--hidden", "3"]
RNG = np.random.default_rng(0)


def written(path, lines):
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(path)


def trained(path, *options, out="net.safetensors"):
    net = str(path) + out
    assert main(["train", str(path), *QUICK, *map(str, options), "--out", net]) == 0
    return net


def test_a_number_that_is_a_name_is_no_place(tmp_path, capsys):
    rows = RNG.random((40, 3))
    table = written(tmp_path / "t.csv", ["0,1,2,y", *(f"{a},{b},{c},{a + 2 * b - c}" for a, b, c in rows)])
    net = trained(table)
    new = written(tmp_path / "new.csv", ["0,1,other", *(f"{a},{b},{c}" for a, b, c in rows[:5])])
    capsys.readouterr()
    assert main(["predict", net, new]) == 2
    assert "no column '2'" in capsys.readouterr().err


@pytest.mark.parametrize("count", [1, 3])
def test_a_first_line_that_the_network_can_read_is_a_row(tmp_path, capsys, count):
    cells = RNG.choice(list("xob"), size=(60, 3))
    table = written(tmp_path / "t.csv", [",".join(row) + (",win" if row[0] == "x" else ",lose") for row in cells])
    net = trained(table)
    new = written(tmp_path / "new.csv", ["x,o,b", "o,x,x", "b,b,o"][:count])
    capsys.readouterr()
    assert main(["predict", net, new]) == 0
    assert len(capsys.readouterr().out.strip().splitlines()) == 1 + count  # below the names
    named = written(tmp_path / "named.csv", ["one,two,three", "x,o,b", "o,x,x"])
    assert len(read_inputs(named, schema_of(net))) == 2


def schema_of(net):
    from pwl.training.saved import load

    return load(net).schema


def test_dates_are_read_in_the_order_of_the_new_file(tmp_path, capsys):
    days = [np.datetime64("2020-01-01") + 5 * i for i in range(60)]
    american = [f"{str(d)[5:7]}/{str(d)[8:]}/{str(d)[:4]},{RNG.random():.3f},{i}" for i, d in enumerate(days)]
    net = trained(written(tmp_path / "t.csv", ["d,b,y", *american]), "--dates", "mdy")
    found = {}
    for order, first in (("dmy", "05/06/2020"), ("mdy", "06/05/2020"), ("ymd", "2020-06-05")):
        new = written(tmp_path / f"{order}.csv", ["d,b", f"{first},0.5"])
        capsys.readouterr()
        assert main(["predict", net, new, "--dates", order]) == 0
        found[order] = capsys.readouterr().out
    assert found["dmy"] == found["mdy"] == found["ymd"]
    capsys.readouterr()
    assert main(["predict", net, str(tmp_path / "dmy.csv")]) == 0 and capsys.readouterr().out != found["dmy"]


def labelled():
    """Inputs, and labels 3, 5 and 7 that they tell."""
    x = RNG.random((60, 2))
    return np.column_stack([x, 3 + 2 * (x > 0.5).sum(axis=1)])


def test_labels_of_arrays_are_the_classes_that_they_name(tmp_path, capsys):
    a = labelled()
    np.save(tmp_path / "a.npy", a)
    np.save(tmp_path / "part.npy", a[a[:, 2] > 3])  # without the first class
    written(tmp_path / "part.csv", ["c1,c2,c3", *(f"{x},{y},{t:g}" for x, y, t in a[a[:, 2] > 3])])
    written(tmp_path / "a.csv", ["c1,c2,c3", *(f"{x},{y},{t:g}" for x, y, t in a)])
    said = {}
    for kind in ("npy", "csv"):
        how = "--task", "classification", "--validation", tmp_path / f"part.{kind}"
        net = trained(tmp_path / f"a.{kind}", *how)
        said[kind] = [line for line in capsys.readouterr().out.splitlines() if "accuracy" in line]
        assert main(["predict", net, str(tmp_path / f"a.{kind}")]) == 0
        said[kind].append(capsys.readouterr().err.split("%")[0].split()[-1])
    assert said["npy"] == said["csv"] and said["npy"][0].startswith("validation accuracy")
    assert main(["check", net.replace(".csv", ".npy"), str(tmp_path / "a.npy")]) == 0
    np.save(tmp_path / "strange.npy", np.where(a == 5, 4, a))
    how = ["--task", "classification", "--validation", str(tmp_path / "strange.npy")]
    assert main(["train", str(tmp_path / "a.npy"), *QUICK, *how, "--out", str(tmp_path / "n")]) == 2
    assert "the label 4, wanted one of the classes 3, 5, 7" in capsys.readouterr().err


def test_a_file_with_the_name_of_a_set_is_no_set(tmp_path, capsys):
    table = tmp_path / "fashion-mnist.csv"
    written(table, ["a,b,y", *(f"{a},{b},{int(a > b)}" for a, b in RNG.random((40, 2)))])
    trained(table, "--task", "classification")
    assert "test accuracy" not in capsys.readouterr().out


def test_weights_reach_the_files_that_validate_and_test(tmp_path, capsys):
    table = written(tmp_path / "t.csv", ["a,b,y,w", *(f"{i},{i * i % 7},{i + i * i % 7},1" for i in range(60))])
    rows = [f"{i},{i * i % 7},{i + i * i % 7 if i < 10 else 1_000_000},{int(i < 10)}" for i in range(20)]
    both, some = written(tmp_path / "both.csv", ["a,b,y,w", *rows]), written(tmp_path / "some.csv", ["a,b,y,w", *rows[:10]])
    lines = {}
    for name in (both, some):
        trained(table, "--target", "y", "--weights", "w", "--validation", name, "--test", name)
        lines[name] = [line for line in capsys.readouterr().out.splitlines() if line.startswith("best of")]
    assert lines[both] == lines[some] and lines[both]
    how = ["train", table, *QUICK, "--target", "y", "--weights", "w", "--out", str(tmp_path / "n"), "--validation"]
    without = written(tmp_path / "none.csv", ["a,b,y", "1,2,3", "2,3,4"])
    assert main([*how, without]) == 2
    assert "no column 'w'" in capsys.readouterr().err
    wrong = written(tmp_path / "wrong.csv", ["a,b,y,w", "1,2,3,1", "2,3,4,heavy"])
    assert main([*how, wrong]) == 2
    assert "weights" in capsys.readouterr().err


def test_other_weights_are_another_comparison(tmp_path, capsys, monkeypatch, quick_pictures):
    from pwl.cli.kept import Kept

    add = Kept.add

    def stops(self, outcome):
        add(self, outcome)
        raise KeyboardInterrupt

    def table(weight):
        return written(tmp_path / "t.csv", ["a,b,y,w", *(f"{i},{i * i % 7},{i},{weight if i % 2 else 1}" for i in range(40))])

    how = ["--target", "y", "--weights", "w", "--algorithms", "lm,molf", "--folds", "3", "--hidden", "2", "--iterations", "2"]
    monkeypatch.setattr(Kept, "add", stops)
    main(["compare", table(1), *how, "--out", str(tmp_path / "out")])
    monkeypatch.setattr(Kept, "add", add)
    about = json.loads((tmp_path / "out" / "unfinished" / "comparison.json").read_text())
    assert len(about["checksum"]) == 3
    capsys.readouterr()
    assert main(["compare", table(100), *how, "--out", str(tmp_path / "out"), "--resume"]) == 2
    assert "another comparison" in capsys.readouterr().err
    assert main(["compare", table(1), *how, "--out", str(tmp_path / "out"), "--resume"]) == 0


def test_a_folder_of_tables_may_have_further_columns(tmp_path):
    rows = RNG.random((40, 2))
    net = trained(written(tmp_path / "t.csv", ["a,b,y", *(f"{a},{b},{a + b}" for a, b in rows)]))
    (tmp_path / "folder").mkdir()
    written(tmp_path / "folder" / "1.csv", ["id,a,b,y", *(f"{i},{a},{b},{a + b}" for i, (a, b) in enumerate(rows))])
    assert read_inputs(tmp_path / "folder", schema_of(net)) == pytest.approx(rows)
    assert main(["finetune", net, str(tmp_path / "folder"), "--iterations", "2", "--out", str(tmp_path / "n.safetensors")]) == 0


def test_columns_that_nobody_needs_may_have_gaps(tmp_path, capsys):
    net = trained(written(tmp_path / "t.csv", ["a,b,y", *(f"{i},{i % 7},{i + i % 7}" for i in range(60))]))
    rows = [f"{i},{i % 7},{'' if i % 5 else 'x'},{i + i % 7},{'' if i % 3 else 2}" for i in range(60)]
    table = written(tmp_path / "gaps.csv", ["a,b,gap,y,none", *rows])
    out = str(tmp_path / "n.safetensors")
    assert main(["finetune", net, table, "--target", "y", "--iterations", "2", "--out", out]) == 0
    assert main(["check", net, table]) == 0
    capsys.readouterr()
    assert main(["finetune", net, table, "--iterations", "2", "--out", out]) == 2  # the last column is the target
    assert "'none'" in capsys.readouterr().err
    assert main(["finetune", net, table, "--target", "4", "--weights", "a", "--iterations", "2", "--out", out]) == 2
    assert "needs the input 'a'" in capsys.readouterr().err


def test_options_that_say_nothing_of_a_file_are_refused(tmp_path, capsys):
    np.save(tmp_path / "a.npy", labelled())
    net = trained(tmp_path / "a.npy")
    for option in (["--delimiter", ";"], ["--no-header"], ["--dates", "ymd"], ["--missing", "NA"]):
        capsys.readouterr()
        assert main(["predict", net, str(tmp_path / "a.npy"), *option]) == 2
        assert f"{option[0].replace('no-', '')} is for text tables" in capsys.readouterr().err
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    pandas.DataFrame(labelled(), columns=list("aby")).to_parquet(tmp_path / "a.parquet")
    for option in (["--delimiter", ";"], ["--no-header"], ["--decimal", ","]):
        assert main(["train", str(tmp_path / "a.parquet"), *QUICK, *option, "--out", str(tmp_path / "n")]) == 2
        assert "is a Parquet file" in capsys.readouterr().err
    net = trained(tmp_path / "a.parquet", "--missing", "NA")
    assert main(["check", net, str(tmp_path / "a.parquet")]) == 0


def test_one_of_several_targets_comes_once(tmp_path, capsys):
    rows = RNG.random((40, 2))
    lines = [f"{a},{b},{a + b},{a - b}" for a, b in rows]
    net = trained(written(tmp_path / "t.csv", ["a,b,s,d", *lines]), "--target", "s", "d")
    new = written(tmp_path / "new.csv", ["id,a,b,s", *(f"{i},{line.rsplit(',', 1)[0]}" for i, line in enumerate(lines))])
    capsys.readouterr()
    assert main(["predict", net, new]) == 0
    assert capsys.readouterr().out.splitlines()[0] == "id,s,d"


def test_a_file_that_an_option_took_is_named(tmp_path, capsys):
    table = written(tmp_path / "t.csv", ["a,b,y", *(f"{a},{b},{a + b}" for a, b in RNG.random((40, 2)))])
    net = trained(table)
    for line in (["train", "--missing", "NA", table], ["finetune", net, "--frozen", "1", table]):
        capsys.readouterr()
        assert main(line) == 2
        assert "write the file before it" in capsys.readouterr().err


def test_arrays_with_new_targets_finetune_a_network_of_arrays(tmp_path):
    a = labelled()
    np.save(tmp_path / "a.npy", a)
    np.save(tmp_path / "more.npy", np.column_stack([a, a[:, 0] - a[:, 1]]))
    how = ["--target", "3", "4", "--iterations", "2", "--out", str(tmp_path / "n.safetensors")]
    assert main(["finetune", trained(tmp_path / "a.npy"), str(tmp_path / "more.npy"), *how]) == 0


def test_a_pipe_is_read_once(tmp_path):
    lines = ["a,b,y", *(f"{i},{i % 7},{i + i % 7}" for i in range(60))]
    net, pipe = trained(written(tmp_path / "t.csv", lines)), tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=written, args=(pipe, lines), daemon=True)
    writer.start()
    assert main(["finetune", net, str(pipe), "--iterations", "2", "--out", str(tmp_path / "n.safetensors")]) == 0
    writer.join(10)
    assert not writer.is_alive()
