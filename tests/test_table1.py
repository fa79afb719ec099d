"""The benchmark table1: tables of made-up cells, what decides, runs that resume, and the real thing on few images."""

from __future__ import annotations

import argparse
import dataclasses
import inspect
import json
import math
import sys

import array_api_strict
import numpy as np
import pytest

import pwl
from pwl.network.passes import outputs

pytest.importorskip("benchmarks.shared.cells", reason="the benchmarks are not part of the installed package")
from benchmarks.fashion import command as fashion
from benchmarks.shared import images, paired
from benchmarks.shared.cells import Cells
from benchmarks.table1 import command as table1
from benchmarks.table1 import tables as table1_tables

# ---- means and verdicts


def test_mean_and_standard_error():
    """Of 1, 2, 3, 6: deviations -2, -1, 0, 3, variance 14/3, standard error sqrt(14/12)."""
    assert paired.mean_and_error([1, 2, 3, 6]) == pytest.approx((3, math.sqrt(14 / 12)))
    assert paired.in_words([1, 2, 3, 6], "+") == "+3.00 ± 1.08"
    assert paired.in_words([2.5]) == "2.50"


@pytest.mark.parametrize(
    ("differences", "word"),
    [
        # mean 2, standard error 1/sqrt(3): t = 3.46 is below 4.303, Student's for 2 degrees of freedom
        ([1, 2, 3], "undecided"),
        ([1.2, 2, 2.8], "higher"),  # standard error .8/sqrt(3): t = 4.33
        ([-1.2, -2, -2.8], "lower"),
        ([1.15, 2, 2.85], "undecided"),  # t = 4.08
        ([5.0], "undecided"),
        ([0.0, 0.0, 0.0], "undecided"),
        ([0.5, 0.5], "higher"),
    ],
)
def test_verdict(differences, word):
    assert paired.verdict(differences) == word


# ---- table 1 of made-up cells

LAST = {
    # depth: activation: accuracies of folds 0, 1, 2
    1: {"adact": (52, 54, 56), "relu": (50, 52, 54), "leaky-relu": (51, 54, 57)},
    2: {"adact": (62, 64, 66), "relu": (64, 66, 68), "leaky-relu": (60.8, 62, 63.2)},
}


def made_up(depth, activation, fold, protocol=table1.QUICK):
    last = LAST[depth][activation][fold]
    return {
        "depth": depth, "activation": activation, "fold": fold, "folds": 10, "protocol": dataclasses.asdict(protocol),
        "batch_size": 64, "parameters": 1000 * depth + fold, "test_patterns": 5000, "stop": "iterations",
        "seconds": 10.0 + depth, "error": [2.3, 1.5, 1.2],
        "test_accuracy": [10.0, 99.0, last],
    }  # fmt: skip


def results(depths, folds=(0, 1, 2)):
    return {(d, a, f): made_up(d, a, f) for d in depths for a in table1.ACTIVATIONS for f in folds}


def test_the_table_holds_last_accuracies_beside_the_papers():
    text = table1_tables.table(results([1, 2]), [1, 2], [0, 1, 2])
    # folds 2 apart: deviation 2, standard error 2/sqrt(3) = 1.15; 3 apart 1.73; 1.2 apart .69
    assert "| 1 | 3 | 54.00 ± 1.15 | 67.8 | 52.00 ± 1.15 | 66.56 | 54.00 ± 1.73 | 66.45 | 11 / 11 / 11 |" in text
    assert "| 2 | 3 | 64.00 ± 1.15 | 74.2 | 66.00 ± 1.15 | 71.82 | 62.00 ± 0.69 | 73.09 |" in text
    assert "folds out of 10" in text and "9000 of which train and 5000 test" in text
    assert "Adam, learning rate 0.002, schedule one_cycle, batches of 64, 3 epochs, images as they are;" in text


