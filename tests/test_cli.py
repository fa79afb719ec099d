"""The command line as a user meets it: what it prints, what it leaves behind, and one sentence for what is wrong."""

from __future__ import annotations

import csv
import json
import os
import re
import shlex
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

import pwl
from pwl.cli import main
from pwl.cli.main import COMMANDS, build


@pytest.fixture(autouse=True)
def empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def houses(tmp_path):
    """A small table: two numbers, a letter, a target."""
    rng = np.random.default_rng(0)
    lines = ["size,age,town,price"]
    for _ in range(60):
        size, age, town = rng.uniform(50, 200), rng.integers(0, 40), rng.choice(["A", "B"])
        lines.append(f"{size:.1f},{age},{town},{1000 * size - 500 * age + (20000 if town == 'A' else 0):.0f}")
    (tmp_path / "houses.csv").write_text("\n".join(lines) + "\n")
    return tmp_path / "houses.csv"


@pytest.fixture
def flowers(tmp_path):
    rng = np.random.default_rng(0)
    lines = ["length;width;species"]
    for _ in range(90):
        length, width = rng.normal(size=2)
        lines.append(f"{length:.3f};{width:.3f};{'rose' if length * width > 0 else 'tulip'}")
    (tmp_path / "flowers.csv").write_text("\n".join(lines) + "\n")
    return tmp_path / "flowers.csv"


def fails(capsys, *arguments: str) -> str:
    """The one sentence of a command that must fail with status 2."""
    assert main([str(a) for a in arguments]) == 2
    out = capsys.readouterr()
    lines = out.err.strip().splitlines()
    assert len(lines) == 1, out.err
    assert lines[0].startswith("pwl: ")
    assert "Traceback" not in out.err
    return lines[0]


QUICK = ["--iterations", "4", "--folds", "3", "--hidden", "3"]


def test_compare_prints_one_table_and_leaves_everything(capsys, tmp_path):
    assert main(["compare", *QUICK]) == 0
    printed = capsys.readouterr().out
    for name in ("adact", "hwo-adact", "molf", "hwo-molf", "owo-bp"):
        assert re.search(rf"^{name} .*\+-.*iterations$", printed, re.M)
    folder = tmp_path / "pwl-compare"
    rows = list(csv.DictReader((folder / "table.csv").open()))
    assert [row["algorithm"] for row in rows] == ["adact", "hwo-adact", "molf", "hwo-molf", "owo-bp"]
    records = sorted((folder / "records").glob("*.json"))
    assert len(records) == 15
    record = pwl.Record.from_dict(json.loads(records[0].read_text()))
    assert len(record["error"]) == 5
    # the table's figures are the records' own
    own = [
        pwl.Record.from_dict(json.loads(p.read_text())) for p in sorted((folder / "records").glob("hwo-molf-*.json"))
    ]
    test = [r["test_error"][r.best_iteration] for r in own]
    assert float(rows[3]["test_error"]) == pytest.approx(np.mean(test), rel=1e-12)
    assert float(rows[3]["test_error_std"]) == pytest.approx(np.std(test, ddof=1), rel=1e-12)
    for picture in ("errors", "curves-adact", "predicted-molf"):
        assert (folder / f"{picture}.png").read_bytes().startswith(b"\x89PNG")
    page = (folder / "report.html").read_text()
    HTMLParser().feed(page)
    assert "hwo-molf" in page and "base64" in page


def test_errors_are_in_raw_units(houses, capsys, tmp_path):
    """The record's error of the best network equals the mean squared error of its predictions in the file's units."""
    from pwl.cli.source import named
    from pwl.study.compare import Settings, compare, data_folds

    source = named("concrete")
    settings = Settings(hidden=(4,), iterations=5, k=3)
    folds = data_folds(source.t, settings)
    for outcome in compare(source.x, source.t, ["hwo-adact"], settings):
        rows = folds[outcome.fold].test
        residual = outcome.net.predict(source.x[rows]) - source.t[rows]
        assert outcome.at_best("test_error") == pytest.approx(np.mean(np.sum(residual**2, axis=1)), rel=1e-10)


