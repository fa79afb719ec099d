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
from refusals import fails

import pwl
from pwl.cli import main
from pwl.cli.main import COMMANDS, build
from pwl.training.saved import load

pytestmark = pytest.mark.usefixtures("empty_folder")


QUICK = ["--iterations", "4", "--folds", "3", "--hidden", "3"]


def test_compare_prints_one_table_and_leaves_everything(capsys, tmp_path, quick_pictures):
    quick_pictures |= {"errors", "curves-adact", "predicted-molf"}
    assert main(["compare", *QUICK, "--patterns", "120"]) == 0
    printed = capsys.readouterr().out
    trained = ["adact", "adact-damped", "molf", "molf-damped", "cg", "scg", "lm"]
    for name in trained:
        assert re.search(rf"^{name} .*\+-.*iterations$", printed, re.M)
    assert re.search(r"^ridge .*\+-.* - .*solved$", printed, re.M)
    assert re.search(r"^\w[\w-]* wins: its mean test E .* p = .* after Holm's correction for 36 pairs", printed, re.M)
    folder = tmp_path / "pwl-compare"
    rows = list(csv.DictReader((folder / "table.csv").open()))
    assert [row["algorithm"] for row in rows] == [*trained, "ridge", "default"]
    records = sorted((folder / "records").glob("[a-c]*.json"))
    assert len(records) == 9
    assert len(list((folder / "networks").iterdir())) == 27
    record = pwl.Record.from_dict(json.loads(records[0].read_text()))
    assert len(record["error"]) == 5
    # the table's figures are the records' own
    own = [
        pwl.Record.from_dict(json.loads(p.read_text())) for p in sorted((folder / "records").glob("molf-fold*.json"))
    ]
    test = [r["test_error"][r.best_iteration] for r in own]
    assert float(rows[2]["test_error"]) == pytest.approx(np.mean(test), rel=1e-12)
    assert float(rows[2]["test_error_std"]) == pytest.approx(np.std(test, ddof=1), rel=1e-12)
    for picture in quick_pictures:
        assert "</g>" in (folder / f"{picture}.svg").read_text()
    page = (folder / "report.html").read_text()
    HTMLParser().feed(page)
    assert "molf-damped" in page and 'href="networks/molf-damped-fold0.safetensors"' in page


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


@pytest.mark.slow
def test_jobs_give_the_same_table(tmp_path, capsys):
    assert main(["compare", *QUICK, "--algorithms", "molf,adact", "--out", "one"]) == 0
    assert main(["compare", *QUICK, "--algorithms", "molf,adact", "--out", "two", "--jobs", "2"]) == 0
    one, two = (list(csv.DictReader(open(f"{name}/table.csv"))) for name in ("one", "two"))
    for a, b in zip(one, two, strict=True):
        assert float(a["test_error"]) == pytest.approx(float(b["test_error"]), rel=1e-6)


def test_compare_on_own_tables(houses, flowers, capsys, quick_pictures):
    quick_pictures.add("confusion-hwo-adact")
    assert main(["compare", str(houses), "--target", "price", *QUICK, "--algorithms", "adact,molf"]) == 0
    assert "60 patterns, 4 inputs, 2 of them from town, target price" in capsys.readouterr().out
    assert main(["compare", str(houses), "--target", "price", "age", *QUICK, "--algorithms", "molf"]) == 0
    assert "targets price, age" in capsys.readouterr().out
    assert main(["compare", str(flowers), *QUICK, "--algorithms", "hwo-adact"]) == 0
    printed = capsys.readouterr().out
    assert "2 classes of species" in printed and "test wrong" in printed
    assert "</g>" in Path("pwl-compare/confusion-hwo-adact.svg").read_text()


@pytest.mark.core
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
        "CurvedDense(units=4, hinges=3, counts=(3, 3, 0, 0)): W 4x9",
        "input town=A",
        "target price",
        "BayesianLM(",
        "learner: ",
        "validation error",
        f"pwl {pwl.__version__}",
    ):
        assert word in printed
    assert "no column 'town'" in fails(capsys, "predict", "h.net", str(_without_town(rows)))


