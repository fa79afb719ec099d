"""An empty text is no answer: a variable of the shell that is not set never means the default."""

from __future__ import annotations

import pytest

from pwl.cli import main

EMPTY = [
    ("train", ""), ("train", "t.csv", "--hidden", ""), ("train", "t.csv", "--target", ""), ("train", "t.csv", "--start", ""),
    ("train", "t.csv", "--validation", ""), ("train", "t.csv", "--drop", ""), ("train", "t.csv", "--thousands", ""),
    ("train", "--data", ""), ("compare", ""), ("compare", "t.csv", "--algorithms", ""), ("check", ""), ("info", ""),
    ("predict", "", "t.csv"), ("predict", "net", ""), ("train", "concrete", "--out", ""), ("train", "concrete", "--out="),
    ("predict", "net", "t.csv", "--out", ""), ("compare", "concrete", "--out", ""), ("export", "net", "--to", "c", "--out", ""),
    ("finetune", "net", "t.csv", "--cache", ""), ("finetune", "resnet18", "t", "--pretrained", ""),
]  # fmt: skip


@pytest.mark.parametrize("line", EMPTY, ids=" ".join)
def test_empty_texts(line, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(list(line)) == 2
    said = capsys.readouterr().err
    assert "came empty, wanted a value: is a variable of the shell not set?" in said and len(said.splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_no_word_for_a_missing_value_is_an_answer(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "t.csv").write_text("k,y\n" + "".join(f"{('NA', 'ZA')[i % 2]},{i}\n" for i in range(20)))
    assert main(["train", "t.csv", "--missing", "", "--iterations", "1", "--hidden", "2"]) == 0


@pytest.mark.parametrize("option", ["--hinges", "--input-hinges"])
def test_digits_that_are_no_numbers(option, capsys):
    assert main(["train", "concrete", option, "\u00b2"]) == 2
    assert "whole number" in capsys.readouterr().err


def test_variables_that_cannot_be(monkeypatch, capsys):
    from pwl.runtime.threads import workers

    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    without = workers()
    for value in ("\u00b2", "-3", "x", "", "0"):
        monkeypatch.setenv("OMP_NUM_THREADS", value)
        assert workers() == without
    monkeypatch.setenv("PWL_DATA_HOME", "~nosuchuser/data")
    assert main(["data"]) == 2
    assert "no such user" in capsys.readouterr().err