def test_jobs_give_the_same_table(tmp_path, capsys):
    assert main(["compare", *QUICK, "--algorithms", "molf,adact", "--out", "one"]) == 0
    assert main(["compare", *QUICK, "--algorithms", "molf,adact", "--out", "two", "--jobs", "2"]) == 0
    one, two = (list(csv.DictReader(open(f"{name}/table.csv"))) for name in ("one", "two"))
    for a, b in zip(one, two, strict=True):
        assert float(a["test_error"]) == pytest.approx(float(b["test_error"]), rel=1e-6)


def test_compare_on_own_tables(houses, flowers, capsys):
    assert main(["compare", str(houses), "--target", "price", *QUICK, "--algorithms", "adact,molf"]) == 0
    assert "60 patterns, 4 inputs, 2 of them from town, target price" in capsys.readouterr().out
    assert main(["compare", str(houses), "--target", "price", "age", *QUICK, "--algorithms", "molf"]) == 0
    assert "targets price, age" in capsys.readouterr().out
    assert main(["compare", str(flowers), *QUICK, "--algorithms", "hwo-adact"]) == 0
    printed = capsys.readouterr().out
    assert "2 classes of species" in printed and "test wrong" in printed
    assert Path("pwl-compare/confusion-hwo-adact.png").exists()


def test_train_predict_info(houses, capsys, tmp_path):
    assert (
        main(["train", str(houses), "--target", "price", "--iterations", "30", "--hidden", "4", "--out", "h.net"]) == 0
    )
    assert "saved: h.net" in capsys.readouterr().out
    lines = houses.read_text().splitlines()
    # columns in another order, the target absent
    rows = [line.split(",") for line in lines]
    Path("new.csv").write_text("\n".join(f"{town},{size},{age}" for size, age, town, _ in rows) + "\n")
    assert main(["predict", "h.net", "new.csv", "--out", "prices.csv"]) == 0
    capsys.readouterr()
    got = list(csv.reader(open("prices.csv")))
    assert got[0] == ["price"]
    y, wanted = np.array([float(r[0]) for r in got[1:]]), np.array([float(r[3]) for r in rows[1:]])
    assert np.abs(y - wanted).max() < 0.1 * np.std(wanted)
    assert main(["predict", "h.net", "new.csv"]) == 0
    assert capsys.readouterr().out == Path("prices.csv").read_text()
    assert main(["info", "h.net"]) == 0
    printed = capsys.readouterr().out
    for word in (
        "Dense(units=4): W 4x5",
        "input town=A",
        "target price",
        "AdAct(direction='hwo'",
        "validation error",
        f"pwl {pwl.__version__}",
    ):
        assert word in printed
    assert "no column 'town'" in fails(capsys, "predict", "h.net", str(_without_town(rows)))


def _without_town(rows) -> Path:
    Path("bad.csv").write_text("\n".join(f"{size},{age}" for size, age, _, _ in rows) + "\n")
    return Path("bad.csv")


def test_predict_classes_and_probabilities(flowers, capsys):
    assert main(["train", str(flowers), "--iterations", "20", "--out", "f.net", "--validation", "0"]) == 0
    capsys.readouterr()
    assert main(["predict", "f.net", str(flowers)]) == 0
    labels = capsys.readouterr().out.split()
    true = [line.split(";")[2] for line in flowers.read_text().splitlines()]
    assert labels[0] == "species"
    assert np.mean([a == b for a, b in zip(labels, true, strict=True)]) > 0.9
    assert main(["predict", "f.net", str(flowers), "--probabilities"]) == 0
    p = list(csv.reader(capsys.readouterr().out.splitlines()))
    assert p[0] == ["species=rose", "species=tulip"]
    np.testing.assert_allclose(np.array(p[1:], dtype=float).sum(1), 1)


def test_resume_equals_one_run(houses, capsys):
    base = ["train", str(houses), "--hidden", "3", "--max-fail", "100"]
    assert main([*base, "--iterations", "9", "--out", "a"]) == 0
    assert main([*base, "--iterations", "4", "--out", "b"]) == 0
    assert main([*base, "--iterations", "9", "--out", "b", "--resume"]) == 0
    np.testing.assert_array_equal(pwl.Network.load("a").theta, pwl.Network.load("b").theta)
    assert "no checkpoint c.checkpoint" in fails(capsys, *base, "--out", "c", "--resume")