def test_intervals_hold_their_share_and_need_deviations(houses, capsys):
    line = ["train", str(houses), "--target", "price", "--hidden", "4", "--iterations", "30", "--out", "h.net"]
    assert main(line) == 0
    capsys.readouterr()
    assert main(["predict", "h.net", str(houses), "--interval", "90"]) == 0
    rows = list(csv.reader(capsys.readouterr().out.splitlines()))
    assert rows[0][-3:] == ["price", "price_low", "price_high"]
    y, low, high = np.array([[float(cell) for cell in row[-3:]] for row in rows[1:]]).T
    true = np.array([float(line.split(",")[3]) for line in houses.read_text().splitlines()[1:]])
    assert np.allclose(y - low, high - y) and np.all(low < high)
    assert np.mean((low <= true) & (true <= high)) >= 0.8
    assert main(["predict", "h.net", str(houses), "--interval", "50"]) == 0
    half = list(csv.reader(capsys.readouterr().out.splitlines()))
    ratio = (high - low) / np.array([float(row[-1]) - float(row[-2]) for row in half[1:]])
    assert np.allclose(ratio, 1.64485363 / 0.67448975)
    for share in ("0", "100", "-5", "nan"):
        assert "from 1 to below 100" in fails(capsys, "predict", "h.net", str(houses), f"--interval={share}")
    pwl.Network.load("h.net").with_theta(pwl.Network.load("h.net").theta).save("bare.net")
    assert "keep" in fails(capsys, "predict", "bare.net", str(houses), "--interval", "90")


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


@pytest.mark.core
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
    assert "is not a text file" in fails(capsys, "predict", "n", "n")


def test_data_lists_what_is_there(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("PWL_DATA_HOME", str(tmp_path))
    assert main(["data"]) == 0
    printed = capsys.readouterr().out
    assert re.search(r"^concrete +1030 +8 +1 +here .*CC BY 4.0", printed, re.M)
    assert re.search(r"^fashion-mnist .* can be fetched ", printed, re.M)
    assert re.search(r"^twod .* missing ", printed, re.M)


@pytest.mark.core
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
        (
            "compare --folds 2",
            "--folds must be a whole number, 3 or more (one part tests, one validates, the others train), not 2",
        ),
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


def test_a_folder_of_tables_is_one_table(houses, capsys):
    parts = Path("parts")
    parts.mkdir()
    assert "holds no files itself, wanted tables" in fails(capsys, "train", "parts")
    lines = houses.read_text().splitlines()
    half = 1 + len(lines) // 2
    (parts / "1.csv").write_text("\n".join(lines[:half]) + "\n")
    (parts / "2.csv").write_text("\n".join([lines[0], *lines[half:]]) + "\n")
    run = ["--target", "price", "--iterations", "2", "--hidden", "3"]
    for data, out in ((houses, "one"), (parts, "two")):
        assert main(["train", str(data), *run, "--out", out]) == 0
        assert main(["train", str(houses), *run, "--validation", str(data), "--out", f"{out}-own"]) == 0
    for one, two in (("one", "two"), ("one-own", "two-own")):
        assert np.array_equal(load(one).net.theta, load(two).net.theta)


def test_full_disk(houses, capsys, monkeypatch):
    Path("h").write_text("earlier")

    def full(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    assert main(["train", str(houses), "--iterations", "2", "--out", "h"]) == 2
    note, words = capsys.readouterr().err.splitlines()
    assert note.startswith("pwl: note: the checkpoint is not up to date") and "No space left on device" in note
    assert words == "pwl: h can't be written: No space left on device"
    assert Path("h").read_text() == "earlier"


def test_a_network_that_finds_no_room_is_kept_elsewhere(houses, capsys, monkeypatch):
    """Training is not lost because of a disk that filled up meanwhile."""
    replace = os.replace

    def full(source, target):
        if Path(target).parent == Path.cwd():
            raise OSError(28, "No space left on device")
        replace(source, target)

    monkeypatch.setattr("os.replace", full)
    assert main(["train", str(houses), "--iterations", "2", "--out", "n.safetensors"]) == 2
    words = capsys.readouterr().err.splitlines()[-1]
    kept = Path(words.rpartition("is kept as ")[2])
    assert pwl.Network.load(kept).n_outputs == 1
    assert not list(Path.cwd().glob(".n.safetensors*")), "nothing half written is left"
    kept.unlink()
    kept.parent.rmdir()


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