def test_differences_are_paired_by_fold():
    text = table1_tables.table(results([1, 2]), [1, 2], [0, 1, 2])
    assert "| 1 | ReLU | +2.00 ± 0.00 | +1.24 | higher |" in text
    assert "| 1 | leaky ReLU | +0.00 ± 0.58 | +1.35 | undecided |" in text  # 1, 0, -1
    assert "| 2 | ReLU | -2.00 ± 0.00 | +2.38 | lower |" in text
    assert "| 2 | leaky ReLU | +2.00 ± 0.46 | +1.11 | higher |" in text  # 1.2, 2, 2.8: above
    assert "does not hold: 2 of 4 higher, 1 lower, 1 undecided" in text


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (["higher"] * 6, "holds: 6 of 6"),
        (["higher"] * 5 + ["undecided"], "is undecided: 5 of 6"),
        (["higher"] * 5 + ["lower"], "does not hold: 5 of 6"),
        (["undecided", "lower"], "does not hold: 0 of 2"),
    ],
)
def test_the_papers_ordering(found, words):
    assert words in table1_tables.ordering(found)


def test_the_table_says_which_folds_are_done_and_shows_the_control():
    cells = results([1, 2]) | {(1, "relu-wide", f): made_up(1, "relu", f) | {"parameters": 1500} for f in (0, 1)}
    text = table1_tables.table(cells, [1, 2], [0, 1, 2])
    # of depth 1 folds 0 and 1 have the wider network, too: 52 and 54 against 50 and 52. Depth 2 lacks it
    assert "| 1 | 3 | 54.00 ± 1.15 | 67.8 | 52.00 ± 1.15 |" in text and "| 2 | 3 |" in text
    assert "| 1 | 1000 | 1500 | 51.00 ± 1.00 | +2.00 ± 0.00 | higher | 11 |" in text  # 1000 and 1001 parameters on average
    assert "| 2 | 2000 |" not in text
    del cells[2, "relu", 0], cells[2, "relu", 1], cells[2, "adact", 2], cells[1, "adact", 0]
    text = table1_tables.table(cells, [1, 2], [0, 1, 2])
    assert "No fold is done yet with VGG layers: 2." in text and "| 1 | 2 | 55.00 ± 1.00 |" in text


def test_the_recipe_is_the_highest_mean():
    changed = dataclasses.replace(table1.QUICK, flip=True, shift=2)
    tried = {p: [made_up(1, a, 0, p) for a in ("adact", "relu")] for p in (table1.QUICK, changed)}
    tried[changed][0]["test_accuracy"] = [10.0, 53.0]
    text = table1_tables.recipe(tried)
    assert "| 0.002 | images as they are | 52.00 | 50.00 | 51.00 | 11 / 11 |" in text
    assert "| 0.002 | half of the images mirrored, shifts by up to 2 pixels | 53.00 | 50.00 | **51.50** | 11 / 11 |" in text


def test_a_run_that_broke_off_is_named():
    cells = results([1])
    cells[1, "relu", 2] |= {"stop": "non_finite"}
    text = table1_tables.table(cells, [1], [0, 1, 2])
    assert "- ReLU, 1 VGG layers, fold 2: stopped (non_finite) after 2 epochs" in text
    assert text.count("stopped") == 1


# ---- table 1: protocols, folds, starts


def test_protocols_have_names_of_their_own():
    changed = {
        "patterns": 1000, "epochs": 7, "algorithm": "adam", "learning_rate": 0.01, "curve_rate": 0.02, "schedule": "cosine",
        "batch_size": 32, "flip": True, "shift": 3,
    }  # fmt: skip
    assert set(changed) == {field.name for field in dataclasses.fields(table1.Protocol)}
    others = [dataclasses.replace(table1.FULL, **{name: value}) for name, value in changed.items()]
    names = {str(protocol) for protocol in (table1.FULL, table1.QUICK, *others)}
    assert len(names) == 2 + len(others)
    assert str(table1.FULL) == "sgd-0.001-constant-45000-100"