def test_info_of_a_network_without_record(capsys):
    x = np.arange(20.0)[:, None]
    pwl.initialise(pwl.Network.mlp(1, 2, 1), (x, x)).save("n")
    assert main(["info", "n"]) == 0
    printed = capsys.readouterr().out
    assert "no record" in printed and "no preparation" in printed
    assert "saved from Python" in fails(capsys, "predict", "n", "n")


def test_data_lists_what_is_there(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("PWL_DATA_HOME", str(tmp_path))
    assert main(["data"]) == 0
    printed = capsys.readouterr().out
    assert re.search(r"^concrete +1030 +8 +1 +here .*CC BY 4.0", printed, re.M)
    assert re.search(r"^fashion-mnist .* can be fetched ", printed, re.M)
    assert re.search(r"^twod .* missing ", printed, re.M)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("compair", "did you mean 'compare'"),
        ("compare --iteration 3", "did you mean '--iterations'"),
        ("compare --hidden x", "--hidden must be whole numbers"),
        ("compare --hidden 0", "--hidden must be whole numbers"),
        ("compare --algorithms adakt", "did you mean 'adact'"),
        ("compare --algorithms ,", "unknown algorithm ''"),
        ("compare concret", "did you mean 'concrete'"),
        ("compare nowhere.csv", "does not exist"),
        ("compare --start rely", "did you mean 'relu'"),
        ("compare --hinges 1", "at least 2 hinges"),
        ("compare --hinges many", "a whole number was wanted, not 'many'"),
        ("compare --folds 2", "--folds must be a whole number, 3 or more (one part tests, one validates, the others train), not 2"),
        ("compare --folds 2000", "--folds 2000 is more than the 1030 patterns"),
        ("compare --max-fail 0", "--max-fail must be a whole number, 1 or more, not 0"),
        ("train --max-fail -1", "--max-fail must be a whole number, 1 or more, not -1"),
        ("compare nowhere.csv --hinges 1", "at least 2 hinges"),
        ("train nowhere.csv --max-seconds -1", "--max-seconds must be 0 or a positive number, not -1.0"),
        ("train nowhere.csv --checkpoint-seconds nan", "--checkpoint-seconds must be 0 or a positive number, not nan"),
        ("train --validation 0.0001", "0.0001 of 1030 patterns is none"),
        ("train --validation 0.9999", "leaves 0 of 1030 patterns to train"),
        ("train concrete --task regression", "--task is for tables"),
        ("train concrete --no-header", "--header is for tables"),
        ("compare concrete --delimiter ;", "--delimiter is for tables"),
        ("compare concrete --drop age", "--drop is for tables"),
        ("train --out /dev/null", "is a device or a pipe"),
        ("compare --iterations 0", "--iterations must be a whole number, 1 or more"),
        ("compare --seed -1", "--seed must be a whole number, 0 or more"),
        ("check --seed -1", "--seed must be a whole number, 0 or more, not -1"),
        ("compare --jobs 0", "--jobs must be a whole number, 1 or more"),
        ("compare concrete --target strength", "named set"),
        ("compare concrete extra", "unexpected argument extra"),
        ("compare --out /dev/null/x", "/dev/null is a file, a folder was wanted"),
        ("train --validation 2", "--validation must be 0 or more and less than 1, not 2.0"),
        ("train --algorithm molv", "did you mean"),
        ("train --out .", "is a folder"),
        ("train --max-seconds soon", "invalid float value"),
        ("predict", "required"),
        ("predict no.net x.csv", "is not there"),
        ("info no.net", "is not there"),
        ("data --all", "unknown option --all"),
    ],
)
def test_what_is_wrong_in_one_sentence(capsys, line, words):
    assert words in fails(capsys, *shlex.split(line))


BROKEN = {
    "ragged": ("a,b,c\n1,2,3\n1,2\n3,4,5\n6,7,8\n", "line 3"),
    "text": ("a,b,c\n1,2,3\n4,x,6\n7,8,9\n1,1,1\n", "line 3"),
    "empty": ("", "is empty"),
    "one line": ("a,b,c\n", "rows"),
    "gap": ("a,b,c\n1,2,3\n4,,6\n7,8,9\n", "line 3"),
    "nan": ("a,b,c\n1,2,3\n4,nan,6\n7,8,9\n", "line 3"),
    "constant target": ("a,b,c\n1,2,3\n4,5,3\n7,8,3\n9,9,3\n", "one value"),
}


