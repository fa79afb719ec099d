"""`mpiexec -n P pwl ...`: the tables, networks and predictions of one process, and one voice."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from mpiexec import interrupted, needs_mpi, run

from pwl.cli.main import main
from pwl.training.saved import load

pytestmark = [needs_mpi, pytest.mark.slow, pytest.mark.xdist_group("mpi"), pytest.mark.usefixtures("empty_folder")]


def pwl(ranks: int, *arguments: object):
    """What the command prints, run where this test is."""
    done = run(ranks, "-m", "pwl", *arguments)
    assert done.returncode == 0, done.stderr
    return done


def predictions(path) -> np.ndarray:
    return np.array([float(row[-1]) for row in list(csv.reader(Path(path).open()))[1:]])


@pytest.mark.parametrize("ranks", [2, pytest.param(3, marks=pytest.mark.slow)])
def test_train_and_predict(houses, capsys, ranks):
    own = ["--drop", "town", "--hidden", 3]  # so that no functions depend on each other
    options = [*own, "--algorithm", "scg", "--iterations", 3, "--validation", 0.2, "--test", 0.1]
    assert main(["train", str(houses), *map(str, options), "--out", "one.safetensors"]) == 0
    said = capsys.readouterr().out
    done = pwl(ranks, "train", houses, *options, "--out", "many.safetensors")
    assert done.stdout.replace("many.", "one.").splitlines()[0] == said.splitlines()[0]
    assert len(done.stdout.splitlines()) == len(said.splitlines())
    one, many = load(Path("one.safetensors")), load(Path("many.safetensors"))
    for name in ("error", "validation_error", "test_error"):
        assert np.allclose(many.record[name], one.record[name], rtol=1e-8)
    assert many.record.settings["ranks"] == ranks and len(many.record.settings["rows_a_rank"]) == ranks
    assert many.schema == one.schema
    pwl(ranks, "predict", "many.safetensors", houses, "--out", "many.csv")
    main(["predict", "many.safetensors", str(houses), "--out", "one.csv"])
    assert np.allclose(predictions("many.csv"), predictions("one.csv"), rtol=1e-12)
    wanted = {f"{name}{end}" for name in ("one", "many") for end in (".csv", ".safetensors", ".safetensors.checkpoint")}
    assert {path.name for path in Path().iterdir()} - {houses.name} == wanted


@pytest.mark.slow
def test_classes_and_resume_with_another_number_of_ranks(flowers):
    options = ["--algorithm", "scg", "--out", "net.safetensors"]
    main(["train", str(flowers), *options, "--iterations", "6", "--out", "whole.safetensors"])
    pwl(3, "train", flowers, *options, "--iterations", 3)
    pwl(2, "train", flowers, *options, "--iterations", 6, "--resume")
    many, one = load(Path("net.safetensors")).record, load(Path("whole.safetensors")).record
    assert np.allclose(many["error"], one["error"], rtol=1e-7)


def test_ctrl_c_saves_the_best_network_once(houses):
    options = ["--algorithm", "owo-bp", "--iterations", 10**6, "--max-fail", 10**6, "--checkpoint-seconds", 0]
    code, out = interrupted([Path("net.safetensors.checkpoint")], 2, "-m", "pwl", "train", houses, *options)
    assert code == 130
    assert out.count("stopped: interrupted from the keyboard") == 1
    assert load(Path("net.safetensors")).record.stop_code == "interrupted"


@pytest.mark.slow
def test_compare_shares_the_runs(houses):
    options = [houses, "--folds", 3, "--iterations", 2, "--algorithms", "molf,owo-bp"]
    main(["compare", *map(str, options), "--out", "one"])
    done = pwl(2, "compare", *options, "--out", "many")
    assert done.stdout.count("training E") == 1
    tables = [list(csv.DictReader(Path(folder, "table.csv").open())) for folder in ("one", "many")]
    for one, many in zip(*tables, strict=True):
        assert one["algorithm"] == many["algorithm"] and one["test_error"] == many["test_error"]  # the same runs, to the bit


@pytest.mark.slow
def test_wrong_options_are_said_once(houses):
    done = run(3, "-m", "pwl", "train", houses, "--target", "prize")
    assert done.returncode != 0
    assert done.stderr.count("did you mean 'price'") == 1
    done = run(2, "-m", "pwl", "compare", houses, "--jobs", 2)
    assert done.stderr.count("which share the runs already") == 1


def test_other_commands_are_done_once():
    assert pwl(2, "data").stdout.count("concrete") == 1


def test_standard_input_is_for_one_process():
    done = run(2, "-m", "pwl", "train", "-")
    assert "can be read by one process only, but there are 2 ranks" in done.stderr