def test_protocols_make_their_optimisers():
    assert table1.FULL.optimiser() == pwl.SGD(0.001, momentum=0.9)
    adam = table1.QUICK.optimiser()
    assert adam.learning_rate.steps == 3 * 141 and adam.learning_rate.rate == 0.002 and adam.curve_rate is None
    curves = dataclasses.replace(table1.QUICK, curve_rate=0.01).optimiser()
    assert curves.curve_rate.rate == 0.01 and curves.learning_rate == adam.learning_rate


def test_the_wider_network_has_more_parameters_than_the_one_with_curves():
    for depth in table1.DEPTHS:
        curved, wide = (table1.network(depth, a, 0).n_parameters for a in ("adact", table1.WIDE))
        assert curved < wide < 1.05 * curved


def test_folds_share_no_image_and_test_every_image_once():
    t = np.arange(700) % 10
    tested = []
    for fold in range(10):
        train, test = table1.split(t, 630, fold)
        tested.extend(test)
        assert np.array_equal(np.sort(np.concatenate([train, test])), np.arange(700))
        assert np.array_equal(np.bincount(t[test]), [7] * 10)
        few, same = table1.split(t, 100, fold)
        assert len(few) == 100 and set(few) <= set(train) and np.array_equal(same, test)
    assert sorted(tested) == list(range(700))
    for patterns in (63, 631):
        with pytest.raises(pwl.InputError, match="630 training images"):
            table1.split(t, patterns, 0)


def test_activations_of_a_depth_and_fold_share_their_start():
    nets = {a: table1.network(2, a, 3, (8, 8, 3)) for a in table1.ACTIVATIONS}
    for key in nets["relu"].parts:
        assert len({nets[a].parts[key].tobytes() for a in nets}) == 1, key
    assert not np.array_equal(nets["relu"].W_o, table1.network(2, "relu", 4, (8, 8, 3)).W_o)
    x = 9 * np.random.default_rng(0).standard_normal((20, 8, 8, 3)).astype(np.float32)  # far beyond the hinges, too
    y, leaky, relu = (outputs(nets[a], x) for a in ("adact", "leaky-relu", "relu"))
    np.testing.assert_allclose(y, leaky, rtol=0, atol=2e-5 * np.abs(leaky).max())
    assert np.abs(relu - leaky).max() > 1e-3 * np.abs(leaky).max()


# ---- runs


TINY = {"quick": True, "depths": [1], "folds": [0, 4], "device": "cpu", "patterns": 64, "epochs": 2}


def test_table1_runs_once_and_keeps_protocols_apart(tmp_path, few_images, capsys):
    table1.run(tmp_path, **TINY)
    path = tmp_path / "table1.jsonl"
    cells = Cells(path).all()
    assert list(cells) == [
        f"vgg1-{a}-adam-0.002-one_cycle-64-2-{fold}" for a in ("adact", "leaky-relu", "relu") for fold in (0, 4)
    ]
    found = cells["vgg1-adact-adam-0.002-one_cycle-64-2-0"]
    assert len(found["test_accuracy"]) == len(found["accuracy"]) == 3 and found["error"][2] < found["error"][0]
    assert found["settings"]["patterns"] == 64 and found["test_patterns"] == 70 and found["stop"] == "iterations"
    assert found["machine"]["commit"]
    kept = [{"key": key} | cell | {"test_accuracy": [0.0, 12.0]} for key, cell in cells.items()]
    path.write_text("".join(json.dumps(line) + "\n" for line in kept))
    table1.run(tmp_path, **TINY)
    assert "| 1 | 2 | 12.00 ± 0.00 | 67.8 | 12.00 ± 0.00 |" in capsys.readouterr().out  # of the cells that were there
    table1.run(tmp_path, **TINY | {"epochs": 1, "folds": [0]})
    assert "12.00" not in capsys.readouterr().out  # other cells
    assert {path.name for path in tmp_path.glob("*.md")} == {
        f"table1_adam-0.002-one_cycle-64-{epochs}.md" for epochs in (1, 2)
    }