@pytest.mark.parametrize("command", ["compare", "train"])
@pytest.mark.parametrize("name", BROKEN)
def test_broken_files_and_an_earlier_result_kept(capsys, command, name):
    text, words = BROKEN[name]
    Path("broken.csv").write_text(text)
    Path("net.safetensors").write_text("earlier")
    assert words in fails(capsys, command, "broken.csv")
    assert Path("net.safetensors").read_text() == "earlier"


def test_missing_target_suggests_the_nearest(houses, capsys):
    assert "did you mean 'price'" in fails(capsys, "train", str(houses), "--target", "prize")
    assert "is a folder" in fails(capsys, "train", ".")


def test_full_disk(houses, capsys, monkeypatch):
    Path("h").write_text("earlier")

    def full(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    assert "No space left on device" in fails(capsys, "train", str(houses), "--iterations", "2", "--out", "h")
    assert Path("h").read_text() == "earlier"


@pytest.mark.parametrize("command", COMMANDS)
def test_help_reads_well(command, capsys):
    with pytest.raises(SystemExit) as stop:
        main([command, "--help"])
    assert stop.value.code == 0
    printed = capsys.readouterr().out
    assert "examples:" in printed
    assert max(map(len, printed.splitlines())) <= 130


def test_examples_of_every_help_parse():
    """Every example line is a command that the parser takes as it stands."""
    parser, commands = build()
    seen = 0
    for command in commands.values():
        for line in (command.epilog or "").splitlines():
            if line.strip().startswith("pwl "):
                options, unknown = parser.parse_known_args(shlex.split(line)[1:])
                assert not unknown and options.command in COMMANDS
                seen += 1
    assert seen >= 12


@pytest.mark.slow
def test_silent_without_a_terminal_and_interrupt_keeps_what_is_done(tmp_path):
    """A real process: no progress bar in a pipe; Ctrl-C during a long comparison reports the finished runs."""
    import signal
    import time

    command = [sys.executable, "-m", "pwl", "compare", "--algorithms", "owo-bp", "--folds", "3", "--out", "out"]
    quick = subprocess.run(
        [*command, "--iterations", "3"], capture_output=True, text=True, cwd=tmp_path, env=os.environ
    )
    assert quick.returncode == 0 and quick.stderr == ""
    process = subprocess.Popen(
        [*command[:-4], "--folds", "800", "--iterations", "20", "--out", "long"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
    )
    time.sleep(6)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "interrupted" in err and "Traceback" not in err
    assert "owo-bp" in out
    assert len(list((tmp_path / "long" / "records").glob("*.json"))) > 0


# ---- the user's files


def test_files_that_are_read_are_not_written(houses, capsys):
    assert main(["train", str(houses), "--iterations", "2", "--out", "h.net"]) == 0
    Path("link.csv").symlink_to(houses)
    Path("same.net.checkpoint").write_bytes(houses.read_bytes())
    kept = {path: path.read_bytes() for path in map(Path, ("houses.csv", "h.net", "same.net.checkpoint"))}
    capsys.readouterr()
    for line in (
        "train houses.csv --out houses.csv",
        "train houses.csv --out link.csv",
        "train same.net.checkpoint --out same.net",
        "predict h.net houses.csv --out h.net",
        "predict h.net houses.csv --out ./houses.csv",
    ):
        assert "is read as well as written" in fails(capsys, *line.split())
    assert {path: path.read_bytes() for path in kept} == kept
    assert "houses.csv is a file, a folder was wanted" in fails(capsys, "compare", "houses.csv", "--out", "houses.csv")
    assert "houses.csv is a file, a folder was wanted" in fails(capsys, "train", "--out", "houses.csv/net")


def test_links_are_followed_and_pipes_left_alone(houses, capsys):
    Path("store").mkdir()
    Path("net").symlink_to("store/real")
    assert main(["train", str(houses), "--iterations", "2", "--out", "net"]) == 0
    assert Path("net").is_symlink() and pwl.Network.load("store/real").initialised
    os.mkfifo("pipe")
    capsys.readouterr()
    assert "is a device or a pipe" in fails(capsys, "predict", "net", str(houses), "--out", "pipe")
    assert Path("pipe").is_fifo()


def test_a_comparison_replaces_the_last_one_and_nothing_else(houses, capsys):
    folder = Path("pwl-compare")
    assert main(["compare", str(houses), *QUICK, "--algorithms", "adact,molf"]) == 0
    (folder / "mine.png").write_text("mine")
    (folder / "records" / "mine.json").write_text("mine")
    assert main(["compare", str(houses), *QUICK, "--algorithms", "owo-bp"]) == 0
    left = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    ours = set(json.loads((folder / "settings.json").read_text())["files"])
    assert left - ours == {"mine.png", "records/mine.json"}
    assert {name for name in ours if name.startswith("records/")} == {f"records/owo-bp-fold{i}.json" for i in range(3)}
    assert not [name for name in ours if "adact" in name or "-molf" in name]


@pytest.mark.parametrize("name", ["settings.json", "table.csv", "report.html"])
def test_a_comparison_leaves_files_of_others_alone(houses, capsys, name):
    Path(name).write_text("mine")
    assert "would be lost" in fails(capsys, "compare", str(houses), *QUICK, "--out", ".")
    assert Path(name).read_text() == "mine"


def test_a_table_of_an_earlier_comparison_can_be_read_but_not_replaced(houses, capsys):
    line = [*QUICK, "--algorithms", "molf,owo-bp,adact", "--out", "out"]
    assert main(["compare", str(houses), *line]) == 0
    capsys.readouterr()
    before = Path("out/table.csv").read_text()
    words = fails(capsys, "compare", "out/table.csv", "--target", "test_error", "--drop", "stopped", *line)
    assert "is read as well as written" in words and Path("out/table.csv").read_text() == before


# ---- what is said


def test_max_fail_is_never_unless_asked_for(houses):
    """A network that can only get worse, on folds of 3 patterns: the run is not ended by its validation error."""
    line = ["compare", str(houses), "--folds", "20", "--hidden", "9", "--iterations", "3", "--algorithms", "hwo-adact"]
    assert main(line) == 0
    (row,) = csv.DictReader(open("pwl-compare/table.csv"))
    assert row["stopped"] == "iterations"
    assert main([*line, "--max-fail", "1"]) == 0
    (row,) = csv.DictReader(open("pwl-compare/table.csv"))
    assert "max_fail" in row["stopped"]


def test_seeds_are_written_down(houses, capsys):
    assert main(["train", str(houses), "--seed", "7", "--iterations", "2", "--out", "n"]) == 0
    assert main(["info", "n"]) == 0
    printed = capsys.readouterr().out
    assert "  seed: 7" in printed and "  start seed: 7" in printed and "  data: houses" in printed
    assert "6 of 60 patterns" in printed
    assert main(["compare", str(houses), *QUICK, "--seed", "7", "--algorithms", "molf"]) == 0
    settings = json.loads(Path("pwl-compare/records/molf-fold2.json").read_text())["settings"]
    assert (settings["seed"], settings["fold"], settings["start_seed"], settings["data"]) == (7, 2, 9, "houses")


def test_report_and_settings_say_how(houses, capsys):
    assert main(["compare", str(houses), *QUICK, "--seed", "0", "--algorithms", "molf", "--hinges", "9"]) == 0
    found = json.loads(Path("pwl-compare/settings.json").read_text())
    assert (found["seed"], found["hinges"], found["folds"], found["hidden"]) == (0, 9, 3, [3])
    assert found["versions"]["pwl"] == pwl.__version__ and found["runs_finished"] == "3 of 3"
    text = Path("pwl-compare/report.html").read_text()
    for words in (
        "60 patterns, 4 inputs",
        "seed: 0; max fail: none",
        "hinges: 9",
        "iterations: 4",
        f"numpy {np.__version__}",
    ):
        assert words in text
    assert "Trains a network" not in text


def test_each_target_has_its_own_error(houses, capsys):
    assert main(["compare", str(houses), "--target", "price,age", *QUICK, "--algorithms", "molf"]) == 0
    printed = capsys.readouterr().out
    assert re.search(r"^algorithm +price: test RMSE +R\^2 +age: test RMSE +R\^2$", printed, re.M)
    assert Path("pwl-compare/table.txt").read_text() in printed
    line = ["train", str(houses), "--target", "price", "age", "--iterations", "3", "--out", "n"]
    assert main(line) == 0
    printed = capsys.readouterr().out
    from pwl.cli.train import split

    table = pwl.data.read_table(houses, ["price", "age"])
    rows = split(60, 0.1, 0)[0]
    residual = pwl.Network.load("n").predict(table.x[rows]) - table.t[rows]
    rmse = np.sqrt(np.mean(residual**2, axis=0))
    r2 = 1 - np.mean(residual**2, axis=0) / table.t[rows].var(axis=0)
    for name, a, b in zip(("price", "age"), rmse, r2, strict=True):
        assert f"validation of {name}: RMSE {a:.6g}, R^2 {b:.4f}" in printed


def test_targets_by_comma_blank_and_by_a_name_that_holds_a_comma(houses, capsys):
    shown = []
    for words in (["price", "age"], ["price,age"], ["price", "--target", "age"]):
        assert main(["train", str(houses), "--target", *words, "--iterations", "1"]) == 0
        shown.append(capsys.readouterr().out)
    assert shown[0] == shown[1] == shown[2]
    Path("comma.csv").write_text(houses.read_text().replace("price", '"price, total"', 1))
    assert main(["train", "comma.csv", "--target", "price, total", "--iterations", "1"]) == 0
    assert "target price, total;" in capsys.readouterr().out
    assert "write the file before it" in fails(capsys, "compare", "--target", "price", str(houses))
    assert "write the file before it" in fails(capsys, "train", "--drop", "town", str(houses))


def test_delimiter_tab(houses, capsys):
    Path("tabs.txt").write_text(houses.read_text().replace(",", "\t"))
    assert main(["train", "tabs.txt", "--delimiter", "\\t", "--iterations", "1", "--out", "n"]) == 0
    assert main(["predict", "n", "tabs.txt", "--delimiter", "\\t"]) == 0


def test_predict_of_a_named_set(houses, capsys):
    assert main(["train", "concrete", "--iterations", "1", "--hidden", "2", "--out", "n"]) == 0
    capsys.readouterr()
    assert main(["predict", "n", "concrete"]) == 0
    lines = capsys.readouterr().out.split()
    x, _ = pwl.data.load("concrete")
    assert lines[0] == "strength"
    np.testing.assert_array_equal(np.array(lines[1:], dtype=float), pwl.Network.load("n").predict(x)[:, 0])
    assert "--probabilities is for classes" in fails(capsys, "predict", "n", "concrete", "--probabilities")
    assert "--delimiter is for tables" in fails(capsys, "predict", "n", "concrete", "--delimiter", ";")
    assert main(["train", str(houses), "--iterations", "1", "--out", "h"]) == 0
    assert "has no input 'size'" in fails(capsys, "predict", "h", "concrete")


def test_resume_of_a_run_that_has_ended_says_so(houses, capsys):
    line = ["train", str(houses), "--hidden", "3", "--iterations", "3", "--out", "n"]
    assert main(line) == 0
    before = pwl.Network.load("n").theta
    assert "nothing was left to do" not in capsys.readouterr().out
    assert main([*line, "--resume"]) == 0
    printed = capsys.readouterr().out
    assert "nothing was left to do" in printed and "stopped: all iterations" in printed
    np.testing.assert_array_equal(before, pwl.Network.load("n").theta)


def test_one_input_and_words(capsys):
    Path("one.csv").write_text("a,b\n" + "\n".join(f"{i},{i * i}" for i in range(20)))
    assert main(["train", "one.csv", "--iterations", "1"]) == 0
    assert "20 patterns, 1 input, target b" in capsys.readouterr().out


def test_warnings_are_sentences_each_once(houses, capsys):
    assert main(["compare", str(houses), *QUICK[:4], "--hidden", "60", "--algorithms", "molf,owo-bp"]) == 0
    notes = capsys.readouterr().err.strip().splitlines()
    assert len(notes) == 1 and re.fullmatch(r"pwl: note: \d+ patterns are fewer than .*", notes[0])
    assert (
        main(["compare", str(houses), *QUICK[:4], "--hidden", "60", "--algorithms", "molf,owo-bp", "--jobs", "2"]) == 0
    )
    assert capsys.readouterr().err.strip().splitlines() == notes


@pytest.mark.parametrize(
    ("mean", "std", "text"),
    [
        (6.24e-42, 1.13e-42, "6.24e-42 +- 1.1e-42"),
        (2.5e9, 1e8, "2.50e+09 +- 1.0e+08"),
        (12.3456, 1.2345, "12.35 +- 1.23"),
        (0.00012346, 0.00001, "0.0001235 +- 0.0000100"),
        (0.0, 0.0, "0 +- 0"),
        (3.5, None, "3.500"),
        (float("nan"), None, "nan"),
    ],
)
def test_mean_and_deviation(mean, std, text):
    from pwl.study.report import mean_std

    assert mean_std(mean, std) == text


def test_table_of_an_interrupted_comparison(houses, capsys, monkeypatch):
    """Ctrl-C in the fifth run of six: the table says how many folds each algorithm has, one fold has no deviation."""
    import pwl.study.compare as module

    right, done = module.run, []

    def run(*arguments):
        if len(done) == int(stop):
            raise KeyboardInterrupt
        done.append(1)
        return right(*arguments)

    monkeypatch.setattr(module, "run", run)
    line = ["compare", str(houses), *QUICK, "--algorithms", "molf,owo-bp"]
    stop = 3
    assert main(line) == 130
    out = capsys.readouterr()
    assert "finished runs follow" in out.err
    assert re.search(r"^algorithm +folds ", out.out, re.M)
    assert re.search(r"^molf +2 of 3 .*\+-", out.out, re.M)
    assert re.search(r"^owo-bp +1 of 3 [^+]*$", out.out.replace("e+0", "e0"), re.M)
    assert json.loads(Path("pwl-compare/settings.json").read_text())["runs_finished"] == "3 of 6"
    stop, done[:] = 0, []
    assert main(line) == 130
    out = capsys.readouterr()
    assert "no run was finished" in out.err and "follows" not in out.err


def pwl_process(*arguments: str, **more) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "pwl", *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **more
    )


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("words", ["--help", "train --help", "data"])
def test_output_that_nobody_reads_to_its_end(words, unbuffered):
    """The closed pipe is met where Python prints, or when it empties its buffer at the end."""
    process = pwl_process(*words.split(), env={**os.environ, "PYTHONUNBUFFERED": unbuffered})
    process.stdout.close()
    assert process.wait(60) == 0
    assert process.stderr.read() == ""


def test_results_are_kept_where_nobody_reads_the_table(houses, monkeypatch):
    def closed(*_):
        raise BrokenPipeError(32, "Broken pipe")

    monkeypatch.setattr("pwl.cli.compare.note", closed)
    monkeypatch.setattr("os.dup2", lambda *_: None)
    monkeypatch.setattr("sys.stdout.fileno", lambda: 1, raising=False)
    assert main(["compare", str(houses), *QUICK, "--algorithms", "molf"]) == 0
    assert Path("pwl-compare/table.csv").exists() and len(list(Path("pwl-compare/records").iterdir())) == 3


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="finds child processes in /proc")
@pytest.mark.parametrize("wait", [0.3, 6])
def test_interrupt_of_several_processes(tmp_path, wait):
    """Ctrl-C reaches all processes of a terminal: while the workers start, and amid their runs."""
    import signal
    import time

    process = pwl_process(
        "compare", "--folds", "800", "--iterations", "20", "--jobs", "2", "--algorithms", "owo-bp",
        "--out", str(tmp_path / "out"), start_new_session=True,
    )  # fmt: skip
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    while len(children.read_text().split()) < 3:  # two workers, and the one that keeps their semaphores
        time.sleep(0.05)
    time.sleep(wait)
    os.killpg(process.pid, signal.SIGINT)
    begin = time.perf_counter()
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err.startswith("pwl: interrupted") and len(err.splitlines()) == 1, err
    assert time.perf_counter() - begin < 20


@pytest.mark.slow
def test_the_first_algorithm_does_not_pay_for_loading(tmp_path):
    for jobs in ("1", "2"):
        process = pwl_process("compare", "--algorithms", "adact", "--folds", "4", "--iterations", "1", "--jobs", jobs,
                              "--out", str(tmp_path / jobs))  # fmt: skip
        process.communicate(timeout=120)
        paths = sorted((tmp_path / jobs / "records").glob("*.json"))
        first, *others = (json.loads(path.read_text())["series"]["seconds"][-1] for path in paths)
        assert first < 4 * max(others) + 0.1
