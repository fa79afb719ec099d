"""The command line: the files of the user, what is said of a run, and processes that are cut short."""

from __future__ import annotations

import csv
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from refusals import fails
from test_cli import QUICK

import pwl
from pwl.cli import main

pytestmark = pytest.mark.usefixtures("empty_folder", "quick_pictures")

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
    words = fails(capsys, "compare", "out/table.csv", "--target", "test_error", "--drop", "stopped,p_against_best", *line)
    assert "is read as well as written" in words and Path("out/table.csv").read_text() == before


# ---- what is said


@pytest.mark.slow
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
        "<dt>seed</dt><dd>0</dd>",
        "<dt>max fail</dt><dd>none</dd>",
        "<dt>hinges</dt><dd>9</dd>",
        "<dt>iterations</dt><dd>4</dd>",
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
    from pwl.data import split

    table = pwl.data.read_table(houses, ["price", "age"])
    rows = split(60, (0.1, 0.9), 0)[0]
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
@pytest.mark.slow
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