def test_the_table_of_the_cells_that_are_there(tmp_path, few_images, monkeypatch, capsys):
    options = TINY | {"batch_size": 64, "quick": False, "standard": True, "folds": [0], "table": True}
    table1.run(tmp_path, **options)
    assert "no cell is there" in capsys.readouterr().out
    table1.run(tmp_path, **options | {"table": False})
    (path,) = tmp_path.glob("*.md")
    whole = path.read_text()
    assert "| 1 | 1 |" in whole and "wider ReLU" in whole
    cells = tmp_path / "table1.jsonl"
    cells.write_text("".join(line for line in cells.read_text().splitlines(True) if "relu-wide" not in line))
    monkeypatch.setattr(table1, "measure", None)
    table1.run(tmp_path, **options)
    assert "| 1 | 1 |" in path.read_text() and "wider ReLU" not in path.read_text()


def test_a_run_cut_off_goes_on_to_the_same_bits(tmp_path, few_images, monkeypatch):
    x, t = pwl.data.load("cifar-10")
    protocol = table1.Protocol(64, 3)

    def one(key):
        cells = Cells(tmp_path / "table1.jsonl")
        return images.run_cell(cells, key, lambda to: table1.measure(to, x, t, protocol, 1, "adact", 0, "cpu"))

    def checkpoints():
        return [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.checkpoint")]

    whole, train = one("whole"), pwl.train
    seen = []

    def interrupted(*arguments, **options):
        def callback(net, record):
            seen.append(record.iterations)
            if record.iterations == 2:
                raise KeyboardInterrupt

        return train(*arguments, **options, callback=callback)

    monkeypatch.setattr(pwl, "train", interrupted)
    with pytest.raises(KeyboardInterrupt):
        one("part/cut")
    assert seen == [1, 2] and checkpoints() == ["table1/part/cut.checkpoint"]
    assert "part/cut" not in Cells(tmp_path / "table1.jsonl")
    again = one("part/cut")
    assert seen == [1, 2, 3] and checkpoints() == []
    assert again["error"] == whole["error"] and again["test_accuracy"] == whole["test_accuracy"]


def test_a_run_where_the_arrays_are_not_numpys(tmp_path, few_images):
    x, t = pwl.data.load("cifar-10")
    protocol, found = table1.Protocol(64, 1), []
    for device in ("cpu", array_api_strict):
        checkpoint = tmp_path / f"{len(found)}.checkpoint"
        found.append(table1.measure(checkpoint, x, t, protocol, 1, "adact", 0, device))
    assert found[1]["error"] == pytest.approx(found[0]["error"], rel=1e-4)


@pytest.mark.parametrize("module", [table1, fashion])
def test_missing_data_are_told_and_nothing_is_written(module, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PWL_DATA_HOME", str(tmp_path / "empty"))

    def find(file):
        raise pwl.InputError(f"{file.path} is missing")

    monkeypatch.setattr(sys.modules["pwl.data.load"], "find", find)  # it would download
    module.run(tmp_path / "out", **defaults(module))
    assert "not run (" in capsys.readouterr().out and not (tmp_path / "out").exists()


@pytest.mark.parametrize("module", [table1, fashion])
def test_options_are_what_run_takes(module):
    inspect.signature(module.run).bind(out=None, **defaults(module))


def defaults(module):
    parser = argparse.ArgumentParser()
    module.add_arguments(parser)
    return vars(parser.parse_args([])) | {"quick": True}


# ---- the real data


@pytest.mark.slow
def test_real_images(tmp_path, data_home):
    table1.run(tmp_path, True, [1], [0], "cpu", patterns=128, epochs=1)
    cells = Cells(tmp_path / "table1.jsonl").all()
    cell = next(cell for key, cell in cells.items() if "adact" in key)
    assert cell["test_patterns"] == 5000 and 5 < cell["test_accuracy"][-1] < 60
